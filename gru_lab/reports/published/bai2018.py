"""Bai et al. 2018: recurrent networks beside a convolutional one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from gru_lab.reports.published.published import Entry, Published, register

COMMON = (
    "training.updates=7000",
    "protocol=tuned",
    "population.seeds=3",
    "protocol.axes.optimizer.learning_rate=[0.0003,0.001,0.003]",
)


@register("bai2018")
@dataclass(frozen=True, kw_only=True)
class Bai2018(Published):
    """The adding problem of 600 steps and JSB chorales, with the networks of the paper."""

    paper: ClassVar = (
        "Bai, Kolter and Koltun 2018, An Empirical Evaluation of Generic Convolutional and Recurrent Networks for "
        "Sequence Modeling, arXiv:1803.01271, Table 1"
    )
    unit: ClassVar = "squared error (adding) and nats per frame (music)"
    better: ClassVar = "lower"
    limits: ClassVar = (0.0, float("inf"))
    about: ClassVar = (
        "One run per network, its test results averaged over the last three epochs; about 70,000 parameters on adding, "
        "300,000 on JSB chorales.",
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
        networks = {"LSTM": "lstm", "GRU": "gru", "RNN": "rnn"}
        values: Mapping[str, Mapping[str, float]] = {
            "adding, 600 steps": {"LSTM": 0.164, "GRU": 5.3e-5, "RNN": 0.177},
            "jsb_chorales": {"LSTM": 8.45, "GRU": 8.43, "RNN": 8.91},
        }
        tasks = {
            "adding, 600 steps": (
                "task=adding",
                "task.length=600",
                "task.convention=bai2018",
                "model.parameters=70000",
            ),
            "jsb_chorales": ("task=jsb_chorales", "model.layers=2", "model.parameters=300000"),
        }
        minutes = {"adding, 600 steps": 120, "jsb_chorales": 45}
        return [
            Entry(
                row, column, value, (*tasks[row], f"cell={networks[column]}", "cell.hidden=auto", *COMMON), minutes[row]
            )
            for row, columns in values.items()
            for column, value in columns.items()
        ]
