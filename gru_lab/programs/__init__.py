"""The programs of the command line, one per file: `gru-lab NAME`, or in a checkout the script of that name.

A program is a module with `main(argv)`, which returns the exit status; the first line of its docstring is what the list
of programs says of it.
"""

import argparse
import ast
import importlib
import pkgutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from gru_lab.exits import called, leave
from gru_lab.manual import asked, help_text


def names() -> list[str]:
    """The programs that there are."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def about(name: str) -> str:
    """The first line of a program's docstring; nothing is imported for it."""
    text = (Path(__path__[0]) / f"{name}.py").read_text("utf-8")
    return (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]


def start(name: str) -> None:
    """Run a program and exit; an interruption while it is imported is one sentence, too."""
    leave(lambda: run(name))


def run(name: str) -> int:
    """The exit status of a program."""
    return importlib.import_module(f"gru_lab.programs.{name}").main()


def parser_of(script: str, doc: str | None) -> argparse.ArgumentParser:
    """The parser of a program whose help is its docstring, in which `python scripts/script` is as it was called."""
    written = f"python scripts/{script}"
    return argparse.ArgumentParser(
        called(script),
        description=(doc or "").replace(written, called(written)),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def composed(work: Callable[[list[str]], None], doc: str, argv: Sequence[str] | None) -> int:
    """See `gru_lab.commandline.program`, which is imported only where help is not all that is asked for."""
    arguments = sys.argv[1:] if argv is None else [*argv]
    if asked(arguments):
        print(help_text(doc))
        return 0
    from gru_lab.commandline import one_device_a_core, program

    one_device_a_core()
    return program(work, doc, arguments)
