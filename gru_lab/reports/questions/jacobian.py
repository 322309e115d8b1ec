"""The question of the Jacobian: how strongly a state far back can still move the last one, whatever the loss."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gru_lab.reports.panels import Curves, Scales, two_panels
from gru_lab.reports.questions.question import Answer, Question, both, register
from gru_lab.reports.statistics import summary
from gru_lab.reports.style import Palette

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SCALES = Scales("lag (steps back)", "spectral norm\n" + r"$\|\partial h_T\,/\,\partial h_{T-\mathrm{lag}}\|_2$")


@register("jacobian")
@dataclass(frozen=True, kw_only=True)
class Jacobian(Question):
    """The spectral norm of dh_T/dh_{T-lag} against the lag."""

    title = "How strongly can a state far back still move the last one?"
    diagnostic = "jacobian"
    sequences = 4
    place = 1

    def draw(
        self,
        task: str,
        answers: Mapping[str, Answer],
        colours: Palette | None = None,
        on: "Axes | Sequence[Axes] | None" = None,
    ) -> "Figure | None":
        """See `Question.draw`."""
        import numpy as np

        curves = {}
        for label, answer in answers.items():
            logs = {when: measured["log_singular_values"][..., 0] for when, measured in answer.measured.items()}
            norms = {when: np.exp(np.clip(values, -600, 600)) for when, values in logs.items()}
            curves[label] = Curves(answer.network, np.arange(next(iter(norms.values())).shape[1]), norms)
        return two_panels(task, curves, SCALES, colours, on)

    def rows(self, label: str, answer: Answer) -> Sequence[tuple[str, str, str]]:
        """See `Question.rows`."""

        def say(measured: Mapping) -> str:
            lags = measured["log_singular_values"].shape[1]
            reached = f" of {lags}" if (measured["horizon"] >= lags).any() else ""
            largest = summary(measured["log_singular_values"][..., 0].max(axis=1), ".2g")
            return f"{summary(measured['horizon'], '.0f')}{reached} steps, largest log norm {largest}"

        return [(label, *both(answer, say))]

    def text(self) -> str:
        """See `Question.text`."""
        return (
            "The largest singular value of the end-to-end Jacobian: no loss can receive more gradient from `lag` steps "
            "back than this lets through, and where it rises above 1 a gradient can explode. The table gives its "
            "horizon, defined as for the gradient, and the largest natural logarithm of it over all lags."
        )
