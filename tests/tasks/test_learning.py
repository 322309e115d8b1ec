"""Every sampled task can be learned: the classic networks beat the best guess on an easy instance."""

import pytest
from tiny import adam, experiment, run

from gru_lab import cells, tasks

EASY = {
    "adding": {"length": 4},
    "associative_recall": {"length": 8, "pairs": 2, "vocabulary": 8, "filler": "blank"},
    "bouncing_digits": {"length": 10},
    "copy": {"length": 2, "items": 2, "alphabet": 3},
    "delayed_xor": {"length": 4},
    "dyck": {"length": 12, "depth": 2},
    "induction_heads": {"length": 6, "alphabet": 3},
    "latch": {"length": 10},
    "listops": {"length": 16, "shortest": 4, "depth": 2},
    "lorenz": {"length": 20},
    "mackey_glass": {"length": 40},
    "memorization": {"length": 3, "bits": 5},
    "multiplication": {"length": 4},
    "parity": {"length": 4},
    "selective_copy": {"length": 4, "items": 2, "alphabet": 3},
    "sinusoid": {"length": 20},
    "sorting": {"length": 3, "alphabet": 4},
    "temporal_order": {"length": 10},
    "variable_copy": {"length": 3, "items": 2, "alphabet": 3},
}


def test_every_task_with_a_length_is_here():
    assert {name for name in tasks.names() if tasks.get(name).sample is not tasks.Task.sample} <= set(EASY)


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("name", EASY)
def test_an_easy_instance_is_learned_beyond_the_best_guess(name, cell, tmp_path):
    task = tasks.create(name, **EASY[name])
    ours = experiment(
        cells.create(cell, hidden=32),
        task,
        seeds=1,
        updates=3000,
        evaluate_every=500,
        batch=32,
        validation=500,
        test=1000,
        chunk=500,
        optimizer=adam(learning_rate=0.01),
    )
    (value,) = run(ours, tmp_path).values()
    gained = (value - task.floor) / (task.ceiling - task.floor)  # 0 for the best guess, 1 for perfect memory
    print(f"{name} {cell}: {value:.3f} between {task.floor:.3f} and {task.ceiling:.3f}, {gained:.0%} of the way")
    assert gained > 0.1
