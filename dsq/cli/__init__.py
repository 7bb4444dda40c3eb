"""The command line: one command a file, loaded when it is called."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
import threading
from pathlib import Path
from typing import IO, Any, cast

import click

from dsq.errors import EXIT_BUG, EXIT_INTERRUPTED, DsqError
from dsq.printing import printable

#: verb -> one line of help; the command is `command` in dsq.cli.<verb>
VERBS = {
    "audit": "Say what is wrong with a dataset.",
    "info": "Say what was recognised, why, and the dataset's health in numbers.",
    "convert": "Write a dataset in another format.",
    "merge": "Put datasets together: classes by name, identical images once.",
    "pick": "Choose what of production to label next.",
    "split": "Deal images out to train, val and test, or to folds.",
    "subset": "Write a part: by class, split or number of images.",
    "remap": "Rename, merge, drop or reorder classes.",
    "resize": "Resize images, turn them upright; boxes follow.",
    "diff": "Say what is another in a second dataset.",
    "rules": "List the rules.",
    "explain": "Print a rule's page.",
    "init": "Write a commented dsq.toml.",
    "cache": "Say where measured images are kept, and how many; clear it.",
}


class Verbs(click.Group):
    """Loads a command's module only when the command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in VERBS:
            return None
        return cast(click.Command, importlib.import_module(f"dsq.cli.{name}").command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            if not (args and Path(args[0]).exists()):
                raise
            raise click.UsageError(f"{error.message} To audit a dataset: dsq audit {args[0]}", ctx) from None


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="dsq-toolkit", prog_name="dsq")
def group() -> None:
    """Quality checks for object-detection datasets: Pascal VOC, COCO and YOLO, folders or zips."""


def main() -> None:
    """Run the command line; every failure becomes one paragraph and an exit code."""
    stops = _take_signals()
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the caller
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
    try:
        code = group.main(standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        try:
            error.show()
            sys.stderr.flush()
        except OSError:
            _drop(sys.stderr)
        code = error.exit_code
    except click.Abort:
        _say("interrupted; nothing was left half-written.")
        code = EXIT_INTERRUPTED
    except Stopped as stopped:
        _say(f"stopped by {signal.Signals(stopped.number).name}; nothing was left half-written.")
        code = stopped.code
    except DsqError as error:
        _say(printable(str(error)))
        try:
            sys.stdout.flush()
        except OSError:
            _drop(sys.stdout)
        code = error.exit_code
    except BrokenPipeError:
        _drop(sys.stdout)
        code = 0
    except MemoryError:
        _say("not enough memory. Close other programs, or take a part of the dataset.")
        code = EXIT_BUG
    except Exception:
        code = _bug()
    finally:
        for number, handler in stops.items():
            signal.signal(number, handler)
    sys.exit(code if isinstance(code, int) else 0)


class Stopped(SystemExit):
    """The process was told to end, by the signal `number`; worker processes end by it without a word."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.number = number


def _take_signals() -> dict[int, Any]:
    """Let signals that end a process end it as Ctrl-C does, so that what is half-written is taken away; the handlers
    that they had. One that is ignored (nohup) stays so.
    """

    def stop(number: int, _: Any) -> None:
        signal.signal(number, signal.SIG_IGN)  # once is enough
        raise Stopped(number)

    taken: dict[int, Any] = {}
    if threading.current_thread() is not threading.main_thread():
        return taken
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            taken[number] = signal.signal(number, stop)
    return taken


def _say(text: str) -> None:
    """One paragraph on stderr; where that is closed or full too, the exit code has to do."""
    try:
        click.echo(f"dsq: {text}", err=True)
        sys.stderr.flush()
    except OSError:
        _drop(sys.stderr)


def _drop(stream: IO[str]) -> None:
    """What the stream still holds goes nowhere, so that leaving cannot fail on it."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _bug() -> int:
    """Write the traceback to a file that can be pasted into a report."""
    import platform
    import tempfile
    import traceback

    from dsq import __version__

    with tempfile.NamedTemporaryFile(
        "w", prefix="dsq-", suffix=".log", delete=False, encoding="utf-8", errors="backslashreplace"
    ) as log:
        log.write(f"dsq {__version__}, Python {platform.python_version()}, {platform.platform()}\n")
        log.write(f"arguments: {sys.argv[1:]!r}\n\n{traceback.format_exc()}")
    last = traceback.format_exc().strip().rpartition("\n")[2]
    _say(f"a bug of ours: {printable(last)}\nPlease report it and paste {log.name}")
    return EXIT_BUG
