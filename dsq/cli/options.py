"""Options that several commands share, and the reading that they stand for."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from dsq.model import Dataset

F = TypeVar("F", bound=Callable[..., Any])

_READING = (
    click.option(
        "--format",
        "format_",
        type=click.Choice(["voc", "coco", "yolo", "images"]),
        help="Read it as this format instead of looking.",
    ),
    click.option("--image-root", metavar="DIR", help="Folder or zip that holds the images."),
    click.option(
        "--voc-offset",
        type=click.Choice(["auto", "0", "1"]),
        default="auto",
        show_default=True,
        help="What the smallest VOC coordinate is.",
    ),
    click.option(
        "--no-label-file",
        type=click.Choice(["unlabelled", "background"]),
        default="unlabelled",
        show_default=True,
        help="What an image without a YOLO label file is.",
    ),
)


def reading_options(func: F) -> F:
    """SRC and the options of every verb that reads a dataset."""
    for option in reversed(_READING):
        func = option(func)
    return click.argument("src", metavar="SRC")(func)


class Progress:
    """One line on stderr that is overwritten; silent where stderr is no terminal."""

    def __init__(self, quiet: bool = False) -> None:
        self.on = not quiet and sys.stderr.isatty()
        self.last = 0.0

    def __call__(self, what: str, done: int, total: int) -> None:
        now = time.monotonic()
        if self.on and (now - self.last > 0.1 or done >= total):
            self.last = now
            end = "\r" if done < total else "\r\033[K"
            sys.stderr.write(f"\r\033[K{what}: {done:,} of {total:,}{end}")
            sys.stderr.flush()


def read_source(src: str, progress: Progress, **options: Any) -> Dataset:
    """Read the dataset that the reading options describe."""
    from dsq.formats import read

    options["format"] = options.pop("format_")
    return read(src, progress=progress, **options)


def emit(text: str, output: str | None, overwrite: bool) -> None:
    """Write to the file, complete or not at all; without one to stdout."""
    data = text if text.endswith("\n") else text + "\n"
    if output is None or output == "-":
        sys.stdout.buffer.write(data.encode("utf-8", "backslashreplace"))
        sys.stdout.buffer.flush()
        return
    from dsq.source import write_file

    write_file(output, data.encode("utf-8", "backslashreplace"), overwrite=overwrite)
    click.echo(f"Wrote {output}", err=True)
