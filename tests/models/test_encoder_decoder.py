"""The encoder-decoder: its gradients, Keras as a witness, its masks, every cell in it, and decoding step by step."""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from gru_lab import Experiment, UserError, cells, models, tasks
from gru_lab.models import Spec
from gru_lab.recurrence import Reference, Sequential

pytestmark = pytest.mark.xdist_group("encoder_decoder")  # one worker: what the tests share is made once

SPEC = Spec(inputs=7, outputs=6, symbols=True, readout="every", paired=True)
SOURCE = jnp.array([[3, 1, 6, 2, 5], [4, 2, 6, 0, 0], [1, 5, 0, 0, 0]])
TARGET = jnp.array([[2, 4, 1, 5, 3], [2, 3, 3, 0, 0], [2, 1, 5, 4, 0]])
FORMS = {
    "bahdanau2015": {},
    "dot": {"attention": "dot", "tied": True},
    "after": {"input_feeding": False, "bidirectional": False},
    "cho2014": {"attention": "none"},
}


def network(cell="gru", hidden=3, seed=0, **fields):
    """A network whose every parameter matters."""
    model = models.create("encoder_decoder", **{"embedding": 4, **fields})
    built = model.build(cells.create(cell, hidden=hidden) if isinstance(cell, str) else cell, SPEC, nnx.Rngs(seed))
    graph, params = nnx.split(built)
    rng = np.random.RandomState(seed)
    return nnx.merge(graph, jax.tree.map(lambda leaf: leaf + 0.3 * rng.randn(*leaf.shape), params))


QUICK = ("bahdanau2015", "cho2014")


@pytest.fixture(scope="module", params=[f if f in QUICK else pytest.param(f, marks=pytest.mark.slow) for f in FORMS])
def form(request):
    """All that is asked of one form of the network, in float64 and in one program."""
    with jax.enable_x64(True):
        built = network(**FORMS[request.param])
        graph, params = nnx.split(built)
        cotangents = jnp.asarray(np.random.RandomState(5).randn(*TARGET.shape, SPEC.outputs))

        def loss(params, method):
            outputs = nnx.merge(graph, params)((SOURCE, TARGET), method=method)
            return jnp.sum(jnp.sin(outputs) * cotangents), outputs

        def step_by_step(built):
            source, steps = built.encode(SOURCE), []
            state = source.state
            for t in range(5):
                state, answers = built.advance(source, state, TARGET[:, t])
                steps.append(answers)
            return jnp.stack(steps, axis=1)

        def everything(params):
            built = nnx.merge(graph, params)
            wider = [jnp.pad(side, [(0, 0), (0, 2)], constant_values=1) for side in (SOURCE, TARGET)]
            gradients = {name: jax.value_and_grad(loss, has_aux=True)(params, method)
                         for name, method in (("plain", Reference()), ("split", Sequential()))}  # fmt: skip
            return gradients | {
                "steps": step_by_step(built),
                "alone": built((SOURCE[1:2, :3], TARGET[1:2, :3])),
                "wider": built(tuple(wider), jnp.full(3, 5)),
                "later": built((SOURCE, TARGET.at[:, 3:].set(5))),
            }

        return jax.tree.map(np.asarray, jax.jit(everything)(params))


def test_value_and_gradients_are_those_of_a_plain_scan(form):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12), form["plain"], form["split"])
    assert all(np.any(leaf != 0) for leaf in jax.tree.leaves(form["split"][1]))


