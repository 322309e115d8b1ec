"""The question of stability: whether small differences of the state die, stay or grow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from gru_lab.reports.panels import Curves, Scales, two_panels
from gru_lab.reports.questions.question import Answer, Question, both, register
from gru_lab.reports.statistics import summary
from gru_lab.reports.style import Palette

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LOWEST = -5.0  # nats per step: what dies faster is gone after a step or two


@register("lyapunov")
@dataclass(frozen=True, kw_only=True)
class Lyapunov(Question):
    """The Lyapunov spectrum along the task's inputs."""

    title = "Do small differences of the state die, stay or grow?"
    diagnostic = "lyapunov"
    fields: ClassVar[Mapping[str, Any]] = {"k": None}
    sequences = 8
    place = 2

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
            rates = {when: measured["exponents"] for when, measured in answer.measured.items()}
            floored = {when: np.where(np.isneginf(values), LOWEST, values) for when, values in rates.items()}
            count = next(iter(rates.values())).shape[1]
            curves[label] = Curves(answer.network, (np.arange(count) + 0.5) / count, floored)
        scales = Scales("rank / size of the state", "Lyapunov exponent\n(nats per step)", log=False, floor=LOWEST)
        level = ("neither dies nor grows", np.array([0, 1]), np.zeros(2))
        return two_panels(task, curves, scales, colours, on, [level])

    def rows(self, label: str, answer: Answer) -> Sequence[tuple[str, str, str]]:
        """See `Question.rows`."""
        import numpy as np

        def say(measured: Mapping) -> str:
            first, error = measured["exponents"][:, 0], measured["errors"][:, 0]
            slow = np.where(np.isnan(first), np.nan, (measured["exponents"] > -0.1).mean(axis=1) * 100)
            return f"{summary(first, '.2g')} (error {summary(error, '.1g').split()[0]}), {summary(slow, '.0f')} % slow"

        return [(label, *both(answer, say))]

    def text(self) -> str:
        """See `Question.text`."""
        return (
            "The Lyapunov exponents along the task's own inputs, the largest first: the rates at which small "
            "differences of the state grow (above 0: chaos, exploding gradients) or die (below). The table gives the "
            "largest, with the standard error that eight stretches of the sequences give, and the share of directions "
            f"that lose less than a tenth per step. Exponents below {LOWEST:g} are drawn there."
        )
