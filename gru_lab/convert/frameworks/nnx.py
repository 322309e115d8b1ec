"""Flax NNX: state of nnx.SimpleCell, LSTMCell, OptimizedLSTMCell and GRUCell, flattened with `/`."""

from dataclasses import dataclass
from functools import reduce
from typing import Any

from gru_lab.cells import Cell
from gru_lab.convert.framework import Framework, each


@dataclass(frozen=True)
class NNX(Framework):
    """Fused matrices: `dense_i/kernel`, `dense_h/kernel`; nnx.LSTMCell's separate ones are read too."""

    def one_layer(self, kind: str, cell: Cell, arrays: dict[str, Any], xs: Any) -> Any:
        """See `Framework.one_layer`."""
        from flax import nnx

        options = {"rngs": nnx.Rngs(0), "dtype": xs.dtype, "param_dtype": xs.dtype}
        if kind == "rnn":
            f = {"tanh": nnx.tanh, "relu": nnx.relu}[cell.nonlinearity]  # pyright: ignore[reportAttributeAccessIssue]
            module = nnx.SimpleCell(xs.shape[-1], cell.hidden, activation_fn=f, **options)
        else:
            make = nnx.OptimizedLSTMCell if kind == "lstm" else nnx.GRUCell
            module = make(xs.shape[-1], cell.hidden, **options)
        for name, array in arrays.items():
            reduce(getattr, name.split("/"), module)[...] = array
        return nnx.RNN(module)(xs, initial_carry=module.initialize_carry(xs[:, 0].shape, nnx.Rngs(0)))


def _separate() -> dict[str, str]:
    table = {}
    for gate, i in zip("ifgo", ("ii", "if_", "ig", "io"), strict=True):
        table |= {f"{i}/kernel": f"W_{gate}", f"h{gate}/kernel": f"U_{gate}", f"h{gate}/bias": f"b_{gate}"}
    return table


def _fused(gates: str, bias: str) -> dict[str, str]:
    return {"dense_i/kernel": each("W", gates), "dense_h/kernel": each("U", gates), bias: each("b", gates)}


FRAMEWORK = NNX(
    name="nnx",
    tables={
        "rnn": (_fused("h", "dense_i/bias"),),
        "lstm": (_fused("ifgo", "dense_h/bias"), _separate()),
        "gru": (_fused("rzn", "dense_i/bias"),),
    },
    refusals={
        "gru_before": "nnx.GRUCell resets after the recurrent product, and no weights make the two equal",
        "b_hn": "nnx.GRUCell has no recurrent bias inside the reset; linen.GRUCell has",
    },
)
