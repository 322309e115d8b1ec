"""The help of the programs that compose: every group with its options, read from the files without importing them."""

import re
import sys
from collections.abc import Iterable
from pathlib import Path

from gru_lab.exits import called
from gru_lab.presets import configs

PACKAGE = Path(__file__).parent
FAMILIES = {
    "cell": "cells",
    "task": "tasks",
    "model": "models",
    "method": "recurrence",
    "optimizer": "training/optimizers",
    "remedy": "training/remedies",
    "protocol": "training/protocols",
}
ALONE = "needs_cell: ClassVar[bool] = False"  # a network without a cell
SETTINGS = ("training", "population", "paths")
REGISTERED = re.compile(r'^@register\("(\w+)"\)\n(?:@.*\n)*(class .*(?:\n(?!\S).*)*)', re.MULTILINE)

HELP = """{doc}

usage: {program} [-m] [group=option ...] [group.field=value ...]

  -m, --multirun   one run for every combination of values separated by commas
  --cfg job        print the configuration instead of running it
  --help           this text;  --hydra-help: what else Hydra can do (launchers, tab completion)

Groups and their options; a class of the user's own in any of them: cell=path/to/my_cells.py:MyCell

{groups}

Examples

  cell=gru task=adding task.length=200        one cell on one task
  -m network=rnn,lstm,gru task=adding,copy    six runs, one per pair
  cell=lstm cell.hidden=128 cell.peephole=true
  cell.hidden=auto model.parameters=20000     the hidden size that meets a budget
  network=transformer model.parameters=20000     a network without a cell; so is tcn
  optimizer=rmsprop optimizer.learning_rate=1e-3 optimizer.clip=elementwise
  remedy=omega remedy.strength=0.5            a regulariser against vanishing gradients
  training.updates=10000 training.batch=64 training.evaluate_every=200
  population.seeds=10                         ten members in one compiled program
  population.axes.optimizer.learning_rate=[1e-3,3e-3,1e-2]    and for three rates, thirty
  protocol=tuned                              the learning rate is chosen first, on seeds of its own
  protocol=tuned protocol.axes.optimizer.learning_rate=[1e-3,1e-2] protocol.seeds=3
  protocol=optuna 'protocol.axes.optimizer.learning_rate={{loguniform:[1e-4,1e-1]}}' protocol.sampler=gp
  method.remat_every=32                       less memory: states are stored every 32 steps
  method.layout=tuned                         as `python -m gru_lab.recurrence tune` measured it on this machine
  model.layers=2 model.embedding=16
  sweep=tonight paths.runs=/data/runs         where records go: <paths.runs>/<sweep>/<run>/
  'callbacks.diagnostics.names=[gradient_flow,gates]'    measured at every evaluation
  callbacks.wandb.mode=online                 Weights & Biases; 'callbacks=[wandb]' is offline
  force=true                                  train anew what has finished; the old results are moved aside
  experiment=compare/adding                   a preset of configs/experiment/
  -m experiment=zoo/adding 'cell=glob(*)'     every cell there is
  debug=quick                                 a few updates, to see that everything works
  -m hydra/launcher=joblib ...                jobs side by side; hydra/launcher=submitit_slurm: on a cluster
"""


def asked(arguments: Iterable[str]) -> bool:
    """True if the arguments ask for the help."""
    return bool({"-h", "--help"} & set(arguments))


def help_text(doc: str) -> str:
    """The text of `--help`, after the first lines `doc`."""
    groups = "\n".join(f"  {group:<12} {', '.join(names)}" for group, names in options().items())
    program = called(f"python experiments/{Path(sys.argv[0]).name}")
    return HELP.format(doc=doc.strip(), program=program, groups=groups)


def options() -> dict[str, list[str]]:
    """The options of every group: those of the classes first, then the presets of the YAML files.

    >>> options()["remedy"]
    ['flossing', 'none', 'omega']
    """
    by_group = {group: sorted(registered(folder)) for group, folder in FAMILIES.items()}
    by_group |= {group: ["default"] for group in SETTINGS}
    alone = [name for name, text in sorted(registered("models").items()) if ALONE in text]
    by_group["network"] = [*by_group["cell"], *alone]
    for path in sorted(configs().rglob("*.yaml")):
        group, *folders = path.parent.relative_to(configs()).parts or ("",)
        if group not in ("", "hydra"):
            by_group.setdefault(group, []).append("/".join((*folders, path.stem)))
    by_group["network"] += sorted(path.stem for path in configs().glob("cell/*"))
    return by_group


def registered(folder: str) -> dict[str, str]:
    """The classes that the files of a folder register: by name, the text of each."""
    texts = (path.read_text("utf-8") for path in sorted((PACKAGE / folder).glob("[!_]*.py")))
    return {name: text for whole in texts for name, text in REGISTERED.findall(whole)}
