"""Cells and tasks much like others that are tried: the default tests leave them to `-m slow`, and try any new one."""

import pytest

CELLS = {
    "antisymmetric", "atr", "brc", "cfc", "cfn", "cornn", "ctrnn", "deltanet", "diagonal_gru", "fastgrnn",
    "fastrnn", "gla", "griffin", "grud", "gruode", "janet", "leaky", "lem", "ligru", "lipschitz", "lmu", "lstmp", "mgu",
    "minlstm", "minimalrnn", "mirnn", "mogrifier", "mut", "nbrc", "ran", "rglru", "rhn", "s5", "s6", "scrn",
    "slstm", "star", "ugrnn", "unicornn", "urnn",
}  # fmt: skip
TASKS = {
    "co2", "delayed_xor", "induction_heads", "lorenz", "memorization", "multiplication", "musedata", "nottingham",
    "permuted_mnist", "piano_midi", "seq_cifar10", "seq_fashion", "sorting", "speech_commands", "variable_copy",
}  # fmt: skip


def each(names, *marks):
    """The names as parameters of a test, with these marks; those that are much like another are slow."""
    slow = {name: [pytest.mark.slow] if name in CELLS | TASKS else [] for name in names}
    return [pytest.param(name, marks=[*slow[name], *marks], id=name) for name in names]
