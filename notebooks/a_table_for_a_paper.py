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
# # A table for a paper
#
# Three networks with equal parameters on two tasks, each at the learning rate that it chose, with intervals and paired
# tests; the end is a LaTeX table. Sizes are small here, so that all of it runs in a few minutes; for a paper take more
# seeds and more updates.

# %%
from pathlib import Path

from gru_lab import Experiment, cells, reports, run, tasks
from gru_lab.models import RecurrentModel, Spec
from gru_lab.models.budget import hidden_for
from gru_lab.runs import find_records
from gru_lab.training import Population, Training
from gru_lab.training.protocols import Tuned

# %% [markdown]
# ## Equal parameters, and a rate that each network chooses
#
# `Tuned` gives every network the same rates and the same budget, on validation results and seeds of its own. Fresh
# seeds are then reported, and they alone see the test set.

# %%
BUDGET = 2000
protocol = Tuned(axes={"optimizer.learning_rate": [0.003, 0.01, 0.03]})
training = Training(updates=300, evaluate_every=50, batch=32, validation=200, test=500)
for task in (tasks.create("adding", length=20), tasks.create("temporal_order", length=20)):
    spec = Spec(task.inputs, task.outputs, task.symbols, task.readout)
    for name in ("rnn", "lstm", "gru"):
        hidden = hidden_for(RecurrentModel(), lambda n, name=name: cells.create(name, hidden=n), spec, BUDGET)
        experiment = Experiment(
            cells.create(name, hidden=hidden),
            task,
            training=training,
            protocol=protocol,
            population=Population(seeds=5),
        )
        result = run(experiment, "runs/paper")
        chosen = result.selection.hyper["optimizer.learning_rate"]
        print(f"{name} on {tasks.name_of(task)}: {hidden} units, rate {chosen:g}, test", result.values())

# %% [markdown]
# ## The table
#
# Markdown, CSV, LaTeX, learning curves and statistics go to `runs/paper/report/`.

# %%
reports.publish(find_records([Path("runs/paper")]), Path("runs/paper/report"), statistics=True)

# %%
print(Path("runs/paper/report/table.tex").read_text("utf-8"))

# %% [markdown]
# The same from the command line, in one line per step:
#
# ```sh
# gru-lab train -m network=rnn,lstm,gru cell.hidden=auto model.parameters=2000 task=adding,temporal_order \
#     task.length=20 protocol=tuned sweep=paper
# gru-lab table runs/paper --statistics
# ```
