"""Tallec and Ollivier 2018: gates that begin with the time scales of the task."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from gru_lab.reports.published.published import Entry, Published, register
from gru_lab.runs import Group

COMMON = (
    "optimizer=rmsprop",
    "optimizer.learning_rate=0.001",
    "optimizer.clip=none",
    "population.seeds=3",
    "training.batch=50",
)


@register("tallec2018")
@dataclass(frozen=True, kw_only=True)
class Tallec2018(Published):
    """The LSTM with forget bias 1 and with chrono initialisation: copy, adding, permuted MNIST."""

    paper: ClassVar = "Tallec and Ollivier 2018, Can Recurrent Neural Networks Warp Time?, arXiv:1804.11188, section 3"
    unit: ClassVar = "errors in percent (MNIST), nats per step (copy) and squared error (adding)"
    better: ClassVar = "lower"
    limits: ClassVar = (0.0, float("inf"))
    about: ClassVar = (
        "LSTM of 128 units (512 on MNIST), RMSProp at 0.001 with decay 0.9, no clipping. Chrono: forget biases are "
        "log U[1, T - 1], T the longest memory, and input biases their negatives.",
        "In its figures copy with pauses of 500 and 2,000 steps is solved with chrono initialisation and stays on the "
        "plateau of the best guess without it; adding over 750 steps converges seven times faster. The numbers are of "
        "validation on permuted MNIST.",
    )
    traps: ClassVar = (
        "Where an entry has no published number, the paper has a curve: read `solved`.",
        "Ours are numbers of the test set, with the parameters that were best on the validation set.",
    )

    def entries(self) -> Sequence[Entry]:
        """See `Published.entries`."""
        copy = ("task=copy", "cell.hidden=128", "training.updates=20000", "training.evaluate_every=500")
        rows = {
            "copy, pause of 500 steps": ((*copy, "task.length=500"), (None, None), 60),
            "copy, pause of 2,000 steps": ((*copy, "task.length=2000"), (None, None), 240),
            "adding, 750 steps": (
                (
                    "task=adding",
                    "task.length=750",
                    "cell.hidden=128",
                    "training.updates=20000",
                    "training.evaluate_every=500",
                ),
                (None, None),
                90,
            ),
            "permuted_mnist": (
                ("task=permuted_mnist", "cell.hidden=512", "training.updates=40000", "training.evaluate_every=1000"),
                (4.6, 3.7),
                1500,
            ),
        }
        networks = {"LSTM": "lstm", "LSTM, chrono": "lstm_chrono"}
        return [
            Entry(row, column, value, (*arguments, f"cell={cell}", *COMMON), minutes)
            for row, (arguments, values, minutes) in rows.items()
            for (column, cell), value in zip(networks.items(), values, strict=True)
        ]

    def ours(self, group: Group) -> list[float]:
        """Errors in percent where the metric is an accuracy."""
        values = group.values()
        return [100 * (1 - value) for value in values] if group.shared.metric == "accuracy" else values
