"""The contract of a question: one diagnostic, one figure, one paragraph with its numbers."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from gru_lab.reports.style import Palette
from gru_lab.schema import Registry, Schema

if TYPE_CHECKING:
    import numpy as np

RESAMPLES = 9999


class Answer(NamedTuple):
    """What a diagnostic measured of all members of one run.

    Attributes:
        cell: the name of the cell.
        settings: the fields of the cell.
        measured: by `initial` and `trained`, and then by name, arrays with the members first; empty where the cell
            cannot be asked.
    """

    cell: str
    settings: Mapping[str, Any]
    measured: "Mapping[str, Mapping[str, np.ndarray]]"


class Question(Schema):
    """A question about cells before and after training: which diagnostic answers it, and how to show the answer.

    Attributes:
        title: the question as people ask it.
        diagnostic: the name of the diagnostic, and `fields` its settings.
        sequences: how many sequences of the validation set it is measured on.
        place: where it stands on the page, from 0 on.
    """

    group: ClassVar[str] = "question"
    title: ClassVar[str]
    diagnostic: ClassVar[str]
    fields: ClassVar[Mapping[str, Any]] = {}
    sequences: ClassVar[int] = 32
    place: ClassVar[int] = 100

    def draw(self, task: str, answers: Mapping[str, Answer], colours: Palette) -> dict[str, bytes]:
        """The figure of one task as PNG and PDF, from the answers by label; nothing where there is nothing to draw."""
        raise NotImplementedError

    def rows(self, label: str, answer: Answer) -> Sequence[tuple[str, str, str]]:
        """What the paragraph says of one cell, as (cell, at initialisation, after training)."""
        raise NotImplementedError

    def text(self) -> str:
        """What the figure shows and how to read the numbers, in Markdown."""
        raise NotImplementedError


def told(values: "np.ndarray", form: str = ".3g") -> str:
    """The median of the members' values with its 95% bootstrap interval, `12 [10, 14]`; what is not finite is left out.

    Percentiles of 9999 resamples drawn with a fixed seed; no interval for fewer than three values or equal ones.
    """
    import numpy as np
    from scipy.stats import bootstrap

    values = np.ravel(values)
    values = values[np.isfinite(values)]
    if not values.size:
        return "none"
    median = format(float(np.median(values)), form)
    if values.size < 3 or np.ptp(values) == 0:
        return median
    rng = np.random.default_rng(0)
    options = {"n_resamples": RESAMPLES, "method": "percentile", "rng": rng}
    low, high = bootstrap((values,), np.median, **options).confidence_interval
    return f"{median} [{low:{form}}, {high:{form}}]"


def both(answer: Answer, say: Any) -> tuple[str, str]:
    """`say(measured)` at initialisation and after training; a dash where nothing was measured."""
    found = [answer.measured.get(when) for when in ("initial", "trained")]
    return tuple(say(measured) if measured else "-" for measured in found)  # pyright: ignore[reportReturnType]


_registry = Registry("question", Question, "gru_lab.reports.questions")
register, get, create, name_of = _registry.register, _registry.get, _registry.create, _registry.name_of


def names() -> tuple[str, ...]:
    """All questions in the order in which a page asks them."""
    return tuple(sorted(_registry.names(), key=lambda name: (get(name).place, name)))
