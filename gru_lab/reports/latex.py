"""Blocks as LaTeX."""

from collections.abc import Iterator, Sequence

from gru_lab.reports import escape
from gru_lab.reports.blocks import Block, Code, Details, Figure, Heading, Table, Text, Words, aligned, joined

ARTICLE = r"""\documentclass{article}
\usepackage{booktabs,graphicx}
\title{%s}
\date{}
\begin{document}
\maketitle

%s
\end{document}
"""


def latex(blocks: Sequence[Block]) -> str:
    r"""Blocks for `\input`; tables need `\usepackage{booktabs}`, figures `\usepackage{graphicx}`."""
    return "\n".join(line for block in blocks for line in (*_latex(block), ""))


def _latex(block: Block) -> Iterator[str]:
    def words(parts: Words) -> str:
        return joined(parts, escape.latex, lambda text: rf"\textbf{{{text}}}")

    match block:
        case Heading(text, level):
            yield rf"\{'sub' * max(0, min(level, 4) - 2)}section*{{{escape.latex(text)}}}"
        case Text(parts):
            yield words(parts)
        case Code(text):
            lines = [escape.latex(line).replace(" ", r"\ ") for line in text.splitlines()]
            yield rf"{{\ttfamily\raggedright {(chr(92) * 2 + chr(10)).join(lines)}\par}}"
        case Details(summary, blocks):
            yield rf"\paragraph{{{escape.latex(summary)}}}"
            yield latex(blocks)
        case Table(head, rows, align, sections, notes, caption, label):
            yield r"\begin{table*}[t]"
            if caption:
                yield rf"\caption{{{escape.latex(caption)}}}"
            if label:
                yield rf"\label{{{label}}}"
            yield r"\centering\footnotesize\setlength{\tabcolsep}{3pt}"
            yield rf"\begin{{tabular}}{{{aligned(head, align)}}}"
            yield r"\toprule"
            yield rf"{' & '.join(map(words, head))} \\"
            yield r"\midrule"
            for n, row in enumerate(rows):
                if n and n in sections:
                    yield r"\midrule"
                yield rf"{' & '.join(map(words, row))} \\"
            yield r"\bottomrule"
            yield r"\end{tabular}"
            if notes:
                yield r"\par\smallskip"
                yield r"\begin{minipage}{\linewidth}\scriptsize"
                yield from (rf"{words(note)}\par" for note in notes)
                yield r"\end{minipage}"
            yield r"\end{table*}"
        case Figure(name, files, caption) if "pdf" in files or "png" in files:
            suffix = "pdf" if "pdf" in files else "png"
            yield r"\begin{figure}[t]"
            yield r"\centering"
            yield rf"\includegraphics[width=\linewidth]{{{name}.{suffix}}}"
            yield rf"\caption{{{escape.latex(caption)}}}"
            yield r"\end{figure}"


def page(title: str, blocks: Sequence[Block]) -> str:
    """A whole article."""
    return ARTICLE % (escape.latex(title), latex(blocks))
