"""The contract of a cell: the equation of the paper as a pure function of one time step."""

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import jax.numpy as jnp

from gru_lab.schema import Registry, Schema, Size
from gru_lab.typing import Array, Float, Key, Params, State

AUTO = "auto"  # of a field that counts steps: as long as the sequences of the task
Auto = Literal["auto"]


@dataclass(frozen=True, kw_only=True)
class Cell(Schema):
    """A recurrent cell: four functions of one example and one time step, without batch axis and without loop.

    A subclass is a frozen dataclass, hence hashable and static under `jax.jit`; its fields are its settings
    and the schema of its configuration. It writes `init` and `step`, and the other two where their defaults
    do not fit. Write `step` as the paper does, one matrix per gate: running it fast is the recurrence's work.

    Its docstring is its card: a line that says what it is, the equations indented, a paragraph on its place
    in the story, `Shapes:`, `Source:`, and `Attributes:` with the meaning of each field.

    `witness` names what the numbers of `step` were compared with: `a: package version`, published by others;
    `b: repository at commit`, the authors' code, run; `c: repository/file, function, at commit`, the authors' code,
    transcribed; `d: none`, the paper alone. `drift` says, where a fresh cell may leave [-1000, 1000] on 2,000
    steps of white noise, why.

    A field that is as long as the sequences of the task takes `auto`, which an experiment settles with `at_length`.

    Attributes:
        hidden: the number of units of the state.
    """

    group: ClassVar[str] = "cell"
    witness: ClassVar[str] = "d: none"
    drift: ClassVar[str] = ""

    hidden: Size = 64

    @property
    def automatic(self) -> tuple[str, ...]:
        """The fields that are `auto`, or hold a cell with such a field."""
        values = {each.name: getattr(self, each.name) for each in dataclasses.fields(self)}
        return tuple(
            n for n, v in values.items() if (v.automatic if isinstance(v, Cell) else isinstance(v, str) and v == AUTO)
        )

    def at_length(self, length: int) -> "Cell":
        """The cell with the length of a task's sequences in every field that is `auto`, an inner cell's included."""
        values = {name: getattr(self, name) for name in self.automatic}
        settled = {n: v.at_length(length) if isinstance(v, Cell) else float(length) for n, v in values.items()}
        return dataclasses.replace(self, **settled) if settled else self

    def settled(self, field: str) -> Any:
        """The value of a field that takes `auto`; `UserError` where no task has settled it."""
        if field in self.automatic:
            self.refuse(field, "it is the length of a task's sequences, and there is no task here: give a number")
        return getattr(self, field)

    def init(self, key: Key, inputs: int) -> Params:
        """Fresh parameters: a dictionary of named arrays, such as `W_r (inputs, hidden)`."""
        raise NotImplementedError

    def initial_state(self, params: Params) -> State:
        """The state before the first step: a pytree of arrays without batch axis; by default zeros (hidden,)."""
        return jnp.zeros(self.hidden, next(iter(params.values())).dtype)

    def step(self, params: Params, state: State, x: Float[Array, " I"]) -> State:
        """The state after one more input `x`; of the same structure, shapes and dtypes as `state`."""
        raise NotImplementedError

    def read(self, state: State) -> Float[Array, " O"]:
        """The output, which the layer above sees: the state itself by default."""
        return state

    def constrain(self, params: Params, length: int) -> Params:
        """The parameters brought back into the set that the cell allows, after an update; by default as they are.

        Args:
            params: the parameters that the optimiser made.
            length: the number of steps of a training sequence.
        """
        return params

    def rates(self) -> dict[str, float]:
        """The factor on the learning rate for each parameter whose factor is not 1."""
        return {}


_registry = Registry("cell", Cell, "gru_lab.cells")
register, names, get, create, name_of, exported = (
    _registry.register,
    _registry.names,
    _registry.get,
    _registry.create,
    _registry.name_of,
    _registry.exported,
)
