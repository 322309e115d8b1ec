# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A new cell in an afternoon
#
# Write the equation, check it, compare it with equal parameters, and ask what its gradient does.

# %% [markdown]
# ## Write it
#
# `step` is the equation for one sequence and one time step. Batches, loops, masks and speed are not its concern.

# %%
from pathlib import Path

CODE = '''
from dataclasses import dataclass

import jax.numpy as jnp
from jax.nn import sigmoid

from gru_lab.cells.cell import Cell
from gru_lab.cells.initializers import gates


@dataclass(frozen=True)
class Damped(Cell):
    """A state that loses a share of itself per step, and is written through a gate.

        i  = sigmoid(x W_i + h U_i + b_i)
        h' = (1 - loss) h + i * tanh(x W_n + h U_n + b_n)

    Source: this lesson.

    Attributes:
        loss: the share of the state that is lost per step.
    """

    loss: float = 0.1

    def init(self, key, inputs):
        return gates("keras", key, "in", inputs, self.hidden)

    def step(self, params, h, x):
        p = params
        i = sigmoid(x @ p["W_i"] + h @ p["U_i"] + p["b_i"])
        return (1 - self.loss) * h + i * jnp.tanh(x @ p["W_n"] + h @ p["U_n"] + p["b_n"])
'''
Path("my_cells.py").write_text(CODE, encoding="utf-8")

# %% [markdown]
# ## Check it
#
# Shapes, gradients against finite differences, bounds, what the loop made of it, cost, reach: each line passes, or says
# what to do. The same as `gru-lab check my_cells.py:Damped`.

# %%
from gru_lab import check

assert check.main(["my_cells.py:Damped"]) == 0

# %% [markdown]
# ## Compare it
#
# Beside the GRU, with equal parameters and two seeds here. A class in a file is as good as a cell of GRU Lab.

# %%
from gru_lab import Experiment, cells, reports, run, tasks
from gru_lab.models import RecurrentModel, Spec
from gru_lab.models.budget import hidden_for
from gru_lab.runs import find_records
from gru_lab.training import Population, Training

task = tasks.create("adding", length=20)
spec = Spec(task.inputs, task.outputs, task.symbols, task.readout)
trained = {}
for name in ("gru", "my_cells.py:Damped"):
    hidden = hidden_for(RecurrentModel(), lambda n, name=name: cells.create(name, hidden=n), spec, 2000)
    trained[name] = run(
        Experiment(
            cells.create(name, hidden=hidden),
            task,
            training=Training(updates=400, evaluate_every=50, batch=32, validation=200, test=500),
            population=Population(seeds=2, axes={"optimizer.learning_rate": [0.01]}),
        ),
        "runs/afternoon",
    )
reports.publish(find_records([Path("runs/afternoon")]), Path("runs/afternoon/report"), reference="gru")

# %% [markdown]
# ## Ask it
#
# How far back does its gradient reach, fresh, for different losses of the state? And how does its state move: the
# leading Lyapunov exponent is the rate at which two neighbouring states part, below zero where they meet.

# %%
import jax
import numpy as np

from gru_lab import diagnostics

xs = jax.random.normal(jax.random.key(1), (8, 100, 2))
for loss in (0.01, 0.1, 0.5):
    cell = cells.create("my_cells.py:Damped", hidden=24, loss=loss)
    params = cell.init(jax.random.key(0), inputs=2)
    norms = np.median(diagnostics.gradient_flow(cell, params, xs, lambda outputs: outputs.sum()), axis=0)
    leading = diagnostics.lyapunov_spectrum(cell, params, xs).exponents
    print(f"loss {loss}: gradient at lag 50 {norms[50] / norms[0]:.2g} of that at 0, leading exponent", np.max(leading))

# %% [markdown]
# Next: `gru-lab compare --networks gru,lstm,my_cells.py:Damped` for the table with tuned rates and twelve seeds. To
# make the cell a part of GRU Lab, put the class into a file of `gru_lab/cells/` with `@register("damped")` above it.
