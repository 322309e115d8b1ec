"""CONTRIBUTING.md is true: its links lead where they say, and it names every family and every room."""

import importlib.util
import re
from pathlib import Path

import pytest

from gru_lab.training.experiment import FAMILIES

ROOT = Path(__file__).parents[2]
spec = importlib.util.spec_from_file_location("links", ROOT / "scripts" / "links.py")
links = importlib.util.module_from_spec(spec)
spec.loader.exec_module(links)
PAGE = links.PAGE.read_text()
LINKS = [match.groups() for match in links.LINK.finditer(PAGE)]


@pytest.mark.parametrize(("name", "path", "line"), LINKS, ids=[f"{name}-{path}" for name, path, _ in LINKS])
def test_a_link_leads_to_the_line_that_defines_its_name(name, path, line):
    place = links.line_of(name, path)
    assert place is not None, f"{path} defines no {name}"
    assert int(line) == place, f"{name} stands at line {place} of {path}: run python scripts/links.py"
    text = (ROOT / path).read_text().splitlines()[int(line) - 1]
    assert re.search(rf"(def|class) {name}\b", text) or (int(line) == 1 and Path(path).stem == name)


def test_every_link_and_path_is_one_that_is_followed():
    assert len(LINKS) == PAGE.count("](") and len(LINKS) > 30
    for path in re.findall(r"`((?:gru_lab|tests|scripts|experiments|configs)/[\w/.]*)`", PAGE):
        assert (ROOT / path).exists(), f"CONTRIBUTING.md names {path}"


def test_every_room_and_every_family_is_named():
    rooms = [path.parent.name for path in (ROOT / "gru_lab").glob("*/__init__.py")]
    assert not [room for room in rooms if f"`gru_lab/{room}/`" not in PAGE]
    added = set(re.findall(r"^\| (\w+) \| \[", PAGE, re.MULTILINE))
    assert {family.replace("optimizer", "optimiser") for family in FAMILIES} <= added
    assert added >= {"cell", "task", "model", "method", "callback", "page", "question", "diagnostic"}


def test_what_it_says_of_a_product_is_what_the_report_prints():
    import jax

    from gru_lab import cells
    from gru_lab.recurrence.report import counts, report

    cell = cells.GRU(hidden=8)
    text = report(cell, jax.eval_shape(lambda: cell.init(jax.random.key(0), 4)), 4, 32)
    once, bulk, loop = (
        re.search(f"{title}.*?\n\n", text, re.DOTALL)[0] for title in ("once", "for all", "in the loop")
    )
    assert "concatenate W_z W_r W_n" in once and "concatenate U_z U_r U_n" in once
    assert bulk.count("dot_general x") == 1 and loop.count("dot_general") == 1
    assert counts(cell, 4, 32, 20)["backward products"] == 1
