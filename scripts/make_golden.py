"""Record what PyTorch computes, so that parity is tested where PyTorch is not installed.

    python scripts/make_golden.py --write      # needs the extra `parity`; rewrites tests/parity/torch_golden.npz

For each case the file holds, in float64: the inputs, PyTorch's weights under their state_dict names, the outputs,
and the gradients of `loss = sum(outputs * cotangent)` with respect to inputs and weights. Inputs and weights are
drawn as float32 numbers, so that a test in float32 begins from the very same ones.
"""

# The other framework need not be installed (it comes with the extra `parity`):
# pyright: reportMissingImports=false

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from gru_lab.exits import leave

GOLDEN = Path(__file__).parent.parent / "tests" / "parity" / "torch_golden.npz"
CASES = {
    "rnn_tanh": (torch.nn.RNN, {"nonlinearity": "tanh"}),
    "rnn_relu": (torch.nn.RNN, {"nonlinearity": "relu"}),
    "lstm": (torch.nn.LSTM, {}),
    "gru": (torch.nn.GRU, {}),
    "rnn_stack": (torch.nn.RNN, {"num_layers": 2, "bidirectional": True}),
    "lstm_stack": (torch.nn.LSTM, {"num_layers": 2, "bidirectional": True}),
    "gru_stack": (torch.nn.GRU, {"num_layers": 2, "bidirectional": True}),
}
BATCH, TIME, INPUTS, HIDDEN = 2, 6, 3, 4


def record(make: Callable[..., torch.nn.RNNBase], options: dict, seed: int) -> dict[str, np.ndarray]:
    """Inputs, weights, outputs and gradients of one case."""
    torch.manual_seed(seed)
    net = make(INPUTS, HIDDEN, batch_first=True, dtype=torch.float64, **options)
    with torch.no_grad():
        for weight in net.parameters():  # PyTorch's own draw is small: a swapped gate would hardly show
            weight.copy_(0.5 * torch.randn(weight.shape))
    xs = torch.randn(BATCH, TIME, INPUTS).double().requires_grad_()
    hs, _ = net(xs)
    cotangent = torch.randn(hs.shape).double()
    (hs * cotangent).sum().backward()
    arrays = {"xs": xs, "hs": hs, "cotangent": cotangent, "grad/xs": xs.grad}
    for name, weight in net.named_parameters():
        arrays |= {f"weight/{name}": weight, f"grad/{name}": weight.grad}
    return {name: array.detach().numpy() for name, array in arrays.items()}


def main() -> None:
    """Record every case, and write the file if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write the file")
    options = parser.parse_args()
    arrays = {
        f"{case}/{name}": array
        for seed, (case, (make, options)) in enumerate(CASES.items())
        for name, array in record(make, options, seed).items()
    }
    if options.write:
        np.savez_compressed(GOLDEN, allow_pickle=False, **arrays)
    print(f"{'wrote' if options.write else 'would write'} {GOLDEN}: {len(arrays)} arrays, torch {torch.__version__}")


if __name__ == "__main__":
    leave(main)
