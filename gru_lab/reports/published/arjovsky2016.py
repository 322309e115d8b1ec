"""Arjovsky et al. 2016: unitary recurrence against the LSTM over long pauses."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from gru_lab.reports.published.published import Entry, Published, register
from gru_lab.runs import Group

LENGTHS = {"copy": (100, 200, 300, 500), "adding": (100, 200, 400, 750)}
UNITS = {
    "copy": {"RNN": 80, "IRNN": 80, "LSTM": 40, "uRNN": 128},
    "adding": {"RNN": 128, "IRNN": 128, "LSTM": 128, "uRNN": 512},
    "mnist": {"LSTM": 128, "uRNN": 512},
}
CELLS = {"RNN": "rnn", "IRNN": "irnn", "LSTM": "lstm", "uRNN": "urnn"}
MNIST = {"seq_mnist": {"LSTM": 1.8, "uRNN": 4.9}, "permuted_mnist": {"LSTM": 12.0, "uRNN": 8.6}}
COMMON = ("protocol=arjovsky2016", "optimizer=rmsprop_arjovsky2016", "population.seeds=3", "training.batch=20")
MINUTES = {"copy": 0.15, "adding": 0.3}  # per step of a sequence: 20,000 updates of three members


@register("arjovsky2016")
@dataclass(frozen=True, kw_only=True)
class Arjovsky2016(Published):
    """Copy and adding over growing pauses, and MNIST a pixel per step, with the sizes of the paper."""

    paper: ClassVar = (
        "Arjovsky, Shah and Bengio 2016, Unitary Evolution Recurrent Neural Networks, arXiv:1511.06464, section 5"
    )
    unit: ClassVar = "errors in percent (MNIST), nats per step (copy) and squared error (adding)"
    better: ClassVar = "lower"
    limits: ClassVar = (0.0, float("inf"))
    about: ClassVar = (
        "One run per network, RMSProp at 0.001 with decay 0.9; batches of 20 or 50; 100,000 training and 10,000 test "
        "sequences, fixed.",
        "In its figures the LSTM gets under the best guess without memory (copy: 10 ln 8 / (T + 20) nats) at a pause "
        "of 100 steps alone, the tanh RNN never, and the uRNN solves all; on adding the LSTM and the uRNN beat 1/6 up "
        "to 400 steps and are not near 0 at 750, the tanh RNN and the IRNN never do.",
    )
    traps: ClassVar = (
        "Where an entry has no published number, the paper has a curve: read `solved`.",
        "Its code clips gradients element by element at 1, which its text does not say, and not those of the uRNN.",
        "Published accuracies of an LSTM of about 130 units on sequential MNIST lie between 87.2% (Bai 2018) and 98.9% "
        "(Cooijmans 2017), on permuted MNIST between 85.7% and 95.1%: no two papers train the same way.",
        "Here training sequences of copy and adding are drawn anew, and the parameters that are tested are those that "
        "were best on the validation set.",
    )

    def entries(self) -> Sequence[Entry]:
        """See `Published.entries`."""
        entries = []
        for task, lengths in LENGTHS.items():
            for length in lengths:
                for column, units in UNITS[task].items():
                    which = (f"task={task}", f"task.length={length}", "training.updates=20000")
                    row = f"copy, pause of {length} steps" if task == "copy" else f"adding, {length} steps"
                    minutes = MINUTES[task] * length * (4 if column == "uRNN" else 1)
                    entries.append(Entry(row, column, None, (*which, *_network(column, units)), minutes))
        for task, values in MNIST.items():
            for column, value in values.items():
                which = (f"task={task}", "training.updates=40000")
                minutes = 240 if column == "LSTM" else 900
                entries.append(Entry(task, column, value, (*which, *_network(column, UNITS["mnist"][column])), minutes))
        return entries

    def ours(self, group: Group) -> list[float]:
        """Errors in percent where the metric is an accuracy."""
        values = group.values()
        return [100 * (1 - value) for value in values] if group.shared.metric == "accuracy" else values


def _network(column: str, units: int) -> tuple[str, ...]:
    clip = ("optimizer.clip=none",) if column == "uRNN" else ()
    return (f"cell={CELLS[column]}", f"cell.hidden={units}", *COMMON, "training.evaluate_every=500", *clip)
