"""The question of the curse of memory: how steeply the state depends on the recurrent parameters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from gru_lab.reports.measured import WHEN
from gru_lab.reports.questions.question import Answer, Question, both, register
from gru_lab.reports.statistics import summary
from gru_lab.reports.style import Palette, looks, sheet

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

X = r"$\|\partial h\,/\,\partial p\| / \|h\|$"


def steepest(measured: Mapping) -> "tuple[str, np.ndarray]":
    """The parameter on which the state depends most steeply in the median member, and every member's value."""
    import numpy as np

    states = {name.removeprefix("state_"): values for name, values in measured.items() if name.startswith("state_")}
    name = max(states, key=lambda name: float(np.nanmedian(states[name])))
    return name, states[name]


@register("sensitivity")
@dataclass(frozen=True, kw_only=True)
class Sensitivity(Question):
    """|dh/dp| / |h| for the parameter to which the last state is most sensitive, and |dL/dp| for the same one."""

    title = "What does remembering cost: how steeply do state and loss depend on the parameters?"
    diagnostic = "sensitivity"
    fields: ClassVar[Mapping[str, Any]] = {"normalised": True}
    place = 4

    def draw(
        self,
        task: str,
        answers: Mapping[str, Answer],
        colours: Palette | None = None,
        on: "Axes | Sequence[Axes] | None" = None,
    ) -> "Figure | None":
        """One dot per member; see `Question.draw`."""
        import numpy as np
        from matplotlib.ticker import LogLocator, MaxNLocator

        whens = [when for when in WHEN if any(when in answer.measured for answer in answers.values())]
        if not whens:
            return None
        with sheet(1.9, list(answers), on, columns=len(whens), sharey=True, sharex=True) as drawing:
            panels = drawing.panels[0]
            handles = []
            for panel, when in zip(panels, whens, strict=True):
                handles = []
                networks = [answer.network for answer in answers.values()]
                for n, ((label, answer), look) in enumerate(
                    zip(answers.items(), looks(networks, colours), strict=True)
                ):
                    marker = "os^vDPX*"[n % 8]
                    style = {"color": look["color"], "marker": marker, "linestyle": "", "markersize": 3.5, "alpha": 0.7}
                    handles += panel.plot([], [], **style, label=label)
                    if when in answer.measured:
                        measured = answer.measured[when]
                        name, states = steepest(measured)
                        losses = measured[f"loss_{name}"]
                        fine = np.isfinite(states) & np.isfinite(losses) & (states > 0) & (losses > 0)
                        panel.plot(states[fine], losses[fine], **style)
                panel.set(title=WHEN[when], xscale="log", yscale="log", xlabel=X)
                panel.minorticks_off()
            for axis in (panels[0].xaxis, panels[0].yaxis):
                low, high = axis.get_view_interval()
                few, many = MaxNLocator(3), LogLocator(subs=(1, 3) if high < 50 * low else (1,))
                axis.set_major_locator(few if high < 10 * low else many)
                axis.set_major_formatter(lambda value, _: f"{value:g}")
            panels[0].set_ylabel(r"$\|\partial L\,/\,\partial p\|$")
            drawing.title(task, "p: the parameter on which h depends most; a dot per seed")
            drawing.legend(handles)
            return drawing.figure

    def rows(self, label: str, answer: Answer) -> Sequence[tuple[str, str, str]]:
        """See `Question.rows`."""

        def say(measured: Mapping) -> str:
            name, states = steepest(measured)
            return f"{summary(states, '.2g')} ({name}), loss {summary(measured[f'loss_{name}'], '.2g')}"

        return [(label, *both(answer, say))]

    def text(self) -> str:
        """See `Question.text`."""
        return (
            "The curse of memory (Zucchet & Orvieto 2024): a state that adds up a long past depends steeply on the "
            "parameters that hold it, though no gradient explodes. For each network the parameter p of the largest "
            "|dh/dp| (relative to |h|, at the last step) and the gradient of the loss with respect to it; root mean "
            "squares over sequences."
        )
