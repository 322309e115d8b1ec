"""The tables and figures of `experiments/newton.py`: iterations of Newton's method against the Lyapunov exponent."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gru_lab.errors import UserError
from gru_lab.reports.labels import layout
from gru_lab.reports.measured import over_time
from gru_lab.reports.style import looks, sheet
from gru_lab.runs import Group

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = (
    "cell", "scale", "structure", "affine", "horizon", "exponent", "error",
    "iterations", "most_iterations", "fell_back",
)  # fmt: skip
MARKS = {  # a colour and a shape for what a scan multiplies; nothing is iterated where the step is affine
    "affine": ("#7F7F7F", "x"),
    "number": ("#009E73", "o"),
    "block": ("#0072B2", "s"),
    "matrix": ("#D55E00", "^"),
}
LOWEST, HIGHEST = -1.5, 0.5  # nats per step that are drawn; what lies beyond is drawn there

Rows = Sequence[Mapping[str, Any]]


def fresh_figure(rows: Rows, on: "Axes | None" = None) -> "Figure":
    """The iterations of fresh cells against their leading exponents; hollow where half of the sequences fell back."""
    rows = [row for row in rows if row["exponent"] not in ("", "nan")]
    with sheet(2.1, [*MARKS], on) as drawing:
        axes, handles = drawing.panels[0, 0], []
        axes.axvline(0, color="0.6", linewidth=0.8)
        for kind, (colour, marker) in MARKS.items():
            here = [row for row in rows if kind == ("affine" if str(row["affine"]) == "True" else row["structure"])]
            style: dict[str, Any] = {"color": colour, "marker": marker, "linestyle": "none", "markersize": 3}
            handles += axes.plot([], [], label=kind, **style)
            for fell in (False, True):
                points = [row for row in here if (float(row["fell_back"]) >= 0.5) == fell]
                xs = [min(max(float(row["exponent"]), LOWEST), HIGHEST) for row in points]
                ys = [max(float(row["iterations"]), 1) for row in points]
                inside = {"markerfacecolor": "white"} if fell and marker != "x" else {}
                axes.plot(xs, ys, **style, **inside, alpha=0.8)
        axes.set(yscale="log", xlabel="leading Lyapunov exponent (nats per step)", ylabel="iterations")
        drawing.title("Does the exponent say what Newton's method costs?", "hollow: half of the sequences fell back")
        drawing.legend(handles)
        return drawing.figure


def training(groups: Sequence[Group]) -> list[dict[str, Any]]:
    """The iterations and the leading exponent of members over their updates, a row per network, update and seed.

    Raises:
        UserError: if a group was not measured while it trained.
    """
    rows, placed = [], layout(groups)
    for task in placed.rows:
        for network, group in placed.row(task).items():
            asked = (("newton", "iterations"), ("newton", "fell_back"), ("lyapunov", "exponents"))
            measured = [each for name, array in asked if (each := over_time(group, name, array)) is not None]
            if len(measured) < len(asked):
                folder = group.shared.folder.parent.parent if group.shared.folder else network
                raise UserError(f"{folder} was trained without callbacks.diagnostics.names=[newton,lyapunov]")
            (updates, iterations), (_, fell), (_, exponents) = measured
            for n, update in enumerate(updates):
                for member, record in enumerate(group.members):
                    values = (iterations[n, member], fell[n, member], exponents[n, member, 0])
                    rows.append(
                        {"task": task, "network": network, "cell": group.shared.network, "seed": record.member.seed}
                        | {"update": int(update)}
                        | dict(zip(("iterations", "fell_back", "exponent"), (f"{v:.5g}" for v in values), strict=True))
                    )
    return rows


def training_figure(rows: Rows, on: "Sequence[Axes] | None" = None) -> "Figure":
    """Iterations and leading exponents of networks while they train: medians and ranges of the seeds."""
    import numpy as np

    networks = list(dict.fromkeys(row["network"] for row in rows))
    cell_of = {row["network"]: row["cell"] for row in rows}
    with sheet(2.0, networks, on, columns=2) as drawing:
        handles: list[Any] = []
        for panel, column in zip(drawing.panels[0], ("iterations", "exponent"), strict=True):
            handles = []
            for network, look in zip(networks, looks([cell_of[name] for name in networks]), strict=True):
                here = [row for row in rows if row["network"] == network]
                updates = sorted({int(row["update"]) for row in here})
                values = [np.array([float(row[column]) for row in here if int(row["update"]) == n]) for n in updates]
                panel.fill_between(
                    updates, [v.min() for v in values], [v.max() for v in values], color=look["color"], alpha=0.15,
                    linewidth=0,
                )  # fmt: skip
                handles += panel.plot(updates, [float(np.median(v)) for v in values], **look, label=network)
            panel.set(xlabel="update", xlim=(0, None))
        drawing.panels[0, 0].set(ylabel="iterations", ylim=(0, None))
        drawing.panels[0, 1].set(ylabel="leading exponent\n(nats per step)")
        drawing.panels[0, 1].axhline(0, color="0.6", linewidth=0.8)
        drawing.title("Newton's method while networks learn", "line: median; band: range of the seeds")
        drawing.legend(handles)
        return drawing.figure
