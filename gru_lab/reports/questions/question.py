"""The contract of a question: one diagnostic, one figure, one paragraph with its numbers."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from gru_lab.reports.measured import WHEN
from gru_lab.reports.style import Palette
from gru_lab.schema import Registry, Schema

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Answer(NamedTuple):
    """The measurements of a diagnostic for all members of one group.

    Attributes:
        network: the name of the network, which decides the colour.
        settings: the fields of its cell.
        measured: by `initial` and `trained`, and then by name, arrays with the members first; empty where the network
            cannot be asked.
    """

    network: str
    settings: Mapping[str, Any]
    measured: "Mapping[str, Mapping[str, np.ndarray]]"


class Question(Schema):
    """A question about networks before and after training: its diagnostic, and how the answer is shown.

    Attributes:
        title: the question in words.
        diagnostic: the name of the diagnostic, and `fields` its settings.
        sequences: the number of sequences of the validation set that it is measured on.
        place: its position on the page, from 0 on.
    """

    group: ClassVar[str] = "question"
    title: ClassVar[str]
    diagnostic: ClassVar[str]
    fields: ClassVar[Mapping[str, Any]] = {}
    sequences: ClassVar[int] = 32
    place: ClassVar[int] = 100

    def draw(
        self,
        task: str,
        answers: Mapping[str, Answer],
        colours: Palette | None = None,
        on: "Axes | Sequence[Axes] | None" = None,
    ) -> "Figure | None":
        """The figure of one task, from the answers by label; None where there is nothing to draw.

        Args:
            task: its name.
            answers: of each network, by its label.
            colours: of the networks, see `gru_lab.reports.style.palette`.
            on: the axes to draw on, one per panel.
        """
        raise NotImplementedError

    def rows(self, label: str, answer: Answer) -> Sequence[tuple[str, str, str]]:
        """The rows of the table for one network, as (network, at initialisation, after training)."""
        raise NotImplementedError

    def text(self) -> str:
        """An explanation of the figure and its numbers, as plain text."""
        raise NotImplementedError


def both(answer: Answer, say: Callable[["Mapping[str, np.ndarray]"], str]) -> tuple[str, str]:
    """`say(measured)` at initialisation and after training; a dash where nothing was measured."""
    parts = [answer.measured.get(when) for when in WHEN]
    return tuple(say(measured) if measured else "-" for measured in parts)  # pyright: ignore[reportReturnType]


_registry = Registry("question", Question, "gru_lab.reports.questions")
register, get, create, name_of = _registry.register, _registry.get, _registry.create, _registry.name_of


def names() -> tuple[str, ...]:
    """All questions in the order in which a page asks them."""
    return tuple(sorted(_registry.names(), key=lambda name: (get(name).place, name)))
