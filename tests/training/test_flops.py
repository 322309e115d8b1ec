"""The operations of an update, against formulas for the products of a GRU and its gradient."""

import itertools
import json

import pytest
from tiny import experiment, run

from gru_lab import cells, models, tasks
from gru_lab.recurrence import create as method
from gru_lab.runs import Record
from gru_lab.runs.record import checksum
from gru_lab.training import remedies
from gru_lab.training.flops import update_flops


def flops(hidden, batch=4, length=6, layers=1, **options):
    """Of an update of GRU layers on adding."""
    return update_flops(
        experiment(
            cells.create("gru", hidden=hidden),
            tasks.create("adding", length=length),
            model=models.create("recurrent", layers=layers),
            batch=batch,
            **options,
        )
    )


@pytest.mark.parametrize("layers", [1, 2])
def test_products_of_a_gru_are_those_of_its_formula(layers):
    # the coefficient of batch x time x hidden^2: a difference in each of the two, and a second one in the size
    weights = {8: 1, 16: -2, 24: 1}
    total = sum(
        sign_b * sign_t * weight * flops(hidden, batch, length, layers)
        for (batch, sign_b), (length, sign_t), (hidden, weight) in itertools.product(
            [(4, -1), (5, 1)], [(6, -1), (7, 1)], weights.items()
        )
    )
    # three gates; a product of a row with a matrix of H x H takes 2 H^2, and three are needed of each matrix: forward,
    # for the gradient of the operand, for that of the matrix. Inputs of the first layer need no gradient.
    recurrent, of_inputs = 3 * 3 * 2, 3 * 3 * 2 * (layers - 1)
    assert total == (recurrent * layers + of_inputs) * 2 * 8**2


def test_an_update_is_little_more_than_its_products_and_no_method_changes_the_count():
    hidden, batch, length, inputs = 96, 32, 20, 2
    products = 3 * batch * length * (3 * 2 * hidden**2 + 2 * 2 * inputs * hidden)
    count = flops(hidden, batch, length)
    assert products < count < 1.05 * products
    sequential = method("sequential", store="states")
    assert flops(hidden, batch, length, method=sequential) == count == flops(hidden, batch, length, evaluate_every=1)


def test_what_is_not_always_done_is_counted_where_it_is():
    plain = flops(8)
    assert flops(8, remedy=remedies.create("omega")) > 1.5 * plain
    assert flops(8, accumulate=2) == pytest.approx(plain, rel=0.1), "the same work in two parts"
    assert flops(8, weight_noise=0.1) > plain


def test_a_record_holds_the_count_and_one_without_it_is_read(tmp_path):
    ours = experiment("rnn", seeds=1)
    [record] = run(ours, tmp_path).records
    assert record.flops == update_flops(ours, dropout=False) > 0
    path = record.folder / "record.json"
    content = json.loads(path.read_text())
    del content["flops"], content["checksum"]
    path.write_text(json.dumps(content | {"checksum": checksum(content)}))
    assert Record.load(path).flops is None
