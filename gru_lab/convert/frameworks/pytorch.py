"""PyTorch: `state_dict` of nn.RNN, nn.LSTM, nn.GRU (any layers, both directions) and of their one-step cells."""

import re
from dataclasses import dataclass

from gru_lab.convert.framework import Framework
from gru_lab.convert.layout import Table


def _table(gates: str, recurrent_biases: str) -> Table:
    def each(letter: str) -> str:
        return " ".join(f"{letter}_{gate}" for gate in gates)

    return {
        "weight_ih": f"{each('W')}, transposed",
        "weight_hh": f"{each('U')}, transposed",
        "bias_ih": each("b"),
        "bias_hh": recurrent_biases,
    }


@dataclass(frozen=True)
class PyTorch(Framework):
    """Names such as `weight_ih_l0` and `weight_ih_l0_reverse`; the cells' names have no `_l0`."""

    def array_name(self, entry: str, layer: int, direction: int) -> str:
        """See `Framework.array_name`."""
        return f"{entry}_l{layer}{'_reverse' if direction else ''}"

    def place(self, name: str, table: Table) -> tuple[str, bool, str] | None:
        """See `Framework.place`."""
        match = re.fullmatch(r"(.*?)(weight_ih|weight_hh|bias_ih|bias_hh)(?:_l(\d+)(_reverse)?)?", name)
        return (f"{match[1]}{match[3] or 0}", bool(match[4]), match[2]) if match else None


FRAMEWORK = PyTorch(
    name="torch",
    tables={
        "rnn": (_table("h", "b_h"),),
        "lstm": (_table("ifgo", "b_i b_f b_g b_o"),),
        "gru": (_table("rzn", "b_r b_z b_hn"),),
    },
    refusals={"gru_before": "nn.GRU resets after the recurrent product, and no weights make the two equal"},
)
