"""Haiku: parameters of hk.VanillaRNN, LSTM and GRU, flattened with `/`.

hk.GRU resets before the product and its z writes the state, so z's weights change sign; hk.LSTM adds 1 to the
forget gate when it runs, so b_f is stored less 1 (exact up to the rounding of that one subtraction).
"""

# The other framework need not be installed (it comes with the extra `parity`):
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false

from dataclasses import dataclass
from typing import Any

from gru_lab.cells import Cell
from gru_lab.convert.framework import Framework, each

_MODULE = {"rnn": "vanilla_rnn", "lstm": "lstm", "gru_before": "gru"}


@dataclass(frozen=True)
class Haiku(Framework):
    """Names such as `gru/w_i` and, in a second layer, `gru_1/w_i`."""

    def array_name(self, entry: str, kind: str, layer: int, direction: int, directions: int) -> str:
        """See `Framework.array_name`."""
        side = "" if directions == 1 else f"{('forward', 'backward')[direction]}/"
        return f"{side}{_MODULE[kind]}{f'_{layer}' if layer else ''}/{entry}"

    def one_layer(self, kind: str, cell: Cell, arrays: dict[str, Any], xs: Any) -> Any:
        """See `Framework.one_layer`."""
        import haiku as hk
        import jax.numpy as jnp

        make = {"rnn": hk.VanillaRNN, "lstm": hk.LSTM, "gru_before": hk.GRU}[kind]

        def forward(xs: Any) -> Any:
            core = make(cell.hidden)
            state = core.initial_state(xs.shape[0])
            return hk.dynamic_unroll(core, jnp.asarray(xs), state, time_major=False)[0]

        params: dict[str, dict[str, Any]] = {}
        for name, array in arrays.items():
            module, _, leaf = f"{_MODULE[kind]}/{name}".rpartition("/")
            params.setdefault(module, {})[leaf] = array
        return hk.without_apply_rng(hk.transform(forward)).apply(params, xs)


FRAMEWORK = Haiku(
    name="haiku",
    nonlinearities=("relu",),
    tables={
        "rnn": ({"linear/w": "W_h", "linear/b": "b_h", "linear_1/w": "U_h", "linear_1/b": "b_h"},),
        "lstm": ({"linear/w": f"{each('W', 'igfo')} / {each('U', 'igfo')}", "linear/b": "b_i b_g b_f-1 b_o"},),
        "gru_before": ({"w_i": "-W_z W_r W_n", "w_h": "-U_z U_r U_n", "b": "-b_z b_r b_n"},),
    },
    refusals={"gru": "hk.GRU resets before the recurrent product, and no weights make the two equal"},
)
