"""Collins et al. 2017: the bits that a network can store per parameter."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.special import entr

from gru_lab.reports.published.published import Entry, Published, register
from gru_lab.reports.statistics import Limits
from gru_lab.runs import Group

SIZES = {"RNN": ("rnn", 18, 524), "GRU": ("gru", 9, 515), "LSTM": ("lstm", 7, 464)}  # cell, units, parameters
COMMON = (
    "training.batch=250",
    "training.updates=20000",
    "training.evaluate_every=500",
    "population.seeds=5",
    "protocol=tuned",
    "protocol.axes.optimizer.learning_rate=[0.001,0.003,0.01,0.03]",
)


@register("collins2017")
@dataclass(frozen=True, kw_only=True)
class Collins2017(Published):
    """Bits per parameter when so many times as many random labels as a network has parameters are learned by heart."""

    paper: ClassVar = (
        "Collins, Sohl-Dickstein and Sussillo 2017, Capacity and Trainability in Recurrent Neural Networks, "
        "arXiv:1611.09913, section 2.1"
    )
    unit: ClassVar = "bits per parameter"
    better: ClassVar = "higher"
    about: ClassVar = (
        "About 5 bits per parameter for every cell, the most over all hyper-parameters, among them the number of "
        "sequences; what differences there are come from how well each can be trained.",
    )
    traps: ClassVar = (
        "A network of P parameters that is asked for n P labels can store n bits per parameter at most: the published "
        "number can be met by loads of five and more alone, and stands beside those.",
        "The paper searches hundreds of settings per network, at many sizes; here each network chooses among four "
        "rates at one size of about 500 parameters.",
    )

    def entries(self) -> Sequence[Entry]:
        """See `Published.entries`."""
        return [
            Entry(
                f"{load} label{'s' * (load > 1)} per parameter",
                column,
                5.0 if load >= 5 else None,
                (
                    "task=random_labels",
                    f"task.sequences={load * parameters}",
                    f"cell={cell}",
                    f"cell.hidden={units}",
                    *COMMON,
                ),
                3,
            )
            for load in (1, 2, 4, 8)
            for column, (cell, units, parameters) in SIZES.items()
        ]

    def ours(self, group: Group) -> list[float]:
        """The mutual information of labels and answers over all sequences, divided by the parameters."""
        right = np.array(group.values())
        bits = 1 - (entr(right) + entr(1 - right)) / np.log(2)
        return (self.bounds(group)[1] * bits).tolist()

    def bounds(self, group: Group) -> Limits:
        """See `Published.bounds`: no more can be stored than was asked for."""
        return 0.0, group.shared.config["task"]["sequences"] / group.shared.parameters
