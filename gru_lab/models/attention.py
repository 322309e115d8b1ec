"""Attention: a decoder's look at what an encoder read, as functions of one example and as part of a cell's step."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp

from gru_lab.cells.wrappers import Wrapper
from gru_lab.typing import Array, Bool, Float, Key, Params, State

Score = Literal["additive", "dot"]


class Memory(NamedTuple):
    """The memory of an encoder: an output h_j, its key h_j U_a and whether it counts, per step."""

    values: Float[Array, "*B S V"]
    keys: Float[Array, "*B S A"]
    counts: Bool[Array, "*B S"]


def init(score: Score, key: Key, queries: int, values: int, size: int) -> Params:
    """Fresh parameters of attention, Glorot-uniform, for queries and values of so many numbers."""
    glorot, dtype = jax.nn.initializers.glorot_uniform(), jnp.result_type(float)
    key_query, key_value, key_score = jax.random.split(key, 3)
    if score == "dot":
        return {"U_a": glorot(key_value, (values, queries), dtype)}
    return {
        "W_a": glorot(key_query, (queries, size), dtype),
        "U_a": glorot(key_value, (values, size), dtype),
        "v_a": glorot(key_score, (size, 1), dtype)[:, 0],
    }


def weights(params: Params, query: Float[Array, " Q"], memory: Memory) -> Float[Array, " S"]:
    """The share of each step in a look, as the decoder's output asks; shares add up to 1, and are 0 on padding.

        additive    softmax_j(v_a . tanh(query W_a + key_j))
        dot         softmax_j(query . key_j)

    Sources: Bahdanau et al. 2015, arXiv:1409.0473, section A.1.2; Luong et al. 2015, arXiv:1508.04025, "general".
    """
    additive = "v_a" in params
    scores = jnp.tanh(query @ params["W_a"] + memory.keys) @ params["v_a"] if additive else memory.keys @ query
    return jax.nn.softmax(jnp.where(memory.counts, scores, jnp.finfo(scores.dtype).min))


def look(params: Params, query: Float[Array, " Q"], memory: Memory) -> Float[Array, " V"]:
    """The context: the mean of the encoder's outputs under the shares."""
    return weights(params, query, memory) @ memory.values


@dataclass(frozen=True, kw_only=True)
class Attending(Wrapper):
    """A cell that looks at a memory before each step, and reads what it sees beside its input.

        c_t = look(read(s_(t-1)));    s_t = step(s_(t-1), [x_t, c_t]);    output [read(s_t), c_t]

    Its parameters are `{"cell": ..., "attention": ..., "memory": PerSequence(Memory(...))}`: the first two are those of
    all sequences, the memory is of each.
    Source: Bahdanau et al. 2015, arXiv:1409.0473, section A.1.2, there with a GRU.
    """

    def initial_state(self, params: Params) -> State:
        """The inner cell's initial state, and a context of zeros."""
        values = params["memory"].value.values
        return self.cell.initial_state(params["cell"]), jnp.zeros(values.shape[-1], values.dtype)

    def step(self, params: Params, state: State, x: Float[Array, " I"]) -> State:
        """A look, and one step of the inner cell."""
        inner, _ = state
        context = look(params["attention"], self.cell.read(inner), params["memory"].value)
        return self.cell.step(params["cell"], inner, jnp.concatenate([x, context])), context

    def read(self, state: State) -> Float[Array, " O"]:
        """The inner cell's output, and the context."""
        inner, context = state
        return jnp.concatenate([self.cell.read(inner), context])
