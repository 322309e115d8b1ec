"""Keras 3: SimpleRNN, LSTM and GRU of `.weights.h5` and `.keras` files, or of `{v.path: v.numpy()}`."""

from dataclasses import dataclass
from typing import Any

from gru_lab.cells import Cell
from gru_lab.convert.framework import Framework, each


def _tables(gates: str, bias: str) -> tuple[dict[str, str], ...]:
    names = (("cell/vars/0", "cell/vars/1", "cell/vars/2"), ("kernel", "recurrent_kernel", "bias"))
    return tuple({kernel: each("W", gates), recurrent: each("U", gates), b: bias} for kernel, recurrent, b in names)


_LAYER = {"rnn": "simple_rnn", "lstm": "lstm", "gru": "gru", "gru_before": "gru"}


@dataclass(frozen=True)
class Keras(Framework):
    """Names as in the weights file of `Sequential([Input(...), GRU(...), GRU(...)])`."""

    def array_name(self, entry: str, kind: str, layer: int, direction: int, directions: int) -> str:
        """See `Framework.array_name`."""
        name = _LAYER[kind] if directions == 1 else "bidirectional"
        numbered = f"{name}_{layer}" if layer else name
        side = "" if directions == 1 else f"{('forward', 'backward')[direction]}_layer/"
        return f"layers/{numbered}/{side}{entry}"

    def one_layer(self, kind: str, cell: Cell, arrays: dict[str, Any], xs: Any) -> Any:
        """See `Framework.one_layer`; differentiable on Keras's JAX backend, which computes in float32 only."""
        import keras

        options = {"activation": getattr(cell, "nonlinearity", "tanh"), "return_sequences": True}
        if kind.startswith("gru"):
            options["reset_after"] = kind == "gru"
        make = {"simple_rnn": keras.layers.SimpleRNN, "lstm": keras.layers.LSTM, "gru": keras.layers.GRU}
        layer = make[_LAYER[kind]](cell.hidden, **options)
        layer.build(xs.shape)
        weights = [arrays[f"cell/vars/{n}"] for n in range(3)]
        if keras.backend.backend() == "jax":
            return layer.stateless_call(weights, layer.non_trainable_variables, xs)[0]
        layer.set_weights(weights)
        return layer(xs)


FRAMEWORK = Keras(
    name="keras",
    tables={
        "rnn": _tables("h", "b_h"),
        "lstm": _tables("ifgo", each("b", "ifgo")),
        "gru": _tables("zrn", "b_z b_r b_n / b_z b_r b_hn"),
        "gru_before": _tables("zrn", each("b", "zrn")),
    },
)
