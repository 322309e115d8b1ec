"""The pages that are made when the site is built: cells, tasks, settings, records, names, notebooks."""

import ast
import csv
import dataclasses
import html
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import equations
import jupytext

import gru_lab
from gru_lab import card, cells, tasks
from gru_lab.cells import budget
from gru_lab.config import OTHERS, SETTINGS
from gru_lab.presets import Preset, configs, presets
from gru_lab.runs.record import Member, Record
from gru_lab.schema import Registry, Schema, allowed
from gru_lab.training.experiment import FAMILIES

ROOT = Path(__file__).parents[1]
HIDDEN = INPUTS = 64  # of the costs on the page of a cell


def pages() -> dict[str, str]:
    """The text of every page by its place in the site."""
    made = {"cells/index.md": index_of_cells(), "tasks/index.md": index_of_tasks()}
    made |= {f"cells/{name}.md": page_of_cell(name) for name in cells.names()}
    made |= {f"tasks/{name}.md": page_of_task(name) for name in tasks.names()}
    made |= {"reference/settings.md": settings(), "reference/record.md": record()}
    made |= dict(names())
    made |= {f"tutorials/{path.stem}.md": notebook(path.read_text("utf-8")) for path in notebooks()}
    return made


# Cells


def index_of_cells() -> str:
    """A row per cell, with its cost at one size."""
    head = ("cell", "what it is", "year", "parameters", "state", "FLOPs per step")
    rows = []
    for name in cells.names():
        parts = card.document(cells.get(name))
        count, year = budget.cost(cells.create(name, hidden=HIDDEN), INPUTS), re.search(r"(19|20)\d\d", parts["Source"])
        short = re.split(r"[:,]", parts["summary"])[0].rstrip(".")
        numbers = (f"{count.parameters:,}", f"{count.state:,}", f"{count.flops:,}")
        rows.append((f"[{name}]({name}.md)", text(short), year[0] if year else "", *numbers))
    about = (
        f"{len(rows)} cells, each one file in `gru_lab/cells/`. Costs are those of one layer with {INPUTS} inputs and "
        f"`hidden={HIDDEN}`. The same list in a terminal: `python -m gru_lab.cells`. What each of them learns at equal "
        "parameters is told in [the zoo](../results/zoo/README.md); [add your own](../how-to/cell.md) in one file."
    )
    return f"# Cells\n\n{about}\n\n{table(head, rows)}"


def page_of_cell(name: str) -> str:
    """The card of a cell, its presets, its places in published results, and its source."""
    cell = cells.create(name, hidden=HIDDEN)
    parts, cls = card.document(type(cell)), type(cell)
    beside = [preset for preset in presets("cell") if preset.base == name]
    lines = [f"# {name}", "", text(parts["summary"]), "", equations.rows(parts["equations"]), ""]
    lines += [f"{text(parts[part])}\n" for part in ("story", "Shapes") if parts[part]]
    lines += [f"{linked(parts['Source'])}\n"] if parts["Source"] else []
    lines += [f"Compared with: {text(cls.witness)} ([what the letters mean](../reference/api/cells.md)).", ""]
    lines += ["## Fields", "", fields_of(cls), ""]
    if beside:
        about = "Settings of a paper or of its authors, `cell=NAME` on the command line:"
        lines += ["## Presets", "", about, "", presets_of(beside), ""]
    lines += [f"## Cost of one layer with {INPUTS} inputs and {HIDDEN} units", "", costs(cell), ""]
    lines += ["## As it begins", "", *beginning(name), ""]
    results = [*horizons([name]), *zoo([name, *(preset.name for preset in beside)])]
    lines += ["## In published results", "", *results, ""] if results else []
    runs = [line.strip() for line in card.methods(dataclasses.replace(cell, hidden=8))]
    lines += ["## Runs with", "", *(f"- {text(line)}" for line in runs), ""]
    converts = [line.strip() for line in card.conversions(cell)]
    lines += ["## Converts to", "", *(f"- {text(line)}" for line in converts), ""]
    lines += [source(cls)]
    return "\n".join(lines)


