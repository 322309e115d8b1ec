"""Hydra: from the arguments of a command line to its jobs, every one checked before the first one starts."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from gru_lab.arguments import HYDRAS, SWEEP, combinations, parsed
from gru_lab.config import FAMILIES, Job, build_job, check_writable, network, nodes
from gru_lab.errors import UserError, listed, nearest
from gru_lab.launchers import launch
from gru_lab.launchers import names as launchers
from gru_lab.manual import options
from gru_lab.presets import configs

LAUNCHER = ("hydra/launcher", "hydra.launcher.")
SHOWN = {"job": lambda name: name != "hydra", "hydra": lambda name: name == "hydra", "all": lambda name: True}


def compose(name: str, arguments: Sequence[str]) -> list[Job]:
    """Every job that the arguments ask for, checked and not yet run.

    Args:
        name: the top configuration, `configs/<name>.yaml`.
        arguments: as people write them; `-m` sweeps.

    Raises:
        UserError: one sentence for the first mistake.
    """
    with _hydra():
        return _checked([config for config, _ in _composed(name, parsed(arguments), arguments)])


def compose_at(
    name: str, arguments: Sequence[str], setting: str, values: Callable[[Job], Sequence[int]] | Sequence[int]
) -> list[list[Job]]:
    """For every job that the arguments ask for, the same job at several values of one setting.

    Args:
        name: the top configuration, `configs/<name>.yaml`.
        arguments: as people write them; `-m` sweeps.
        setting: the path of the setting.
        values: those of all jobs, or the function that says them for the job without the setting.

    Raises:
        UserError: one sentence for the first mistake.
    """
    with _hydra():
        overrides = parsed(arguments)
        jobs = []
        for config, combination in _composed(name, overrides, arguments):
            at = values(_job(config)) if callable(values) else values
            jobs.append([_job(_put_together(name, [*combination, f"++{setting}={value}"])) for value in at])
        _check_folders(job for same in jobs for job in same)
        return jobs


def run(name: str, action: Callable[[Job], Any], arguments: Sequence[str]) -> None:
    """Check every job that the arguments ask for, then launch `action` for each, or show the configurations (`--cfg`).

    Where another sweeper of Hydra's is among them, or a setting of its own, Hydra runs the jobs.

    Raises:
        UserError: one sentence for the first mistake, or for the jobs that failed.
    """
    from hydra.core.global_hydra import GlobalHydra
    from omegaconf import OmegaConf

    arguments, shown = _split(arguments)
    if {*HYDRAS} & {*arguments}:
        _hydras_own(name, action)
        return
    with _hydra():
        overrides = parsed(arguments)
        composed = [config for config, _ in _composed(name, overrides, arguments)]
        jobs = _checked(composed)
        if shown:
            print("---\n".join(_yaml(config, *shown) for config in composed), end="")
            return
        names = [override.key_or_group for override in overrides]
        hydras = [name for name in names if name.startswith(("hydra.", "hydra/")) and not name.startswith(LAUNCHER)]
        if hydras:
            hydra: Any = GlobalHydra.instance().hydra
            start = hydra.multirun if {*SWEEP} & {*arguments} else hydra.run
            try:
                start(name, _task(action), [override.input_line for override in overrides])
            except OSError as error:
                for place in ("hydra.run.dir", "hydra.sweep.dir"):
                    folder = str(OmegaConf.select(composed[0], place))
                    if error.filename and folder.startswith(str(error.filename)):
                        raise UserError(f"{place} is {folder!r}: it cannot be written: {error.strerror}") from None
                raise
            return
    launch(numbered(jobs), action)


def numbered(jobs: Sequence[Job]) -> list[Job]:
    """The jobs of one command, each with its place among them: `[2/3] `; one job alone has none."""
    if len(jobs) == 1:
        return list(jobs)
    return [replace(job, place=f"[{n}/{len(jobs)}] ") for n, job in enumerate(jobs, start=1)]


@contextmanager
def _hydra() -> Iterator[None]:
    """Hydra with our configurations."""
    import hydra

    _register()
    with _in_sentences(), hydra.initialize_config_dir(str(configs()), "gru-lab", version_base="1.3"):
        yield


@contextmanager
def _in_sentences() -> Iterator[None]:
    """A complaint of Hydra's about the arguments becomes a `UserError`."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    try:
        yield
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(_sentence(error)) from None


@cache
def _register() -> None:
    """Tell Hydra the options that the dataclasses give, once in a process."""
    from hydra.core.config_store import ConfigStore

    store = ConfigStore.instance()
    for group, option, node, package in (*nodes(), *(network(path.stem) for path in _cells())):
        store.store(group=group, name=option, node=node, package=package)


