"""Claims: one process at a time works on a run, and a dead one holds nothing."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from gru_lab import UserError
from gru_lab.runs import claim as room
from gru_lab.runs.claim import Busy, Lost, claim

ELSEWHERE = {"host": "elsewhere", "machine": "elsewhere"}
HOLD = """
import sys, time
from pathlib import Path
from gru_lab.runs.claim import claim
with claim(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def holder(path):
    """Another process that holds a claim."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    return process


def stop(process):
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_a_living_holder_is_named_and_waited_for_and_a_killed_one_is_followed_at_once(tmp_path):
    path, told = tmp_path / "claim.lock", []
    other = holder(path)
    try:
        with pytest.raises(UserError, match=f"is being worked on by process {other.pid} on "), claim(path, patience=0):
            pass
        threading.Timer(0.5, stop, [other]).start()
        started = time.monotonic()
        with claim(path, told.append):
            assert time.monotonic() - started < 10
            assert json.loads(path.read_text())["process"] == os.getpid()
        assert len(told) == 1 and f"process {other.pid}" in told[0]
        assert room.alive([path]) == {}, "it was let go"
    finally:
        stop(other)
        other.stdout.close()
    assert list(tmp_path.iterdir()) == []


def test_two_at_once_never_hold_one_claim(tmp_path):
    inside, most = [], []

    def work():
        for _ in range(10):
            with claim(tmp_path / "claim.lock"):
                inside.append(1)
                most.append(len(inside))
                time.sleep(0.001)
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(most) == 40 and set(most) == {1}


def test_a_claim_that_is_let_go_just_now_is_not_taken_from_the_next_holder(tmp_path, monkeypatch):
    """Between failing to claim and asking whose the claim is, it may change hands."""
    path, read = tmp_path / "claim.lock", room._owner
    path.write_text(json.dumps({**ELSEWHERE, "process": 1, "token": "theirs"}))
    looks = [lambda path: None]  # at the first look it is gone
    monkeypatch.setattr(room, "_owner", lambda path: (looks.pop() if looks else read)(path))
    with pytest.raises(UserError, match="process 1 on elsewhere"), claim(path, patience=0):
        pass
    assert json.loads(path.read_text())["token"] == "theirs"


def test_a_claim_from_elsewhere_holds_as_long_as_its_heart_beats(tmp_path, monkeypatch):
    monkeypatch.setattr(room, "SILENCE", 0.6)
    monkeypatch.setattr(room, "BEAT", 0.1)
    path = tmp_path / "claim.lock"
    with claim(path):  # lives longer than the silence that ends a claim
        held = json.loads(path.read_text())
        path.write_text(json.dumps(held | ELSEWHERE))
        with pytest.raises(UserError, match="on elsewhere"), claim(path, patience=1.5):
            pass
        path.write_text(json.dumps(held))
    assert not path.exists()
    path.write_text(json.dumps(held | ELSEWHERE))  # nobody's heart beats for this one
    with claim(path, patience=5):
        assert json.loads(path.read_text())["host"] == held["host"]


def test_clocks_that_jump_neither_end_a_claim_nor_keep_an_abandoned_one(tmp_path, monkeypatch):
    monkeypatch.setattr(room, "SILENCE", 0.6)
    path, stop = tmp_path / "claim.lock", threading.Event()
    theirs = json.dumps({**ELSEWHERE, "process": 1, "token": "theirs"})

    def beat(clock=[1e9]):  # noqa: B006 (a clock that goes back and forth by hours)
        while not stop.wait(0.1):
            clock[0] += -7200 if clock[0] > 1e9 else 7300
            os.utime(path, (clock[0], clock[0]))

    path.write_text(theirs)
    beating = threading.Thread(target=beat)
    beating.start()
    try:
        with pytest.raises(Busy, match="process 1 on elsewhere"), claim(path, patience=1.5):
            pass
        monkeypatch.setattr(room, "BEAT", 0.2)
        assert room.alive([path]) == {path: "process 1 on elsewhere"}
    finally:
        stop.set()
        beating.join()
    assert room.alive([path]) == {}
    os.utime(path, (9e9, 9e9))  # silent, and its last sign of life lies in the far future
    with claim(path, patience=5):
        pass


def test_a_process_that_was_suspended_notices_that_its_claim_is_anothers(tmp_path):
    path = tmp_path / "claim.lock"
    theirs = json.dumps({**ELSEWHERE, "process": 7, "token": "theirs"})
    with claim(path) as held:
        held.check()
        path.write_text(theirs)
        with pytest.raises(Lost, match="process 7 on elsewhere"):
            held.check()
    assert path.read_text() == theirs, "it is the other one's to remove"


def test_a_claim_that_cannot_be_written_is_one_sentence(tmp_path):
    with pytest.raises(UserError, match="cannot be written"), claim(tmp_path / "missing" / "claim.lock"):
        pass


def test_a_claim_that_cannot_be_read_for_a_moment_is_given_back_all_the_same(tmp_path, monkeypatch):
    path, read, stumbles = tmp_path / "claim.lock", room._owner, [{}]
    with claim(path):
        monkeypatch.setattr(room, "_owner", lambda path: stumbles.pop() if stumbles else read(path))
    assert not path.exists() and not stumbles


def test_a_claim_that_a_killed_process_was_about_to_make_is_cleared(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    drafts = {}
    for name, process in (("dead", ended.pid), ("living", os.getpid())):
        drafts[name] = tmp_path / f".claim.lock.{name}"
        drafts[name].write_text(json.dumps({"machine": room._machine(), "process": process, "token": name}))
    with claim(tmp_path / "claim.lock"):
        assert not drafts["dead"].exists() and drafts["living"].exists()
