"""Length generalisation: the best parameters on sequences longer than those of training."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from gru_lab import tasks
from gru_lab.data import Batch, Sampled, Sums, in_chunks
from gru_lab.errors import UserError
from gru_lab.runs import Member, RunFolder
from gru_lab.runs.log import Log
from gru_lab.runs.store import measurement_line
from gru_lab.schema import Size
from gru_lab.training.callbacks.callback import Callback, Listener, register
from gru_lab.training.experiment import Experiment
from gru_lab.training.measure import best_parameters
from gru_lab.training.population import begin
from gru_lab.training.train import Program, make_program
from gru_lab.training.work import Work


@register("generalisation")
@dataclass(frozen=True, kw_only=True)
class Generalisation(Callback):
    """Measures the best parameters of every reporting member on longer sequences: `measurements/generalisation.jsonl`.

    Trained at T, tested at T, 2T, 4T and 10T: at each factor the task's metrics on its own held-out set of the longer
    task (`Task.longer`), and the floor there. Members of role `tune` are left out, as they never see a test set.

    Attributes:
        factors: by how much longer the sequences are.
        sequences: of each set, at most.
    """

    place: ClassVar[int] = 35
    log: ClassVar[str] = "generalisation"

    factors: tuple[Size, ...] = (1, 2, 4, 10)
    sequences: Size = 500

    def check(self) -> None:
        """Factors go up."""
        if not self.factors or list(self.factors) != sorted(set(self.factors)):
            self.refuse("factors", "it must name factors from the smallest to the largest, as in [1,2,4,10]")

    def check_experiment(self, experiment: Experiment) -> None:
        """See `Callback.check_experiment`."""
        task, name = experiment.task, tasks.name_of(experiment.task)
        if not task.ladder or task.scored:
            having = [each for each in tasks.names() if tasks.get(each).ladder]
            raise UserError(
                f"callbacks has 'generalisation': task {name!r} has no length; those that have are {', '.join(having)}"
            )
        for factor in self.factors:
            task.longer(factor)

    def listen(self, work: Work) -> Listener:
        """See `Callback.listen`."""
        return Tester(work, self)

    def kept(self, experiment: Experiment, run: RunFolder, members: Sequence[Member]) -> None:
        """Measure it of members that had finished before, from their checkpoints."""
        members = [member for member in members if member.role == "report"]
        folders = [run.member(member) for member in members]
        lacking = [n for n, folder in enumerate(folders) if self.lacks(folder.measured(self.log))]
        if not lacking:
            return
        members, folders = [members[n] for n in lacking], [folders[n] for n in lacking]
        program = make_program(experiment)
        best_at, params = best_parameters(experiment, program, folders, begin(program, members))
        measured = self.measure(experiment, params)
        for n, folder in enumerate(folders):
            log = Log(folder.measurement(self.log))
            log.append(measurement_line(int(best_at[n]), "trained", {name: v[n] for name, v in measured.items()}))
            log.sync()

    def lacks(self, known: Any) -> bool:
        """True if these factors were not measured yet."""
        values = None if known is None else known.at("trained")
        return values is None or values["factor"].tolist() != [*self.factors]

    def measure(self, experiment: Experiment, params: Any) -> dict[str, np.ndarray]:
        """Arrays (members, factors): factor, length, floor, and every metric of the task."""
        rows = []
        for factor in self.factors:
            longer: Any = experiment.task.longer(factor)
            ours = replace(experiment, task=longer)
            sums = _evaluated(make_program(ours, dropout=False), params, self.held_out(ours))
            values = {name: np.asarray(each.mean) for name, each in sums.items()}
            floor = np.nan if longer.floor is None else longer.floor
            about = {"factor": factor, "length": longer.length, "floor": floor}
            count = len(next(iter(values.values())))
            rows.append({name: np.full(count, value, float) for name, value in about.items()} | values)
        return {name: np.stack([row[name] for row in rows], axis=1) for name in rows[0]}

    def held_out(self, experiment: Experiment) -> Batch:
        """The test set of a task in chunks of the size of a training batch, on the device."""
        source = experiment.task.source()
        take = jax.jit(source.holdout, static_argnums=(0, 1)) if isinstance(source, Sampled) else source.holdout
        batch = jax.tree.map(lambda leaf: leaf[: self.sequences], take("test", self.sequences))
        size = min(experiment.training.batch, self.sequences)
        return jax.tree.map(jnp.asarray, in_chunks(batch, size, experiment.task.weights(batch)))


def _evaluated(program: Program, params: Any, chunks: Batch) -> Sums:
    """The sums of all members' parameters over a set, by one compiled program."""
    evaluate = jax.jit(lambda many, chunks: jax.lax.map(lambda each: program.evaluate(each, chunks), many))
    return evaluate(jax.tree.map(jnp.asarray, params), chunks)


class Tester(Listener):
    """Measures at the end."""

    def __init__(self, work: Work, settings: Generalisation) -> None:
        super().__init__(work)
        self.settings = settings

    def finish(self) -> None:
        """See `Listener.finish`."""
        work, settings = self.work, self.settings
        reporting = [n for n, member in enumerate(work.members) if member.role == "report"]
        lacking = [n for n in reporting if settings.lacks(work.folders[n].measured(settings.log))]
        if not lacking:
            return
        params = jax.tree.map(lambda leaf: leaf[np.array(lacking)], work.state.best_params)
        measured = settings.measure(work.experiment, params)
        for row, n in enumerate(lacking):
            values = {name: each[row] for name, each in measured.items()}
            line = measurement_line(max(int(work.state.best_at[n]), 0), "trained", values)
            work.log(n, work.folders[n].measurement(settings.log), line)
