"""Does the gradient of an untrained cell tell how soon it will learn? A rank correlation over finished runs.

    python experiments/prediction.py runs/compare runs/vanishing_gradients

Reads every run in or under the folders (of experiments/train.py, gradients.py, scripts/compare) and correlates, within
each task and over all, the gradient horizon at initialisation and the rate of the gradient's decay with the updates to
solve the task. A member that never solved it ranks behind all that did. Negative: the further the gradient reaches,
the sooner the task is solved. A member that was trained twice, as the same seed of two runs with the same settings,
counts once. Horizons after training stand beside them: no prediction, but a check of the measure.
"""

import argparse
import json
import sys
from pathlib import Path

from gru_lab.commandline import guarded
from gru_lab.schema import UserError


def main(argv: list[str] | None = None) -> int:
    """Print the table; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", metavar="RUNS", help="folders of runs")
    parser.add_argument("--out", type=Path, help="also write the table to this Markdown file")
    options = parser.parse_args(argv)
    return guarded(lambda: run(options.folders, options.out))


def run(folders: list[Path], out: Path | None) -> None:
    """From folders to a table."""
    import jax
    import numpy as np

    from gru_lab.diagnostics import decay_rate, horizon
    from gru_lab.reports.gradient_flow import gradient_flow
    from gru_lab.reports.prediction import Run, rank_correlation
    from gru_lab.runs import find_records
    from gru_lab.runs.files import write_atomically

    records, broken = find_records(folders)
    for sentence in broken:
        print(f"left out: {sentence}", file=sys.stderr)
    measures = {"horizon": jax.vmap(horizon), "rate of decay": jax.vmap(decay_rate)}
    known: dict[str, dict[str, list[Run]]] = {}
    seen: set[tuple[str, int]] = set()
    for record in sorted(records, key=lambda record: -len(record.members)):
        flow = gradient_flow(record)
        if flow is None:
            continue
        settings = json.dumps({name: part for name, part in record.config.items() if name != "population"})
        new = np.array([(settings, member.seed) not in seen for member in record.members])
        seen |= {(settings, member.seed) for member in record.members}
        updates = np.array([np.inf if m.solved_at is None else m.solved_at for m in record.members])
        for when, words in (("initial", "at initialisation"), ("trained", "after training")):
            for name, measure in measures.items():
                values = np.asarray(measure(flow[1][when].astype(np.float32)))
                fine = np.isfinite(values) & new
                found = known.setdefault(f"{name} {words}", {})
                found.setdefault(record.task, []).append(Run(values[fine], updates[fine]))
    if not known:
        raise UserError("none of these runs holds gradient_flow.json: train them again with this version")
    tasks = list(next(iter(known.values())))
    lines = ["| gradient | task | rank correlation with the updates to solve | runs | members | solved |"]
    lines.append("|---|---|---|---:|---:|---:|")
    for name, by_task in known.items():
        groups = [*tasks, "all"] if len(tasks) > 1 else tasks
        for group in groups:
            chosen = by_task if group == "all" else {group: by_task[group]}
            rho, low, high, runs, members = rank_correlation(chosen)
            solved = sum(int(np.isfinite(one.updates).sum()) for own in chosen.values() for one in own)
            told = f"{rho:+.2f} [{low:+.2f}, {high:+.2f}]" if np.isfinite(rho) else "all alike"
            lines.append(f"| {name} | {group} | {told} | {runs} | {members} | {solved} |")
    print("\n".join(lines))
    if out is not None:
        write_atomically(out, "\n".join(lines) + "\n")


if __name__ == "__main__":
    sys.exit(main())
