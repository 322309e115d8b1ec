"""The vanishing gradient, drawn: the norm of dL/dh against the lag, at initialisation and after training."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from gru_lab.reports.panels import WHEN, Axes, Curves, two_panels
from gru_lab.reports.style import Palette
from gru_lab.runs import Record
from gru_lab.schema import UserError

if TYPE_CHECKING:
    import numpy as np

AXES = Axes("lag (steps back)", "norm of the gradient\n" + r"$\|\partial L\,/\,\partial h_{T-\mathrm{lag}}\|$")


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
    """One task: the norms against the lag, which counts the steps back from the last one, whose loss is differentiated.

    PNG and PDF; nothing if no run measured.
    """
    measured = {column: gradient_flow(record) for column, record in runs.items()}
    found = {column: Curves(runs[column].cell, *flow) for column, flow in measured.items() if flow is not None}
    return two_panels(title, found, colours, AXES)