def _cells() -> list[Path]:
    return sorted(configs().glob("cell/*"))


def _hydras_own(name: str, action: Callable[[Job], Any]) -> None:
    """Let Hydra read the command line of the process itself: help, tab completion and other options of its own."""
    import hydra

    _register()
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # errors come back to us as they are
    with _in_sentences():
        hydra.main(version_base="1.3", config_path=str(configs()), config_name=name)(_task(action))()


def _task(action: Callable[[Job], Any]) -> Callable[[Any], None]:
    def task(config: Any) -> None:
        action(_job(config))

    return task


def _split(arguments: Sequence[str]) -> tuple[list[str], tuple[str, bool] | None]:
    """The arguments without `--cfg WHICH` and `--resolve`, and what those ask for."""
    rest, shown, resolve = [], None, False
    words = iter(arguments)
    for word in words:
        option, equals, which = word.partition("=")
        if option in ("--cfg", "-c"):
            shown = which if equals else next(words, "")
            if shown not in SHOWN:
                raise UserError(f"{option} is {shown!r}: it must be {listed(SHOWN)}.{nearest(shown, SHOWN)}")
        elif word == "--resolve":
            resolve = True
        else:
            rest.append(word)
    return rest, (shown, resolve) if shown else None


def _yaml(config: Any, shown: str, resolve: bool) -> str:
    from omegaconf import OmegaConf

    return OmegaConf.to_yaml(OmegaConf.masked_copy(config, list(filter(SHOWN[shown], config))), resolve=resolve)


def _composed(name: str, overrides: Sequence[Any], arguments: Sequence[str]) -> list[tuple[Any, list[str]]]:
    """The configuration of every job, and its overrides: of all combinations of the values where `-m` is given."""
    lines = list(combinations(overrides, bool({*SWEEP} & {*arguments})))
    if not lines:
        raise UserError(f"{' '.join(arguments)} asks for no run: a glob matches nothing")
    return [(_put_together(name, line), line) for line in lines]


def _put_together(name: str, overrides: list[str]) -> Any:
    import hydra
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    try:
        return hydra.compose(name, overrides, return_hydra_config=True)
    except (HydraException, OmegaConfBaseException):
        raise
    except (TypeError, ValueError) as error:  # a field of what is a list, a number for a group
        said = " ".join(overrides).replace("++", "")
        raise UserError(f"{said} cannot be put together: {_sentence(error)}") from None


def _checked(composed: Sequence[Any]) -> list[Job]:
    jobs = [_job(config) for config in composed]
    _check_folders(jobs)
    return jobs


def _check_folders(jobs: Iterable[Job]) -> None:
    for folder in {job.folder for job in jobs}:
        check_writable(folder)


def _job(config: Any) -> Job:
    from omegaconf import OmegaConf

    chosen = OmegaConf.select(config, "hydra.runtime.choices") or {}
    tree: dict[str, Any] = {}
    for name in config:
        if name != "hydra":
            value = config[name]
            tree[name] = OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
    job = build_job(tree, {str(group): str(option) for group, option in chosen.items()})
    if (name := chosen.get("hydra/launcher", "basic")) == "basic":
        return job
    settings = OmegaConf.to_container(config.hydra.launcher, resolve=True)
    return replace(job, launcher={"name": name, "settings": _without_target(settings)})


def _without_target(settings: Any) -> dict[str, Any]:
    return {str(name): value for name, value in settings.items() if name != "_target_"}


def _no_launcher(name: str) -> str:
    """The sentence for a launcher whose plugin is not installed, or that nobody knows."""
    if name in launchers():
        return f"hydra/launcher is {name!r}, whose plugin is not installed: pip install 'gru-lab[slurm]' brings it"
    return f"hydra/launcher {name!r} is unknown: it must be {listed(launchers())}.{nearest(name, launchers())}"


def _sentence(error: Exception) -> str:
    """A complaint of Hydra's or OmegaConf's, in one sentence."""
    from hydra.errors import MissingConfigException

    if isinstance(error, MissingConfigException) and error.missing_cfg_file and error.options is not None:
        group, _, option = str(error.missing_cfg_file).partition("/")
        if option.startswith("launcher/"):
            return _no_launcher(option.removeprefix("launcher/"))
        known = options().get(group) or error.options or ["nothing"]
        outside = ", or path/to/file.py:Class for a class of the user's own" if group in (*FAMILIES, "network") else ""
        return f"{group} {option!r} is unknown: it must be {listed(known)}{outside}.{nearest(option, known)}"
    return " ".join(str(error).split("\n")[0].split())


__all__ = ["compose", "configs", "numbered", "options", "run"]
