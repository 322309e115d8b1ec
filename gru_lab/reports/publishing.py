"""A report for the person at the terminal: printed, written, and not made again while nothing changed."""

import hashlib
import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from gru_lab.errors import UserError
from gru_lab.reports import style
from gru_lab.reports.escape import plain
from gru_lab.reports.render import Shown, print_table, shown
from gru_lab.reports.table import REFERENCE
from gru_lab.runs import Found, MemberFolder
from gru_lab.runs.files import write_atomically

KEPT = ".report.json"  # beside the files of a report: what it was made from, and its table in words
PACKAGES = ("matplotlib", "numpy")  # another version draws other figures
FILES = ("record.json", "metrics.jsonl", "measurements/gradient_flow.jsonl")  # of a member, that a report shows


def publish(
    records: Found,
    out: Path,
    *,
    reference: str | None = REFERENCE,
    mixed: bool = False,
    repetition: int | None = None,
    statistics: bool = False,
    html: bool = False,
    command: str = "",
) -> int:
    """Print the table of what `find_records` gave and write it with its figures; returns the exit status.

    The table goes to stdout, a sentence for each member or run that is left out to stderr; the status is then 2. A
    report that is already in `out` and was made from the same records by the same sources is printed from there.

    Args:
        records: the members.
        out: the folder for the report.
        reference: the network that costs are relative to.
        mixed: whether columns may differ in what they share; see `table.build`.
        repetition: whether entries show where a repetition will fall; see `table.build`.
        statistics: whether the comparisons with the network of reference are printed, too; they are always written.
        html: whether the report is also one page, `index.html`.
        command: what made the report, which its page shows.

    Raises:
        UserError: if there is no table to make, columns differ in what they share, or it cannot be written.
    """
    from rich.console import Console

    mark = fingerprint(records, reference, mixed, repetition, html, command if html else "")
    kept = _kept(Path(out), mark)
    if kept is None:
        from gru_lab.reports import report

        records, made = report.begin(records, reference=reference, mixed=mixed, repetition=repetition)
        table, broken = shown(made), records.broken
        print_table(table, Console())  # before the figures, which take longer
        sys.stdout.flush()
        files = report.written(records, made, html=html, command=command)
        paths = report.save(files, Path(out))
        folder, names = paths[0].parent, [path.name for path in paths]
        _keep(folder, mark, files, table, broken)
    else:
        folder, names, table, broken = kept
        print_table(table, Console())
    if statistics:
        file = folder / "statistics.md"
        text = file.read_text("utf-8") if file.name in names else "a comparison needs two networks, and there is one"
        print(f"\n{text}")
    for sentence in broken:
        print(f"left out: {plain(sentence)}", file=sys.stderr)
    print(f"\n{'written to' if kept is None else 'unchanged in'} {plain(folder)}: {', '.join(names)}")
    return 2 if broken else 0


def publish_page(name: str, records: Found, out: Path, *, html: bool = False, command: str = "") -> int:
    """Print any page of the found members as Markdown and write it with its figures; returns the exit status.

    Args:
        name: of a page in `gru_lab.reports.pages`, or `module:Class` or `path/to/file.py:Class`.
        records: what `find_records` gave.
        out: the folder for it.
        html: whether the page is also written as `index.html`.
        command: what made the page, which it shows.

    Raises:
        UserError: if there is no such page, it lacks what it needs, or it cannot be written.
    """
    from gru_lab.reports import pages, report

    page = pages.create(name)
    records = report.whole(records)
    page = page.make(pages.Material(records, pages.subjects(records.groups), command))
    paths = report.save(page.files(formats=("markdown", "html") if html else ("markdown",)), Path(out))
    print(page.write("markdown"))
    for sentence in records.broken:
        print(f"left out: {plain(sentence)}", file=sys.stderr)
    print(f"written to {plain(paths[0].parent)}: {', '.join(path.name for path in paths)}")
    return 2 if records.broken else 0


def fingerprint(records: Found, *options: Any) -> str:
    """The hash of what makes a report: the files of the members, sentences, options, the sources of reports."""
    digest = hashlib.sha256()

    def add(*parts: Any) -> None:
        digest.update(json.dumps(parts).encode())

    add(options, style.current(), records.broken, records.repeated, [version(package) for package in PACKAGES])
    for path in sorted(path for path in Path(__file__).parent.rglob("*") if path.suffix in (".py", ".js", ".css")):
        add(path.name, hashlib.sha256(path.read_bytes()).hexdigest())
    for group in records.groups:
        for record in group.members:
            add(group.key, record.member.name, str(record.folder))
            folder = MemberFolder(record.folder).path if record.folder else None
            marks = record.layout.get("files", {})  # which hold, see `find_records`: those files need not be read again
            for name in FILES if folder else ():
                if name in marks:
                    add(name, marks[name])
                    continue
                content = (folder / name).read_bytes() if folder and (folder / name).exists() else b""
                add(name, hashlib.sha256(content).hexdigest())
    return digest.hexdigest()


def _keep(folder: Path, mark: str, files: dict[str, bytes], table: Shown, broken: tuple[str, ...]) -> None:
    """Write down what a report was made from; it is a note of ours, and the newest counts."""
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    content = {"fingerprint": mark, "files": hashes, "broken": broken, "table": table.as_tree()}
    try:
        write_atomically(folder / KEPT, json.dumps(content, indent=1))
    except OSError as error:
        raise UserError(f"the report cannot be written to {folder}: {error.strerror}") from None


def _kept(out: Path, mark: str) -> tuple[Path, list[str], Shown, tuple[str, ...]] | None:
    """The folder, the names of the files, the table and the sentences of the same report; None if it is not there."""
    from gru_lab.reports.report import places

    for folder in places(out):
        if not folder.is_dir():
            return None
        try:
            content = json.loads((folder / KEPT).read_text("utf-8"))
            hashes = content["files"]
            if content["fingerprint"] != mark or any(
                hashlib.sha256((folder / name).read_bytes()).hexdigest() != known for name, known in hashes.items()
            ):
                continue
            return folder, list(hashes), Shown.of_tree(content["table"]), tuple(content["broken"])
        except (OSError, ValueError, KeyError, TypeError):
            continue  # no report, or one that was cut short: it is made again
    return None
