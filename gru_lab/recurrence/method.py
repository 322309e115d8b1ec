"""The contract of a method: how a step is repeated over time."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from gru_lab.schema import Schema
from gru_lab.typing import Array, Params, State

Step = Callable[[Params, State, Any], State]
Read = Callable[[State], Array]


@dataclass(frozen=True)
class Method(Schema):
    """A way to run a step over time. Methods differ in speed and memory, never in their numbers."""

    group: ClassVar[str] = "method"

    def run(self, step: Step, read: Read, params: Params, state: State, xs: Any, reverse: bool) -> tuple[State, Array]:
        """The final state `(batch, ...)` and what `read` sees after every step, `(time, batch, outputs)`.

        `step` and `read` work on one example; `state` has leaves (batch, ...), `xs` leaves (time, batch, ...).
        With `reverse` the last time step comes first, and outputs stand where their inputs stood.
        """
        raise NotImplementedError
