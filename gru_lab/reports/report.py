"""A report: the table and the figures of some runs, made in memory and kept without overwriting anything."""

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gru_lab.reports import render
from gru_lab.reports.curves import curves, learning_curves
from gru_lab.reports.gradient_flow import gradient_flow, gradient_flow_figure
from gru_lab.reports.labels import layout
from gru_lab.reports.style import palette
from gru_lab.reports.table import Table, build
from gru_lab.runs import Record
from gru_lab.runs.files import write_atomically
from gru_lab.schema import UserError


@dataclass(frozen=True)
class Report:
    """The table, the files by name, and one sentence for each run that is left out."""

    table: Table
    files: dict[str, bytes]
    broken: tuple[str, ...]


def make(records: Sequence[Record], broken: Sequence[str] = ()) -> Report:
    """The report of some runs; `broken` names those that `find_records` could not read.

    A run whose metrics or gradients do not fit its record is left out and named, too. Raises `UserError` if no run
    is left.
    """
    sentences = {id(record): unfit(record) for record in records}
    broken = (*broken, *(sentence for sentence in sentences.values() if sentence))
    records = [record for record in records if not sentences[id(record)]]
    if not records:
        raise UserError("; ".join([*broken, "no whole run is left, so there is no table"]))
    table = build(records, broken)
    files = {
        "table.md": render.markdown(table).encode(),
        "table.csv": render.csv(table).encode(),
        "table.tex": render.latex(table).encode(),
    }
    placed, colours = layout(records), palette(record.cell for record in records)
    for row in placed.rows:
        for kind, draw in (("learning_curves", learning_curves), ("gradient_flow", gradient_flow_figure)):
            name = f"{kind}_{re.sub(r'[^A-Za-z0-9-]+', '_', row).strip('_')}"
            if f"{name}.png" in files:  # two labels that differ only in their signs
                name = f"{name}_{len(files)}"
            files |= {f"{name}.{suffix}": data for suffix, data in draw(row, placed.row(row), colours).items()}
    return Report(table, files, broken)


def unfit(record: Record) -> str | None:
    """What is wrong with a record or the files beside it, in one sentence; None if they are as they should be."""
    try:
        layout([record])
        curves(record)
        gradient_flow(record)
    except UserError as error:
        return str(error)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        return f"the files in {record.folder} do not fit together: {error!r}"
    return None


def save(files: Mapping[str, bytes], folder: Path) -> list[Path]:
    """Write the files of a report, by name, and return their paths.

    Nothing is ever overwritten: a folder in which one of these files already exists with other content is left as it
    is, and the report goes to `folder-2`, or `folder-3`, ... beside it. The same report again changes nothing.
    """
    folder = Path(folder).absolute()
    for number in itertools.count(1):
        target = folder if number == 1 else folder.with_name(f"{folder.name}-{number}")
        try:
            if any(changed(target / name, data) for name, data in files.items()):
                continue
            target.mkdir(parents=True, exist_ok=True)
            for name, data in files.items():
                if not (target / name).exists():
                    write_atomically(target / name, data)
        except OSError as error:
            raise UserError(f"the report cannot be written to {target}: {error.strerror}") from None
        return [target / name for name in files]
    raise AssertionError  # counting has no end


def changed(path: Path, data: bytes) -> bool:
    """Whether a file exists and holds something else."""
    return path.exists() and path.read_bytes() != data


def write(records: Sequence[Record], broken: Sequence[str], folder: Path) -> list[Path]:
    """`save(make(records, broken).files, folder)`."""
    return save(make(records, broken).files, folder)
