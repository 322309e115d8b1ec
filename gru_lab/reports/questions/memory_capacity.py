"""The question of memory: the number of past inputs that can be read from the outputs."""

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

SCALES = Scales("lag (steps back)", "recalled (squared\ncorrelation)", log=False, floor=0.0)


@register("memory_capacity")
@dataclass(frozen=True, kw_only=True)
class MemoryCapacity(Question):
    """The linear memory capacity, and the squared correlations that it sums."""

    title = "How many past inputs can be read from the outputs?"
    diagnostic = "memory_capacity"
    sequences = 1
    place = 5

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
            recalled = {when: measured["recalled"] for when, measured in answer.measured.items()}
            curves[label] = Curves(answer.network, np.arange(next(iter(recalled.values())).shape[1]), recalled)
        return two_panels(task, curves, SCALES, colours, on)

    def rows(self, label: str, answer: Answer) -> Sequence[tuple[str, str, str]]:
        """See `Question.rows`."""
        return [(label, *both(answer, lambda measured: f"{summary(measured['capacity'], '.1f')} inputs"))]

    def text(self) -> str:
        """See `Question.text`."""
        return (
            "Linear memory capacity (Jaeger 2001): the cell is driven by white noise on all of its inputs, and a ridge "
            "regression reads the noise of `lag` steps before from its outputs; the capacity is the sum of the squared "
            "correlations on held-out steps, at most the number of units."
        )
