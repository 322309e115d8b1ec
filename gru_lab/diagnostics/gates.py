"""The gates over time: how long each unit keeps its state, and how often a gate is saturated."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from gru_lab.cells import Cell, name_of
from gru_lab.cells.initializers import GatedCell
from gru_lab.diagnostics.diagnostic import Diagnostic, Layer, register
from gru_lab.recurrence import unroll
from gru_lab.schema import Probability, UserError
from gru_lab.typing import Array, Float, Int, Params, State

LOW, HIGH = 0.1, 0.9  # beyond these a gate counts as saturated


def gated(cell: Cell) -> GatedCell:
    """The cell, if it declares a gate that keeps its state; `UserError` if not."""
    if not isinstance(cell, GatedCell):
        raise UserError(
            f"cell {name_of(cell)!r} declares no gate that keeps its state: ask a gated cell, such as 'gru'"
        )
    return cell


def gate_values(
    cell: Cell, params: Params, xs: Float[Array, "B T I"], lengths: Int[Array, " B"] | None = None
) -> dict[str, Float[Array, "B T H"]]:
    """All gates by name at every step, and the `retention`: the factor by which a unit keeps its state.

    NaN at padded steps. Raises `UserError` if the cell has no gates.

    >>> from gru_lab import cells
    >>> cell = cells.GRU(hidden=4)
    >>> gates = gate_values(cell, cell.init(jax.random.key(0), inputs=3), jnp.ones((2, 5, 3)))
    >>> {name: values.shape for name, values in sorted(gates.items())}
    {'r': (2, 5, 4), 'retention': (2, 5, 4), 'z': (2, 5, 4)}
    """
    gating = gated(cell)
    _, _, states = unroll(cell, params, xs, lengths=lengths, states=True, check_values=True)
    initial = jax.tree.map(jnp.asarray, cell.initial_state(params))
    before = jax.tree.map(
        lambda first, after: jnp.concatenate([jnp.broadcast_to(first, after[:, :1].shape), after[:, :-1]], axis=1),
        initial,
        states,
    )

    def at_step(state: State, x: Array) -> dict[str, Array]:
        return gating.gate_values(params, state, x) | {"retention": gating.retention(params, state, x)}

    values = jax.vmap(jax.vmap(at_step))(before, xs)
    if lengths is None:
        return values
    counts_BT1 = (jnp.arange(xs.shape[1]) < lengths[:, None])[..., None]
    return {name: jnp.where(counts_BT1, value, jnp.nan) for name, value in values.items()}


def time_scales(retention_BTH: Float[Array, "B T H"]) -> Float[Array, " H"]:
    """The time scale of every unit in steps, 1 / (1 - f), f its mean retention over the steps that are not NaN.

    For a gate z that writes, 1 / z. At most 1 / eps, eps the precision of the numbers: a gate that is 1 to rounding,
    or a factor above 1, has a time scale beyond what the numbers resolve.

    >>> time_scales(jnp.full((2, 5, 1), 0.75)).tolist()
    [4.0]
    """
    lost_H = 1 - jnp.nanmean(retention_BTH, axis=(0, 1))
    return 1 / jnp.maximum(lost_H, jnp.finfo(lost_H.dtype).eps)


def saturation(gate_BTH: Float[Array, "B T H"]) -> tuple[Float[Array, " H"], Float[Array, " H"]]:
    """The share of steps at which each unit's gate is below 0.1, and above 0.9; NaN steps do not count.

    Source: Karpathy, Johnson, Fei-Fei 2015, arXiv:1506.02078, gate saturation statistics.

    >>> shut, open = saturation(jnp.array([0.0, 0.5, 0.95, 1.0]).reshape(1, 4, 1))
    >>> shut.tolist(), open.tolist()
    ([0.25], [0.5])
    """
    count_H = jnp.sum(~jnp.isnan(gate_BTH), axis=(0, 1))
    return jnp.sum(gate_BTH < LOW, axis=(0, 1)) / count_H, jnp.sum(gate_BTH > HIGH, axis=(0, 1)) / count_H


def chrono_time_scales(quantiles: Float[Array, " Q"], t_max: float) -> Float[Array, " Q"]:
    """The quantiles of the time scales that chrono initialisation predicts: uniform over [2, t_max].

    Tallec & Ollivier draw forget biases log u, u ~ U(1, t_max - 1), hence 1 / (1 - f) = 1 + u, for a memory of
    t_max steps; so does `gru_lab.cells.initializers.chrono`.
    Source: Tallec & Ollivier 2018, arXiv:1804.11188, section 2.

    >>> chrono_time_scales(jnp.array([0.0, 0.5, 1.0]), t_max=100.0).tolist()
    [2.0, 51.0, 100.0]
    """
    return 2 + quantiles * (t_max - 2)


@register("gates")
@dataclass(frozen=True, kw_only=True)
class Gates(Diagnostic):
    """`time_scales` (quantiles,) over the units, and for every gate g the shares `g_below_0.1` and `g_above_0.9`.

    Attributes:
        quantiles: the quantiles that are taken of the units' time scales.
    """

    quantiles: tuple[Probability, ...] = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)

    def check_cell(self, cell: Cell) -> None:
        """The cell must be gated."""
        gated(cell)

    def measure(self, layer: Layer) -> dict[str, Array]:
        """See `Diagnostic.measure`."""
        values = gate_values(layer.cell, layer.params, layer.xs, layer.lengths)
        scales_H = time_scales(values.pop("retention"))
        measured = {"time_scales": jnp.quantile(scales_H, jnp.array(self.quantiles, scales_H.dtype))}
        for name, gate_BTH in values.items():
            low_H, high_H = saturation(gate_BTH)
            measured |= {f"{name}_below_{LOW}": low_H.mean(), f"{name}_above_{HIGH}": high_H.mean()}
        return measured
