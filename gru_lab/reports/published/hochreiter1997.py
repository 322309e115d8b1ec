"""Hochreiter and Schmidhuber 1997: sequences until long time lags are learned."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from gru_lab.reports.published.published import Entry, Published, register
from gru_lab.runs import Group

COMMON = (
    "training.batch=1",
    "training.evaluate_every=500",
    "population.seeds=10",
    "optimizer=adam",
    "protocol=tuned",
    "protocol.axes.optimizer.learning_rate=[0.0003,0.001,0.003,0.01]",
)


@register("hochreiter1997")
@dataclass(frozen=True, kw_only=True)
class Hochreiter1997(Published):
    """Training sequences until temporal order with two and with three relevant symbols is learned (5.6, 6a and 6b).

    The LSTM is that of the paper: no forget gate, as many memory cells. Beside it stand the LSTM of today, the GRU and
    the vanilla RNN, each at the size whose number of weights is nearest to that of this LSTM.
    """

    paper: ClassVar = (
        "Hochreiter and Schmidhuber 1997, Long Short-Term Memory, Neural Computation 9(8), experiments 6a and 6b"
    )
    unit: ClassVar = "training sequences until solved"
    better: ClassVar = "lower"
    limits: ClassVar = (0.0, float("inf"))
    about: ClassVar = (
        "LSTM without forget gate, 4 memory cells with 156 weights (6a) and 6 memory cells with 308 weights (6b); one "
        "sequence per update; the mean of 20 trials (6a) and of 10 trials (6b).",
    )
    traps: ClassVar = (
        "The paper stops when the training error is small and the last 2,000 training sequences were classified "
        "correctly; here a network has solved the task when it classifies 99% of held-out sequences, checked every 500 "
        "sequences. The paper trains by online gradient descent with truncated gradients and a squared error; here "
        "Adam does, with the full gradient of the cross-entropy, at a learning rate that each network chooses.",
        "The published numbers are means of trials and not of one run. Here a network has at most 300,000 sequences "
        "(6a) or 1,000,000 (6b).",
        "The paper's two memory cells of a block share their gates; here each has its own, which makes 176 weights "
        "of 156, and 326 of 308.",
    )

    def entries(self) -> Sequence[Entry]:
        """See `Published.entries`."""
        networks = {
            "LSTM 1997": ("cell=lstm", "cell.forget_gate=none"),
            "LSTM": ("cell=lstm",),
            "LSTM, chrono": ("cell=lstm_chrono",),
            "GRU": ("cell=gru",),
            "RNN": ("cell=rnn",),
        }
        rows = {
            "temporal order 6a": (2, (4, 3, 3, 4, 8), 31_390, 300_000, 12),  # 176, 160, 160, 180, 172 weights
            "temporal order 6b": (3, (6, 5, 5, 6, 11), 571_100, 1_000_000, 40),  # 326, 328, 328, 332, 316 weights
        }
        return [
            Entry(
                row,
                column,
                value if column == "LSTM 1997" else None,
                (
                    "task=temporal_order",
                    f"task.relevant={relevant}",
                    *network,
                    f"cell.hidden={hidden}",
                    f"training.updates={updates}",
                    *COMMON,
                ),
                minutes,
            )
            for row, (relevant, sizes, value, updates, minutes) in rows.items()
            for (column, network), hidden in zip(networks.items(), sizes, strict=True)
        ]

    def ours(self, group: Group) -> list[float]:
        """The sequences until the task was solved, of the members that solved it."""
        batch = group.shared.config["training"]["batch"]
        return [float(record.solved_at * batch) for record in group.members if record.solved_at is not None]
