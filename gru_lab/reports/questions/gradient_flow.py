"""The question of gradient flow: how far back the gradient of the loss reaches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gru_lab.reports.gradient_flow import SCALES
from gru_lab.reports.panels import Curves, two_panels
from gru_lab.reports.questions.question import Answer, Question, both, register
from gru_lab.reports.statistics import summary
from gru_lab.reports.style import Palette

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@register("gradient_flow")
@dataclass(frozen=True, kw_only=True)
class GradientFlow(Question):
    """The norm of dL/dh against the lag, its rate of decay, and the gradient horizon."""

    title = "How far back does the gradient of the loss reach?"
    diagnostic = "gradient_flow"
    sequences = 64
    place = 0

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
            norms = {when: measured["norm"] for when, measured in answer.measured.items()}
            curves[label] = Curves(answer.network, np.arange(next(iter(norms.values())).shape[1]), norms)
        return two_panels(task, curves, SCALES, colours, on)

    def rows(self, label: str, answer: Answer) -> Sequence[tuple[str, str, str]]:
        """See `Question.rows`."""

        def say(measured: Mapping) -> str:
            lags = measured["norm"].shape[1]
            horizons = summary(measured["horizon"], ".0f")
            reached = f" of {lags}" if (measured["horizon"] >= lags).any() else ""
            return f"{horizons}{reached} steps, {summary(measured['decay_rate'], '.2g')} nats per step"

        return [(label, *both(answer, say))]

    def text(self) -> str:
        """See `Question.text`."""
        return (
            "The norm of the gradient of the last step's loss with respect to the state `lag` steps before (Arjovsky "
            "2016, figure 4), of a network without a state with respect to its input there. The table gives the "
            "gradient horizon, the first lag from which the norm stays under a thousandth of its value at lag 0 (a "
            "horizon of all lags means: at least so many), and the slope of its logarithm over all lags: below 0 the "
            "gradient vanishes."
        )
