"""Several hosts: two processes over loopback train one run, kept once; what goes wrong is one sentence."""

import json
import random
import socket
import time

import jax
import numpy as np
import pytest
from tiny import contents, experiment, python, run

from gru_lab import UserError
from gru_lab.hosts import Hosts, hosts_at_hand, join

TOGETHER = """
import json, os, sys
from gru_lab.hosts import hosts_at_hand, join
join(hosts_at_hand(), 60)
import jax
from tiny import experiment, run
from gru_lab.training import run as _
assert jax.process_count() == 2
from gru_lab.training.callbacks.checkpoint import Checkpoint
result = run(experiment(**json.loads(sys.argv[2])), sys.argv[1], [Checkpoint(seconds=0)])
print(json.dumps([[record.value() for record in result.records], dict(result.records[0].timing["mesh"])]))
"""
OPTIONS = {"seeds": 1, "batch": 6, "placement": "devices", "parts": 4}


def free_port():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


def begun(folder, options, monkeypatch):
    """The same program in two processes."""
    coordinator, processes = f"127.0.0.1:{free_port()}", []
    for index in range(2):
        monkeypatch.setenv("GRU_LAB_HOSTS", f"{coordinator},2,{index}")
        processes.append(python(TOGETHER, str(folder), json.dumps(options), folder=folder.parent))
    monkeypatch.delenv("GRU_LAB_HOSTS")
    return processes


def together(folder, options, monkeypatch):
    """What each of two processes printed at its end."""
    processes = begun(folder, options, monkeypatch)
    ended = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], "\n".join(errors for _, errors in ended)
    return [json.loads(out.splitlines()[-1]) for out, _ in ended]


@pytest.mark.slow
def test_two_hosts_give_the_record_of_one_and_keep_it_once(tmp_path, monkeypatch):
    first, second = together(tmp_path / "two", OPTIONS, monkeypatch)
    alone = run(experiment(**OPTIONS | {"parts": None}), tmp_path / "one")
    assert first == second
    values, mesh = first
    np.testing.assert_allclose(values, alone.values(), rtol=1e-5)
    assert mesh == {"members": 1, "batch": 2 * min(2, len(jax.devices()))}, "the mesh spans the devices of both"
    (folder,) = (tmp_path / "two").iterdir()
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert names == sorted(str(path.relative_to(alone.folder)) for path in alone.folder.rglob("*") if path.is_file())


@pytest.mark.cluster
@pytest.mark.parametrize("victim", [0, 1], ids=["first", "second"])
def test_a_run_of_two_hosts_of_which_one_is_killed_goes_on_to_the_same_bytes(victim, tmp_path, monkeypatch, kills=3):
    options = OPTIONS | {"updates": 4000, "evaluate_every": 20, "stop_when_solved": False}
    together(tmp_path / "straight", options, monkeypatch)
    draw, written = random.Random(victim), 0
    for _ in range(kills):
        processes, before = begun(tmp_path / "killed", options, monkeypatch), written
        while (written := size(tmp_path / "killed")) <= before:
            time.sleep(0.01)
            assert [process.poll() for process in processes] == [None, None], processes[victim].communicate()
        time.sleep(draw.uniform(0, 0.3))
        assert processes[victim].poll() is None, "the run was over before the kill: more updates are needed"
        processes[victim].kill()
        ended = [process.communicate(timeout=300) for process in processes]
        assert processes[1 - victim].returncode != 0, ended
    together(tmp_path / "killed", options, monkeypatch)
    assert contents(tmp_path / "killed") == contents(tmp_path / "straight")


def size(sweep):
    """Bytes of the logs of a sweep."""
    return sum(path.stat().st_size for path in sweep.glob("*/members/*/metrics.jsonl"))


@pytest.mark.parametrize("given", ["here", "10.0.0.1,2,0", "10.0.0.1:99,2,2", "10.0.0.1:99,two,0", ":99,2,0"])
def test_hosts_are_told_by_hand_in_one_form(given):
    with pytest.raises(UserError, match=r"GRU_LAB_HOSTS is .*: it must be address:port,number,index"):
        hosts_at_hand({"GRU_LAB_HOSTS": given})


def test_the_tasks_of_a_step_of_slurm_are_hosts():
    slurm = {"SLURM_JOB_ID": "10000", "SLURM_STEP_NODELIST": "n[07,9-11]", "SLURM_NTASKS": "4", "SLURM_PROCID": "3"}
    assert hosts_at_hand(slurm) == Hosts("n07:63248", 4, 3)
    assert hosts_at_hand(slurm | {"SLURM_NTASKS": "1"}) is None and hosts_at_hand({}) is None


def test_a_first_host_that_is_not_there_is_one_sentence():
    with pytest.raises(UserError, match=r"the first host cannot be reached at 127\.0\.0\.1:\d+ \(.*\): start it"):
        join(Hosts(f"127.0.0.1:{free_port()}", 2, 1), patience=0.5)
