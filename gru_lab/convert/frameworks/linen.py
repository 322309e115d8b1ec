"""Flax Linen: parameters of SimpleCell, LSTMCell, OptimizedLSTMCell and GRUCell, flattened with `/`."""

from dataclasses import dataclass
from typing import Any

from gru_lab.cells import Cell
from gru_lab.convert.framework import Framework


@dataclass(frozen=True)
class Linen(Framework):
    """Separate matrices per gate: `ir/kernel`, `hr/kernel`, ..."""

    def one_layer(self, kind: str, cell: Cell, arrays: dict[str, Any], xs: Any) -> Any:
        """See `Framework.one_layer`."""
        import flax.linen as nn
        import jax

        options = {"features": cell.hidden, "param_dtype": xs.dtype}
        if kind == "rnn":
            f = {"tanh": nn.tanh, "relu": nn.relu}[cell.nonlinearity]  # pyright: ignore[reportAttributeAccessIssue]
            module = nn.SimpleCell(activation_fn=f, **options)
        else:
            module = (nn.OptimizedLSTMCell if kind == "lstm" else nn.GRUCell)(**options)
        params: dict[str, dict[str, Any]] = {}
        for name, array in arrays.items():
            part, leaf = name.split("/")
            params.setdefault(part, {})[leaf] = array
        outputs: Any = nn.RNN(module).apply({"params": {"cell": params}}, xs, init_key=jax.random.key(0))
        return outputs


def _gru() -> dict[str, str]:
    table = {}
    for gate in "rzn":
        table |= {
            f"i{gate}/kernel": f"W_{gate}",
            f"i{gate}/bias": f"b_{gate}",
            f"h{gate}/kernel": f"U_{gate}",
        }
    return table | {"hn/bias": "b_hn"}


def _lstm() -> dict[str, str]:
    table = {}
    for gate in "ifgo":
        table |= {
            f"i{gate}/kernel": f"W_{gate}",
            f"h{gate}/kernel": f"U_{gate}",
            f"h{gate}/bias": f"b_{gate}",
        }
    return table


FRAMEWORK = Linen(
    name="linen",
    tables={
        "rnn": ({"i/kernel": "W_h", "i/bias": "b_h", "h/kernel": "U_h"},),
        "lstm": (_lstm(),),
        "gru": (_gru(),),
    },
    refusals={"gru_before": "linen.GRUCell resets after the recurrent product, and no weights make the two equal"},
)
