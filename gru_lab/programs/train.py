"""Train a cell on a task, or sweep over many: every run ends in a record."""

from collections.abc import Sequence

from gru_lab.programs import composed

DOC = "Train a recurrent cell on a task, for several seeds at once, and keep the record of what it reached."


def main(argv: Sequence[str] | None = None) -> int:
    """Run what the command line asks for; returns the exit status."""

    def run(arguments: list[str]) -> None:
        from gru_lab import commandline, composition

        composition.run("train", commandline.train, arguments)

    return composed(run, DOC, argv)
