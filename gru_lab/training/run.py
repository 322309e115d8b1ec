"""`run`: the members of an experiment, from their first update to their records."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gru_lab import outside
from gru_lab.errors import UserError, in_one_line, listed
from gru_lab.hosts import Ended, agreed, following, several
from gru_lab.models import Network
from gru_lab.runs import Group, Member, MemberFolder, Record, RunFolder, grouped
from gru_lab.runs.arrays import load_arrays
from gru_lab.runs.claim import Busy, Claim, claim
from gru_lab.runs.files import (
    DiskFault,
    DiskFull,
    clear,
    disk_errors,
    read_all,
    unreadable,
    write_all,
    write_atomically,
)
from gru_lab.runs.record import checksum
from gru_lab.training import callbacks as family
from gru_lab.training.callbacks import Callback, Listener
from gru_lab.training.experiment import Experiment
from gru_lab.training.layout import Layout, layout_for, most_members
from gru_lab.training.memory import check_fits
from gru_lab.training.protocols import Round, Selection, Trial
from gru_lab.training.train import NEVER, make_program
from gru_lab.training.work import Work

TOLD = 0.01  # the share of held-out sequences in training from which a person is told


class Diverged(UserError):
    """A member has diverged, and `training.divergence=raise` makes that an error."""


@dataclass(frozen=True)
class Run:
    """The outcome of a run.

    Attributes:
        folder: where it is kept.
        records: of the members that were asked for, in their order.
        trained: the members that were trained now, those that chose a setting among them; the records of the others
            were there.
        selection: the choice of the protocol.
    """

    folder: Path
    records: tuple[Record, ...]
    trained: tuple[Member, ...] = ()
    selection: Selection = Selection()

    @property
    def groups(self) -> list[Group]:
        """The records by their hyper-parameters."""
        return grouped(self.records)

    @property
    def solved(self) -> int:
        """The number of members that solved the task."""
        return sum(record.solved_at is not None for record in self.records)

    def values(self, split: str = "test") -> list[float]:
        """The table's metric of every member that has a value."""
        return [value for record in self.records if (value := record.value(split)) is not None]


def run(
    experiment: Experiment,
    sweep: str | Path = "runs/default",
    callbacks: Sequence[Callback] = (),
    *,
    force: bool = False,
    wait: bool = True,
    say: Callable[[str], None] = print,
) -> Run:
    """Train the members of an experiment, and return their records, which are also in `sweep/<experiment.name>/`.

    Where the protocol chooses hyper-parameters, the members that choose train first. A member that has finished is not
    trained again: its record is read. One that was interrupted goes on from its last checkpoint, to the same numbers.

    Args:
        experiment: what is trained.
        sweep: the folder of the run's folder.
        callbacks: what watches the training, beside those that are part of every run.
        force: train anew what has finished; the old results are moved aside.
        wait: for another process that is at work on the run.
        say: is told, in a sentence, what a person should know.

    Raises:
        Diverged: if a member diverges and `training.divergence` is `raise`.
        Busy: if another process is at work on the run and is not waited for, or took it over from this one.
        DiskFull: if there is no room for the results.
        DiskFault: if a disk fails, or a limit on files is reached.
        UserError: if the experiment cannot fit in memory, the folder cannot be written or holds a run of another
            identity, or where a callback cannot watch this experiment.
    """
    watching = watchers(callbacks)
    for each in watching:
        each.check_experiment(experiment)
    check_fits(experiment)
    name, path = Path(sweep).name, Path(sweep) / experiment.name
    with disk_errors(path), ExitStack() as closing:

        def begin() -> tuple[RunFolder, Claim]:
            folder = RunFolder.open(path, experiment.card)
            waiting = (lambda owner: say(f"{path.name}: waiting for {owner}")) if wait else lambda owner: None
            lock = claim(path / "claim.lock", waiting, patience=None if wait else 0)
            held = closing.enter_context(lock)
            clear(path)
            return folder, held

        if following():
            path = Path(closing.enter_context(TemporaryDirectory())) / experiment.name
            write_all(path, agreed(dict))
            watching, say = [each for each in watching if not each.alone], lambda sentence: None
            folder, held = begin()
        else:
            begun: list[tuple[RunFolder, Claim]] = []
            agreed(lambda: begun.append(begin()) or (read_all(path) if several() else {}))
            ((folder, held),) = begun
        training = _Training(experiment, name, folder, watching, held, force, say)
        try:
            with disk_errors(folder.path):
                selection = training.select()
                records = training.train(experiment.members(selection.hyper), selection)
        except Busy:
            raise
        except Exception as error:
            if following() and not isinstance(error, Ended):
                raise Ended(f"this host cannot go on without the others: {in_one_line(error)}") from error
            if isinstance(error, DiskFull):
                raise
            with suppress(OSError):
                folder.note_failure(error)
            raise
        folder.note_failure(None)
    return Run(folder.path, records, tuple(training.trained), selection)


