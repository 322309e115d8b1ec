"""The checks of a new cell, a line each: passed, or what is wrong and what to do.

python -m gru_lab check my_cells.py:Mine                          a cell of yours
python -m gru_lab check my_cells.py:Mine rate=0.3 --hidden 32     with some of its fields
python -m gru_lab check gru --figure gradient_flow.png            and the gradient that reaches earlier states
"""

import argparse
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gru_lab.card import document, given
from gru_lab.errors import UserError, in_one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from gru_lab.cells import Cell

NOISE, LARGE = 2000, 1e3  # steps of white noise, and what a state should stay below; see `Cell.drift`
LAGS = 200
BESIDE = ("rnn", "lstm", "gru")


class Failed(Exception):
    """A check that failed: what is wrong, and what to do."""


@dataclass(frozen=True)
class Checked:
    """A cell and what the checks of it share.

    Attributes:
        cell: the cell.
        inputs: the number of its inputs.
        name: the name that it was asked for by.
    """

    cell: "Cell"
    inputs: int
    name: str

    def params(self, seed: int = 0, dtype: Any = None) -> Any:
        """Fresh parameters, of another type where one is given."""
        import jax

        params = self.cell.init(jax.random.key(seed), self.inputs)
        return params if dtype is None else jax.tree.map(lambda leaf: _as(leaf, dtype), params)

    def noise(self, batch: int, time: int, dtype: Any = None) -> Any:
        """Inputs from N(0, 1)."""
        import jax

        return jax.random.normal(jax.random.key(1), (batch, time, self.inputs), dtype)


def settings(checked: Checked) -> str:
    """Equal settings are equal and hash alike: `jax.jit` compiles a cell once."""
    import dataclasses

    same = dataclasses.replace(checked.cell)
    if same != checked.cell or hash(same) != hash(checked.cell):
        raise Failed("two cells of the same settings are not equal: write @dataclass(frozen=True) above the class")
    fields = [field.name for field in dataclasses.fields(checked.cell)]
    return f"a frozen dataclass with {', '.join(fields)}"


def words(checked: Checked) -> str:
    """The docstring has what a card shows."""
    import dataclasses

    parts = document(type(checked.cell))
    missing = [what for what, there in (
        ("the equations, indented", parts["equations"]), ("a line `Source:`", parts["Source"]),
        *((f"`{field.name}:` under `Attributes:`", parts["fields"].get(field.name))
          for field in dataclasses.fields(checked.cell)),
    ) if not there]  # fmt: skip
    if missing:
        raise Failed(f"the docstring lacks {'; '.join(missing)}")
    return "summary, equations, source and every field"


def drawing(checked: Checked) -> str:
    """`init` gives the same parameters for the same key, finite ones."""
    import jax
    import numpy as np

    first, same, other = ([np.asarray(leaf) for leaf in jax.tree.leaves(checked.params(s))] for s in (0, 0, 1))
    if not all(np.array_equal(a, b) for a, b in zip(first, same, strict=True)):
        raise Failed("init gives other parameters for the same key: draw from `key` alone, by jax.random")
    if not all(np.isfinite(leaf).all() for leaf in first):
        raise Failed("init gives parameters that are not finite")
    count = sum(leaf.size for leaf in first)
    if any(leaf.size > 1 and leaf.std() > 0 for leaf in first) and all(map(np.array_equal, first, other)):
        raise Failed("init gives the same parameters for another key: seeds would not differ")
    return f"{count:,} parameters, decided by the key"


def stepping(checked: Checked) -> str:
    """`step` gives back a state like the one that it was given, and the loop gives what steps by hand give."""
    import jax
    import jax.numpy as jnp

    from gru_lab.recurrence import Reference, unroll

    with jax.enable_x64(True):
        params, xs = checked.params(dtype=jnp.float64), checked.noise(2, 7, jnp.float64)
        final, hs = unroll(checked.cell, params, xs)
        by_hand = unroll(checked.cell, params, xs, method=Reference())
        worst = 0.0
        for ours, theirs in zip(jax.tree.leaves((final, hs)), jax.tree.leaves(by_hand), strict=True):
            worst = max(worst, float(jnp.max(jnp.abs(ours - theirs)) / (1e-30 + jnp.max(jnp.abs(theirs)))))
        if not worst < 1e-9:
            raise Failed(
                f"the loop differs from steps one by one by {worst:.2g}: does step use what is not its argument?"
            )
        state = jax.tree.leaves(jax.eval_shape(checked.cell.initial_state, params))
    shapes = ", ".join(str(tuple(leaf.shape)) for leaf in state)
    return f"state {shapes}; the loop is the steps one by one to {worst:.0e}"


