"""The command line of the experiments: Hydra underneath, every job checked before the first one starts.

A mistake gets one sentence and exit status 2; the same sentences are met in plain Python, because they come from the
dataclasses.
"""

import dataclasses
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from gru_lab.config import FAMILIES, Job, build_job, check_writable, nodes, outside
from gru_lab.schema import Schema, UserError, build, listed, nearest

if TYPE_CHECKING:
    from gru_lab.runs import Record

S = TypeVar("S", bound=Schema)

# Options of Hydra's that are followed by a value.
VALUE_OPTIONS = ("--cfg", "-c", "--package", "-p", "--info", "-i", "--config-dir", "-cd", "--config-name", "-cn")

UNREADABLE = "{!r} cannot be read: write name=value, with quotes around odd characters"

HELP = """{doc}

usage: python {program} [-m] [group=option ...] [group.field=value ...]

  -m, --multirun   one run for every combination of values separated by commas
  --cfg job        print the configuration instead of running it
  --help           this text;  --hydra-help: what else Hydra can do (launchers, tab completion)

Groups and their options; a cell or task of your own: cell=my_module:MyCell

{groups}

Examples

  cell=gru task=adding task.length=200        one cell on one task
  -m cell=rnn,lstm,gru task=adding,copy       six runs, one for every pair
  cell=lstm cell.hidden=128 cell.peephole=true
  cell.hidden=auto model.parameters=20000     the hidden size that meets a budget
  optimizer=rmsprop optimizer.learning_rate=1e-3 optimizer.clip=elementwise
  remedy=omega remedy.strength=0.5            a regulariser against vanishing gradients
  training.updates=10000 training.batch=64 training.evaluate_every=200
  population.seeds=10                         ten members in one compiled program
  model.layers=2 model.embedding=16
  sweep=tonight paths.runs=/data/runs         where records go: <paths.runs>/<sweep>/<run>/
  'diagnostics=[gradient_flow,gates]'         measured at every evaluation, kept in metrics.jsonl
  logger=wandb logger.mode=online             Weights & Biases (offline by default)
  experiment=compare/adding                   a preset of configs/experiment/
  -m experiment=zoo 'cell=glob(*)'            every cell there is
  debug=quick                                 a few updates, to see that everything works
  -m hydra/launcher=joblib ...                runs side by side in processes
"""


def configs() -> Path:
    """The folder of the YAML files: beside the package in a checkout, inside it once installed."""
    package = Path(__file__).parent
    return package / "configs" if (package / "configs").is_dir() else package.parent / "configs"


def main(name: str, action: Callable[[Job], Any], doc: str, argv: Sequence[str] | None = None) -> int:
    """Run `action` for every job that the command line asks for; returns the exit status.

    Args:
        name: the top configuration, `configs/<name>.yaml`.
        action: what to do with one job.
        doc: the first lines of `--help`.
        argv: the arguments; those of the process if None.
    """
    return program(lambda arguments: run_hydra(name, action, compose(name, arguments)[0]), doc, argv)


def program(run: Callable[[list[str]], None], doc: str, argv: Sequence[str] | None = None) -> int:
    """`run(arguments)`, or the help if they ask for it; returns the exit status. For `doc` and `argv` see `main`."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if {"-h", "--help"} & set(arguments):
        print(help_text(doc))
        return 0
    return guarded(lambda: run(arguments))


def guarded(command: Callable[[], None]) -> int:
    """Run a command; a mistake of the user's becomes one sentence and status 2, an interruption status 130."""
    sys.path.append(os.getcwd())  # so that cell=my_module:MyCell finds a file of the folder one works in
    try:
        command()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted: the same command goes on from here", file=sys.stderr)
        return 130
    return 0


def train(job: Job) -> "Record":
    """Run one job, say in one line what came out, and return its record."""
    from gru_lab.training import run

    experiment = job.experiment
    record = run(
        experiment, job.folder, lambda folder: job.logger.open(experiment.name, job.sweep, folder, experiment.config)
    )
    values = record.values()
    reached = f"test {record.metric} {sum(values) / len(values):.4g}" if values else "diverged"
    print(
        f"{record.cell} on {record.task}: {record.solved} of {len(record.members)} solved, {reached}, "
        f"{record.parameters:,} parameters; {job.folder / experiment.name}"
    )
    return record


def own_options(schema: type[S], arguments: Sequence[str]) -> tuple[S, list[str]]:
    """A program's own settings, `name=value` for every field of a dataclass, and the arguments that are left."""
    import yaml

    names = {field.name for field in dataclasses.fields(schema)}  # pyright: ignore[reportArgumentType]
    fields, rest = {}, []
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if equals and name in names:
            try:
                fields[name] = yaml.safe_load(value)
            except yaml.YAMLError:
                raise UserError(UNREADABLE.format(argument)) from None
        else:
            rest.append(argument)
    return build(schema, fields), rest


def one_device_a_core() -> None:
    """Let JAX see every core as a device, so that members train side by side; call it before any array is made."""
    import jax

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    jax.config.update("jax_num_cpu_devices", cores or 1)