@dataclass
class _Training:
    """The training of what is missing of a run, by its owner.

    `seen` names the members that were asked for, `kept` are those of them that had finished before, and `running` are
    the groups that train side by side, some of whose members a protocol may ask to train on.
    """

    experiment: Experiment
    sweep: str
    folder: RunFolder
    callbacks: Sequence[Callback]
    held: Claim
    force: bool
    say: Callable[[str], None]
    trained: list[Member] = field(default_factory=list)
    programs: dict[Layout, dict] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    kept: list[Member] = field(default_factory=list)
    running: "list[_Running]" = field(default_factory=list)

    def select(self) -> Selection:
        """Let the protocol choose, by trials that are trained where they are missing.

        What it asks for follows from records and logs alone: a run that was killed is asked for the same again.
        """
        search, trials = self.experiment.protocol.search(self.experiment), None
        with ExitStack() as closing:
            try:
                while True:
                    trials = self._tried(next(search) if trials is None else search.send(trials), closing)
            except StopIteration as end:
                self._finish(closing)
                selection: Selection = end.value
        self._tell_kept()
        if selection.trials:
            self._move_aside_superseded(selection)
        return selection

    def _tried(self, asked: Round, closing: ExitStack) -> list[Trial]:
        """The trials of a round, trained side by side up to where the protocol compares them."""
        experiment, folder = self.experiment, self.folder
        works = self._missing(asked.members, asked.spent)
        last = asked.until >= experiment.training.updates
        if not last:
            self.running += [closing.enter_context(_begun(work, self.callbacks, self.held)) for work in works]
        for each in self.running:
            each.work.train_until(asked.until, {member.setting for member in asked.members})
            each.advance()
        if last:
            self._finish(closing)
            self._train(works)
            return agreed(lambda: [Trial.of(record) for record in self._records(asked.members)])
        return agreed(lambda: [
            Trial.at(asked.until, member, folder.member(member).read_metrics(), experiment) for member in asked.members
        ])  # fmt: skip

    def _finish(self, closing: ExitStack) -> None:
        """Record what the members that train side by side have reached."""
        for each in self.running:
            each.finish()
        self.running.clear()
        closing.close()

    def _move_aside_superseded(self, selection: Selection) -> None:
        """Move aside what was reported of an earlier choice, so that no table counts it."""
        chosen = self.experiment.hyper | dict(selection.hyper)
        for name in self.folder.members():
            try:
                record = self.folder.member(name).record
            except UserError:
                continue  # met and told again where its members are trained
            if record is None or record.member.role != "report" or record.member.hyper == chosen:
                continue
            if chosen == {**record.member.hyper, **selection.hyper}:  # it differs in what is chosen alone
                aside = self.folder.member(name).move_aside()
                self.say(f"{self.folder.path.name}: the protocol chose anew; an earlier choice is in {aside}")

    def train(self, members: Sequence[Member], selection: Selection) -> tuple[Record, ...]:
        """Train the members that have no record, and return the records of all."""
        self._train(self._missing(members, selection))
        self._tell_kept()
        return self._records(members)

    def _missing(self, members: Sequence[Member], selection: Selection) -> list[Work]:
        """The work on those members that have no record and were not asked for before."""
        experiment, folder = self.experiment, self.folder
        members = [member for member in members if member.name not in self.seen]
        self.seen |= {member.name for member in members}
        if self.force:
            for member in members:
                if aside := folder.member(member).move_aside():
                    self.say(f"{folder.path.name}: the old results are in {aside}")
        kept = {member.name for member in members if _finished(experiment, folder, member, self.say)}
        missing = [member for member in members if member.name not in kept]
        self.kept += [member for member in members if member.name in kept]
        if any(member.role == "report" for member in missing) and (share := experiment.repeated) > TOLD:
            known = f"the task has about {experiment.task.distinct:,.0f} sequences"
            self.say(f"{folder.path.name}: {known}, so that {share:.0%} of those held out are drawn in training, too")
        self.trained += missing
        return [
            Work(experiment, self.sweep, folder, tuple(group), layout, selection, self.programs.setdefault(layout, {}))
            for group, layout in _planned(experiment, folder, missing)
        ]

    def _train(self, works: Sequence[Work]) -> None:
        """Train groups of members to their end, one after the other."""
        for work in works:
            with _begun(work, self.callbacks, self.held) as each:
                each.advance()
                each.finish()

    def _tell_kept(self) -> None:
        """Let the callbacks look at members that had finished before."""
        for name in sorted(member.name for member in self.kept):
            for sentence in self.folder.member(name).broken_measurements():
                self.say(sentence)
        if self.kept:
            for each in self.callbacks:
                each.kept(self.experiment, self.folder, self.kept)
        self.kept = []

    def _records(self, members: Sequence[Member]) -> tuple[Record, ...]:
        return tuple(Record.load(self.folder.member(member).path / "record.json") for member in members)


