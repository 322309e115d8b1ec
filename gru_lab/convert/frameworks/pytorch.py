"""PyTorch: `state_dict` of nn.RNN, nn.LSTM, nn.GRU (any layers, both directions) and of their one-step cells."""

# The other framework need not be installed (it comes with the extra `parity`):
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false

import re
from dataclasses import dataclass
from typing import Any

from gru_lab.convert.framework import Framework, each
from gru_lab.convert.layout import Table
from gru_lab.convert.stack import Stack, kind_of


def _table(gates: str, recurrent_biases: str) -> Table:
    return {
        "weight_ih": f"{each('W', gates)}, transposed",
        "weight_hh": f"{each('U', gates)}, transposed",
        "bias_ih": each("b", gates),
        "bias_hh": recurrent_biases,
    }


@dataclass(frozen=True)
class PyTorch(Framework):
    """Names such as `weight_ih_l0` and `weight_ih_l0_reverse`; the cells' names have no `_l0`."""

    def array_name(self, entry: str, kind: str, layer: int, direction: int, directions: int) -> str:
        """See `Framework.array_name`."""
        return f"{entry}_l{layer}{'_reverse' if direction else ''}"

    def place(self, name: str, table: Table) -> tuple[str, bool, str] | None:
        """See `Framework.place`."""
        match = re.fullmatch(r"(.*?)(weight_ih|weight_hh|bias_ih|bias_hh)(?:_l(\d+)(_reverse)?)?", name)
        return (f"{match[1]}{match[3] or 0}", bool(match[4]), match[2]) if match else None

    def compute(self, stack: Stack, arrays: dict[str, Any], xs: Any) -> Any:
        """See `Framework.compute`: PyTorch stacks layers itself. Tensors in, tensor out."""
        import torch

        options = {"nonlinearity": getattr(stack.cell, "nonlinearity", None)}
        net = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[kind_of(stack.cell)](
            stack.inputs,
            stack.cell.hidden,
            num_layers=len(stack.layers),
            bidirectional=stack.directions == 2,
            batch_first=True,
            dtype=torch.as_tensor(xs).dtype,
            **{name: value for name, value in options.items() if value},
        )
        weights = {name: torch.as_tensor(array) for name, array in arrays.items()}
        return torch.func.functional_call(net, weights, (torch.as_tensor(xs),))[0]


FRAMEWORK = PyTorch(
    name="torch",
    tables={
        "rnn": (_table("h", "b_h"),),
        "lstm": (_table("ifgo", "b_i b_f b_g b_o"),),
        "gru": (_table("rzn", "b_r b_z b_hn"),),
    },
    refusals={"gru_before": "nn.GRU resets after the recurrent product, and no weights make the two equal"},
)