def costs(cell: cells.Cell) -> str:
    """Parameters, state and FLOPs of a layer: numbers, and polynomials where they are such."""
    count = budget.cost(cell, INPUTS)
    symbolic = card.polynomials(cell)
    rows = [
        ("parameters", f"{count.parameters:,}", symbolic["parameters"]),
        ("of them in matrices", f"{count.matrices:,}", ""),
        ("numbers of state", f"{count.state:,}", symbolic["state"]),
        ("outputs", f"{count.outputs:,}", ""),
        ("FLOPs per step and example", f"{count.flops:,}", symbolic["flops"]),
    ]
    shown = [(what, number, f"${equations.latex(formula)}$" if formula else "") for what, number, formula in rows]
    scales = card.time_scales(cell, INPUTS)
    said = "" if scales.startswith("no gate") else f"\n\nTime scales of the gates at initialisation: {scales}."
    return table(("", "number", "for I inputs and H units"), shown) + said


def beginning(name: str) -> Iterator[str]:
    """The gradient horizon, the leading exponent and Newton's iterations of the fresh cell, as they were measured."""
    with (ROOT / "experiments" / "parallel_in_time" / "newton.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["cell"] == name and float(row["scale"]) == 1]
    if not rows:
        yield "Not measured yet: `python experiments/newton.py` does."
    for row in rows:
        reach, exponent, back = float(row["horizon"]), row["exponent"], float(row["fell_back"] or 0)
        far = f"after {reach:g} steps" if reach < 512 else "in none of 512 steps"
        yield f"On white noise the gradient of a sum of outputs falls to a thousandth {far} (gradient horizon)."
        if row["iterations"]:
            rate = "minus infinity" if exponent == "-inf" else f"{float(exponent):.2g} nats per step"
            needs = f"needs {float(row['iterations']):g} iterations for" if back < 1 else "does not converge over"
            some = f" ({back:.0%} of the sequences are finished step by step)" if 0 < back < 1 else ""
            each = " per unit" if row["structure"] != "matrix" else ""
            yield (
                f"The leading Lyapunov exponent is {rate}. Newton's method {needs} 512 steps{some}; a scan multiplies "
                f"a {row['structure']}{each}. How this was measured: [parallel in time]"
                "(../results/parallel_in_time/README.md)."
            )


def zoo(wanted: Sequence[str]) -> Iterator[str]:
    """The rows of the zoo's table for the names of a cell and its presets."""
    text_of_page = (ROOT / "experiments" / "zoo" / "README.md").read_text("utf-8")
    head, rule, *rows = text_of_page.partition("<!-- table -->\n")[2].partition("<!-- /table -->")[0].splitlines()
    found = [row for row in rows if {*row.split("|")[1].replace("=", " ").split()} & {*wanted}]
    if found:
        yield from (f"At equal parameters, from [the zoo](../results/zoo/README.md):\n\n{head}", rule, *found, "")


def horizons(wanted: Sequence[str]) -> Iterator[str]:
    """The reach of the gradient from the page on vanishing gradients, for the names of cells."""
    page = (ROOT / "experiments" / "vanishing_gradients" / "page.md").read_text("utf-8")
    flow = page.partition("\n## How far back does the gradient")[2].partition("\n## ")[0]
    rows, task = [], ""
    for line in flow.splitlines():
        columns = [column.strip() for column in line.strip("|").split("|")]
        if len(columns) == 3 and columns[1] == "at initialisation":
            task = columns[0]
        elif len(columns) == 3 and columns[0].split(" ")[0] in wanted:
            rows.append((task, text(columns[0]), *columns[1:]))
    if rows:
        yield "Gradient horizon, from [vanishing gradients](../results/vanishing_gradients/README.md): the lag from"
        yield "which the gradient stays under a thousandth of its value, and the slope of its logarithm.\n"
        yield table(("task", "setting", "at initialisation", "after training"), rows) + "\n"


def presets_of(some: Iterable[Preset]) -> str:
    """A table of presets, their fields and the comment of their files."""
    rows = []
    for preset in some:
        path = next(configs().glob(f"*/{preset.name}.yaml"))
        comments = [line.lstrip("# ") for line in path.read_text("utf-8").splitlines() if line.startswith("#")]
        said = " ".join(line for line in comments if not line.startswith("python "))
        given = ", ".join(f"{field}={value}" for field, value in preset.fields.items())
        rows.append((f"`{preset.name}`", f"`{given}`", text(said)))
    return table(("preset", "fields", ""), rows)


# Tasks


def index_of_tasks() -> str:
    """A row per task."""
    rows = []
    for name in tasks.names():
        cls = tasks.get(name)
        sampled = "sampled" if cls.sample is not tasks.Task.sample else "real"
        summary = text(card.document(cls)["summary"].rstrip("."))
        judged = f"{cls.metric}, {cls.better} is better"
        rows.append((f"[{name}]({name}.md)", summary, f"{cls.answer}, {cls.readout} step", judged, sampled))
    about = (
        f"{len(rows)} tasks, each one class in `gru_lab/tasks/`. The same list in a terminal: "
        "`python -m gru_lab.tasks`. [Bring your own data](../how-to/data.md), or [write a task of your "
        "own](../how-to/task.md) in one file."
    )
    return f"# Tasks\n\n{about}\n\n{table(('task', 'what is asked', 'answers', 'judged by', 'data'), rows)}"


def page_of_task(name: str) -> str:
    """The card of a task with an example, and its source."""
    cls = tasks.get(name)
    parts = card.document(cls)
    lines = [f"# {name}", "", text(parts["summary"]), ""]
    if parts["equations"]:
        lines += ["```text", inspect.cleandoc("\n" + parts["equations"]), "```", ""]
    lines += [f"{text(parts['story'])}\n"] if parts["story"] else []
    lines += [f"{linked(parts['Source'])}\n"] if parts["Source"] else []
    lines += ["## Fields", "", fields_of(cls), "", "## Answers and scores", ""]
    readout = "after the last step" if cls.readout == "last" else "at every step"
    lines += [f"- Answers: {cls.answer}, {readout}; judged by {cls.metric}, {cls.better} is better"]
    if cls.sample is not tasks.Task.sample:
        lines += [f"- {text(line)}" for line in card.numbers(tasks.create(name))]
    else:  # the site is built without any data
        lines += [f"- Sizes and scores follow from its data, where they are: `python -m gru_lab.tasks {name}`"]
    if cls.ladder:
        lines += [f"- Ladder of lengths: {', '.join(map(str, cls.ladder))}"]
    if examples := re.search(r"^>>> .*(?:\n.+)*", inspect.cleandoc(cls.__doc__ or ""), re.MULTILINE):
        lines += ["", "## Example", "", "```pycon", examples[0], "```"]
    file = next((field for field in dataclasses.fields(cls) if field.name == "file"), None)
    given = f" task.file={file.default}" if file else ""
    lines += ["", "## On the command line", "", "```sh"]
    lines += [f"python experiments/train.py -m network=rnn,lstm,gru task={name}{given}", "```", "", source(cls)]
    return "\n".join(lines)


# The reference


def settings() -> str:
    """Every setting of the command line, from the dataclasses that check them."""
    lines = [
        "# Settings",
        "",
        "Every setting of `experiments/train.py`, made from the dataclasses that check them. A group is chosen as in",
        "`cell=gru`, a field set as in `cell.hidden=128`; `--cfg job` prints all settings of a command with values.",
        "Beside the names listed here each group takes `path/to/file.py:Class`, a class of your own.",
        "",
        "## The run as a whole",
        "",
        table(
            ("setting", "default", "meaning"),
            [
                ("`sweep`", "`default`", "the folder below `paths.runs` that keeps the runs of the command"),
                ("`force`", "`false`", "trains anew what has finished, and moves the old results aside"),
                ("`network`", "", "a cell in recurrent layers, or a model without a cell, by one name"),
                ("`experiment`", "", "a preset of `configs/experiment/`, see below"),
                ("`-m`", "", "several values of any setting, by commas: all their combinations"),
            ],
        ),
        "",
    ]
    assert {"callbacks", "sweep", "force", "network"} == {*OTHERS}
    for group, schema in SETTINGS.items():
        lines += [f"## {group}", "", text(card.document(schema)["summary"]), "", fields_of(schema, group), ""]
    for group, family in FAMILIES.items():
        lines += [f"## {group}", ""]
        named = [f"`{preset.name}`" for preset in presets(group)] if (configs() / group).is_dir() else []
        lines += [f"Presets: {', '.join(named)}.\n"] if named else []
        if group in ("cell", "task"):
            lines += [table(("name", "fields"), [linked_fields(group, name) for name in family.names()]), ""]
            continue
        for name in family.names():
            cls = family.get(name)
            lines += [f"### {group}={name}", "", text(card.document(cls)["summary"]), ""]
            lines += [fields_of(cls, group), ""]
    lines += ["## experiment", "", "Presets of whole experiments, as in `experiment=compare/copy`:", ""]
    folder = configs() / "experiment"
    found = sorted(path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.yaml"))
    return "\n".join([*lines, *(f"- `{name}`" for name in found), "", *launchers()]) + "\n"


def linked_fields(group: str, name: str) -> tuple[str, str]:
    """A cell or a task with a link to its page, and the names of its fields."""
    named = ", ".join(f"`{field.name}`" for field in dataclasses.fields(FAMILIES[group].get(name)))
    return f"[{name}](../{group}s/{name}.md)", named


def launchers() -> Iterator[str]:
    """The launchers and what they do."""
    yield "## hydra/launcher\n"
    yield "Where the jobs of a command run; their settings are those of Hydra's plugins, as in"
    yield "`hydra.launcher.n_jobs=4`.\n"
    module = importlib.import_module("gru_lab.launchers")
    rows = [(f"`{name}`", text(card.document(module.get(name))["summary"])) for name in module.names()]
    yield table(("launcher", ""), rows)


def record() -> str:
    """The fields of a record."""
    lines = ["# The record of a member", ""]
    lines += ["`record.json` is written last, with a checksum of all its fields. Read it with"]
    lines += [" `gru_lab.runs.find_records`, which refuses one that was changed.", ""]
    lines += [fields_of(Record, "", ("folder",)), "", "## member", "", fields_of(Member, ""), ""]
    prose = card.document(Member)["story"]
    return "\n".join([*lines, text(prose), ""])


def names() -> Iterator[tuple[str, str]]:
    """The pages of the public names, one per package, with an index."""
    listed = []
    packages = [gru_lab.__name__]
    packages += sorted(m.name for m in pkgutil.walk_packages(gru_lab.__path__, "gru_lab.") if m.ispkg)
    for package in packages:
        module = importlib.import_module(package)
        public = list(public_names(module))
        if not public:
            continue
        place = package.removeprefix("gru_lab.").replace(".", "-") if package != "gru_lab" else "gru_lab"
        lines = [f"# {package}", "", text((module.__doc__ or "").strip().partition("\n\n")[0].replace("\n", " ")), ""]
        if package == "gru_lab":
            public, shortcuts = [each for each in public if each[1] == "gru_lab.errors"], public
            lines += ["After `import gru_lab` every room is reachable as `gru_lab.<room>`, and these names:", ""]
            lines += [*(f"- [`gru_lab.{name}`][{home}.{name}]" for name, home, _ in shortcuts), ""]
        for name, home, whole in public:
            lines += [f"::: {home}.{name}", "    options:", "      heading_level: 2", ""]
            lines += [] if whole else ["      members: false", ""]
        yield f"reference/api/{place}.md", "\n".join(lines)
        listed.append((f"[{package}]({place}.md)", ", ".join(f"`{name}`" for name, *_ in public)))
    about = "Every public name, by the package that exports it."
    yield "reference/api/index.md", f"# Python names\n\n{about}\n\n{table(('package', 'names'), listed)}"


def public_names(module: Any) -> Iterator[tuple[str, str, bool]]:
    """Names that a package exports, the module that defines each, and true for all but registered classes."""
    registry = getattr(getattr(module, "register", None), "__self__", None)
    for name in sorted(getattr(module, "__all__", ())):
        value = getattr(module, name)
        home = getattr(value, "__module__", None)
        if inspect.ismodule(value) or isinstance(getattr(value, "__self__", None), Registry):
            continue
        if home is None or not home.startswith("gru_lab") or not defines(home, name):
            home = module.__name__
        yield name, home, True
    if isinstance(registry, Registry):
        more = sorted(item for item in registry.classes().items() if item[0] not in module.__all__)
        yield from ((name, cls.__module__, False) for name, cls in more)


def defines(module: str, name: str) -> bool:
    """True if a module's own text defines a name."""
    file = importlib.import_module(module).__file__ or ""
    kinds = (ast.FunctionDef, ast.ClassDef)
    nodes = ast.parse(Path(file).read_text("utf-8")).body
    return any(isinstance(node, kinds) and node.name == name for node in nodes)


# Notebooks


def notebooks() -> list[Path]:
    """The notebooks of the tutorials."""
    return sorted((ROOT / "notebooks").glob("*.py"))


def notebook(script: str) -> str:
    r"""A notebook in the percent format as Markdown: its text, and its code as blocks.

    >>> notebook("# %% [markdown]\n# # Title\n# Text.\n\n# %%\nprint(1)\n")
    '# Title\nText.\n\n```python\nprint(1)\n```\n'
    """
    cells_of = jupytext.reads(script, fmt="py:percent").cells
    blocks = (each.source if each.cell_type == "markdown" else f"```python\n{each.source}\n```" for each in cells_of)
    return "\n\n".join(blocks) + "\n"


# Parts of pages


def fields_of(cls: type[Schema], group: str | None = None, without: Sequence[str] = ()) -> str:
    """A table of the fields of a class: name, default, what is allowed, meaning."""
    known, kinds, rows = card.document(cls)["fields"], allowed(cls), []
    for field in dataclasses.fields(cls):  # pyright: ignore[reportArgumentType]
        if field.name in without:
            continue
        default = ""
        if field.default is not dataclasses.MISSING:
            default = f"`{shown(field.default)}`"
        elif field.default_factory is not dataclasses.MISSING:
            default = f"`{shown(field.default_factory())}`"
        name = f"{group}.{field.name}" if group else field.name
        rows.append((f"`{name}`", default, text(kinds[field.name]), text(known.get(field.name, ""))))
    if not rows:
        return "It has no fields."
    return table(("field", "default", "allowed", "meaning"), rows)


def shown(value: Any) -> str:
    """A default as it is written on the command line."""
    words = {None: "null", True: "true", False: "false"}
    if value is None or isinstance(value, bool):
        return words[value]
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(map(shown, value))}]"
    return f"{value:g}" if isinstance(value, float) else str(value) if not isinstance(value, Mapping) else "{}"


def source(cls: type) -> str:
    """The source of a class's module, folded."""
    path = Path(inspect.getfile(cls))
    code = "".join(f"    {line}\n" if line else "\n" for line in path.read_text("utf-8").splitlines())
    title = path.relative_to(ROOT).as_posix()
    return f'## Source\n\n??? note "{title}"\n\n    ```python\n{code}    ```\n'


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def text(words: str) -> str:
    """Prose of a docstring as Markdown: only its code in backticks is markup."""
    parts = re.split(r"(`[^`]*`)", words)
    return "".join(part if n % 2 else _plain(part) for n, part in enumerate(parts))


def _plain(words: str) -> str:
    return re.sub(r"([*_\[\]\\~$^])", r"\\\1", html.escape(words, quote=False))


def linked(words: str) -> str:
    """Prose with links to the arXiv."""
    return re.sub(r"arXiv:(\d{4}\.\d{4,5})", r"[arXiv:\1](https://arxiv.org/abs/\1)", text(words))
