"""Prepare the data of tasks ahead of their first run, so that a run on a cluster without a network finds them.

    python scripts/prepare_data.py seq_mnist jsb_chorales
    python scripts/prepare_data.py seq_mnist --from /data/brought

A set comes from a folder that TensorFlow Datasets has prepared, else from the files in FOLDER or in the folder that
GRU_LAB_DATA names, else from the download of TensorFlow Datasets. It is kept in TFDS_DATA_DIR (else
~/tensorflow_datasets): copy that folder to a machine without a network, or bring the files themselves. What is
prepared already is left alone, and a preparation that was interrupted leaves nothing half-written.
"""

import sys
import time
from collections.abc import Sequence

from gru_lab.programs import parser_of


def main(argv: Sequence[str] | None = None) -> int:
    """Prepare every task in turn; the exit status is 2 if one of them cannot be."""
    parser = parser_of("prepare_data.py", __doc__)
    parser.add_argument("tasks", metavar="TASK", nargs="+", help="the name of a task, as on the command line of a run")
    parser.add_argument("--from", dest="folder", metavar="FOLDER", help="where files that you brought lie")
    asked = parser.parse_args(argv)

    # after the options are read: --help must not wait for it
    from gru_lab import tasks
    from gru_lab.data import files
    from gru_lab.errors import UserError

    status = 0
    try:
        if asked.folder:
            files.bring(asked.folder)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    for name in asked.tasks:
        started = time.perf_counter()
        try:
            paths = tasks.create(name).files()
        except UserError as error:
            print(error, file=sys.stderr)
            status = 2
            continue
        seconds = time.perf_counter() - started
        for path in paths:
            print(f"{name}: {path} ({path.stat().st_size / 1e6:.1f} MB, {seconds:.1f} s)")
        if not paths:
            print(f"{name}: sampled, or on data that a library brings: nothing to prepare")
    return status