def test_answers_step_by_step_are_those_at_once_and_see_no_later_word(form):
    whole = form["plain"][0][1]
    np.testing.assert_allclose(form["steps"], whole, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(form["later"][:, :3], whole[:, :3], rtol=1e-11, atol=1e-13)
    assert not np.allclose(form["later"][:, 3:], whole[:, 3:])


def test_padding_changes_nothing(form):
    whole = form["plain"][0][1]
    np.testing.assert_allclose(whole[1:2, :3], form["alone"], rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(form["wider"][:, :5], whole, rtol=1e-11, atol=1e-13)  # lengths hide what stands behind


FEW = SOURCE[:, :3], TARGET[:, :3]  # Keras runs step by step, and every step is compiled


def keras_answers(built, params):
    """The same network of Keras's layers, step by step, from our parameters."""
    import keras

    def gru(weights, xs):
        cell = keras.layers.GRUCell(built.cell.hidden, reset_after=True)
        cell.build((None, xs))
        z_r_n = [jnp.concatenate([weights[f"{kind}_{gate}"] for gate in "zrn"], axis=-1) for kind in ("W", "U", "b")]
        rest = jnp.concatenate([jnp.zeros_like(z_r_n[2]).at[:].set(0)[: 2 * built.cell.hidden], weights["b_hn"]])
        values = [*z_r_n[:2], jnp.stack([z_r_n[2], rest])]
        return lambda x, h: cell.stateless_call(values, cell.non_trainable_variables, x, [h])[0][0]

    named = {"source_embedding": FEW[0], "target_embedding": FEW[1]}
    embedded = [params[name]["embedding"][symbols] for name, symbols in named.items()]
    counts = FEW[0] != 0
    outputs = []
    for side in ("forward", "backward"):
        step = gru(params["encoder"][side]["params"], embedded[0].shape[-1])
        h, hs = jnp.zeros((3, built.cell.hidden)), {}
        for t in range(3) if side == "forward" else (2, 1, 0):
            h = jnp.where(counts[:, t, None], step(embedded[0][:, t], h), h)
            hs[t] = h
        outputs.append(jnp.stack([hs[t] for t in range(3)], axis=1))
    memory, state = jnp.concatenate(outputs, axis=-1), h
    look = keras.layers.AdditiveAttention(use_scale=True)
    look.build([(None, 1, built.cell.hidden), (None, 3, memory.shape[-1]), (None, 3, built.cell.hidden)])
    scale = [params["attention"]["v_a"]]
    decoder = gru(params["decoder"]["params"], embedded[1].shape[-1] + memory.shape[-1])
    answers = []
    for t in range(3):
        query = (state @ params["attention"]["W_a"])[:, None]
        seen = [query, memory, memory @ params["attention"]["U_a"]]
        context = look.stateless_call(scale, look.non_trainable_variables, seen, mask=[None, counts])[0][:, 0]
        y = embedded[1][:, t]
        state = decoder(jnp.concatenate([y, context], axis=-1), state)
        seen = jnp.concatenate([state, context, y], axis=-1)
        deep = jnp.tanh(seen @ params["deep"]["kernel"] + params["deep"]["bias"])
        answers.append(deep @ params["readout"]["kernel"] + params["readout"]["bias"])
    return jnp.stack(answers, axis=1)


@pytest.mark.slow
def test_the_network_is_that_of_keras_layers_and_so_are_its_gradients():
    built = network(input_feeding=True)
    graph, params = nnx.split(built)
    weights = jnp.asarray(np.random.RandomState(1).randn(3, 3, SPEC.outputs), jnp.float32)

    def of_ours(params):
        return jnp.sum(nnx.merge(graph, params)(FEW) * weights)

    def of_keras(params):
        return jnp.sum(keras_answers(built, nnx.to_pure_dict(params)) * weights)

    ours, theirs = (jax.jit(jax.value_and_grad(loss))(params) for loss in (of_ours, of_keras))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=2e-5), ours, theirs)


def test_shares_add_up_to_one_within_the_source_and_make_the_context(float64):
    built = network()
    shares = built.attention_weights((SOURCE, TARGET))
    np.testing.assert_allclose(shares.sum(axis=-1), 1, rtol=1e-12)
    assert (shares[:, 0] > 0)[SOURCE != 0].all() and not shares[:, 0][SOURCE == 0].any()
    source = built.encode(SOURCE)
    _, contexts = built._decoded(source, built.target_embedding(TARGET), Sequential())
    np.testing.assert_allclose(shares @ source.memory.values, contexts, rtol=1e-12)
    with pytest.raises(UserError, match=r"model.attention is 'none'"):
        network(attention="none").attention_weights((SOURCE, TARGET))


def test_dropout_acts_in_training_alone():
    built = network(dropout=0.5)
    plain, again = built((SOURCE, TARGET)), network(dropout=0.0)((SOURCE, TARGET))
    np.testing.assert_array_equal(plain, again)
    noisy = [built((SOURCE, TARGET), key=jax.random.key(n)) for n in (0, 0, 1)]
    assert (noisy[0] == noisy[1]).all() and (noisy[0] != noisy[2]).any() and (noisy[0] != plain).any()


UNUSUAL = ("lstm", "lmu", "slstm")  # whose states are more than a vector of units


@pytest.mark.parametrize(
    "name", [n if n in UNUSUAL else pytest.param(n, marks=pytest.mark.slow) for n in cells.names()]
)
def test_every_cell_reads_and_writes(name):
    model, spec = models.create("encoder_decoder", embedding=4), SPEC
    answers = nnx.eval_shape(
        lambda: model.build(cells.create(name, hidden=4), spec, nnx.Rngs(0))((SOURCE, TARGET), method=Reference())
    )
    assert answers.shape == (3, 5, 6)


def test_a_budget_counts_all_of_the_network():
    model = models.create("encoder_decoder", embedding=4)
    counts = models.count_parameters(model, cells.create("gru", hidden=3), SPEC)
    gru = lambda inputs: 3 * (3 * inputs + 9 + 3) + 3  # noqa: E731
    assert counts == {
        "embeddings": 4 * (7 + 6), "encoder": 2 * gru(4), "decoder": gru(4 + 6), "attention": 3 * 3 + 6 * 3 + 3,
        "readout": 4 * (3 + 6 + 4 + 1) + 6 * (4 + 1),
    }  # fmt: skip
    make = lambda hidden: cells.create("gru", hidden=hidden)  # noqa: E731
    budget = sum(models.count_parameters(model, make(21), SPEC).values())
    assert models.hidden_for(model, make, SPEC, budget) == 21


def test_pairs_and_their_model_need_each_other():
    pair, adding = tasks.create("multi30k"), tasks.create("adding", length=4)
    with pytest.raises(UserError, match="model is 'recurrent': it reads one sequence, and the task gives pairs; take"):
        Experiment(cells.create("gru", hidden=4), pair)
    with pytest.raises(UserError, match="model is 'encoder_decoder': it reads pairs of sequences, as task=multi30k"):
        Experiment(cells.create("gru", hidden=4), adding, model=models.create("encoder_decoder"))
