"""What users of recurrent layers ask of `unroll`: transformations, chunks, inspection, memory, clear errors."""

from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from gru_lab import UserError, cells, unroll, unroll_stack
from gru_lab.cells.cell import Cell
from gru_lab.cells.wrappers import LayerNorm, LowPrecision, RecurrentDropout, Zoneout, step_keys
from gru_lab.recurrence import Reference, Sequential

GRU = cells.create("gru", hidden=4)


def problem(batch=2, time=6, inputs=3, cell=GRU):
    return cell.init(jax.random.key(0), inputs), jax.random.normal(jax.random.key(1), (batch, time, inputs))


def loss(params, xs, method=Sequential(), cell=GRU):  # noqa: B008 (frozen)
    hs = unroll(cell, params, xs, method=method)[1]
    return jnp.vdot(jnp.cos(jnp.arange(hs.size)).reshape(hs.shape), hs)


def gap(a, b):
    return max(float(jnp.abs(x - y).max()) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))


def test_second_order_gradients(float64):
    params, xs = problem()

    def curvature(method):
        slope = jax.grad(lambda p: loss(p, xs, method))
        return jax.grad(lambda p: sum(jnp.sum(g**2) for g in jax.tree.leaves(slope(p))))(params)

    assert gap(curvature(Sequential()), curvature(Reference())) < 1e-10


def test_forward_mode_is_refused_in_a_sentence():
    params, xs = problem()
    with pytest.raises(UserError, match=r"needs method=Reference\(\)"):
        jax.jvp(lambda p: loss(p, xs), (params,), (params,))
    value, slope = jax.jvp(lambda p: loss(p, xs, Reference()), (params,), (params,))
    gradient = jax.grad(lambda p: loss(p, xs))(params)
    along = sum(jnp.vdot(gradient[name], params[name]) for name in params)
    assert jnp.allclose(slope, along, rtol=1e-4), (slope, along, value)


@pytest.mark.parametrize("members", [2, 6])  # 6 is the number of steps: axes that are mixed up would not be noticed
@pytest.mark.parametrize("method", [Sequential(), Sequential(remat_every=4)], ids=str)
def test_gradients_through_a_vmap_are_those_of_its_members(method, members, float64):
    xs, lengths = problem()[1], jnp.array([6, 3])
    many = jax.vmap(lambda key: GRU.init(key, 3))(jax.random.split(jax.random.key(2), members))
    weights = jax.random.normal(jax.random.key(3), (2, 6, 4))

    def one(params, method):
        return jnp.vdot(weights, unroll(GRU, params, xs, lengths=lengths, method=method)[1])

    got = jax.grad(lambda many: jax.vmap(lambda p: one(p, method))(many).sum())(many)
    assert gap(got, jax.vmap(jax.grad(lambda p: one(p, Reference())))(many)) < 1e-10


def test_a_population_is_its_members_and_takes_no_more_memory(float64):
    xs = problem(batch=8, time=50)[1]
    members = jax.vmap(lambda key: GRU.init(key, 3))(jax.random.split(jax.random.key(2), 4))
    one = jax.tree.map(lambda leaf: leaf[0], members)
    grad = jax.value_and_grad(loss)
    together = jax.jit(jax.vmap(grad, (0, None))).lower(members, xs).compile()
    alone = jax.jit(grad).lower(one, xs).compile()
    apart = [alone(jax.tree.map(lambda leaf, k=k: leaf[k], members), xs) for k in range(4)]
    assert gap(together(members, xs), jax.tree.map(lambda *leaves: jnp.stack(leaves), *apart)) < 1e-10
    bytes_ = [program.memory_analysis().temp_size_in_bytes for program in (together, alone)]
    assert bytes_[0] < 4.5 * bytes_[1], f"4 members take {bytes_[0]} bytes of temporaries, one takes {bytes_[1]}"


@pytest.mark.skipif(len(jax.devices()) < 2, reason="needs two devices")
def test_a_batch_can_be_sharded(float64):
    params, xs = problem(batch=4)
    mesh = Mesh(np.array(jax.devices()[:2]), ("data",))
    split = jax.device_put(xs, NamedSharding(mesh, PartitionSpec("data")))
    found = jax.jit(jax.value_and_grad(loss, (0, 1)))(params, split)
    assert gap(jax.device_get(found), jax.device_get(jax.value_and_grad(loss, (0, 1))(params, xs))) < 1e-10
    hs = jax.jit(lambda p, x: unroll(GRU, p, x)[1])(params, split)
    assert hs.addressable_shards[0].data.shape == (2, 6, 4), "the batch must stay apart, not be gathered"


