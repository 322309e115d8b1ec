"""A report: the table and the figures of some runs, made in memory and kept without overwriting anything."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from gru_lab.errors import UserError
from gru_lab.reports import comparison_tables, latex, markdown, pages, render
from gru_lab.reports.comparisons import compare
from gru_lab.reports.curves import curves
from gru_lab.reports.gradient_flow import gradient_flow
from gru_lab.reports.labels import layout
from gru_lab.reports.pages import comparison, sweep
from gru_lab.reports.paper import paper
from gru_lab.reports.table import REFERENCE, Table
from gru_lab.runs import Found, Group
from gru_lab.runs.files import write_atomically


@dataclass(frozen=True)
class Report:
    """The table, the files by name, and one sentence for each member or run that is left out."""

    table: Table
    files: dict[str, bytes]
    broken: tuple[str, ...]


def make(
    records: Found,
    *,
    reference: str | None = REFERENCE,
    mixed: bool = False,
    repetition: int | None = None,
    html: bool = False,
    command: str = "",
) -> Report:
    """The report of what `find_records` gave.

    A member whose files do not fit its record is left out and named, too.

    Args:
        records: the members.
        reference: the network that costs are relative to; see `table.build`.
        mixed: whether columns may differ in what they share; see `table.build`.
        repetition: whether entries show where a repetition will fall; see `table.build`.
        html: whether there is also a page for a screen that needs no other file, `index.html`.
        command: what made the report, which that file shows.

    Raises:
        UserError: if no member is left, none is of the network of reference, or columns differ in what they share.
    """
    records, table = begin(records, reference=reference, mixed=mixed, repetition=repetition)
    return Report(table, written(records, table, html=html, command=command), records.broken)


def begin(records: Found, *, reference: str | None, mixed: bool, repetition: int | None) -> tuple[Found, Table]:
    """The whole members and their table, which are there before the figures; see `make`."""
    records = whole(records)
    return records, comparison.table(records, reference, mixed=mixed, repetition=repetition)


def written(records: Found, table: Table, *, html: bool, command: str) -> dict[str, bytes]:
    """The files of a report by name; see `make`."""
    words, compared = render.shown(table), compare(table)
    files = comparison.comparison(table, pages.Material(records), compared).files()
    if html:
        files["index.html"] = (
            sweep.sweep(table, pages.Material(records, command=command), compared).write("html").encode()
        )
    files |= {
        "table.md": markdown.markdown(render.blocks(words)).encode(),
        "table.tex": paper(table).encode(),
    }
    if compared is not None:
        tables = comparison_tables.tables(compared)
        files |= {"statistics.md": markdown.markdown(tables).encode(), "statistics.tex": latex.latex(tables).encode()}
    return files


def whole(records: Found) -> Found:
    """The members whose files fit their records; the others are named among the broken."""
    groups, broken = [], [*records.broken]
    for group in records.groups:
        if unfit(group) is None:
            groups.append(group)
            continue
        sentences = {record.member.name: unfit(Group((record,))) for record in group.members}
        broken += [sentence for sentence in sentences.values() if sentence]
        members = tuple(record for record in group.members if not sentences[record.member.name])
        if members and (sentence := unfit(Group(members))):
            broken.append(sentence)
        elif members:
            groups.append(Group(members))
    return replace(records, groups=tuple(groups), broken=tuple(broken))


def unfit(group: Group) -> str | None:
    """The error in a group or the files beside it, in one sentence; None if they are as they should be."""
    try:
        layout([group])
        curves(group)
        gradient_flow(group)
    except UserError as error:
        return str(error)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        return f"the files in {group.shared.folder} do not fit together: {error!r}"
    return None


def save(files: Mapping[str, bytes], folder: Path) -> list[Path]:
    """Write the files of a report, by name, and return their paths.

    Nothing is ever overwritten: a folder in which one of these files already exists with other content is left as it
    is, and the report goes to `folder-2`, or `folder-3`, ... beside it. The same report again changes nothing.
    """
    for target in places(folder):
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


def places(folder: Path) -> Iterator[Path]:
    """The folder, and then those beside it that take over where it holds something else."""
    folder = Path(folder).absolute()
    yield folder
    for number in itertools.count(2):
        yield folder.with_name(f"{folder.name}-{number}")


def changed(path: Path, data: bytes) -> bool:
    """True if a file exists and has other content."""
    return path.exists() and path.read_bytes() != data