def help_text(doc: str) -> str:
    """The text of `--help`: groups and their options as they are found."""
    options: dict[str, list[str]] = {}
    for group, option, _ in nodes():
        options.setdefault(group, []).append(option)
    for path in sorted(configs().rglob("*.yaml")):
        group = path.parent.relative_to(configs()).parts
        if group and group[0] != "hydra":
            option = "/".join((*group[1:], path.stem))
            options.setdefault(group[0], []).append(option)
    groups = "\n".join(f"  {group:<12} {', '.join(names)}" for group, names in options.items())
    program = f"experiments/{Path(sys.argv[0]).name}"
    return HELP.format(doc=doc.strip(), program=program, groups=groups)


def compose(name: str, arguments: list[str]) -> tuple[list[str], list[Job]]:
    """The arguments as Hydra needs them, and every job that they ask for, checked and not yet run.

    Raises:
        UserError: one sentence for the first mistake.
    """
    import hydra
    from hydra.core.config_store import ConfigStore
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    store = ConfigStore.instance()
    for group, option, node in nodes():
        store.store(group=group, name=option, node=node)
    try:
        with hydra.initialize_config_dir(str(configs()), version_base="1.3"):
            rewritten, combinations = _parse(arguments)
            composed = [hydra.compose(name, overrides, return_hydra_config=True) for overrides in combinations]
            jobs = [_job(config) for config in composed]
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(_sentence(error)) from None
    for folder in {job.folder for job in jobs}:
        check_writable(folder)
    return rewritten, jobs


def _parse(arguments: list[str]) -> tuple[list[str], list[list[str]]]:
    """The arguments as Hydra needs them, and the overrides of every job of the sweep.

    Values are rewritten to `++name=value`: whether a name is known is for the dataclasses to say, in one sentence.
    """
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
    from hydra.core.config_store import ConfigStore
    from hydra.core.global_hydra import GlobalHydra

    loader = GlobalHydra.instance().config_loader()
    groups = loader.list_groups("")
    rewritten, overrides = [], []
    for n, argument in enumerate(arguments):
        if argument.startswith("-") or (n and arguments[n - 1] in VALUE_OPTIONS):
            rewritten.append(argument)
            continue
        if "=" not in argument and not argument.startswith("~"):
            raise UserError(f"{argument!r} says nothing: write name=value, as in cell={argument}")
        override = _parse_one(argument, loader)
        name = override.key_or_group
        if name in FAMILIES and override.value() is not None:
            chosen = [override.value()] if not override.is_sweep_override() else list(override.sweep_iterator())
            for option in map(str, chosen):
                if ":" in option:
                    group, option, node = outside(name, option)
                    ConfigStore.instance().store(group=group, name=option, node=node)
        if name.split("/")[0].split(".")[0] != "hydra" and not argument.startswith("~"):
            argument = argument.lstrip("+")
            argument = argument if name in groups else f"++{argument}"
        rewritten.append(argument)
        overrides.append(_parse_one(argument, loader))
    if not {"-m", "--multirun"} & set(arguments):
        sweeping = [override.input_line for override in overrides if override.is_sweep_override()]
        if sweeping:
            raise UserError(f"{sweeping[0].lstrip('+')!r} gives several values: add -m to run them all")
        return rewritten, [[override.input_line for override in overrides]]
    return rewritten, BasicSweeper.split_arguments(overrides, None)[0]


def _parse_one(argument: str, loader: Any) -> Any:
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        return OverridesParser.create(loader).parse_overrides([argument])[0]
    except HydraException:
        raise UserError(UNREADABLE.format(argument)) from None


def _job(config: Any) -> Job:
    from omegaconf import OmegaConf

    chosen = OmegaConf.select(config, "hydra.runtime.choices") or {}
    own = OmegaConf.masked_copy(config, [name for name in config if name != "hydra"])
    tree: Any = OmegaConf.to_container(own, resolve=True)
    return build_job(tree, {str(group): str(option) for group, option in chosen.items()})


def _sentence(error: Exception) -> str:
    """What Hydra or OmegaConf has to say, in one sentence."""
    from hydra.errors import MissingConfigException

    if isinstance(error, MissingConfigException) and error.missing_cfg_file and error.options is not None:
        group, _, option = str(error.missing_cfg_file).partition("/")
        own = ", or module:Class for one of your own" if group in FAMILIES else ""
        found = error.options or ["nothing"]
        return f"{group} {option!r} is unknown: it must be {listed(found)}{own}.{nearest(option, found)}"
    return " ".join(str(error).split("\n")[0].split())


def run_hydra(name: str, action: Callable[[Job], Any], arguments: list[str]) -> None:
    """Hand the checked arguments to Hydra, which runs `action` once or sweeps."""
    import hydra

    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # errors come back to us as they are

    def task(config: Any) -> None:
        action(_job(config))

    program, sys.argv[1:] = sys.argv[1:], arguments
    try:
        hydra.main(version_base="1.3", config_path=str(configs()), config_name=name)(task)()
    finally:
        sys.argv[1:] = program
