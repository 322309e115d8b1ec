"""Equinox: the arrays of eqx.nn.LSTMCell and GRUCell by attribute name; it has no vanilla RNN."""

# The other framework need not be installed (it comes with the extra `parity`):
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false

from dataclasses import dataclass
from typing import Any

from gru_lab.cells import Cell
from gru_lab.convert.framework import Framework, each


@dataclass(frozen=True)
class Equinox(Framework):
    """Matrices (gates x hidden, inputs) in PyTorch's order, one bias, and GRU's b_hn as `bias_n`."""

    def one_layer(self, kind: str, cell: Cell, arrays: dict[str, Any], xs: Any) -> Any:
        """See `Framework.one_layer`."""
        import equinox as eqx
        import jax
        import jax.numpy as jnp

        make = eqx.nn.LSTMCell if kind == "lstm" else eqx.nn.GRUCell
        module = make(xs.shape[-1], cell.hidden, dtype=xs.dtype, key=jax.random.key(0))
        names = list(arrays)
        module = eqx.tree_at(
            lambda m: [getattr(m, name) for name in names],
            module,
            [jnp.asarray(arrays[name]) for name in names],
        )
        zeros = jnp.zeros(cell.hidden, xs.dtype)
        first = (zeros, zeros) if kind == "lstm" else zeros

        def step(state: Any, x: Any) -> Any:
            state = module(x, state)
            return state, state[0] if kind == "lstm" else state

        return jax.vmap(lambda sequence: jax.lax.scan(step, first, sequence)[1])(xs)


def _table(gates: str) -> dict[str, str]:
    return {
        "weight_ih": f"{each('W', gates)}, transposed",
        "weight_hh": f"{each('U', gates)}, transposed",
        "bias": each("b", gates),
    }


FRAMEWORK = Equinox(
    name="equinox",
    tables={"lstm": (_table("ifgo"),), "gru": (_table("rzn") | {"bias_n": "b_hn"},)},
    refusals={
        "rnn": "Equinox has no vanilla RNN cell",
        "gru_before": "eqx.nn.GRUCell resets after the recurrent product, and no weights make the two equal",
    },
)
