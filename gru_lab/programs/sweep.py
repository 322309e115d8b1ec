"""Say how far a sweep is: what is done, running, failed and still to do, and how long it will take."""

import argparse
import sys
from collections import Counter
from pathlib import Path

from gru_lab.exits import called

ABOUT = (
    "Says how far a sweep is, run by run: members that are done, who works on it, what failed, the time that is left."
)
RULES = """\
Nothing is changed by it. The command that began the sweep, which is printed, goes on with it, wherever it was stopped;
given several times, on one machine or on many that share the folder, it is worked on together.
The exit status is 0 if all is done, 1 if something is left, 2 for a mistake."""


def main(argv: list[str] | None = None) -> int:
    """The exit status: 0 if all is done, 1 if not, 2 for a mistake."""
    parser = argparse.ArgumentParser(
        called("scripts/sweep"), description=ABOUT, epilog=RULES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["status"], help="what is asked")
    parser.add_argument("sweep", metavar="SWEEP", type=Path, help="the folder of a sweep, such as runs/default")
    options = parser.parse_args(argv)

    # after the options are read: --help must not wait for them
    from gru_lab.errors import UserError
    from gru_lab.reports.escape import plain
    from gru_lab.runs.sweep import plans, states

    try:
        runs = states(options.sweep)
    except UserError as error:
        print(plain(error), file=sys.stderr)
        return 2
    for line in lines(runs):
        print(plain(line))
    going = [state for state in runs if state.word != "done"]
    for plan in plans(options.sweep) if going else ():
        if plan.command and {*plan.runs} & {state.name for state in going}:
            print(plain(f"goes on with, in {plan.folder}: {plan.command}"))
    return 1 if going else 0


def lines(states: list) -> list[str]:
    """The table: a line per run, and the sums."""
    from gru_lab.training.callbacks.progress import duration

    width = max(len(state.name) for state in states)
    rows = []
    for state in states:
        said = {"running": f"running, {state.owner}", "failed": f"failed: {state.failure}"}.get(state.word, state.word)
        left = "" if state.word == "done" else f" ({duration(state.seconds)} left)" if state.seconds is not None else ""
        rows.append(f"{state.name:<{width}}  {state.done}/{state.members}  {said}{left}")
    counts = Counter(state.word for state in states)
    members = sum(state.members for state in states)
    parts = [f"{counts[word]} {word}" for word in ("done", "running", "failed", "to do") if counts[word]]
    summed = f"{len(states)} runs: {', '.join(parts)}; {sum(state.done for state in states)} of {members} members done"
    known = [state.seconds for state in states if state.seconds is not None]
    running = max(counts["running"], 1)
    if counts["done"] == len(states):
        return [*rows, summed]
    if len(known) < len(states):
        return [*rows, f"{summed}; the time left is not known yet"]
    each = f", {duration(sum(known) / running)} with the {running} processes at work" if running > 1 else ""
    return [*rows, f"{summed}; {duration(sum(known))} of work left{each}"]
