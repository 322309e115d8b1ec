"""Equations of docstrings, such as `h' = z * h + (1 - z) * n`, as LaTeX, and LaTeX as MathML."""

import html
import re
from collections.abc import Iterator

from latex2mathml.converter import convert

GREEK = {"alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "lambda", "mu", "nu", "rho", "sigma"}
GREEK |= {"tau", "phi", "omega", "Lambda", "Phi"}
OPERATORS = {
    "*": r"\odot ",
    "<-": r"\leftarrow ",
    "<=": r"\leq ",
    ">=": r"\geq ",
    "...": r"\dots ",
    "..": r"\dots ",
    "<": r"\lt ",
    ">": r"\gt ",
    "{": r"\{",
    "}": r"\}",
}
NAMES = {"dt", "dh", "dm"}  # of variables
TOKEN = re.compile(
    r"""(?P<string>"[^"]*")
      | (?P<power>\^(?:\([^()]*\)|-?\w+))
      | (?P<below>_(?:\([^()]*\)|\w+))
      | (?P<number>\d+(?:\.\d+)?(?:e-?\d+)?(?=\W|[a-z]\b|$))
      | (?P<name>[^\W\d_]+)(?P<more>~?'?(?:_(?:\([^()]*\)|[^\W_]+))*'?)
      | (?P<operator><-|<=|>=|\.\.\.|\.\.|[^\w\s])""",
    re.VERBOSE,
)


def latex(text: str) -> str:
    r"""A term or an equation as LaTeX.

    >>> print(latex("r  = sigmoid(x W_r + h U_r + b_r)"))
    r=\operatorname{sigmoid}(x\,W_{r}+h\,U_{r}+b_{r})
    """
    out, at, operand = "", 0, False
    while match := TOKEN.search(text, at):
        at, kind = match.end(), match.lastgroup if match["name"] is None else "name"
        piece, ends = match[0], True
        if kind == "power":
            out += f"^{{{_inside(piece[1:])}}}"
            operand = True
            continue
        if kind == "below":
            out += f"_{{{_inside(piece[1:])}}}"
            continue
        if kind == "string":
            piece = rf"\text{{{piece}}}"
        elif kind == "number" and "e" in piece:
            piece = re.sub(r"(.*)e(.*)", r"\1 \\cdot 10^{\2}", piece)
        elif kind == "name":
            if match["name"] == "sqrt" and text[at : at + 1] == "(":
                end = _closing(text, at)
                piece, at = rf"\sqrt{{{latex(text[at + 1 : end])}}}", end + 1
            else:
                piece, ends = _name(match["name"], match["more"], text[at : at + 1])
        elif kind == "operator":
            ends = piece in ")]|'"
            piece = OPERATORS.get(piece, piece)
        begins = kind in ("name", "number", "string") or match[0] in "(["
        spaced = match.start() and text[match.start() - 1] == " "
        out += (r"\," if operand and begins and spaced else "") + piece
        operand = ends
    return out.strip()


def _name(name: str, more: str, following: str) -> tuple[str, bool]:
    """A name as LaTeX, and true where it is a factor, false where it is a function."""
    if name in GREEK:
        base = "\\" + name
    elif len(name) == 1 or name in NAMES:
        base = name if len(name) == 1 else rf"\mathit{{{name}}}"
    elif following == "(" or name in ("tanh", "relu", "exp", "log", "sigmoid", "max", "Re"):
        base = rf"\operatorname{{{name}}}"
    elif more.strip("'~"):
        base = rf"\mathrm{{{name}}}"
    else:
        return rf"\text{{ {name} }}", False
    if "~" in more:
        base = rf"\tilde{{{base}}}"
    parts = [part.strip("()") for part in re.findall(r"_(\([^()]*\)|[^\W_]+)", more)]
    primes = "'" * more.count("'")
    below = ",".join(map(_inside, parts))
    return base + primes + (f"_{{{below}}}" if below else ""), not base.startswith(r"\operatorname")


def _inside(text: str) -> str:
    """The inside of a subscript or an exponent."""
    text = text.removeprefix("(").removesuffix(")")
    if text == "T":
        return r"\top"
    if not text.isalpha() or text in GREEK:
        return latex(text)
    return text if len(text) < 3 else rf"\mathrm{{{text}}}"


def _closing(text: str, at: int) -> int:
    """The place of the bracket that closes the one at a place."""
    depth = 0
    for place in range(at, len(text)):
        depth += (text[place] == "(") - (text[place] == ")")
        if not depth:
            return place
    return len(text)


def segments(line: str) -> Iterator[tuple[str, bool]]:
    """The parts of a line between wide spaces, each with true where it is an equation, false where it is a remark."""
    line = re.sub(r"\s+(=|<-) ", r" \1 ", line.strip(), count=1)
    parts, start, depth = [], 0, 0
    for match in re.finditer(r"[()]|\s{2,}", line):
        depth += (match[0] == "(") - (match[0] == ")")
        if not depth and match[0].isspace():
            parts.append(line[start : match.start()])
            start = match.end()
    parts.append(line[start:])
    equation = True
    for n, part in enumerate(parts):
        if n:
            equation = equation and parts[n - 1].endswith((",", ";")) and bool(re.search(r"\w'?\S* = ", part))
        yield part, equation


def rows(equations: str) -> str:
    """The equations of a docstring as a table of MathML: the new value, its equation, a remark."""
    out = []
    for line in filter(str.strip, equations.splitlines()):
        parts = list(segments(line))
        text = r",\quad ".join(_equation(part.rstrip(",")) for part, equation in parts if equation)
        remark = html.escape("  ".join(part for part, equation in parts if not equation))
        left, sign, right = text.partition("=" if "=" in text else r"\leftarrow ")
        if r"\text" in left:
            left, sign, right = "", "", text
        cells = [_math(left), _math(sign + right), f"<code>{remark}</code>" if remark else ""]
        out.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    return f'<div class="equations"><table>{"".join(out)}</table></div>'


def _equation(part: str) -> str:
    """An equation as LaTeX; where it is a sentence, its words."""
    text = latex(part)
    return rf"\text{{{part}}}" if text.count(r"\text") > 3 else text


def _math(text: str) -> str:
    return convert(text) if text.strip() else ""


def typeset(page: str) -> str:
    """The HTML of a page with MathML in place of the LaTeX that arithmatex marked."""

    def converted(match: re.Match[str]) -> str:
        text, block = html.unescape(match[2]), match[1] == "div"
        return convert(text.strip()[2:-2], display="block" if block else "inline")

    return re.sub(r'<(div|span) class="arithmatex">(.*?)</\1>', converted, page, flags=re.DOTALL)
