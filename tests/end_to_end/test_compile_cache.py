"""The compile cache: on for commands, in the user's cache folder, and of no consequence where it cannot work."""

import json
import os
import subprocess
import sys

import jax
import pytest
from jax.experimental.compilation_cache.compilation_cache import reset_cache
from tiny import ROOT, SIZES

from gru_lab import compile_cache

COMMAND = """
import json, sys
from jax import monitoring
events = []
monitoring.register_event_listener(lambda name, **details: events.append(name.rsplit("/", 1)[-1]))
from gru_lab.commandline import main, train
assert main("train", train, "", sys.argv[1:]) == 0
print(json.dumps({name: events.count(name) for name in ("cache_hits", "cache_misses")}))
"""


def command(folder, sweep, **environment):
    """`experiments/train.py` in another process, with its own cache folder: the hits and misses, and standard error."""
    inherited = {name: value for name, value in os.environ.items() if "CACHE" not in name}
    inherited |= {"XDG_CACHE_HOME": str(folder), "PYTHONPATH": str(ROOT)} | environment
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, *SIZES, "task=adding", f"sweep={sweep}", f"paths.runs={folder}/runs"],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=inherited,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1]), done.stderr


def test_a_second_command_compiles_nothing(tmp_path):
    """All programs of a run are loaded; where the processor rejects its own programs, none is, and nothing is said.

    They are few: what is done once, outside of training, must not be a program per operation.
    """
    first, _ = command(tmp_path, "first")
    second, said = command(tmp_path, "second")
    [verdict] = (tmp_path / "gru-lab" / "compiled").glob("*/usable.txt")
    assert not said
    if verdict.read_text() == "yes":
        assert 3 < first["cache_misses"] <= 12 and second["cache_hits"] > 3 and second["cache_misses"] == 0
    else:
        assert second == {"cache_hits": 0, "cache_misses": 0}


@pytest.fixture
def cached(tmp_path, monkeypatch):
    """`keep_compiled` as in a new process whose user has an empty cache folder; JAX's settings are put back."""
    names = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
    before = {name: jax.config.values[name] for name in names}
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv(compile_cache.VARIABLE, raising=False)
    jax.config.update("jax_compilation_cache_dir", None)
    reset_cache()
    yield compile_cache.keep_compiled.__wrapped__
    for name, value in before.items():
        jax.config.update(name, value)
    reset_cache()


def test_a_choice_of_the_user_is_left_alone(cached, tmp_path, monkeypatch):
    for choice in ("", str(tmp_path / "mine")):
        monkeypatch.setenv(compile_cache.VARIABLE, choice)
        assert cached() is None
    assert not [*tmp_path.iterdir()]


def test_a_processor_that_rejects_its_programs_is_asked_once(cached, monkeypatch):
    """Neither a complaint nor a later try: programs are compiled as without a cache."""
    tries = []
    monkeypatch.setattr(compile_cache, "_loads", lambda: tries.append(1))
    for _ in range(2):
        assert cached() is None and jax.config.values["jax_compilation_cache_dir"] is None
    assert len(tries) == 1


def test_a_folder_that_cannot_be_written_is_no_error(cached, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert cached() is None


def test_what_a_library_complains_of_is_heard_and_not_shown(capfd):
    with compile_cache._complaints() as complaints:
        assert not complaints()
        os.write(2, b"does not match the machine type")
        assert complaints()
    os.write(2, b"afterwards")
    assert capfd.readouterr().err == "afterwards"


def test_the_oldest_programs_go_when_there_are_too_many(tmp_path):
    for n in range(4):
        (tmp_path / f"{n}-cache").write_bytes(b"x" * 10)
        os.utime(tmp_path / f"{n}-cache", (n, n))
    compile_cache._bound(tmp_path, 40)
    assert len([*tmp_path.iterdir()]) == 4
    compile_cache._bound(tmp_path, 39)
    assert [path.name for path in tmp_path.iterdir()] == ["3-cache"]