def watchers(callbacks: Sequence[Callback]) -> list[Callback]:
    """These callbacks and those that are part of every run, in their order; given ones take the place of their kind.

    Raises:
        UserError: if one kind is given twice.
    """
    given = [type(each) for each in callbacks]
    for kind, each in zip(given, callbacks, strict=True):
        if given.count(kind) > 1:
            raise UserError(f"callbacks has {family.name_of(each)!r} twice: give it once")
    standing = [cls() for name in family.names() if (cls := family.get(name)).standard and cls not in given]
    return sorted([*standing, *callbacks], key=lambda each: each.place)


def _finished(experiment: Experiment, run: RunFolder, member: Member, say: Callable[[str], None]) -> bool:
    """True if a member has a whole record; what is broken is moved aside, to be trained again."""
    folder = run.member(member)
    try:
        if (folder.path / "checkpoint.safetensors").exists():
            load_arrays(folder.path / "checkpoint.safetensors")
        if not (folder.path / "record.json").exists():
            _layout_of(folder)
            return False
        record = folder.record_checked()
        if (record.identity, record.member) != (experiment.identity, member):
            raise UserError(
                f"{folder.path} holds the record of another member, {record.member.name} of {record.identity}"
            )
    except DiskFault:  # what cannot be read now may be whole
        raise
    except UserError as error:
        say(f"trained again, because {error}; what was there is in {folder.move_aside()}")
        return False
    return True


def _planned(experiment: Experiment, folder: RunFolder, members: Sequence[Member]) -> list[tuple[list[Member], Layout]]:
    """The members in groups that share a compiled program, with the layout of each: that of before where one was."""
    if not members:
        return []
    known = {member.name: _layout_of(folder.member(member)) for member in members}
    layouts = {name: layout for name, layout in known.items() if layout is not None}
    for dropout in (False, True):
        fresh = [member for member in members if member.name not in layouts and _drops(member) == dropout]
        if fresh:
            layout = agreed(partial(layout_for, experiment, dropout, len(fresh)))
            for member in fresh:
                _write_layout(folder.member(member), layout)
                layouts[member.name] = layout
    groups: dict[Layout, list[Member]] = {}
    for member in members:
        groups.setdefault(layouts[member.name], []).append(member)
    parts = []
    for layout, group in groups.items():
        most = agreed(partial(most_members, experiment, layout))
        parts += [(group[n : n + most], layout) for n in range(0, len(group), most)]
    return parts


def _drops(member: Member) -> bool:
    """True where dropout is compiled in for a member; a model without the field has its own."""
    return member.hyper.get("model.dropout", 1.0) > 0


def _layout_of(folder: MemberFolder) -> Layout | None:
    """The layout of a member that was begun; None for a new one."""
    file = folder.path / "layout.json"
    if not file.exists():
        return None
    try:
        content = json.loads(file.read_text("utf-8"))
        if content.pop("checksum") != checksum(content):
            raise ValueError("its checksum differs")
        return Layout(**content)
    except OSError as error:
        raise unreadable(file, error) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{file} cannot be read: {error}") from None


def begun_parts(folder: Path) -> int:
    """The parts into which batches were cut in a run's folder, the most of any member that has not finished."""
    layouts = []
    for name in RunFolder(folder).members():
        member = RunFolder(folder).member(name)
        with suppress(UserError):  # it will be met where its member is trained
            layouts.append(None if (member.path / "record.json").exists() else _layout_of(member))
    return max((layout.parts for layout in layouts if layout), default=1)


