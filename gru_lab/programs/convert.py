"""Convert the weights of an RNN, LSTM or GRU from one framework to another, and check that both compute the same.

    python scripts/convert_weights.py model.pt model.weights.h5 --from torch --to keras
    python scripts/convert_weights.py model.pt gru.safetensors --from torch --to gru_lab --prefix encoder.
    python scripts/convert_weights.py RUN/members/MEMBER/checkpoint.safetensors gru.pt --from gru_lab --to torch

Files: .safetensors, .npz, .pt, .pth, .ckpt, .h5, .keras (read only); of a run of ours, the recurrent layers of the best
parameters. Any number of layers, one or both directions. What the other framework cannot compute is refused with the
reason.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gru_lab import cells, convert
from gru_lab.card import parsed
from gru_lab.programs import parser_of
from gru_lab.schema import UserError

TOLERANCE = {"float64": 1e-12, "float32": 1e-5}


def main(argv: Sequence[str] | None = None) -> int:
    """Convert one file; the exit status is 2 for a mistake of the user's and 1 if the two sides disagree."""
    known = sorted(convert.frameworks())
    parser = parser_of("convert_weights.py", __doc__)
    parser.add_argument("input", metavar="IN")
    parser.add_argument("output", metavar="OUT")
    parser.add_argument("--from", dest="source", required=True, help=", ".join(known))
    parser.add_argument("--to", dest="target", required=True, help="the same")
    parser.add_argument("--cell", help="rnn, lstm or gru, where the shapes do not tell")
    parser.add_argument("--prefix", default="", help="take only the weights whose names begin with this")
    parser.add_argument("--force", action="store_true", help="overwrite OUT")
    parser.add_argument("fields", nargs="*", metavar="field=value", help="of the cell: nonlinearity=relu")
    asked = parser.parse_intermixed_args(argv)
    try:
        source, target = convert.get(asked.source), convert.get(asked.target)
        if Path(asked.output).is_file() and not asked.force:
            raise UserError(f"{asked.output} exists: --force overwrites it")
        fields = {key: parsed(value) for key, _, value in (setting.partition("=") for setting in asked.fields)}
        if is_checkpoint(Path(asked.input)):
            if asked.source != "gru_lab" or asked.cell or asked.prefix or fields:
                raise UserError(f"{asked.input} is a checkpoint of our own: write --from gru_lab alone")
            stack = of_member(Path(asked.input))
        else:
            stack = source.load(convert.read(asked.input), cell=asked.cell, prefix=asked.prefix, **fields)
        arrays = target.dump(stack)
        print(f"{asked.input}: {described(stack)}")
        agree = all([check(framework, stack) for framework in (source, target)])
        if agree:
            convert.write(asked.output, arrays)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"wrote {asked.output}" if agree else f"{asked.output} was not written")
    return 0 if agree else 1


def is_checkpoint(path: Path) -> bool:
    """True if a file is what a run left of a member."""
    parents = path.absolute().parents
    return path.name == "checkpoint.safetensors" and len(parents) > 2 and (parents[2] / "config.yaml").exists()


def of_member(checkpoint: Path) -> convert.Stack:
    """The recurrent layers of a finished member of a run, with its best parameters."""
    from gru_lab import load

    layers = load(checkpoint.absolute().parent).network.recurrent
    if not layers:
        raise UserError(f"{checkpoint} is of a network without recurrent layers")
    stack = tuple(tuple({n: np.asarray(w) for n, w in side.items()} for side in layer.directions) for layer in layers)
    return convert.Stack(layers[0].cell, stack)


def described(stack: convert.Stack) -> str:
    """The cell, its size and dtype in a line."""
    sides = {1: "one direction", 2: "bidirectional"}[stack.directions]
    dtype = next(iter(stack.layers[0][0].values())).dtype
    name, layers = cells.name_of(stack.cell), len(stack.layers)
    return f"{name}, {layers} layer(s), {sides}, {stack.inputs} inputs, {stack.cell.hidden} hidden, {dtype}"


def check(framework: convert.Framework, stack: convert.Stack) -> bool:
    """True if the framework computes from its arrays what we compute from ours, on random inputs."""
    import jax

    os.environ.setdefault("KERAS_BACKEND", "jax")  # Keras would ask for TensorFlow
    dtype = "float64" if next(iter(stack.layers[0][0].values())).dtype == np.float64 else "float32"
    dtype = "float32" if framework.name == "keras" else dtype  # Keras computes in float32 on some backends
    xs = np.random.default_rng(0).standard_normal((3, 11, stack.inputs)).astype(dtype)
    with jax.enable_x64(dtype == "float64"):
        layers = jax.tree.map(lambda a: np.asarray(a, dtype), stack.layers)
        widened = convert.Stack(stack.cell, layers)
        try:
            theirs = framework.compute(widened, framework.dump(widened), xs)
        except ImportError as error:
            print(f"  not checked against {framework.name}, which cannot be imported: {error}")
            return True
        theirs = np.asarray(theirs.detach() if hasattr(theirs, "detach") else theirs)
        error = float(np.max(np.abs(np.asarray(widened.run(jax.numpy.asarray(xs))) - theirs)))
    verdict = "agrees" if error <= TOLERANCE[dtype] else "DISAGREES"
    print(f"  {framework.name} {verdict}: outputs differ by at most {error:.1e} ({dtype}, random inputs)")
    return error <= TOLERANCE[dtype]