def test_chunks_give_what_the_whole_gives(float64):
    params, xs = problem(time=7)
    state, parts = None, []
    for chunk in (xs[:, :3], xs[:, 3:5], xs[:, 5:]):
        state, hs = unroll(GRU, params, chunk, state)
        parts.append(hs)
    assert gap((state, jnp.concatenate(parts, 1)), unroll(GRU, params, xs)) < 1e-12


def test_equal_shapes_compile_once():
    params, xs = problem(time=5)
    unroll(GRU, params, xs)
    with jax.log_compiles(False), jax.check_tracer_leaks(False):
        from gru_lab.recurrence.unroll import _unroll

        before = _unroll._cache_size()
        unroll(GRU, params, 2 * xs)
        assert _unroll._cache_size() == before


def test_long_sequences_fit_with_remat():
    """100,000 steps, far below a gigabyte; without a store of every step they take more."""
    cell = cells.create("gru", hidden=64)
    params = cell.init(jax.random.key(0), 1)
    xs = jax.ShapeDtypeStruct((1, 100_000, 1), jnp.float32)

    def temporaries(method):
        def mean(p, x):
            return unroll(cell, p, x, method=method)[1].mean()

        program = jax.jit(jax.grad(mean)).lower(params, xs).compile()
        return program.memory_analysis().temp_size_in_bytes

    some, all_ = temporaries(Sequential(remat_every=316)), temporaries(Sequential(store="gates"))
    assert some < 2**30 and some < all_ / 2


@pytest.mark.parametrize("method", [Sequential(), Sequential(remat_every=4), Reference()], ids=str)
@pytest.mark.parametrize("reverse", [False, True])
def test_states_over_time_are_those_of_a_loop(float64, reverse, method):
    """Of a state of two parts of which only the first is read, with gradients into both."""
    cell = cells.create("lstm", hidden=4)
    params, xs = problem(cell=cell)
    final, hs, states = unroll(cell, params, xs, states=True, reverse=reverse, method=method)
    assert gap((final, hs), unroll(cell, params, xs, reverse=reverse)) < 1e-12
    for b in range(2):
        state = cell.initial_state(params)
        for t in reversed(range(6)) if reverse else range(6):
            state = cell.step(params, state, xs[b, t])
            assert gap(tuple(leaf[b, t] for leaf in states), state) < 1e-12

    def loss(params, method):
        return sum(jnp.sin(leaf).sum() for leaf in unroll(cell, params, xs, states=True, method=method)[2])

    assert gap(jax.grad(loss)(params, method), jax.grad(loss)(params, Reference())) < 1e-10


def with_a_rule(step):
    """A step with derivatives of its own."""
    called = jax.custom_jvp(step)
    called.defjvp(lambda primals, tangents: jax.jvp(step, primals, tangents))
    return called


@dataclass(frozen=True)
class Called(type(GRU)):
    """A GRU whose step is called through something else."""

    call: Any = None

    def step(self, params, state, x):
        return self.call(super().step)(params, state, x)


