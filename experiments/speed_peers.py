"""The contenders of `speed.py`: one recurrent layer each, built as its own documentation builds it.

A builder takes (cell, batch, time, inputs, hidden) and returns a `Contender`, or None where the library has no such
layer. Every layer maps xs (batch, time, inputs) to hs (batch, time, hidden) in float32; forward+backward is the
gradient of <hs, weights> with respect to the layer's parameters.
"""

# The other framework need not be installed (it comes with the extra `parity`):
# pyright: reportMissingImports=false

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

Shape = tuple[int, int, int, int]
PRODUCTS = "products alone"
SPLIT = "gru_lab, 2 devices"


@dataclass
class Contender:
    """One layer, ready to run: `run[direction]()` computes once and waits for the result."""

    name: str
    run: dict[str, Callable[[], Any]]
    compile_s: dict[str, float]  # seconds of processor time
    temporaries: dict[str, int]  # bytes, as the compiled program asks for them; empty where unknown


def data(shape: Shape) -> tuple[np.ndarray, np.ndarray]:
    """The inputs and the weights of the outputs in the loss: the same for every contender."""
    batch, time, inputs, hidden = shape
    draw = np.random.default_rng(0)
    return (
        draw.standard_normal((batch, time, inputs), np.float32),
        draw.standard_normal((batch, time, hidden), np.float32),
    )


def compiled(name: str, apply: Callable[[Any, Any], Any], params: Any, shape: Shape, mesh: Any = None) -> Contender:
    """A contender from a pure JAX function `apply(params, xs) -> hs`; with a mesh the batch lies split over it."""
    import jax
    import jax.numpy as jnp

    programs = {
        "forward": lambda p, xs, weights: apply(p, xs),
        "forward+backward": jax.value_and_grad(lambda p, xs, weights: jnp.vdot(apply(p, xs), weights)),
    }
    arguments = (params, *map(jnp.asarray, data(shape)))
    if mesh is not None:
        whole, split = (jax.sharding.NamedSharding(mesh, jax.P(*axes)) for axes in ((), mesh.axis_names))
        arguments = jax.device_put(arguments, (whole, split, split))
    return contender(name, programs, *arguments)


def contender(name: str, programs: dict[str, Callable[..., Any]], *arguments: Any) -> Contender:
    """A contender from a pure JAX function per direction, all of the same arguments."""
    import time

    import jax

    run, seconds, temporaries = {}, {}, {}
    for direction, program in programs.items():
        start = time.process_time()  # other programs on the machine would lengthen the time on a clock
        executable = jax.jit(program).lower(*arguments).compile()
        seconds[direction] = time.process_time() - start
        usage = executable.memory_analysis()
        temporaries[direction] = usage.temp_size_in_bytes if usage else 0
        run[direction] = lambda call=executable: jax.block_until_ready(call(*arguments))
    return Contender(name, run, seconds, temporaries)


def products(cell: str, shape: Shape) -> Contender:
    """The matrix products of the layer alone, each of all time steps at once: the floor of any layer of this kind.

    Forward [x h] W, backward dh = dg U^T and dW = [x h]^T dg, with the gates' cotangents dg (batch x time, gates x
    hidden). No recurrence can join its steps like this, for each needs the state before it.
    """
    import jax

    batch, time, inputs, hidden = shape
    wide = {"rnn": 1, "lstm": 4, "gru": 3}[cell] * hidden
    sizes = [(batch * time, inputs + hidden), (inputs + hidden, wide), (batch * time, wide)]
    keys = jax.random.split(jax.random.key(0), len(sizes))
    arrays = [jax.random.normal(key, size) for key, size in zip(keys, sizes, strict=True)]

    def backward(xh: Any, W: Any, dg: Any) -> tuple[Any, Any, Any]:
        return xh @ W, dg @ W[inputs:].T, xh.T @ dg

    return contender(PRODUCTS, {"forward": lambda xh, W, dg: xh @ W, "forward+backward": backward}, *arrays)


def gru_lab(cell: str, shape: Shape, method: Any = None, name: str = "gru_lab", mesh: Any = None) -> Contender:
    """`gru_lab.unroll` with its default method, on one device unless a mesh is given."""
    import jax

    from gru_lab import cells, unroll
    from gru_lab.recurrence import Sequential

    layer = cells.create(cell, hidden=shape[3])
    params = layer.init(jax.random.key(0), shape[2])

    def apply(params: Any, xs: Any) -> Any:
        return unroll(layer, params, xs, method=method or Sequential(), mesh=mesh)[1]

    return compiled(name, apply, params, shape, mesh)


def gru_lab_split(cell: str, shape: Shape) -> Contender | None:
    """`gru_lab.unroll` with the batch split over two devices; a single sequence cannot be."""
    import jax

    devices = jax.devices()[:2]
    if len(devices) < 2 or shape[0] < 2:
        return None
    return gru_lab(cell, shape, name=SPLIT, mesh=jax.sharding.Mesh(np.array(devices), ("batch",)))


