"""Bai et al. 2018: recurrent networks beside a convolutional one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from gru_lab.reports.published.published import Entry, Published, register
from gru_lab.runs import Group

COMMON = (
    "protocol=tuned",
    "population.seeds=3",
    "protocol.axes.optimizer.learning_rate=[0.0003,0.001,0.003]",
)
NETWORKS = {
    "LSTM": ("cell=lstm", "cell.hidden=auto"),
    "GRU": ("cell=gru", "cell.hidden=auto"),
    "RNN": ("cell=rnn", "cell.hidden=auto"),
    "TCN": ("network=tcn",),
}


class Row(NamedTuple):
    """One task: its settings, the numbers of LSTM, GRU, RNN and TCN, what each network has beside, and minutes."""

    arguments: tuple[str, ...]
    values: tuple[float | None, float | None, float | None, float | None] = (None, None, None, None)
    recurrent: tuple[str, ...] = ()
    convolutional: tuple[str, ...] = ()
    minutes: float = 60


def _adding(length: int) -> tuple[str, ...]:
    return (
        "task=adding", f"task.length={length}", "task.convention=bai2018", "model.parameters=70000",
        "training.updates=7000",
    )  # fmt: skip


def _copy(length: int) -> tuple[str, ...]:
    return (
        "task=copy", f"task.length={length}", "task.convention=bai2018", "model.parameters=16000",
        "training.updates=3000",
    )  # fmt: skip


def _mnist(task: str) -> tuple[str, ...]:
    return (f"task={task}", "model.parameters=70000", "training.updates=8000", "training.batch=64")


ROWS: Mapping[str, Row] = {
    "adding, 200 steps": Row(_adding(200), minutes=40),
    "adding, 400 steps": Row(_adding(400), minutes=80),
    "adding, 600 steps": Row(_adding(600), (0.164, 5.3e-5, 0.177, 5.8e-5), minutes=120),
    "copy, pause of 500 steps": Row(_copy(500), minutes=30),
    "copy, pause of 1,000 steps": Row(_copy(1000), (0.0204, 0.0197, 0.0202, 3.5e-5), minutes=60),
    "seq_mnist": Row(_mnist("seq_mnist"), (12.8, 3.8, 78.5, 1.0), minutes=240),
    "permuted_mnist": Row(_mnist("permuted_mnist"), (14.3, 12.7, 74.7, 2.8), minutes=240),
    "jsb_chorales": Row(
        ("task=jsb_chorales", "model.parameters=300000", "training.updates=7000"), (8.45, 8.43, 8.91, 8.10),
        ("model.layers=2",), ("model.levels=2", "model.kernel=3", "model.dropout=0.5"), 45,
    ),
    "nottingham": Row(
        ("task=nottingham", "model.parameters=1000000", "training.updates=7000"), (3.29, 3.46, 4.05, 3.07),
        (), ("model.levels=4", "model.kernel=6", "model.dropout=0.2"), 240,
    ),
}  # fmt: skip


@register("bai2018")
@dataclass(frozen=True, kw_only=True)
class Bai2018(Published):
    """Adding, copy, MNIST a pixel per step and two music sets, with the four networks of the paper."""

    paper: ClassVar = (
        "Bai, Kolter and Koltun 2018, An Empirical Evaluation of Generic Convolutional and Recurrent Networks for "
        "Sequence Modeling, arXiv:1803.01271, Table 1"
    )
    unit: ClassVar = (
        "squared error (adding), nats per step (copy), errors in percent (MNIST) and nats per frame (music)"
    )
    better: ClassVar = "lower"
    limits: ClassVar = (0.0, float("inf"))
    about: ClassVar = (
        "One run per network, its test results averaged over the last three epochs; about 70,000 parameters on adding "
        "and MNIST, 16,000 on copy, 300,000 on JSB chorales, 1,000,000 on Nottingham.",
        "Adding of 200 and 400 steps and copy of 500 are curves in the paper, without numbers.",
    )
    traps: ClassVar = (
        "Its adding problem marks two positions anywhere, other papers one in each half.",
        "Its training sets of synthetic tasks are fixed (50,000 sequences of adding); ours are drawn anew.",
        "Its music script clips gradients before they are computed, so that clipping does nothing.",
        "Its LSTM on JSB chorales, 2 layers of 200 units, has 571,000 parameters and not 300,000.",
        "Forget bias, clipping and size were searched for the LSTM task by task.",
    )

    def entries(self) -> Sequence[Entry]:
        """See `Published.entries`."""
        return [
            Entry(name, column, value, (*row.arguments, *network, *_beside(row, column), *COMMON), row.minutes)
            for name, row in ROWS.items()
            for (column, network), value in zip(NETWORKS.items(), row.values, strict=True)
        ]

    def ours(self, group: Group) -> list[float]:
        """Errors in percent where the metric is an accuracy."""
        values = group.values()
        return [100 * (1 - value) for value in values] if group.shared.metric == "accuracy" else values


def _beside(row: Row, column: str) -> tuple[str, ...]:
    return row.convolutional if column == "TCN" else row.recurrent
