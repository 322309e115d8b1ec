"""README.md and the pages of docs/ are true: their code runs, in its order, in one folder per page.

Every block of Python is a program of its own; one that begins with the name of a file is kept under it, too. Of a block
of shell commands every line runs: trainings with few updates, a command of `scripts/` that takes long as far as its
help, which must name its options. What cannot run here says so in the line before the block:

    <!-- not run: it needs a cluster -->
"""

import os
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = {path.relative_to(ROOT).as_posix(): path for path in [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]}
BLOCK = re.compile(r"(?:<!-- not run: (?P<why>.+?) -->\n)?```(?P<language>\w+)\n(?P<code>.*?)```", re.DOTALL)
# Long trainings are cut short; what else a command says stays as it is printed.
SHORT = ["training.updates=10", "training.evaluate_every=10", "training.batch=4", "training.validation=8"]
SHORT += ["training.test=8", "population.seeds=2", "training.stop_when_solved=false"]
TRAINS = re.compile(r"experiments/(train|gradients|memory)\.py")
LONG = {"scripts/compare", "scripts/test", "scripts/docs", "scripts/reproduce", "scripts/serve"}


def blocks(page):
    return [(m["language"], m["code"], m["why"]) for m in BLOCK.finditer(PAGES[page].read_text("utf-8"))]


RUN = [page for page in PAGES if any(why is None and language in ("python", "sh") for language, _, why in blocks(page))]


def test_the_python_of_the_readme_runs(tmp_path):
    assert blocks_run("README.md", tmp_path, {"python"}) == 1


@pytest.mark.slow
@pytest.mark.parametrize("page", RUN)
def test_every_block_runs(page, tmp_path):
    assert blocks_run(page, tmp_path, {"python", "sh"})


def blocks_run(page, folder, languages):
    """Run the blocks of these languages in their order; the number of programs and commands that ran."""
    count = 0
    for language, code, why in blocks(page):
        if why or language not in languages:
            continue
        if language == "python":
            named = re.match(r"# (\w+\.py)\n", code)
            script = folder / (named.group(1) if named else "block.py")
            script.write_text(code)
            execute([sys.executable, str(script)], folder, code)
            count += 1
        for line in code.replace("\\\n", "").splitlines() if language == "sh" else []:
            if words := shlex.split(line, comments=True):
                command(words, folder, line)
                count += 1
    return count


def command(words, folder, line):
    """Run a command as a reader would, from a folder of the reader's own."""
    given = {}
    while re.match(r"[A-Z_]+=", words[0]):
        name, _, given[name] = words.pop(0).partition("=")
    if words[0] in LONG:
        for option in re.findall(r"(?<= )--[\w-]+", " ".join(words)):
            assert option in helped(words[0]), f"{line}: {words[0]} has no {option}"
        return
    if words[0].startswith("scripts/"):
        words = ["python", f"{words[0]}.py", *words[1:]]
    assert words[0] == "python", f"{line}: say in the line before the block why it is not run"
    if words[1] == "-m":
        return execute([sys.executable, *words[1:]], folder, line, given)
    short = SHORT if TRAINS.search(words[1]) and not {"--help", "--cfg"} & {*words} else []
    short = short + ["protocol=fixed"] * (bool(short) and "protocol=" not in line)
    budget = [word for word in words if not (short and word.startswith("population.seeds"))]
    return execute([sys.executable, str(ROOT / words[1]), *budget[2:], *short], folder, line, given)


@cache
def helped(script):
    out = subprocess.run([ROOT / script, "--help"], capture_output=True, text=True, check=False)
    text = out.stdout
    if (ROOT / f"{script}.py").exists() and "--" not in text.replace("--help", ""):
        text += subprocess.run([sys.executable, ROOT / f"{script}.py", "--help"], capture_output=True, text=True).stdout
    return text


def execute(words, folder, shown, given=None):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"PYTHONPATH": str(folder)} | (given or {})
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, f"{shown}\n{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_a_page_names_exists(page):
    text = re.sub(r"```.*?```", "", PAGES[page].read_text("utf-8"), flags=re.DOTALL)
    for path in re.findall(r"\]\((?!https?:|#)([^)#]+)", text):
        assert (PAGES[page].parent / path).exists(), f"{page} links to {path}"
    for name in re.findall(r"`((?:gru_lab|experiments|scripts|configs|tests|docs)/[\w/.]*)`", text):
        assert (ROOT / name).exists(), f"{page} names {name}"


def test_the_readme_takes_two_screens():
    assert len(PAGES["README.md"].read_text("utf-8").splitlines()) <= 100
