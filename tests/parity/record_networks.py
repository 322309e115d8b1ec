"""Record what released code computes for the Transformer and the TCN, so that parity is tested without it.

    python tests/parity/record_networks.py --write     # needs torch and transformers; rewrites networks_golden.npz

Each case holds, in float64: the vectors that enter, the weights under the names of the source, the outputs, and the
gradients of `sum(outputs * cotangent)` with respect to inputs and weights. Sources:

    torch    torch.nn.TransformerEncoder of TransformerEncoderLayer(norm_first=True, activation="gelu"), causal mask
    llama    transformers.LlamaModel without its embedding: RMSNorm, rotary positions, gated MLP
    tcn      torch.nn.Conv1d under torch.nn.utils.weight_norm, chained as github.com/locuslab/TCN chains them: padded by
             (kernel - 1) dilation on both sides, the end cut off
"""

# pyright: reportMissingImports=false

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import nn

GOLDEN = Path(__file__).with_name("networks_golden.npz")
BATCH, TIME, WIDTH, HEADS, LAYERS, UNITS = 2, 7, 8, 2, 2, 12


def pytorch():
    """Two pre-norm layers and a last norm."""
    layer = nn.TransformerEncoderLayer(
        WIDTH, HEADS, UNITS, dropout=0.0, activation="gelu", norm_first=True, batch_first=True
    )
    net = nn.TransformerEncoder(layer, LAYERS, norm=nn.LayerNorm(WIDTH), enable_nested_tensor=False)
    mask = nn.Transformer.generate_square_subsequent_mask(TIME, dtype=torch.float64)
    return net, lambda xs: net(xs, mask=mask)


def llama():
    """Two layers and a last norm; heads of 4."""
    from transformers import LlamaConfig, LlamaModel

    config = LlamaConfig(
        vocab_size=2, hidden_size=WIDTH, intermediate_size=UNITS, num_hidden_layers=LAYERS, rms_norm_eps=1e-5,
        num_attention_heads=HEADS, num_key_value_heads=HEADS, attn_implementation="eager",
    )  # fmt: skip
    net = LlamaModel(config)
    return net, lambda xs: net(inputs_embeds=xs, use_cache=False).last_hidden_state


class Block(nn.Module):
    """A residual block of the released TCN."""

    def __init__(self, inputs, outputs, kernel, dilation):
        super().__init__()
        self.cut = (kernel - 1) * dilation
        options = {"padding": self.cut, "dilation": dilation}
        self.conv1 = nn.utils.weight_norm(nn.Conv1d(inputs, outputs, kernel, **options))
        self.conv2 = nn.utils.weight_norm(nn.Conv1d(outputs, outputs, kernel, **options))
        self.downsample = nn.Conv1d(inputs, outputs, 1) if inputs != outputs else None

    def forward(self, xs):
        ys = torch.relu(self.conv1(xs)[..., : -self.cut])
        ys = torch.relu(self.conv2(ys)[..., : -self.cut])
        return torch.relu(ys + (xs if self.downsample is None else self.downsample(xs)))


def tcn():
    """Three levels of five channels over inputs of eight numbers, kernel 3."""
    net = nn.Sequential(*(Block(WIDTH if n == 0 else 5, 5, 3, 2**n) for n in range(3)))
    return net, lambda xs: net(xs.transpose(1, 2)).transpose(1, 2)


def record(make, seed):
    """Inputs, weights, outputs and gradients of one case."""
    torch.manual_seed(seed)
    net, run = make()
    net.double()
    with torch.no_grad():
        for name, weight in net.named_parameters():  # the own draw is small, and norms begin as ones
            weight.copy_(0.5 * torch.randn(weight.shape) + ("norm" in name and name.endswith("weight")))
    xs = torch.randn(BATCH, TIME, WIDTH).double().requires_grad_()
    out = run(xs)
    cotangent = torch.randn(out.shape).double()
    (out * cotangent).sum().backward()
    arrays = {"xs": xs, "out": out, "cotangent": cotangent, "grad/xs": xs.grad}
    for name, weight in net.named_parameters():
        if weight.grad is not None:
            arrays |= {f"weight/{name}": weight, f"grad/{name}": weight.grad}
    return {name: array.detach().numpy() for name, array in arrays.items()}


def main():
    """Record every case, and write the file if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write the file")
    asked = parser.parse_args()
    cases = {"torch": pytorch, "llama": llama, "tcn": tcn}
    arrays = {f"{c}/{n}": a for seed, (c, f) in enumerate(cases.items()) for n, a in record(f, seed).items()}
    if asked.write:
        np.savez_compressed(GOLDEN, allow_pickle=False, **arrays)
    print(*(f"{name} {array.shape}" for name, array in arrays.items()), sep="\n")


if __name__ == "__main__":
    main()
