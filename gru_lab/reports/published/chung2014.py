"""Chung et al. 2014: polyphonic music with tanh, GRU and LSTM units."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from gru_lab.reports.published.published import Entry, Published, register

NETWORKS: Mapping[str, tuple[str, ...]] = {
    "tanh": ("cell=rnn",),
    "GRU": ("cell=gru", "cell.reset=before"),
    "LSTM": ("cell=lstm", "cell.peephole=true"),
}
HIDDEN = {"tanh": 100, "GRU": 46, "LSTM": 36}
TEST = {
    "jsb_chorales": {"tanh": 9.10, "GRU": 8.54, "LSTM": 8.67},
    "piano_midi": {"tanh": 9.03, "GRU": 8.82, "LSTM": 9.03},
    "nottingham": {"tanh": 3.13, "GRU": 3.23, "LSTM": 3.20},
    "musedata": {"tanh": 6.23, "GRU": 5.99, "LSTM": 6.23},
}
MINUTES = {"jsb_chorales": 8, "piano_midi": 12, "nottingham": 25, "musedata": 35}
TOTAL = 22_766  # of the GRU of the paper's size, with its readout
COMMON = (
    "optimizer=rmsprop",
    "training.weight_noise=0.075",
    "training.updates=3000",
    "training.patience=10",
    "protocol=tuned",
    "protocol.axes.optimizer.learning_rate=[0.0003,0.001,0.003]",
)


@register("chung2014")
@dataclass(frozen=True, kw_only=True)
class Chung2014(Published):
    """Nats per frame on four sets of polyphonic music, at the paper's sizes and at equal total parameters."""

    paper: ClassVar = (
        "Chung, Gulcehre, Cho and Bengio 2014, Empirical Evaluation of Gated Recurrent Neural Networks on Sequence "
        "Modeling, arXiv:1412.3555, Table 2, test"
    )
    unit: ClassVar = "nats per frame"
    better: ClassVar = "lower"
    limits: ClassVar = (0.0, float("inf"))
    about: ClassVar = (
        "About 20,000 parameters in the recurrent layer, biases and output layer not counted: 100 tanh, 46 GRU, 36 "
        "LSTM units; the GRU resets before the product, the LSTM has diagonal peepholes.",
        "RMSProp, gradient norm clipped at 1, weight noise of 0.075, the best of ten learning rates drawn "
        "log-uniformly, early stopping on validation, at most 500 epochs; the number of seeds is not stated, one "
        "result per unit.",
        "The speech sets of the paper (Ubisoft A and B) are internal and cannot be had.",
    )
    traps: ClassVar = (
        "A first-order Markov chain per key, which knows whether the key sounds now, has on the test sets 10.49 (JSB), "
        "5.15 (Nottingham), 8.56 (MuseData) and 8.27 (Piano-midi) nats per frame; the marginal of each key has 11.09, "
        "10.26, 11.51 and 11.05. On Piano-midi that chain is ahead of all published numbers (8.82 to 9.03), so the "
        "preprocessing there differs from that of the files at hand.",
        "At equal totals the rows of all networks have 22,766 parameters with the output layer: what the paper holds "
        "equal leaves the tanh network with the largest output layer.",
        "Here 3 learning rates on 2 tuning seeds instead of 10 of one seed, batches of 32 windows of at most 200 "
        "frames instead of single pieces, and at most 3,000 updates.",
    )

    def entries(self) -> Sequence[Entry]:
        """See `Published.entries`."""
        sizes = {
            "the paper's sizes": lambda column: (f"cell.hidden={HIDDEN[column]}",),
            "equal totals": lambda column: ("cell.hidden=auto", f"model.parameters={TOTAL}"),
        }
        return [
            Entry(
                f"{task}, {sizing}",
                column,
                value,
                (
                    f"task={task}",
                    *NETWORKS[column],
                    *size(column),
                    *COMMON,
                    f"population.seeds={10 if task in ('jsb_chorales', 'piano_midi') else 5}",
                ),
                MINUTES[task],
            )
            for task, values in TEST.items()
            for sizing, size in sizes.items()
            for column, value in values.items()
        ]
