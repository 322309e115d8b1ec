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
# # From PyTorch or Keras to here, and back
#
# The weights of a trained RNN, LSTM or GRU of another framework become a cell here, exactly, or are refused with the
# reason. Here they come as arrays, as `state_dict()` of PyTorch and `get_weights()` of Keras have them, so that neither
# needs to be installed.

# %%
import jax
import numpy as np

from gru_lab import convert, diagnostics

random = np.random.default_rng(0)
HIDDEN, INPUTS = 5, 3

# %% [markdown]
# ## From PyTorch
#
# `torch.nn.GRU(3, 5)` has four arrays, its gates in the order r, z, n. Of a file: `convert.read("model.pt")`, which
# unpickles nothing.

# %%
scale = 1 / np.sqrt(HIDDEN)
state_dict = {
    "weight_ih_l0": random.uniform(-scale, scale, (3 * HIDDEN, INPUTS)),
    "weight_hh_l0": random.uniform(-scale, scale, (3 * HIDDEN, HIDDEN)),
    "bias_ih_l0": random.uniform(-scale, scale, 3 * HIDDEN),
    "bias_hh_l0": random.uniform(-scale, scale, 3 * HIDDEN),
}
state_dict = {name: array.astype(np.float32) for name, array in state_dict.items()}
stack = convert.get("torch").load(state_dict)
print(stack.cell)
print({name: array.shape for name, array in stack.layers[0][0].items()})

# %% [markdown]
# Its numbers, against the equations of PyTorch's documentation, written out in NumPy:

# %%
xs = random.standard_normal((2, 7, INPUTS)).astype(np.float32)


def sigmoid(a):
    """The logistic function."""
    return 1 / (1 + np.exp(-a))


def pytorch_gru(w, xs):
    """r, z, n and h' as torch.nn.GRU documents them."""
    h, outputs = np.zeros((len(xs), HIDDEN)), []
    for x in xs.swapaxes(0, 1):
        a_r, a_z, a_n = np.split(x @ w["weight_ih_l0"].T + w["bias_ih_l0"], 3, axis=1)
        b_r, b_z, b_n = np.split(h @ w["weight_hh_l0"].T + w["bias_hh_l0"], 3, axis=1)
        r, z = sigmoid(a_r + b_r), sigmoid(a_z + b_z)
        h = (1 - z) * np.tanh(a_n + r * b_n) + z * h
        outputs.append(h)
    return np.stack(outputs, axis=1)


difference = np.abs(np.asarray(stack.run(jax.numpy.asarray(xs))) - pytorch_gru(state_dict, xs)).max()
print("outputs differ by at most", difference)
assert difference < 1e-6

# %% [markdown]
# Now it is a cell like any other: here, how far back its gradient reaches.

# %%
params = {name: jax.numpy.asarray(array) for name, array in stack.layers[0][0].items()}
noise = jax.random.normal(jax.random.key(0), (4, 50, INPUTS))
norms = np.median(diagnostics.gradient_flow(stack.cell, params, noise, lambda outputs: outputs.sum()), axis=0)
print("of the gradient at lag 0, lag 20 has", norms[20] / norms[0])

# %% [markdown]
# ## To Keras
#
# The same weights as `keras.layers.GRU(reset_after=True)` has them: gates in the order z, r, h, transposed, one array
# of two biases.

# %%
arrays = convert.get("keras").dump(stack)
print({name: array.shape for name, array in arrays.items()})

# %% [markdown]
# ## And back
#
# The cell that comes back from Keras's arrays is the same to the bit. PyTorch has two biases for r and z, which only
# ever act as their sum: going back there, the sum stands in one of them.

# %%
again = convert.get("keras").load(arrays)
for name, array in stack.layers[0][0].items():
    assert np.array_equal(again.layers[0][0][name], array), name
returned = convert.get("torch").dump(again)
difference = np.abs(pytorch_gru(returned, xs) - pytorch_gru(state_dict, xs)).max()
print("the same bits came back; in PyTorch's equations outputs differ by at most", difference)

# %% [markdown]
# ## What is refused
#
# A GRU that resets before the product has no counterpart in PyTorch:

# %%
from gru_lab import UserError, cells

before = cells.create("gru", hidden=HIDDEN, reset="before")
try:
    convert.get("torch").dump(convert.Stack(before, ((before.init(jax.random.key(0), INPUTS),),)))
except UserError as error:
    print(error)

# %% [markdown]
# From the command line, with a check of both sides:
# `gru-lab convert model.pt model.weights.h5 --from torch --to keras`.
