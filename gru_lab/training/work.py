"""Work: the members that train together in one compiled program, and what callbacks see of them."""

import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.stages import Lowered

from gru_lab.data import Batch, Sampled, Split, bucketed_chunks, in_chunks, sequences
from gru_lab.errors import UserError, listed
from gru_lab.runs import Member, MemberFolder, RunFolder
from gru_lab.runs.log import Line, Log
from gru_lab.training.experiment import Experiment
from gru_lab.training.layout import Layout, equally_long
from gru_lab.training.population import Shape, beginning, compiled, lowered, mesh_shape, on_host
from gru_lab.training.protocols import Selection
from gru_lab.training.train import NEVER, MemberState, Program, make_program, stopped

FEW = 64  # sequences of the validation set that diagnostics may look at


@dataclass
class Work:
    """Members that train together, from their first update to their records.

    Attributes:
        experiment, sweep: what is trained, and the name of its sweep.
        selection: the choice of a protocol that led to these members.
        run: the folder of the run; `members` and `folders` are those of its members that train here.
        layout: how the work is laid out.
        program: the pure functions; `data` is what they are given.
        initial: the parameters with which the members begin.
        state: where the members stand, on the host, leaves (members, ...).
        programs: what is compiled, by name and shapes, and what else works of one experiment and layout may share.
        live: which members trained in the last step; `measured` is what they measured.
        preview: `preview(n)` is the mean loss of the next n updates and the seconds that these and an evaluation take;
            nothing comes of them.
        seconds: of one update of one member, once per step in which all members trained.
    """

    experiment: Experiment
    sweep: str
    run: RunFolder
    members: tuple[Member, ...]
    layout: Layout
    selection: Selection = Selection()
    programs: dict[str, Any] = field(default_factory=dict)
    program: Program = field(init=False)
    data: dict[str, Any] = field(init=False)
    initial: Any = field(init=False)
    state: MemberState = field(init=False)
    live: np.ndarray = field(init=False)
    measured: dict[str, np.ndarray] = field(init=False, default_factory=dict)
    preview: Callable[[int], tuple[float, float]] = field(init=False)
    seconds: list[float] = field(init=False, default_factory=list)
    compile_seconds: float = field(init=False, default=0.0)
    folders: tuple[MemberFolder, ...] = field(init=False)

    def __post_init__(self) -> None:
        experiment, layout = self.layout.laid_out(self.experiment), self.layout
        self.program = make_program(experiment, layout.dropout, layout.parts)
        self.folders = tuple(self.run.member(member) for member in self.members)
        self._logs: dict[tuple[int, str], Log] = {}
        self._on_devices: list[Any] = []  # the members between two steps, unless each brings new batches

    def prepare(self) -> None:
        """Draw the data, and make the members as they begin; meanwhile their step is compiled."""
        begun, arguments = beginning(self.program, self.members)
        start = _key("begin", arguments, ())
        drawn = self.drawing("validation") if "data" not in self.programs else None
        if "data" in self.programs:
            self.data = shapes = self.programs["data"]
        elif drawn is None:
            self.data = shapes = self._data(self.holdout("validation"))
        else:
            weights = jax.eval_shape(self.experiment.task.weights, drawn.out_info)
            shapes = jax.eval_shape(self._arranged, drawn.out_info, weights) | self._others()
        with ThreadPoolExecutor(1) as aside:
            steps, key = [], _key("advance", (begun.out_info, None), shapes)
            if not self.program.source.streamed and key not in self.programs:
                lay_out, compile = self._step((begun.out_info, None), shapes)
                steps.append((lay_out, aside.submit(compile)))
            if drawn is not None:
                self.data = self._data(jax.tree.map(np.asarray, drawn.compile()()))
            if start not in self.programs:
                self.programs[start] = begun.compile()
            members = self.programs[start](*arguments)
        self.programs["data"] = self.data
        for lay_out, run in steps:
            self.programs[key] = lay_out, run.result()
        self.initial = jax.tree.map(np.asarray, members.params)
        self.state = jax.tree.map(np.asarray, members)
        self.live = np.ones(len(self.members), bool)

    @property
    def title(self) -> str:
        """The name of the work, for a person."""
        from gru_lab import tasks

        tuning = ", tuning" * all(member.role == "tune" for member in self.members)
        return f"{self.experiment.network} on {tasks.name_of(self.experiment.task)}{tuning}"

    @property
    def mesh(self) -> Shape:
        """The devices along the two axes on which the members train here."""
        return mesh_shape(self.layout.placement, len(self.members), self.layout.parts)

    @property
    def update(self) -> int:
        """The number of updates that the member furthest on has had."""
        return int(np.max(self.state.update))

    @property
    def over(self) -> np.ndarray:
        """True for each member that trains no further."""
        return np.asarray(stopped(self.experiment.training, self.state))

    def train_until(self, update: int, settings: Collection[str]) -> None:
        """Let the members with one of these settings train on, and stop them at an update."""
        goes_on = np.array([member.setting in settings for member in self.members])
        until = np.where(goes_on, update, self.state.until).astype(self.state.until.dtype)
        self.state = self.state._replace(until=until)
        self._on_devices.clear()

    def holdout(self, split: Split) -> Batch:
        """The whole validation or test set, on the host."""
        drawn = self.drawing(split)
        size = getattr(self.experiment.training, split)
        whole = self.program.source.holdout(split, size) if drawn is None else drawn.compile()()
        return jax.tree.map(np.asarray, whole)

    def drawing(self, split: Split) -> Lowered | None:
        """The program that draws the validation or test set, still to be compiled; None for a set that is not drawn."""
        source, size = self.program.source, getattr(self.experiment.training, split)
        return (
            jax.jit(source.holdout, static_argnums=(0, 1)).lower(split, size) if isinstance(source, Sampled) else None
        )

    def chunks(self, batch: Batch) -> Batch | list[Batch]:
        """A set of sequences in the chunks in which it is evaluated, on the device."""
        return jax.device_put(self._chunks(batch, self._weights(batch)))

    def _weights(self, batch: Batch) -> np.ndarray:
        return np.asarray(jax.jit(self.experiment.task.weights)(batch))

    def _chunks(self, batch: Batch, weights: Any) -> Batch | list[Batch]:
        size, task = min(self.layout.chunk, sequences(batch)), self.experiment.task
        if isinstance(self.program.source, Sampled) or task.scored:  # lengths are not known yet, or the order counts
            return in_chunks(batch, size, weights)
        return bucketed_chunks(batch, size, weights, task.readout == "every")

    def _arranged(self, validation: Batch, weights: Any) -> dict[str, Any]:
        """The validation set as a step and diagnostics see it; a pure function, of the host or of shapes."""
        few = jax.tree.map(lambda leaf: leaf[:FEW], validation)
        return {"validation": self._chunks(validation, weights), "few": few}

    def _others(self) -> dict[str, Any]:
        """The inputs of a step beside members and validation set."""
        most = np.int32(self.experiment.training.evaluate_every)
        return {"train": self.program.source.arrays(), "most": most}

    def _data(self, validation: Batch) -> dict[str, Any]:
        return jax.device_put(self._arranged(validation, self._weights(validation))) | self._others()

    def _step(self, members: Any, data: Any) -> tuple[Callable, Callable[[], Callable]]:
        """The step of all members of these shapes: `(lay_out, compile)`, where `compile()` gives what runs it."""
        started, updates = time.perf_counter(), self.experiment.training.updates

        def asleep(each: tuple[MemberState, Any]) -> tuple[MemberState, Any]:
            return each[0]._replace(update=each[0].update + updates), each[1]

        def advance(each: tuple[MemberState, Any], data: Any) -> Any:
            return self.program.advance(each[0], data, each[1])

        lay_out, compile_laid_out = lowered(self.layout.placement, advance, members, data, asleep, self.layout.parts)

        def compile() -> Callable:
            run = compile_laid_out()
            self.compile_seconds += time.perf_counter() - started
            return run

        return lay_out, compile

    def compile(self) -> Callable[[], None]:
        """The step of all members: train to the next evaluation, and take over what came of it."""
        on_devices = self._on_devices

        def program(members: Any) -> tuple[Callable, Callable]:
            key = _key("advance", members, self.data)
            if key not in self.programs:
                lay_out, compile = self._step(members, self.data)
                self.programs[key] = lay_out, compile()
            return self.programs[key]

        def step() -> None:
            members = (self.state, self._batches())
            lay_out, run = program(members)
            started = time.perf_counter()
            self.live = ~self.over
            before = self.state
            state, measured = run(on_devices.pop() if on_devices else lay_out(members), self.data)
            if not self.program.source.streamed:
                on_devices.append((state, None))
            self.state, self.measured = self.real(state), self.real(measured)
            if self.experiment.task.metric not in self.measured:
                on_devices.clear()
                self._judge()
            if np.all(self.live):
                updates = int(np.sum(self.state.update - before.update))
                self.seconds.append((time.perf_counter() - started) / max(updates, 1))

        def preview(updates: int) -> tuple[float, float]:
            members = (self.state, self._batches())
            lay_out, run = program(members)
            if not on_devices:
                on_devices.append(lay_out(members))
            started = time.perf_counter()
            losses = self.real(run(on_devices[-1], self.data | {"most": np.int32(updates)})[1])["train_loss"]
            if self.program.source.streamed:
                on_devices.clear()
            return float(np.mean(losses[~self.over])), time.perf_counter() - started

        self.preview = preview
        return step

    def _judge(self) -> None:
        """Score the validation set on the host, where the task's metric is no sum."""
        scores = self.scored(self.state.evaluated, "validation")
        task = self.experiment.task
        value = np.array([score[task.metric] for score in scores])
        self.measured |= {name: np.array([score[name] for score in scores]) for name in scores[0]}
        better = (value < self.state.best) if task.better == "lower" else (value > self.state.best)
        better &= np.isfinite(value) & (self.state.diverged_at == NEVER) & self.live
        solved = (
            np.asarray(task.solved(jnp.asarray(value)))
            & (self.state.solved_at == NEVER)
            & (self.state.diverged_at == NEVER)
        )

        def kept(new: np.ndarray, old: np.ndarray) -> np.ndarray:
            return np.where(better.reshape(-1, *[1] * (new.ndim - 1)), new, old)

        self.state = self.state._replace(
            best_params=jax.tree.map(kept, self.state.evaluated, self.state.best_params),
            best=np.where(better, value, self.state.best).astype(self.state.best.dtype),
            best_at=np.where(better, self.state.update, self.state.best_at),
            solved_at=np.where(solved, self.state.update, self.state.solved_at),
        )

    def _batches(self) -> Batch | None:
        """The next batches of every member's stream, leaves (members, updates, batch, ...); None if not streamed."""
        source, training = self.program.source, self.experiment.training
        if not source.streamed:
            return None
        taken = [
            source.take(member.seed, int(update), training.evaluate_every, training.batch)
            for member, update in zip(self.members, self.state.update, strict=True)
        ]
        taken = equally_long(taken, self.experiment.task.readout == "every")
        return jax.tree.map(lambda *leaves: np.stack(leaves), *taken)

    def real(self, tree: Any) -> Any:
        """A tree on the host, without the copies that fill up devices."""
        return jax.tree.map(lambda leaf: on_host(leaf)[: len(self.members)], tree)

    def measure(self, name: str, function: Callable[[Any, Any], Any]) -> Callable[[Any], Any]:
        """A pure function of one member's parameters and of the data, as one of all members' parameters.

        It is a program of its own, placed as training is, so that it changes no number of the training; `name` is
        that of nothing else that is measured.
        """
        lay_out, run = self._compiled(f"measure {name}", function, self.state.params, self.data)
        return lambda params: self.real(jax.block_until_ready(run(lay_out(params), self.data)))

    def tested(self, params: Any, split: Split) -> list[dict[str, float]]:
        """The metrics of all members' parameters on the validation or test set, per member."""
        means = self.real(self._over(split, "evaluate", self._means, params))
        measured = [{name: float(values[n]) for name, values in means.items()} for n in range(len(self.members))]
        if self.experiment.task.scored:
            for values, scores in zip(measured, self.scored(params, split), strict=True):
                values |= scores
        return measured

    def _means(self, params: Any, chunks: Any) -> dict[str, Any]:
        """The metrics of one member's parameters on a set in chunks."""
        return {name: each.mean for name, each in self.program.evaluate(params, chunks).items()}

    def scored(self, params: Any, split: Split) -> list[dict[str, float]]:
        """The metrics that are no sums, per member, made on the host from predictions and references."""
        predictions = self.real(self._over(split, "outputs", self.program.outputs, params))
        whole = self.holdout(split)
        count = sequences(whole)

        def of(n: int) -> Any:
            return jax.tree.map(lambda leaf: leaf[n].reshape(-1, *leaf.shape[3:])[:count], predictions)

        task = self.experiment.task
        scores = [task.score(of(n), whole) for n in range(len(self.members))]
        if task.metric not in scores[0]:
            raise UserError(
                f"task {type(task).__name__}: its metric is {task.metric!r}, and score gives {listed(scores[0])}"
            )
        return scores

    def _over(self, split: Split, name: str, function: Callable[[Any, Batch], Any], params: Any) -> Any:
        """A function of all members' parameters and the chunks of a set; compiled once."""
        chunks = self.data["validation"] if split == "validation" else self.chunks(self.holdout(split))
        lay_out, run = self._compiled(name, function, params, chunks)
        return run(lay_out(params), chunks)

    def _compiled(self, name: str, function: Callable[[Any, Any], Any], members: Any, data: Any) -> Any:
        """A function of one member as a compiled one of all, once for arrays of the same shapes."""
        key = _key(name, members, data)
        if key not in self.programs:
            self.programs[key] = compiled(self.layout.placement, function, members, data, parts=self.layout.parts)
        return self.programs[key]

    def log(self, n: int, path: Path, line: Line) -> None:
        """Add a line to a log in the folder of member n."""
        self._log(n, path).append(line)

    def _log(self, n: int, path: Path) -> Log:
        key = (n, str(path))
        if key not in self._logs:
            self._logs[key] = Log(path)
        return self._logs[key]

    def logs(self, n: int) -> dict[str, Log]:
        """The logs of member n, by their names in its folder."""
        folder = self.folders[n]
        return {name: self._log(n, folder.path / name) for name in folder.logs()}


def _key(name: str, members: Any, data: Any) -> str:
    """The key of a compiled program: its name, and the shapes of what it takes."""
    return f"{name} {jax.tree.map(lambda leaf: tuple(leaf.shape), (members, data))}"
