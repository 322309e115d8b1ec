"""Words that people chose (names, paths, errors), made harmless where they leave: terminal, page or figure.

Everything that writes text for a reader passes it through one function of this module, once.
"""

import textwrap
import unicodedata

SPACES = frozenset("\n\r\t\v\f\x1c\x1d\x1e\x1f\x85\u2028\u2029")
HIDDEN = ("C", "Zl", "Zp")  # categories of characters that are not seen: controls, marks of direction, surrogates
HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"}
MARKDOWN = {"\\": r"\\", "*": r"\*", "`": r"\`", "~": r"\~", "$": r"\$", "&": "&amp;", "<": "&lt;", ">": "&gt;"}
LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "↓": r"$\downarrow$", "↑": r"$\uparrow$", "×": r"$\times$", "·": r"$\cdot$", "µ": r"$\mu$",
    "∂": r"$\partial$", "−": "-", '"': "''",
}  # fmt: skip


def plain(text: object) -> str:
    r"""One line whose every character is seen: a break becomes a space, an escape sequence `\x1b`.

    >>> plain("a\nb \x1b[31mred")
    'a b \\x1b[31mred'
    """
    if (line := str(text)).isascii() and line.isprintable():
        return line

    def seen(letter: str) -> str:
        if letter in SPACES:
            return " "
        hidden = unicodedata.category(letter).startswith(HIDDEN)
        return letter.encode("ascii", "backslashreplace").decode() if hidden and ord(letter) > 127 else (
            f"\\x{ord(letter):02x}" if hidden else letter)  # fmt: skip

    return "".join(map(seen, line)).strip()


def html(text: object) -> str:
    """The text as HTML shows it, inside of elements and of quoted attributes."""
    return plain(text).translate(str.maketrans(HTML))


def markdown(text: object, begins: bool = False) -> str:
    r"""The text as Markdown shows it: in a cell of a table or inside of a line, or where it `begins` a line.

    Brackets stay legible: only those that would make a link are escaped, and no underscore inside a word.

    >>> markdown("temporal_order [1, 2] *a* [b](c)")
    'temporal_order [1, 2] \\*a\\* [b\\](c)'
    """
    line = plain(text).translate(str.maketrans(MARKDOWN)).replace("|", r"\|")
    line = line.replace("](", r"\](").replace("][", r"\][").replace("[^", r"\[^").replace("]:", r"\]:")
    letters = list(line)
    for n, letter in enumerate(letters):
        inside = 0 < n < len(line) - 1 and line[n - 1].isalnum() and line[n + 1].isalnum()
        if letter == "_" and not inside:
            letters[n] = r"\_"
    line = "".join(letters)
    if not begins:
        return line
    if line.startswith(("#", "-", "+", "=")):  # a heading, a list, or a line under a heading
        return "\\" + line
    number, dot, rest = line.partition(".")
    return f"{number}\\.{rest}" if dot and number.isdigit() and rest.startswith(" ") else line


def latex(text: object) -> str:
    """The text as LaTeX prints it; a letter that plain LaTeX may not know becomes a question mark."""
    line = plain(text).translate(str.maketrans(LATEX))
    return unicodedata.normalize("NFKD", line).encode("ascii", "replace").decode() if not line.isascii() else line


def figure(text: object, width: int = 0) -> str:
    """The text in a figure, without formulas; broken into lines of at most `width` letters."""
    line = plain(text)
    lines = textwrap.wrap(line, width) or [""] if width else [line]
    return "\n".join(lines).replace("$", r"\$")