def plain_scan(cell: str, shape: Shape) -> Contender:
    """`gru_lab.unroll` as a plain `lax.scan`."""
    from gru_lab.recurrence import Reference

    return gru_lab(cell, shape, Reference(), "plain scan")


def flax_nnx(cell: str, shape: Shape, kind: str | None = None) -> Contender:
    """`flax.nnx.RNN`, with its fused LSTM."""
    from flax import nnx

    kind = kind or {"rnn": "SimpleCell", "lstm": "OptimizedLSTMCell", "gru": "GRUCell"}[cell]
    layer = nnx.RNN(getattr(nnx, kind)(shape[2], shape[3], rngs=nnx.Rngs(0)))
    graph, params, rest = nnx.split(layer, nnx.Param, ...)
    start = layer.cell.initialize_carry((shape[0], shape[2]), nnx.Rngs(0))
    return compiled("flax.nnx", lambda p, xs: nnx.merge(graph, p, rest)(xs, initial_carry=start), params, shape)


def equinox(cell: str, shape: Shape) -> Contender | None:
    """An Equinox cell in `lax.scan`, mapped over the batch: the form its documentation shows."""
    import equinox as eqx
    import jax
    import jax.numpy as jnp

    if cell == "rnn":
        return None
    layer = {"lstm": eqx.nn.LSTMCell, "gru": eqx.nn.GRUCell}[cell](shape[2], shape[3], key=jax.random.key(0))
    params, static = eqx.partition(layer, eqx.is_array)
    zeros = jnp.zeros(shape[3])
    start = (zeros, zeros) if cell == "lstm" else zeros

    def apply(params: Any, xs: Any) -> Any:
        layer = eqx.combine(params, static)

        def advance(state: Any, x: Any) -> tuple[Any, Any]:
            state = layer(x, state)
            return state, state[0] if cell == "lstm" else state

        return jax.vmap(lambda row: jax.lax.scan(advance, start, row)[1])(xs)

    return compiled("equinox", apply, params, shape)


def keras(cell: str, shape: Shape) -> Contender:
    """A Keras 3 layer on the JAX backend, called without side effects."""
    import keras as k

    if k.backend.backend() != "jax":
        raise ImportError("Keras does not run on its JAX backend here")
    kind = {"rnn": k.layers.SimpleRNN, "lstm": k.layers.LSTM, "gru": k.layers.GRU}[cell]
    layer = kind(shape[3], return_sequences=True)
    layer.build((shape[0], shape[1], shape[2]))
    params = [v.value for v in layer.trainable_variables]
    rest = [v.value for v in layer.non_trainable_variables]
    return compiled("keras", lambda p, xs: layer.stateless_call(p, rest, xs)[0], params, shape)


def haiku(cell: str, shape: Shape) -> Contender:
    """A Haiku core in `hk.dynamic_unroll`."""
    import haiku as hk
    import jax
    import jax.numpy as jnp

    def network(xs: Any) -> Any:
        core = {"rnn": hk.VanillaRNN, "lstm": hk.LSTM, "gru": hk.GRU}[cell](shape[3])
        return hk.dynamic_unroll(core, xs, core.initial_state(xs.shape[0]), time_major=False)[0]

    layer = hk.without_apply_rng(hk.transform(network))
    params = layer.init(jax.random.key(0), jnp.asarray(data(shape)[0]))
    return compiled("haiku", layer.apply, params, shape)


def torch(cell: str, shape: Shape, threads: int) -> Contender:
    """PyTorch's layer; the caller picks the better number of threads."""
    import torch as t

    kind = {"rnn": t.nn.RNN, "lstm": t.nn.LSTM, "gru": t.nn.GRU}[cell]
    layer = kind(shape[2], shape[3], batch_first=True)
    xs, weights = (t.from_numpy(a) for a in data(shape))

    def forward() -> None:
        t.set_num_threads(threads)
        with t.no_grad():
            layer(xs)

    def both() -> None:
        t.set_num_threads(threads)
        layer.zero_grad()
        (layer(xs)[0] * weights).sum().backward()

    return Contender(
        f"torch ({threads} thread{'s' * (threads > 1)})", {"forward": forward, "forward+backward": both}, {}, {}
    )


BUILDERS: dict[str, Callable[[str, Shape], Contender | None]] = {
    "gru_lab": gru_lab,
    "gru_lab2": gru_lab_split,
    "plain": plain_scan,
    "flax": flax_nnx,
    "equinox": equinox,
    "keras": keras,
    "haiku": haiku,
    "torch1": lambda cell, shape: torch(cell, shape, 1),
    "torch2": lambda cell, shape: torch(cell, shape, 2),
}
