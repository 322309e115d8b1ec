"""The long short-term memory of Hochreiter and Schmidhuber (1997), with the forget gate of Gers (2000)."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
from jax.nn import sigmoid

from gru_lab.cells.cell import register
from gru_lab.cells.initializers import Bias, GatedCell, gates, scheme
from gru_lab.typing import Array, Float, Key, Params


@register("lstm")
@dataclass(frozen=True, kw_only=True)
class LSTM(GatedCell):
    """Long short-term memory: three gates around a cell c, through which the gradient flows by addition.

        i  = sigmoid(x W_i + h U_i + p_i * c + b_i)
        f  = sigmoid(x W_f + h U_f + p_f * c + b_f)
        g  = tanh(x W_g + h U_g + b_g)
        c' = f * c + i * g
        o  = sigmoid(x W_o + h U_o + p_o * c' + b_o)
        h' = o * tanh(c')

    The state is (h, c). The peepholes p exist only with `peephole=True`. The forget gate came in 2000: the
    cell of 1997 is `forget_gate="none"`. The eight variants of Greff 2017 change one thing each:
    `input_gate=False` (NIG), `forget_gate="none"` (NFG), `output_gate=False` (NOG), `input_squash=False`
    (NIAF), `output_squash=False` (NOAF), `peephole=False` (NP), `forget_gate="coupled"` (CIFG),
    `gate_recurrence=True` (FGR); its vanilla LSTM is `peephole=True`.
    Shapes: x (inputs,), h and c (hidden,), W_g (inputs, hidden), U_g and R_gg (hidden, hidden), b_g and p_g
    (hidden,).
    Source: Hochreiter & Schmidhuber 1997, Neural Computation 9(8); Gers et al. 2000, Neural Computation
    12(10); the peepholes: Gers et al. 2002, JMLR 3; the variants: Greff et al. 2017, arXiv:1503.04069,
    section 3.

    Attributes:
        forget_bias: added to b_f when it is drawn, not at run time (Jozefowicz 2015 advises 1).
        peephole: whether the gates see the cell through p_i, p_f, p_o.
        input_gate: whether there is an i; i = 1 otherwise.
        forget_gate: f is learned, 1 (`none`), or 1 - i (`coupled`).
        output_gate: whether there is an o; o = 1 otherwise.
        input_squash: whether g passes through tanh.
        output_squash: whether c' passes through tanh before the output.
        gate_recurrence: whether each gate also sees all gates of the step before, i R_ig + f R_fg + o R_og; they are
            then a part of the state (h, c, i, f, o).
    """

    witness: ClassVar[str] = "a: torch.nn; torchrecurrent 0.2.5 (peephole)"
    keep: ClassVar[str] = "f"
    write: ClassVar[str] = "i"

    forget_bias: Bias = 1.0
    peephole: bool = False
    input_gate: bool = True
    forget_gate: Literal["learned", "none", "coupled"] = "learned"
    output_gate: bool = True
    input_squash: bool = True
    output_squash: bool = True
    gate_recurrence: bool = False

    def check(self) -> None:
        """`forget_gate` must not be `coupled` where there is no input gate, nor biases be drawn for one that is not."""
        if self.forget_gate == "coupled" and not self.input_gate:
            self.refuse("forget_gate", "it must be 'learned' or 'none' where input_gate is false")
        if self.forget_gate == "none" and self.gate_init != "constant":
            self.refuse("gate_init", "it must be 'constant' where forget_gate is 'none': it draws biases of that gate")

    @property
    def _gates(self) -> str:
        there = {"i": self.input_gate, "f": self.forget_gate == "learned", "o": self.output_gate}
        return "".join(gate for gate in "ifo" if there[gate])

    def init(self, key: Key, inputs: int) -> Params:
        """W, U, b of i, f, g, o by the scheme of `initializer`; p as the biases; `forget_bias` on b_f."""
        letters = "".join(letter for letter in "ifgo" if letter in self._gates + "g")
        params = gates(self.initializer, key, letters, inputs, self.hidden)
        draw = scheme(self.initializer, self.hidden)
        for n, gate in enumerate("ifo", start=4):
            if self.peephole and gate in self._gates:
                params[f"p_{gate}"] = draw.bias(jax.random.fold_in(key, n), (self.hidden,))
        if self.gate_recurrence:
            pairs = [(a, b) for a in self._gates for b in self._gates]
            for (a, b), k in zip(pairs, jax.random.split(jax.random.fold_in(key, 7), len(pairs)), strict=True):
                params[f"R_{a}{b}"] = draw.recurrent(k, (self.hidden, self.hidden))
        if self.forget_gate == "none":
            return params
        coupled = self.forget_gate == "coupled"
        return self.remember(params, key, keep="" if coupled else "f", write="i" if self.input_gate else "")

    def initial_state(self, params: Params) -> Any:
        """Zeros for h and c, and for the gates where they are a part of the state."""
        zeros = super().initial_state(params)
        return (zeros,) * (2 + (len(self._gates) if self.gate_recurrence else 0))

    def gate_values(self, params: Params, state: Any, x: Float[Array, " I"]) -> dict[str, Array]:
        """The gates i, f and o; ones for a gate that is not there."""
        return self._gates_and_cell(params, state, x)[0]

    def _gates_and_cell(self, params: Params, state: Any, x: Array) -> tuple[dict[str, Array], Array]:
        """All gates, and c', which o sees."""
        p, (h, c, *_), ones = params, state, jnp.ones_like(state[1])
        i = self._gate("i", params, state, x, c) if self.input_gate else ones
        if self.forget_gate == "learned":
            f = self._gate("f", params, state, x, c)
        else:
            f = ones if self.forget_gate == "none" else 1 - i
        g = x @ p["W_g"] + h @ p["U_g"] + p["b_g"]
        g = jnp.tanh(g) if self.input_squash else g
        c = f * c + i * g
        o = self._gate("o", params, state, x, c) if self.output_gate else ones
        return {"i": i, "f": f, "o": o}, c

    def _gate(self, g: str, params: Params, state: Any, x: Array, seen: Array) -> Array:
        p, (h, _, *before) = params, state
        a = x @ p[f"W_{g}"] + h @ p[f"U_{g}"] + p[f"b_{g}"]
        if self.peephole:
            a += p[f"p_{g}"] * seen
        for other, value in zip(self._gates, before, strict=False):
            a += value @ p[f"R_{other}{g}"]
        return sigmoid(a)

    def step(self, params: Params, state: Any, x: Float[Array, " I"]) -> Any:
        """One step of the equations above."""
        gate, c = self._gates_and_cell(params, state, x)
        h = gate["o"] * (jnp.tanh(c) if self.output_squash else c)
        return (h, c, *(gate[letter] for letter in self._gates)) if self.gate_recurrence else (h, c)

    def read(self, state: Any) -> Float[Array, " H"]:
        """The output h; c stays inside."""
        return state[0]