def gradients(checked: Checked) -> str:
    """Gradients are those of central differences, in double precision."""
    import jax
    import jax.numpy as jnp
    from jax.flatten_util import ravel_pytree

    from gru_lab.recurrence import unroll

    with jax.enable_x64(True):
        flat, whole = ravel_pytree(checked.params(dtype=jnp.float64))
        xs = checked.noise(2, 6, jnp.float64)

        @jax.jit
        def loss(flat: Any) -> Any:
            return jnp.sum(jnp.abs(jnp.sin(unroll(checked.cell, whole(flat), xs)[1])) ** 2)

        direction = jax.random.normal(jax.random.key(2), flat.shape, jnp.float64)
        direction /= jnp.linalg.norm(direction)
        slope = float(jnp.real(jnp.sum(jax.grad(loss)(flat) * direction)))
        step = 1e-5
        differences = float((loss(flat + step * direction) - loss(flat - step * direction)) / (2 * step))
    error = abs(slope - differences) / max(abs(slope), abs(differences), 1e-12)
    if not error < 1e-5:
        raise Failed(
            f"the gradient along a random direction is {slope:.6g}, central differences say {differences:.6g}: "
            "stop_gradient, a rounding or a custom rule in step?"
        )
    return f"equal to central differences to {error:.0e}"


def boundedness(checked: Checked) -> str:
    """A fresh cell stays bounded on noise, and outputs and gradients finite on inputs of 1,000."""
    import jax
    import jax.numpy as jnp

    from gru_lab.recurrence import unroll

    params = checked.params()
    final, _ = unroll(checked.cell, params, checked.noise(4, NOISE))
    largest = max(float(jnp.max(jnp.abs(leaf))) for leaf in jax.tree.leaves(final))
    drift = type(checked.cell).drift
    if not largest < LARGE and not drift:
        raise Failed(
            f"after {NOISE:,} steps of white noise the state of a fresh cell is at {largest:.2g}: begin with smaller "
            "recurrent weights, or say in `drift` why it must be so"
        )

    def loss(params: Any) -> Any:
        return jnp.sum(jnp.abs(unroll(checked.cell, params, 1e3 * checked.noise(2, 20))[1]))

    value, gradient = jax.value_and_grad(loss)(params)
    if not all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves((value, gradient))):
        raise Failed("outputs or gradients are not finite on inputs of 1,000: a division, root or logarithm near 0?")
    return f"at most {largest:.2g} after {NOISE:,} steps of noise; finite on inputs of 1,000"


def loop(checked: Checked) -> str:
    """The products of matrices that leave the loop over time."""
    from gru_lab.recurrence.report import counts

    per = counts(checked.cell, checked.inputs, 8, 100)
    outside, inside = per["outside products"], per["forward products"]
    said = f"products of matrices: {inside} forward at each step, {outside} outside of the loop, for all steps at once"
    return said if outside else f"{said}: it runs as a plain scan, which is right and slower"


def costs(checked: Checked) -> str:
    """Parameters and operations beside a GRU of as many units."""
    from gru_lab import cells
    from gru_lab.cells import budget

    ours = budget.cost(checked.cell, checked.inputs)
    gru = budget.cost(cells.create("gru", hidden=checked.cell.hidden), checked.inputs)
    return (
        f"{ours.parameters:,} parameters, {ours.flops:,} operations per step: {ours.parameters / gru.parameters:.2f} "
        f"and {ours.flops / gru.flops:.2f} times those of a GRU of {checked.cell.hidden} units"
    )


def reach(checked: Checked) -> str:
    """The steps back to which the gradient of the last output reaches, at initialisation."""
    from gru_lab import cells
    from gru_lab.diagnostics import horizon

    def lags(cell: "Cell") -> str:
        steps = int(horizon(_norms(cell, checked.inputs)))
        return f"{steps} steps" if steps < LAGS else f"{LAGS} steps or more"

    others = [name for name in BESIDE if name != checked.name]
    beside = ", ".join(f"{name} {lags(cells.create(name, hidden=checked.cell.hidden))}" for name in others)
    return f"the gradient falls to a thousandth within {lags(checked.cell)} at initialisation ({beside})"


CHECKS: dict[str, Callable[[Checked], str]] = {
    "settings": settings,
    "docstring": words,
    "init": drawing,
    "step": stepping,
    "gradients": gradients,
    "bounds": boundedness,
    "loop": loop,
    "cost": costs,
    "reach": reach,
}