class TestWrappers:
    @pytest.mark.parametrize("wrap", [LayerNorm, LowPrecision, Zoneout, RecurrentDropout])
    @pytest.mark.parametrize("name", [pytest.param("gru", marks=pytest.mark.slow), "lstm"])
    def test_are_exact(self, float64, wrap, name):
        cell = wrap(cell=cells.create(name, hidden=4))
        params, xs = problem(cell=cell)
        if wrap in (Zoneout, RecurrentDropout):
            cell = replace(cell, rate=0.5)
            keys = step_keys(jax.random.key(3), 2, 6, same=wrap is RecurrentDropout)
            found, expected = (jax.grad(loss)(params, (xs, keys), m, cell) for m in (Sequential(), Reference()))
        else:
            found, expected = (jax.grad(loss)(params, xs, m, cell) for m in (Sequential(), Reference()))
        assert gap(found, expected) < (1e-2 if wrap is LowPrecision else 1e-10)

    def test_layer_norm_centres_the_products(self, float64):
        """A constant added to all columns of a weight matrix moves a product's mean alone, which LN takes away."""
        cell = LayerNorm(cell=GRU)
        params, xs = problem(cell=cell)
        shifted = params | {"U_r": params["U_r"] + 3.0, "W_z": params["W_z"] - 2.0}
        assert gap(unroll(cell, shifted, xs), unroll(cell, params, xs)) < 1e-9
        assert (
            gap(
                unroll(GRU, {k: v for k, v in shifted.items() if k in GRU.init(jax.random.key(0), 3)}, xs)[1],
                unroll(cell, params, xs)[1],
            )
            > 1e-3
        )

    @pytest.mark.parametrize("call", [jax.jit, jax.checkpoint, with_a_rule], ids=lambda call: call.__name__)
    def test_products_inside_a_call_are_normalised_too(self, float64, call):
        plain, called = LayerNorm(cell=GRU), LayerNorm(cell=Called(hidden=4, call=call))
        params, xs = problem(cell=plain)
        assert called.init(jax.random.key(0), 3).keys() == params.keys(), "a gain per product"
        assert gap(unroll(called, params, xs), unroll(plain, params, xs)) < 1e-12
        low, called = LowPrecision(cell=GRU), LowPrecision(cell=Called(hidden=4, call=call))
        assert gap(unroll(called, params, xs), unroll(low, params, xs)) < 1e-12

    def test_products_inside_a_loop_are_refused(self):
        def loop(step):
            return lambda params, h, x: jax.lax.fori_loop(0, 2, lambda _, h: step(params, h, x), h)

        with pytest.raises(UserError, match=r"cell is .*Called', whose step has products inside a (scan|while)"):
            LayerNorm(cell=Called(hidden=4, call=loop)).init(jax.random.key(0), 3)

    def test_products_of_parameters_alone_stay_as_they_are(self, float64):
        """The matrix exponential of exprnn is no product of the input or the state."""
        cell = LayerNorm(cell=cells.create("exprnn", hidden=4))
        assert {name for name in cell.init(jax.random.key(0), 3) if "gain" in name} == {"gain_0", "gain_1"}

    def test_zoneout_keeps_units_as_often_as_it_says(self):
        cell = Zoneout(cell=cells.create("gru", hidden=64), rate=0.3)
        params, xs = problem(batch=8, time=40, cell=cell)
        hs = unroll(cell, params, (xs, step_keys(jax.random.key(0), 8, 40)))[1]
        assert abs(float((hs[:, 1:] == hs[:, :-1]).mean()) - 0.3) < 0.02

    def test_low_precision_keeps_the_state(self):
        cell = LowPrecision(cell=GRU)
        params, xs = problem(cell=cell)
        final, hs = unroll(cell, params, xs)
        assert final.dtype == hs.dtype == jnp.float32
        assert 0 < gap(hs, unroll(GRU, params, xs)[1]) < 0.05


@dataclass(frozen=True)
class Broken(Cell):
    """A cell that is wrong in the way that `how` says."""

    how: str = ""

    def init(self, key, inputs):
        return {"U": jnp.eye(self.hidden)}

    def step(self, params, state, x):
        if self.how == "branch" and state.sum() > 0:
            return state
        return {"structure": (state, state), "dtype": state.astype(jnp.float16), "shape": state[:2]}.get(
            self.how, state
        )


@pytest.mark.parametrize(
    ("cell", "options", "sentence"),
    [
        (GRU, {"lengths": jnp.array([7, 1])}, r"lengths has 7: each must be from 0 to 6"),
        (GRU, {"lengths": jnp.array([-1, 1])}, r"lengths has -1: each must be from 0 to 6"),
        (GRU, {"lengths": jnp.array([1, 2, 3])}, r"lengths is int32\[3\]: it must be 2 whole numbers"),
        (GRU, {"resets": jnp.zeros((2, 5), bool)}, r"resets is bool\[2, 5\]: it must be bool\[2, 6\]"),
        (GRU, {"state": (jnp.zeros((2, 4)),)}, r"state has the structure"),
        (GRU, {"state": jnp.zeros((3, 4))}, r"state is float32\[3, 4\]: it must be float32\[2, 4\]"),
        (Broken(hidden=4, how="branch"), {}, r"Broken.step decides by the value of an array.*jnp.where"),
        (Broken(hidden=4, how="structure"), {}, r"the result of Broken.step has the structure"),
        (Broken(hidden=4, how="dtype"), {}, r"the result of Broken.step is float16\[4\]: it must be float32\[4\]"),
        (Broken(hidden=4, how="shape"), {}, r"the result of Broken.step is float32\[2\]: it must be float32\[4\]"),
    ],
)
def test_wrong_arguments_get_one_sentence(cell, options, sentence):
    params, xs = problem(cell=cell)
    with pytest.raises(UserError, match=sentence):
        unroll(cell, params, xs, **options)


