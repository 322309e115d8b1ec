"""All steps at once: any cell by Newton's method, affine ones exactly, with the numbers of a plain scan."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

from gru_lab import cells, unroll
from gru_lab.errors import UserError
from gru_lab.jaxprs import every, flops
from gru_lab.recurrence import Masks, Reference, affine
from gru_lab.recurrence.associative import Associative
from gru_lab.recurrence.parallel import Parallel, solve
from gru_lab.recurrence.structure import structure

BATCH, TIME, INPUTS, HIDDEN = 3, 12, 2, 4
TRIED = ("gru", "lru", "hippo")  # one part, a complex one, several of different kinds; the other cells are slow
AFFINE = ("deltanet", "gla", "lru", "mingru", "minlstm", "rglru", "s5", "s6")
QUICKLY = {"xla_backend_optimization_level": 0}  # compiling is what takes the time


def problem(name):
    cell = cells.create(name, hidden=HIDDEN)
    draw = np.random.default_rng(0)
    params = cell.init(jax.random.key(1), INPUTS)
    wide = lambda a: jax.dtypes.canonicalize_dtype(complex if jnp.iscomplexobj(a) else float)  # noqa: E731
    params = jax.tree.map(lambda a: jnp.asarray(a + 0.1 * draw.standard_normal(a.shape), wide(a)), params)
    return cell, params, jnp.asarray(draw.standard_normal((BATCH, TIME, INPUTS)), wide(0.0))


def judged(cell, method, params, xs, **options):
    """A loss that sees every output and the final state, and its gradient for parameters and inputs."""

    def loss(params, xs):
        final, hs = unroll(cell, params, xs, method=method, **options)
        weights = jnp.arange(1.0, hs.size + 1).reshape(hs.shape) / hs.size
        ends = sum(jnp.cos(jnp.real(leaf)).sum() for leaf in jax.tree.leaves(final))
        return jnp.vdot(weights, jnp.sin(jnp.real(hs))) + ends

    return jax.jit(jax.value_and_grad(loss, (0, 1)), compiler_options=QUICKLY)(params, xs)


def assert_same(found, expected, tolerance=1e-8):
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * max(1.0, float(jnp.abs(b).max())))


def solved(method, cell, params, xs):
    state = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (BATCH, *leaf.shape)), cell.initial_state(params))
    return solve(method, cell.step, params, state, jnp.swapaxes(xs, 0, 1))


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name not in TRIED)) for name in cells.names()]
)
def test_every_cell_converges_to_its_scan(float64, name):
    cell, params, xs = problem(name)
    resets = jnp.zeros((BATCH, TIME), bool).at[0, 3].set(True)
    options = {"lengths": jnp.array([TIME, 0, 5]), "resets": resets, "reverse": True}
    assert_same(judged(cell, Parallel(), params, xs, **options), judged(cell, Reference(), params, xs, **options))
    solution = jax.jit(lambda params, xs: solved(Parallel(), cell, params, xs))(params, xs)
    assert solution.converged.all(), "the numbers are right because they were finished step by step"
    assert solution.iterations.max() < TIME, "as many iterations as steps need no Newton"


@pytest.mark.parametrize(
    "method",
    [
        Parallel(max_iterations=1, chunk=5),
        pytest.param(Parallel(damping=0.1, guess="zero"), marks=pytest.mark.slow),
        pytest.param(Parallel(jacobian="diagonal"), marks=pytest.mark.slow),
        pytest.param(Parallel(chunk=5), marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_every_option_has_the_numbers_of_the_scan(float64, method):
    cell, params, xs = problem("gru")
    assert_same(judged(cell, method, params, xs), judged(cell, Reference(), params, xs))
    assert solved(method, cell, params, xs).converged.all() == (method.max_iterations > 1)


def test_sequences_are_finished_one_by_one_where_they_do_not_converge(float64):
    cell, params, xs = problem("rnn")
    params = params | {"U_h": 40 * params["U_h"], "b_h": 0 * params["b_h"]}
    xs = xs.at[0].multiply(0)  # the state stays at zero
    solution = solved(Parallel(max_iterations=3), cell, params, xs)
    assert solution.converged.tolist() == [True, False, False]
    assert_same(jnp.swapaxes(solution.states, 0, 1), unroll(cell, params, xs, method=Reference())[1], 1e-12)


def test_products_that_overflow_do_not_reach_a_gradient_that_is_finite():
    xs = jnp.ones((6, 1, 1)).at[1:4].set(1e20)

    def first(start):
        states = Parallel().run(lambda p, h, x: x * h, lambda h: h, {}, start, xs, Masks(), False)[1]
        return states[0].sum()

    value, slope = jax.value_and_grad(first)(jnp.zeros((1, 1)))
    assert value == 0 and slope.item() == 1


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name not in ("lru", "mingru"))) for name in AFFINE]
)
def test_affine_cells_need_no_iteration(float64, name):
    cell, params, xs = problem(name)
    options = {"lengths": jnp.array([TIME, 0, 5])}
    assert_same(judged(cell, Associative(), params, xs, **options), judged(cell, Reference(), params, xs, **options))


def test_which_cells_are_affine_and_which_unit_by_unit():
    found = {}
    for name in cells.names():
        cell = cells.create(name, hidden=HIDDEN)
        params = jax.eval_shape(lambda cell=cell: cell.init(jax.random.key(0), INPUTS))
        state = jax.eval_shape(cell.initial_state, params)
        found[name] = structure(cell.step, params, state, jax.ShapeDtypeStruct((INPUTS,), jnp.float32))
    assert tuple(name for name, of in found.items() if of.affine) == AFFINE
    alone = {"brc", "diagonal_gru", "gla", "indrnn", "lru", "mingru", "minlstm", "rglru", "s5", "s6", "sru", "unicornn"}
    assert {name for name, of in found.items() if of.unit_by_unit} == alone


def test_structure_is_not_fooled():
    x = jnp.ones(3)
    of = lambda step: structure(step, {}, x, x)[:2]  # noqa: E731
    assert of(lambda p, h, x: x * h + jnp.sum(x)) == (True, True)
    assert of(lambda p, h, x: jnp.flip(h) * x) == (False, True), "units change places"
    assert of(lambda p, h, x: h * h) == (True, False)
    assert of(lambda p, h, x: h * jnp.max(h)) == (False, False)
    assert of(lambda p, h, x: jnp.where(x > 0, h, 2 * h)) == (True, True)
    assert of(lambda p, h, x: jnp.where(h > 0, x, 2 * x)) == (True, False), "the state decides"
    assert of(lambda p, h, x: jax.lax.stop_gradient(h) + x) == (False, False), "the Jacobian does not tell all"
    assert of(lambda p, h, x: x / h) == (True, False)
    assert of(lambda p, h, x: jax.nn.relu(h) + x) == (True, False)


def test_depth_is_logarithmic_and_work_that_of_the_scan():
    n, time = 8, 512
    jaxpr = jax.make_jaxpr(affine.solve)(jnp.ones((time, 1, 1, n, n)), jnp.ones((time, 1, 1, n))).jaxpr
    products = [eqn for eqn in every(jaxpr.eqns) if eqn.primitive.name == "dot_general"]
    assert len(products) <= 2 * 2 * math.log2(time), "two sweeps, a matrix and a vector each"
    assert flops(jaxpr, [False, False]) <= 3 * time * (2 * n**3 + 2 * n**2)


@pytest.mark.parametrize(("method", "name"), [(Parallel(), "gru"), (Associative(), "lru")], ids=str)
def test_gradients_lower_for_every_kind_of_device(method, name):
    cell = cells.create(name, hidden=4)
    params = jax.eval_shape(lambda: cell.init(jax.random.key(0), 3))
    program = jax.jit(jax.grad(lambda params, xs: jnp.sum(unroll(cell, params, xs, method=method)[1])))
    exported = export.export(program, platforms=("cpu", "cuda", "tpu"))
    assert exported(params, jax.ShapeDtypeStruct((2, 7, 3), jnp.float32)).platforms == ("cpu", "cuda", "tpu")


def test_what_cannot_be_solved_is_one_sentence():
    cell, params, xs = problem("gru")
    for method, sentence in (
        (Parallel(tolerance=1e-9), "tolerance is 1e-09: float32 reaches 4.8e-07 at best"),
        (Parallel(chunk=TIME + 1), "chunk is 13: it must be at most the number of steps, 12"),
        (Associative(), "method is 'associative', which needs a step that is affine in the state, and this one is not"),
    ):
        with pytest.raises(UserError, match=sentence):
            unroll(cell, params, xs, method=method)
    with pytest.raises(UserError, match="max_iterations is 0"):
        Parallel(max_iterations=0)
    count = lambda p, n, x: n + 1  # noqa: E731
    with pytest.raises(UserError, match="needs a state of real or complex numbers, and this one holds int32"):
        solve(Parallel(), count, {}, jnp.zeros(BATCH, jnp.int32), jnp.zeros((TIME, BATCH)))

    def host(p, h, x):
        return jax.pure_callback(np.tanh, jax.ShapeDtypeStruct(h.shape, h.dtype), h)

    with pytest.raises(UserError, match="differentiates the step, and this one has no derivative"):
        solve(Parallel(), host, {}, jnp.zeros((BATCH, 2)), jnp.zeros((TIME, BATCH)))


def test_inputs_that_are_not_finite_are_told_from_what_does_not_converge():
    cell, params, xs = problem("gru")
    solution = solved(Parallel(), cell, params, xs.at[1, 4].set(jnp.nan))
    assert solution.finite.tolist() == [True, False, True] == solution.converged.tolist()
    assert jnp.isnan(solution.states[4:, 1]).all() and jnp.isfinite(solution.states[:4, 1]).all()


@pytest.mark.slow
def test_ten_thousand_random_problems_are_right_or_finished_step_by_step():
    """float32, scales 0.1 to 10; the truth is the scan in float64.

    Where it is chaotic the scan in float32 errs as well, by what an input that differs in its last digit makes of it.
    """
    draw, wrong, alone, seen = np.random.default_rng(0), [], 0, 0
    names = ("rnn", "lstm", "gru", "indrnn", "brc", "lem", "cornn", "sru", "mgu", "lipschitz")
    for turn in range(50):
        cell = cells.create(names[turn % len(names)], hidden=int(draw.integers(1, 9)))
        time = int(draw.integers(2, 200))

        def one(scale, key, cell=cell, time=time):
            first, second = jax.random.split(key)
            params = jax.tree.map(partial(jnp.multiply, scale), cell.init(first, INPUTS))
            xs = jax.random.normal(second, (time, 1, INPUTS))
            start = jax.tree.map(partial(jnp.expand_dims, axis=0), cell.initial_state(params))
            return params, xs, solve(Parallel(), cell.step, params, start, xs)

        def scan(params, xs, cell=cell):
            first = cell.initial_state(params)
            return jax.lax.scan(lambda s, x: (cell.step(params, s, x),) * 2, first, xs[:, 0])[1]

        scales = jnp.asarray(10 ** draw.uniform(-1, 1, 200), jnp.float32)
        keys = jax.random.split(jax.random.key(turn), 200)
        many = lambda function, *at: jax.jit(lambda at: jax.lax.map(lambda each: function(*each), at))(at)  # noqa: E731
        params, xs, solution = many(one, scales, keys)
        plain = many(scan, params, xs)
        with jax.enable_x64(True):
            exact = many(scan, *jax.tree.map(lambda a: jnp.asarray(np.asarray(a, np.float64)), (params, xs)))
            for leaf, scanned, right in zip(*map(jax.tree.leaves, (solution.states, plain, exact)), strict=True):
                right = np.asarray(right)
                axes = tuple(range(1, right.ndim))
                scale = np.abs(right).max(axes) + 1e-30
                error, floor = (np.abs(np.asarray(a) - right).max(axes) / scale for a in (leaf[:, :, 0], scanned))
                bad = (error > np.maximum(1e-6, 10 * floor)) & np.isfinite(scale)
                wrong += [(type(cell).__name__, float(scales[n]), error[n], floor[n]) for n in np.flatnonzero(bad)]
        alone += int((~solution.converged).sum())
        seen += 200
    print(f"{seen} problems, {alone} finished step by step, {len(wrong)} wrong")
    assert not wrong, wrong[:5]
    assert 0 < alone < seen


@pytest.mark.parametrize("length", [8, pytest.param(500, marks=pytest.mark.slow)])
def test_training_in_parallel_has_the_losses_of_the_scan_and_tells_its_iterations(tmp_path, length):
    from gru_lab.composition import compose
    from gru_lab.reports.curves import curves
    from gru_lab.runs.log import read_lines
    from gru_lab.training import run

    updates = 50 if length == 500 else 4
    line = ["cell=gru", "cell.hidden=8", "task=adding", f"task.length={length}", "population.seeds=1"]
    line += [f"training.updates={updates}", f"training.evaluate_every={updates // 2}", f"paths.runs={tmp_path}"]
    line += [] if length == 500 else ["training.validation=40", "training.test=40"]
    losses, records = [], {}
    for method in ("sequential", "parallel"):
        (job,) = compose("train", [*line, f"method={method}"])
        (group,) = run(job.experiment, job.folder).groups
        losses.append(curves(group)[1])
        records[method] = group.shared
    np.testing.assert_allclose(*losses, rtol=0, atol=1e-4)
    assert records["sequential"].recurrence == {"method": "sequential"}
    told, folder = records["parallel"].recurrence, records["parallel"].folder
    assert told["method"] == "parallel" and 1 < told["iterations"] <= told["most_iterations"] < length
    assert told["fell_back"] == 0
    met = [each["newton"] for each in read_lines(folder / "metrics.jsonl")]
    assert len(met) == 2 and told["iterations"] == np.mean([each["iterations"] for each in met])


def test_masks_are_part_of_the_problem(float64):
    cell, params, xs = problem("gru")
    counts = jnp.ones((TIME, BATCH), bool).at[4:, 1].set(False)
    solution = solve(Parallel(), cell.step, params, jnp.zeros((BATCH, HIDDEN)), jnp.swapaxes(xs, 0, 1), Masks(counts))
    assert (solution.states[4:, 1] == solution.states[3, 1]).all()