def check(cell: "Cell", inputs: int = 8, name: str = "") -> Iterator[tuple[str, bool, str]]:
    """Every check of a cell in turn: its name, whether it passed, and a sentence.

    >>> from gru_lab import cells
    >>> [name for name, passed, sentence in check(cells.GRU(hidden=4)) if not passed]
    []
    """
    checked = Checked(cell, inputs, name)
    for what, ask in CHECKS.items():
        try:
            yield what, True, ask(checked)
        except (Failed, UserError) as failed:
            yield what, False, str(failed)
        except Exception as error:  # whatever the user's code raises is told, with its line
            frames = traceback.extract_tb(error.__traceback__)
            frames = [frame for frame in frames if "site-packages" not in frame.filename]
            yield what, False, f"{in_one_line(error)} ({Path(frames[-1].filename).name}, line {frames[-1].lineno})"


def drawn(cell: "Cell", inputs: int, name: str, on: "Axes | None" = None) -> "Figure":
    """The norms of the gradient over lags, beside those of the RNN, the LSTM and the GRU."""
    import numpy as np
    from matplotlib.lines import Line2D

    from gru_lab import cells
    from gru_lab.reports.style import looks, sheet

    others = {beside: cells.create(beside, hidden=cell.hidden) for beside in BESIDE if beside != name}
    curves = {label: np.asarray(_norms(each, inputs)) for label, each in {name: cell, **others}.items()}
    look = looks([*curves])
    with sheet(2.2, [*curves], on) as drawing:
        axes = drawing.panels[0, 0]
        for style, norms in zip(look, curves.values(), strict=True):
            axes.semilogy(np.arange(norms.size), norms / norms[0], **style)
        axes.set_xlabel("lag")
        axes.set_ylabel("norm / norm at lag 0")
        axes.set_ylim(1e-8, None)
        drawing.title(f"The gradient that reaches earlier states: {name}, fresh")
        drawing.legend([Line2D([], [], label=label, **style) for label, style in zip(curves, look, strict=True)])
        return drawing.figure


def main(argv: Sequence[str] | None = None) -> int:
    """Check a cell and say what came of it; the exit status: 0, 1 if a check failed, 2 for a mistake."""
    parser = argparse.ArgumentParser(
        "python -m gru_lab check", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cell", help="path/to/file.py:Class, module:Class, or the name of one of ours")
    parser.add_argument("fields", nargs="*", metavar="field=value", help="fields of the cell")
    parser.add_argument("--hidden", type=int, default=16, help="units (16)")
    parser.add_argument("--inputs", type=int, default=8, help="features of one input (8)")
    parser.add_argument("--figure", type=Path, metavar="FILE.png", help="draw the gradient over lags, too")
    asked = parser.parse_intermixed_args(argv)
    from gru_lab import cells
    from gru_lab.reports.escape import plain
    from gru_lab.reports.style import files

    try:
        if asked.inputs < 1:
            raise UserError(f"--inputs is {asked.inputs}: it must be a whole number of at least 1")
        cell = cells.create(asked.cell, **({"hidden": asked.hidden} | given(asked.fields, "hidden=32")))
        failed = 0
        cell = cell.at_length(100) if cell.automatic else cell
        name = asked.cell.rpartition(":")[2]
        for what, passed, sentence in check(cell, asked.inputs, name):
            failed += not passed
            print(f"{'ok  ' if passed else 'FAIL'}  {what:<9}  {plain(sentence)}", flush=True)
        if asked.figure and not failed:
            try:
                asked.figure.write_bytes(files(drawn(cell, asked.inputs, name))["png"])
            except OSError as error:
                raise UserError(f"--figure {asked.figure} cannot be written: {error.strerror}") from None
            print(f"written to {plain(asked.figure)}")
    except UserError as error:
        print(plain(error), file=sys.stderr)
        return 2
    if failed:
        print(f"{failed} of {len(CHECKS)} checks failed")
        return 1
    beside = "" if name in BESIDE else f"; next: python experiments/train.py -m network={asked.cell},gru task=adding"
    print(f"all {len(CHECKS)} checks passed{plain(beside)}")
    return 0


def _norms(cell: "Cell", inputs: int) -> Any:
    """The mean over sequences of noise of the norms of the gradient over lags."""
    import jax
    import jax.numpy as jnp

    from gru_lab.diagnostics import gradient_flow

    params = cell.init(jax.random.key(0), inputs)
    xs = jax.random.normal(jax.random.key(1), (8, LAGS, inputs))
    norms = gradient_flow(cell, params, xs, lambda hs: jnp.sum(jnp.abs(hs) ** 2))
    return jnp.mean(norms, axis=0)


def _as(leaf: Any, dtype: Any) -> Any:
    import jax.numpy as jnp

    if jnp.issubdtype(leaf.dtype, jnp.complexfloating):
        return leaf.astype(jnp.result_type(dtype, jnp.complex64))
    return leaf.astype(dtype) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf


__all__ = ["CHECKS", "Checked", "Failed", "check", "drawn", "main"]
