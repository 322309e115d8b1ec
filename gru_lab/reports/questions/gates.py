"""The question of the gates: for how long they let each unit remember."""

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

QUANTILES = tuple(n / 20 for n in range(21))


@register("gates")
@dataclass(frozen=True, kw_only=True)
class Gates(Question):
    """The distribution of the units' time scales, beside what chrono initialisation promises."""

    title = "How long do the gates let each unit remember?"
    diagnostic = "gates"
    fields: ClassVar[Mapping[str, Any]] = {"quantiles": QUANTILES}
    place = 3

    def draw(
        self,
        task: str,
        answers: Mapping[str, Answer],
        colours: Palette | None = None,
        on: "Axes | Sequence[Axes] | None" = None,
    ) -> "Figure | None":
        """See `Question.draw`."""
        import numpy as np

        shares = 100 * np.array(QUANTILES)
        curves = {}
        for label, answer in answers.items():
            if answer.measured:
                times = {when: measured["time_scales"] for when, measured in answer.measured.items()}
                curves[label] = Curves(answer.network, shares, times)
        ends = {a.settings.get("t_max") for a in answers.values() if a.settings.get("gate_init") == "chrono"}
        promised = [
            (f"chrono promises, T = {t_max:g}", shares, 2 + np.array(QUANTILES) * (t_max - 2))
            for t_max in sorted(end for end in ends if end)
        ]
        scales = Scales("share of the units (%)", "time scale (steps)", floor=0.9)
        return two_panels(task, curves, scales, colours, on, promised)

    def rows(self, label: str, answer: Answer) -> Sequence[tuple[str, str, str]]:
        """See `Question.rows`."""
        import numpy as np

        def say(measured: Mapping) -> str:
            scales = measured["time_scales"]
            open_ = [name for name in measured if name.endswith("_above_0.9")]
            shares = ", ".join(
                f"{name.split('_')[0]} {100 * float(np.nanmean(measured[name])):.0f} %" for name in open_
            )
            middle, top = summary(scales[:, 10], ".2g"), summary(scales[:, 20], ".3g")
            return f"median unit {middle}, longest {top} steps; open: {shares}"

        return [(label, *both(answer, say))]

    def text(self) -> str:
        """See `Question.text`."""
        return (
            "The time scale of a unit is 1/(1 - f), f its mean retention (the forget gate of an LSTM, the update gate "
            "of a GRU): after so many steps a fraction 1/e of what it held is left. Units are sorted by it. Cells "
            "without such a gate are left out. The table gives the median and the longest time scale, and how much of "
            "the time each gate is open beyond 0.9 (Karpathy 2015)."
        )