def _write_layout(folder: MemberFolder, layout: Layout) -> None:
    content = asdict(layout)
    folder.path.mkdir(parents=True, exist_ok=True)
    write_atomically(folder.path / "layout.json", json.dumps(content | {"checksum": checksum(content)}) + "\n")


@dataclass(frozen=True)
class _Running:
    """A group of members in training, what watches them, and the claim on their run."""

    work: Work
    listeners: Sequence[Listener]
    step: Callable[[], None]
    held: Claim

    def advance(self) -> None:
        """Train the members up to where they stop, as long as the claim on them holds."""
        self.check_healthy()
        while not self.work.over.all():
            self.step()
            self.held.check()
            for listener in self.listeners:
                listener.evaluated()
            self.check_healthy()

    def check_healthy(self) -> None:
        """Raise `Diverged` for a member that has diverged where that is an error."""
        work = self.work
        if work.experiment.training.divergence == "raise":
            for member, at in zip(work.members, work.state.diverged_at.tolist(), strict=True):
                if at != NEVER:
                    raise Diverged(
                        f"{work.title}: member {member.name} diverged in update {at}, and training.divergence is "
                        "'raise': try a smaller optimizer.learning_rate, or optimizer.clip"
                    )

    def finish(self) -> None:
        """Measure and record what the members reached."""
        for listener in self.listeners:
            listener.finish()


@contextmanager
def _begun(work: Work, callbacks: Sequence[Callback], held: Claim) -> Iterator[_Running]:
    """A group of members, ready to train; however it ends, every listener is closed."""
    with ExitStack() as closing:
        listeners: list[Listener] = []
        for each in callbacks:
            listeners.append(each.listen(work))
            closing.push(lambda kind, error, trace, listener=listeners[-1]: listener.close(error))
        work.prepare()
        for listener in listeners:
            listener.restore()
        step = work.compile()
        for listener in listeners:
            listener.begin()
        yield _Running(work, listeners, step, held)


class Loaded(NamedTuple):
    """A finished member: `network(inputs, lengths)` answers with its best parameters.

    `experiment.task` has what prediction needs besides, such as a vocabulary, a scaler or a permutation.
    """

    experiment: Experiment
    record: Record
    network: Network
    params: Any


def load(path: str | Path, seed: int | None = None, hyper: Mapping[str, float] | None = None) -> Loaded:
    """A finished member of a run, to predict with.

    Args:
        path: the folder of a run, or of one member.
        seed: which member; the one with the lowest seed if None.
        hyper: hyper-parameters that it must have, as `{"optimizer.learning_rate": 3e-3}`; any if None.

    Raises:
        UserError: if there is no such member, or if a class from outside is no longer what it was.
    """
    path = Path(path)
    run, members = (RunFolder(path), None) if (path / "config.yaml").exists() else (RunFolder(path.parent.parent), path)
    config = run.config
    names = run.members() if members is None else [members.name]
    records = [each for name in names if (each := run.member(name).record) is not None]
    fitting = [
        each
        for each in records
        if each.status == "finished"
        and seed in (None, each.member.seed)
        and (hyper or {}).items() <= dict(each.member.hyper).items()
    ]
    if not fitting:
        known = listed(f"seed {each.member.seed} ({each.member.role}, {each.status})" for each in records)
        raise UserError(f"{path} holds no finished member like that: it holds {known}")
    record = min(fitting, key=lambda each: each.member.seed)
    for module, file in record.layout.get("outside", {}).items():
        outside.find_in(module, Path(file))
    try:
        experiment = Experiment.from_config(config["config"], record.member.hyper)
    except UserError:
        raise
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise UserError(f"{run.path}/config.yaml is not that of a run: {in_one_line(error)}") from None
    if experiment.identity != record.identity:
        changed = [name for name, value in experiment.card.items() if value != config.get(name)]
        raise UserError(f"{path} was made with other {listed(changed)} than there are now: train it again")
    program = make_program(experiment)
    numbers = dict(record.member.hyper)
    like = jax.eval_shape(lambda: program.init(jax.random.key(0), numbers))
    loaded = run.member(record.member).load_checkpoint(like, record.identity)
    if loaded is None:
        raise UserError(f"{run.member(record.member).path} holds no checkpoint.safetensors: force=true trains it anew")
    params = jax.tree.map(jnp.asarray, loaded[0].best_params)
    return Loaded(experiment, record, program.network(params), params)
