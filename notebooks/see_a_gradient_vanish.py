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
# # See a gradient vanish
#
# A recurrent network learns from an error at the end of a sequence by sending it back, step by step, as a gradient. In
# the vanilla RNN that gradient shrinks at every step: what happened long ago is never learned. Gates were made to cure
# this. Here it is seen, at the beginning and after training. Everything runs in about two minutes on two cores.

# %%
import jax
import numpy as np

from gru_lab import Experiment, cells, diagnostics, run, tasks
from gru_lab.reports import figures
from gru_lab.training import Population, Training
from gru_lab.training.callbacks.diagnostics import Diagnostics

NETWORKS = ("rnn", "lstm", "gru")
SCALES = figures.GRADIENTS._replace(members="sequences")

# %% [markdown]
# ## Before training
#
# For a loss on the last state, the norm of the gradient with respect to the state `lag` steps earlier. A straight line
# in this picture, whose vertical axis is logarithmic, is an exponential.


# %%
def flow(name, length, **settings):
    """The norm of the gradient for 16 sequences of noise, by lag."""
    cell = cells.create(name, hidden=32, **settings)
    params = cell.init(jax.random.key(0), inputs=2)
    xs = jax.random.normal(jax.random.key(1), (16, length, 2))
    gradients = diagnostics.gradient_flow(cell, params, xs, lambda outputs: outputs[:, 0].sum())
    return np.asarray(gradients)


def draw(length=100, forget_bias=1.0):
    """One line per network: the median over the sequences, in a band of their range."""
    curves = {}
    for name in NETWORKS:
        norms = flow(name, int(length), **({"forget_bias": float(forget_bias)} if name != "rnn" else {}))
        curves[name] = figures.Curves(name, np.arange(int(length)), {"initial": norms})
    with figures.using("slides"):
        return figures.two_panels(f"forget bias {forget_bias:g}", curves, SCALES)


draw()

# %%
draw(forget_bias=4.0)

# %% [markdown]
# With a larger forget bias the gates begin open, and the gradient of LSTM and GRU reaches back further; the RNN has no
# gate to open. In a notebook with `ipywidgets` both numbers are sliders:

# %%
try:
    from ipywidgets import FloatSlider, IntSlider, interact

    interact(draw, length=IntSlider(100, 10, 400, 10), forget_bias=FloatSlider(1.0, min=-2, max=6, step=0.5))
except ImportError:
    draw(length=200, forget_bias=4.0)

# %% [markdown]
# How far back does it reach? The horizon is the lag at which the gradient has fallen to a tenth.

# %%
for name in NETWORKS:
    norms = np.median(flow(name, 200), axis=0)
    below = np.flatnonzero(norms < 0.1 * norms[0])
    print(f"{name:5} the gradient falls to a tenth after", f"{below[0]} steps" if len(below) else "more than 200 steps")

# %% [markdown]
# ## While the networks learn
#
# The adding problem: two of 40 numbers are marked, and their sum is asked at the end. The gradient is measured at every
# evaluation.

# %%
groups = {}
for name in NETWORKS:
    experiment = Experiment(
        cells.create(name, hidden=32),
        tasks.create("adding", length=40),
        training=Training(updates=600, evaluate_every=50, batch=32, validation=200, test=200),
        population=Population(seeds=2, axes={"optimizer.learning_rate": [0.01]}),
    )
    (groups[name],) = run(experiment, "runs/class", [Diagnostics(names=("gradient_flow",))]).groups
    values = groups[name].values()
    print(f"{name:5} test loss {np.mean(values):.4f} (guessing has 0.167), {groups[name].solved} of 2 seeds solved it")

# %%
reels = {name: figures.reel(group) for name, group in groups.items()}
with open("gradient.html", "w") as page:
    page.write(figures.player_page("adding, 40 steps", reels))
for suffix, content in figures.film("adding, 40 steps", reels).items():
    with open(f"gradient.{suffix}", "wb") as file:
        file.write(content)
print("the film is in gradient.html, with a slider to wind it by hand; and as GIF and MP4")
try:
    from IPython.display import IFrame, display

    display(IFrame("gradient.html", 1000, 600))
except ImportError:
    pass

# %% [markdown]
# Training opens the gates: where a network has solved the task, its gradient reaches the marked numbers. Next:
# `gru-lab gradients -m cell=rnn,lstm,gru` asks six questions of each network, with intervals over seeds.
