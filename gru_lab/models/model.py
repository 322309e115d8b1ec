"""The contract of a model: the settings of a network, and what training, records and diagnostics ask of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Literal, TypeVar, Union

import jax
from flax import nnx

from gru_lab.cells import Cell
from gru_lab.recurrence import Method, Sequential
from gru_lab.schema import Registry, Schema, Size, UserError
from gru_lab.typing import Array, Float, Int, Key

T = TypeVar("T")
Auto = Union[T, Literal["auto"]]  # noqa: UP007 (an alias with a parameter)


@dataclass(frozen=True)
class Spec:
    """The inputs and outputs that a network must have: a task's `inputs`, `outputs`, `symbols`, `readout`, `paired`."""

    inputs: int
    outputs: int
    symbols: bool
    readout: Literal["last", "every"]
    paired: bool = False


class Network(nnx.Module):
    """From sequences to answers: vectors or symbols in, one vector of outputs per sequence or per step out."""

    @property
    def recurrent(self) -> tuple[Any, ...]:
        """The recurrent layers, from below; none by default."""
        return ()

    @property
    def parts(self) -> dict[str, Any]:
        """The modules whose parameters are counted apart, by name."""
        return {"network": self}

    def constrain(self, length: int) -> None:
        """Project the parameters of the recurrent layers onto the sets that their cells allow; see `Cell.constrain`."""
        for layer in self.recurrent:
            for each in layer.each:
                for name, value in each.cell.constrain(each.weights, length).items():
                    each.params[name][...] = value

    def scale_rates(self) -> None:
        """Multiply each parameter by the factor of its learning rate: a network of ones becomes one of factors."""
        for layer in self.recurrent:
            for each in layer.each:
                for name, factor in each.cell.rates().items():
                    each.params[name][...] = each.params[name][...] * factor

    def __call__(
        self,
        inputs: Any,
        lengths: Int[Array, " B"] | None = None,
        *,
        key: Key | None = None,
        rates: Mapping[str, Array | float] | None = None,
        method: Method = Sequential(),  # noqa: B008 (frozen)
    ) -> Float[Array, "B ..."]:
        """The network's outputs (batch, outputs), or (batch, time, outputs) where the readout is of every step.

        Args:
            inputs: vectors (batch, time, inputs), symbols (batch, time), or a pytree of such.
            lengths: the steps of each sequence; all of the time axis if None.
            key: random key of dropout and other noise, as in training; there is none without one.
            rates: the model's fields that are `CONTINUOUS`, such as the share that is dropped, by name; they may be
                traced. Those that are missing are the model's own.
            method: how recurrent layers run their steps.
        """
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Model(Schema):
    """The settings of a network around its cell, if it has one. A subclass writes `build`.

    `sized_by` names the fields that may be `auto` and then follow the budget, the coarsest first; see
    `gru_lab.models.budget.sized`. A model of a cell is sized by `cell.hidden=auto`.

    Attributes:
        parameters: a budget: the number of trainable parameters that the whole network comes nearest to.
    """

    group: ClassVar[str] = "model"
    needs_cell: ClassVar[bool] = True
    reads_pairs: ClassVar[bool] = False
    sized_by: ClassVar[tuple[str, ...]] = ()

    parameters: Size | None = None

    def __post_init__(self) -> None:
        """Check the fields, and that the class says how its network is built."""
        if type(self).build is Model.build:
            raise UserError(f"model {type(self).__name__} lacks `build`: a model must write build(cell, spec, rngs)")
        super().__post_init__()

    def build(self, cell: Cell | None, spec: Spec, rngs: nnx.Rngs) -> Network:
        """The untrained network; `cell` is None where the model needs none."""
        raise NotImplementedError

    def check_cell(self, cell: Cell | None) -> None:
        """The cell must be given where the model needs one, and must be None where it does not."""
        name = name_of(self)
        if self.needs_cell and cell is None:
            raise UserError(f"cell is missing: model={name} is built of one")
        if not self.needs_cell and cell is not None:
            raise UserError(f"cell is {type(cell).__name__}: model={name} has no cell, so leave it out")

    def check_spec(self, spec: Spec) -> None:
        """A task of pairs needs a model that reads pairs, and such a model nothing else."""
        name = name_of(self)
        if spec.paired and not self.reads_pairs:
            raise UserError(
                f"model is {name!r}: it reads one sequence, and the task gives pairs; take model=encoder_decoder, or "
                "task.form=joined where the task has it"
            )
        if self.reads_pairs and not spec.paired:
            raise UserError(f"model is {name!r}: it reads pairs of sequences, as task=multi30k gives them")


def count_parameters(model: Model, cell: Cell | None, spec: Spec) -> dict[str, int]:
    """The number of trainable parameters of a network, by part; nothing is computed.

    >>> from gru_lab import cells, models
    >>> spec = Spec(inputs=2, outputs=1, symbols=False, readout="last")
    >>> count_parameters(models.RecurrentModel(), cells.GRU(hidden=8), spec)
    {'recurrent': 272, 'readout': 9}
    """
    model.check_cell(cell)
    return dict(_counted(model, cell, spec))


@cache
def _counted(model: Model, cell: Cell | None, spec: Spec) -> dict[str, int]:
    parts = nnx.eval_shape(lambda: model.build(cell, spec, nnx.Rngs(0))).parts
    return {
        name: sum(leaf.size for leaf in jax.tree.leaves(nnx.state(part, nnx.Param)))
        for name, part in parts.items()
        if part is not None
    }


_registry = Registry("model", Model, "gru_lab.models")
register, names, get, create, name_of, exported = (
    _registry.register,
    _registry.names,
    _registry.get,
    _registry.create,
    _registry.name_of,
    _registry.exported,
)
