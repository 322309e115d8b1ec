"""Ends of a program: signals that ask it to, a reader that has gone, and the exit status of each."""

import io
import os
import select
import signal
import sys
from collections.abc import Callable
from typing import Any, NoReturn, TextIO

ENDING = ("SIGINT", "SIGTERM", "SIGHUP")  # Ctrl-C, a scheduler, a terminal that was closed
COMMAND = "gru-lab"  # the command of an installed package, followed by the name of a program
READER_GONE = 128 + 13  # the status of a program that SIGPIPE ended


class Stopped(KeyboardInterrupt):
    """A signal asked the program to end; whatever catches Ctrl-C catches it.

    >>> Stopped(15).name, Stopped(15).status
    ('SIGTERM', 143)
    """

    def __init__(self, number: int) -> None:
        self.name, self.status = signal.Signals(number).name, 128 + number
        super().__init__(self.name)


def called(script: str) -> str:
    """The words that this program was called by: those of the installed command, or else `script`."""
    return sys.argv[0] if sys.argv[0].startswith(f"{COMMAND} ") else script


def leave(main: Callable[[], int | None]) -> NoReturn:
    r"""Run the main function of a program, and exit with the status that it returns.

    The first signal of `ENDING` raises `Stopped`, so that what was reached can be kept. From then on a second Ctrl-C
    ends the program at once, and other signals are ignored: a scheduler may send several. A signal that the parent
    process ignores (`nohup`) stays ignored. A reader that closes its end of a pipe (`| head`) ends the program quietly,
    and one sentence says that the output cannot be written (`> /dev/full`). Letters that the encoding of the output
    lacks are written as `\u2193`.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    numbers = [getattr(signal, name) for name in ENDING if hasattr(signal, name)]
    handled = [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]
    ending: list[int] = []

    def stop(number: int, frame: Any) -> None:
        if not ending:
            ending.append(number)
            raise Stopped(number)
        if number == signal.SIGINT:
            os.write(2, b"ended at once\n")
            os._exit(Stopped(ending[0]).status)

    for number in handled:
        signal.signal(number, stop)
    status: Any
    try:
        try:
            status = main()
        except SystemExit as end:  # of argparse
            status = end.code
        except Stopped as stopped:
            print("interrupted" if stopped.name == "SIGINT" else f"ended by {stopped.name}", file=sys.stderr)
            status = stopped.status
        sys.stdout.flush()
    except BrokenPipeError:
        if not [stream for stream in (sys.stdout, sys.stderr) if _closed(stream)]:
            raise
        status = READER_GONE
    except OSError as error:
        if not _refuses(sys.stdout):
            raise
        print(f"error: the output cannot be written: {error.strerror}", file=sys.stderr)
        status = 2
    finally:
        for number in handled:  # nothing is lost any more, and what ends the interpreter must not be cut short
            signal.signal(number, signal.SIG_IGN)
    sys.exit(status)


def _closed(stream: TextIO) -> bool:
    """True if the reader of a stream has gone; what is still to be written to it then goes nowhere."""
    watched = select.poll()
    watched.register(stream.fileno(), select.POLLOUT)
    gone = any(event & (select.POLLERR | select.POLLHUP) for _, event in watched.poll(0))
    if gone:
        _silence(stream)
    return gone


def _refuses(stream: TextIO) -> bool:
    """True if what is to be written to a stream cannot be; it then goes nowhere."""
    try:
        stream.write("\n")  # the error that was met need not be this stream's
        stream.flush()
    except OSError:
        _silence(stream)
        return True
    return False


def _silence(stream: TextIO) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


__all__ = ["COMMAND", "Stopped", "called", "leave"]
