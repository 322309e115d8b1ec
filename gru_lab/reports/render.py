"""A table as text: for the terminal (rich), Markdown, CSV and LaTeX (booktabs)."""

import math
from typing import TYPE_CHECKING

from gru_lab.reports.table import BEST, Entry, Table

if TYPE_CHECKING:
    from rich.console import Console

COST = "parameters · time"
WIDEST = 8  # columns side by side in a file; with more, every task gets a table of its own, a line an entry


def cells(entry: Entry | None) -> str:
    """`0.0012 [0.0010, 0.0015] 5/5`; nothing where there was no run."""
    return " ".join(part for part in (entry.value, entry.bounds, entry.count) if part) if entry else ""


def print_table(table: Table, console: "Console") -> None:
    """Print the table and its notes: the best entry in bold with a star, the cost of each under it.

    Where the columns do not fit side by side (a pipe has room for 160 characters), every task gets a table of its
    own, a line an entry.
    """
    from rich import box
    from rich.markup import escape
    from rich.table import Table as Grid
    from rich.text import Text

    def marked(entry: Entry | None) -> Text:
        return Text(f"{cells(entry)} *", "bold green") if entry and entry.best else Text(cells(entry))

    def grid(*columns: str) -> Grid:
        return Grid(*map(escape, columns), box=box.SIMPLE_HEAD, pad_edge=False)

    wide, tall = grid("task", "metric", *table.columns), []
    for row in table.rows:
        entries = [row.entries.get(column) for column in table.columns]
        costs = [Text(entry.cost if entry else "", "dim") for entry in entries]
        wide.add_row(Text(row.label), row.metric, *map(marked, entries))
        wide.add_row("", Text(COST, "dim"), *costs, end_section=True)
        of_task = grid("cell", row.metric, COST)
        for column, entry in row.entries.items():
            of_task.add_row(Text(column), marked(entry), Text(entry.cost, "dim"))
        tall += [Text(row.label, "bold"), of_task]

    if not console.is_terminal:
        console.width = max(console.width, 160)
    needed = console.measure(wide, options=console.options.update(width=10_000)).maximum
    for part in [wide] if needed <= console.width else tall:
        console.print(part)
    for note in (f"*: {BEST}.", *table.notes):
        console.print(Text(note, "dim"), soft_wrap=not console.is_terminal)


def markdown(table: Table) -> str:
    """The table as GitHub shows it, with its notes as a list."""

    def line(parts: list[str]) -> str:
        return f"| {' | '.join(part.replace('|', chr(92) + '|') for part in parts)} |"

    def marked(entry: Entry | None) -> str:
        return f"**{cells(entry)}**" if entry and entry.best else cells(entry)

    lines = []
    if len(table.columns) <= WIDEST:
        lines += [line(["task", "metric", *table.columns]), line(["---"] * (2 + len(table.columns)))]
        for row in table.rows:
            entries = [row.entries.get(column) for column in table.columns]
            lines.append(line([row.label, row.metric, *map(marked, entries)]))
            lines.append(line(["", COST, *(entry.cost if entry else "" for entry in entries)]))
    else:
        for row in table.rows:
            lines += [*([""] if lines else []), line([row.label, row.metric, COST]), line(["---"] * 3)]
            lines += [line([column, marked(entry), entry.cost]) for column, entry in row.entries.items()]
    notes = [f"- **Bold**: {BEST}.", *(f"- {note}" for note in table.notes)]
    return "\n".join([*lines, "", *notes, ""])


def csv(table: Table) -> str:
    """One line an entry, all digits; an empty field where there is no number."""
    import pandas as pd

    lines = []
    for row in table.rows:
        for column, entry in row.entries.items():
            record, found = entry.record, entry.interval
            bounded = found is not None and math.isfinite(found.high - found.low)
            lines.append({
                "task": row.label, "cell": column, "metric": record.metric, "better": record.better,
                "mean": found.mean if found else None,
                "low": found.low if found and bounded else None,
                "high": found.high if found and bounded else None,
                "interval": found.method if found else "none", "values": found.n if found else 0,
                "best": entry.best, "seeds": entry.members, "solved": entry.solved, "diverged": entry.diverged,
                "floor": record.floor, "threshold": record.threshold,
                "hidden": record.hidden, "parameters": record.parameters,
                "parameters_relative_to_rnn": entry.parameters_ratio,
                "seconds_per_update": entry.seconds, "time_relative_to_rnn": entry.time_ratio,
                "device": record.device, "config_hash": record.config_hash,
            })  # fmt: skip
    return pd.DataFrame(lines).to_csv(index=False, lineterminator="\n")


LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "↓": r"$\downarrow$",
    "↑": r"$\uparrow$", "×": r"$\times$", "·": r"$\cdot$", "µ": r"$\mu$",
}  # fmt: skip


def escaped(text: str) -> str:
    """The text as LaTeX prints it."""
    return text.translate(str.maketrans(LATEX))


def latex(table: Table) -> str:
    r"""A `table` environment for `\input`; it needs `\usepackage{booktabs}`.

    An entry takes three lines, so that three cells fit into a text column; with more than eight cells, a line an entry.
    """

    def line(parts: list[str]) -> str:
        return " & ".join(parts) + r" \\"

    tall = len(table.columns) > WIDEST
    lines = [
        r"% needs \usepackage{booktabs}",
        r"\begin{table}[t]", r"\centering\footnotesize\setlength{\tabcolsep}{3pt}",
        rf"\begin{{tabular}}{{{'lll' if tall else 'll' + 'c' * len(table.columns)}}}", r"\toprule",
    ]  # fmt: skip
    if not tall:
        lines.append(line([escaped(part) for part in ("task", "metric", *table.columns)]))
    for n, row in enumerate(table.rows):
        if tall:
            lines += [*([r"\midrule"] if n else []), line([escaped(part) for part in (row.label, row.metric, COST)])]
            lines.append(r"\midrule")
            for column, entry in row.entries.items():
                value = escaped(cells(entry))
                value = rf"\textbf{{{value}}}" if entry.best else value
                lines.append(line([escaped(column), value, escaped(entry.cost)]))
            continue
        entries = [row.entries.get(column) for column in table.columns]
        metric, _, floor = row.metric.partition(" (")
        values = [escaped(f"{entry.value} {entry.count}") if entry else "" for entry in entries]
        lines += [
            r"\midrule",
            line([
                escaped(row.label), escaped(metric),
                *(rf"\textbf{{{v}}}" if e and e.best else v for v, e in zip(values, entries, strict=True)),
            ]),
            line(["", escaped(floor.rstrip(")")), *(escaped(entry.bounds) if entry else "" for entry in entries)]),
            line(["", escaped(COST), *(escaped(entry.cost) if entry else "" for entry in entries)]),
        ]  # fmt: skip
    notes = [rf"\textbf{{Bold}}: {BEST}.", *(escaped(note) for note in table.notes)]
    lines += [r"\bottomrule", r"\end{tabular}", r"\par\smallskip", r"\begin{minipage}{\linewidth}\scriptsize"]
    lines += [rf"{note}\par" for note in notes]
    return "\n".join([*lines, r"\end{minipage}", r"\end{table}", ""])