class TestStacks:
    def layers(self, directions=2, count=3):
        keys = iter(jax.random.split(jax.random.key(5), directions * count))
        widths = [3] + [4 * directions] * (count - 1)
        return [[GRU.init(next(keys), width) for _ in range(directions)] for width in widths]

    def test_two_directions_are_two_sequences_each_read_from_its_own_end(self, float64):
        xs, lengths, layers = problem()[1], jnp.array([6, 4]), self.layers(count=2)
        finals, hs = unroll_stack(GRU, layers, xs, lengths=lengths)
        for b, length in enumerate(lengths):  # each sequence alone, turned around by hand
            seen = xs[b : b + 1, :length]
            for layer, final in zip(layers, finals, strict=True):
                ahead, back = unroll(GRU, layer[0], seen), unroll(GRU, layer[1], seen[:, ::-1])
                assert gap(jax.tree.map(lambda leaf, b=b: leaf[b : b + 1], final), (ahead[0], back[0])) < 1e-12
                seen = jnp.concatenate([ahead[1], back[1][:, ::-1]], axis=-1)
            assert gap(hs[b : b + 1, :length], seen) < 1e-12
            assert not hs[b, length:].any()

    def test_states_carry_over_chunks(self, float64):
        xs, layers = problem()[1], self.layers(directions=1)
        finals, hs = unroll_stack(GRU, layers, xs)
        middle, first = unroll_stack(GRU, layers, xs[:, :2])
        last, second = unroll_stack(GRU, layers, xs[:, 2:], middle)
        assert gap((finals, hs), (last, jnp.concatenate([first, second], axis=1))) < 1e-12

    def test_dropout_acts_between_layers_in_training_alone(self, float64):
        xs, key = problem(batch=50, time=20)[1], jax.random.key(1)
        plain = unroll_stack(GRU, self.layers(count=1), xs)[1]
        assert gap(plain, unroll_stack(GRU, self.layers(count=1), xs, dropout=0.3, key=key)[1]) == 0
        layers = self.layers(directions=1, count=1)
        eye = {name: jnp.zeros_like(p) for name, p in GRU.init(key, 4).items()} | {"W_n": jnp.eye(4) / 1e6}
        layers.append([eye | {"b_z": jnp.full(4, -50.0)}])  # h = tanh(x / 1e6): what came through the dropout
        below = unroll_stack(GRU, layers[:1], xs)[1]
        assert gap(unroll_stack(GRU, layers, xs, dropout=0.3)[1] * 1e6, below) < 1e-6
        dropped = unroll_stack(GRU, layers, xs, dropout=0.3, key=key)[1] * 1e6
        kept = jnp.abs(dropped) > 1e-12
        assert abs(float(kept.mean()) - 0.7) < 0.02
        assert gap(dropped[kept], below[kept] / 0.7) < 1e-6

    @pytest.mark.parametrize(
        ("layers", "options", "sentence"),
        [
            ([], {}, "layers is empty"),
            ([[{}, {}, {}]], {}, r"layers\[0\] has 3 directions: it must have 1 or 2"),
            ([[{}]], {"dropout": 1.0}, r"dropout is 1.0: it must be of at least 0 and below 1"),
        ],
    )
    def test_wrong_stacks_get_one_sentence(self, layers, options, sentence):
        with pytest.raises(UserError, match=sentence):
            unroll_stack(GRU, layers, problem()[1], **options)


def test_parameters_that_are_not_finite_are_named_on_request():
    params, xs = problem()
    wrong = params | {"U_r": params["U_r"].at[0, 0].set(jnp.nan)}
    with pytest.raises(UserError, match=r"params.U_r has values that are not finite"):
        unroll(GRU, wrong, xs, check_values=True)
    assert jnp.isnan(unroll(GRU, wrong, xs)[0]).any(), "nothing is looked at unless asked for"
