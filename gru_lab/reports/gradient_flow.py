"""The vanishing gradient, drawn: the norm of dL/dh against the lag, at initialisation and after training."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from gru_lab.reports.style import Palette, figure, files, legend, looks
from gru_lab.runs import Record
from gru_lab.schema import UserError

if TYPE_CHECKING:
    import numpy as np

WHEN = {"initial": "at initialisation", "trained": "after training"}
DEPTH = 1e-16  # of the largest norm drawn: whatever is below counts as vanished


def gradient_flow(record: Record) -> "tuple[np.ndarray, dict[str, np.ndarray]] | None":
    """The lags (T,) and the norms (members, T) by `initial` and `trained`; None if the run measured none.

    Raises `UserError` if `gradient_flow.json` is not whole.
    """
    import numpy as np

    path = record.folder / "gradient_flow.json" if record.folder else None
    if path is None or not path.exists():
        return None
    try:
        content = json.loads(path.read_text())
        lags = np.array(content["lags"], float)
        # null, the JSON of NaN, becomes NaN again
        norms = {when: np.array(content[when], float).reshape(-1, len(lags)) for when in WHEN}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} cannot be read: {error}") from None
    return lags, norms


def gradient_flow_figure(title: str, runs: Mapping[str, Record], colours: Palette) -> dict[str, bytes]:
    """One task: the median over the members and a band from the smallest to the largest, on a log axis.

    The lag counts the steps back from the last one, whose loss is differentiated. Norms below 1e-16 of the largest,
    zeros among them, lie on the lower edge. Diverged members are left out. PNG and PDF; nothing if no run measured.
    """
    import numpy as np

    measured = {column: gradient_flow(record) for column, record in runs.items()}
    found = {column: flow for column, flow in measured.items() if flow is not None}
    drawn = np.concatenate([np.zeros(0), *(norms[when].ravel() for _, norms in found.values() for when in WHEN)])
    drawn = drawn[np.isfinite(drawn) & (drawn > 0)]
    if not drawn.size:
        return {}
    edge = max(drawn.max() * DEPTH, drawn.min() / 2)

    handles = []
    with figure(1.9, len(found)) as page:
        panels = page.subplots(1, 2, sharey=True)
        for axes, (when, heading) in zip(panels, WHEN.items(), strict=True):
            handles = []
            for (column, (lags, norms)), look in zip(
                found.items(), looks([runs[c].cell for c in found], colours), strict=True
            ):
                members = norms[when][np.isfinite(norms[when]).all(axis=1)]
                handles += axes.plot([], [], **look, label=column)
                if len(members):
                    clipped = np.maximum(members, edge)
                    axes.fill_between(lags, clipped.min(0), clipped.max(0), color=look["color"], alpha=0.2, linewidth=0)
                    axes.plot(lags, np.median(clipped, axis=0), **look)
            axes.set_yscale("log")
            axes.set_ylim(edge, 2 * drawn.max())
            axes.set_xlim(left=0)
            axes.set(title=heading, xlabel="lag (steps back)")
        panels[0].set_ylabel("norm of the gradient\n" + r"$\|\partial L\,/\,\partial h_{T-\mathrm{lag}}\|$")
        page.suptitle(f"{title}\nline: median; band: range of the seeds", fontsize=8)
        legend(page, handles)
        return files(page)
