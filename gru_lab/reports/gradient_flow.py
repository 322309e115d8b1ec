"""The vanishing gradient, drawn: the norm of dL/dh against the lag, at initialisation and after training."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from gru_lab.reports.measured import measured
from gru_lab.reports.panels import Curves, Scales, two_panels
from gru_lab.reports.style import Palette
from gru_lab.runs import Group

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SCALES = Scales("lag (steps back)", "norm of the gradient\n" + r"$\|\partial L\,/\,\partial h_{T-\mathrm{lag}}\|$")


def gradient_flow(group: Group) -> "dict[str, np.ndarray]":
    """The norms (members, lags) by `initial` and `trained`; empty if none was measured."""
    return {when: values["norm"] for when, values in measured(group, "gradient_flow").items()}


def gradient_flow_figure(
    title: str, groups: Mapping[str, Group], colours: Palette | None = None, on: "Axes | Sequence[Axes] | None" = None
) -> "Figure | None":
    """One task: the norms against the lag, which counts the steps back from the last one, whose loss is differentiated.

    None if no group measured.
    """
    import numpy as np

    curves = {}
    for column, group in groups.items():
        if norms := gradient_flow(group):
            lags = np.arange(next(iter(norms.values())).shape[1])
            curves[column] = Curves(group.shared.network, lags, norms)
    return two_panels(title, curves, SCALES, colours, on)
