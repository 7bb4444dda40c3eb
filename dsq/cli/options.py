"""Options that several commands share, and the reading that they stand for."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from dsq.errors import WriteError
from dsq.printing import printable

if TYPE_CHECKING:
    from dsq.losses import Losses
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

_MEASURING = (
    click.option(
        "--workers",
        type=click.IntRange(1),
        metavar="N",
        help="Processes that measure images.  [default: as the work is worth, one a processor at most]",
    ),
    click.option("--rehash", is_flag=True, help="Read every image again instead of trusting its time and size."),
)


def check_target(context: click.Context, _: click.Parameter, value: str) -> str:
    """DST of an option, once it is known that something can be written there: reading takes long."""
    if not context.params.get("dry_run"):
        from dsq.target import check_place

        check_place(value, overwrite=context.params["overwrite"])
    return value


def check_report(context: click.Context, _: click.Parameter, value: str | None) -> str | None:
    """FILE of an option, once it is known that it can be written."""
    if value not in (None, "-"):
        from dsq.target import check_file

        check_file(value, overwrite=context.params["overwrite"])
    return value


_WRITING = (
    click.option(
        "-o",
        "--output",
        metavar="DST",
        required=True,
        callback=check_target,
        help="Folder to write, or a zip: NAME.zip.",
    ),
    click.option(
        "--to", type=click.Choice(["voc", "coco", "yolo"]), help="Format to write.  [default: that of the source]"
    ),
    click.option(
        "--images",
        type=click.Choice(["copy", "hardlink", "symlink", "none"]),
        default="copy",
        show_default=True,
        help="What becomes of the image files.",
    ),
    click.option("--overwrite", is_flag=True, is_eager=True, help="Replace DST if it exists."),
    click.option("--strict", is_flag=True, help="Write nothing if anything would be lost."),
    click.option(
        "--difficult",
        type=click.Choice(["keep", "drop"]),
        default="keep",
        show_default=True,
        help="Boxes that are marked difficult.",
    ),
    click.option(
        "--task",
        type=click.Choice(["detect", "segment"]),
        default="detect",
        show_default=True,
        help="YOLO rows: boxes, or polygons where there are any.",
    ),
    click.option("--style", type=click.Choice(["alwaysai"]), help="Annotations/ and JPEGImages/ at the root."),
    click.option("--dry-run", is_flag=True, is_eager=True, help="Write nothing; say what would be lost."),
    click.option("--json", "as_json", is_flag=True, help="Say what happened as JSON."),
)


def reading_options(func: F) -> F:
    """SRC and the options of every verb that reads a dataset."""
    for option in reversed(_READING):
        func = option(func)
    return click.argument("src", metavar="SRC")(func)


def many_reading_options(func: F) -> F:
    """SRC... and the options of every verb that reads several datasets."""
    for option in reversed(_READING):
        func = option(func)
    return click.argument("srcs", metavar="SRC...", nargs=-1, required=True)(func)


def measuring_options(func: F) -> F:
    """Options of every verb that looks at pixels: `workers`, `rehash`."""
    for option in reversed(_MEASURING):
        func = option(func)
    return func


def writing_options(func: F) -> F:
    """Options of every verb that writes a dataset; see `write_dataset`."""
    for option in reversed(_WRITING):
        func = option(func)
    return func


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
            sys.stderr.write(f"\r\033[K{printable(what)}: {done:,} of {total:,}{end}")
            sys.stderr.flush()


def read_source(src: str, progress: Progress, **options: Any) -> Dataset:
    """Read the dataset that the reading options describe."""
    from dsq.formats import read

    options["format"] = options.pop("format_")
    return read(src, progress=progress, **options)


def take_reading(options: dict[str, Any]) -> dict[str, Any]:
    """The reading options, taken out of all `options` of a command."""
    return {name: options.pop(name) for name in ("format_", "image_root", "voc_offset", "no_label_file")}


def write_dataset(
    dataset: Dataset,
    *,
    progress: Progress,
    output: str,
    as_json: bool = False,
    said: Sequence[str] = (),
    facts: Mapping[str, Any] | None = None,
    beside: Any = None,
    **options: Any,
) -> Losses:
    """Write the dataset that the writing options describe, then say what happened and what was lost.

    said: lines to print before that; facts: the same for --json. beside: see `dsq.conversion.export`.
    """
    from dsq.conversion import export
    from dsq.losses import KINDS, NOTES

    if not len(dataset):
        raise WriteError("no image is left to write.", where=output, hint="Choose less strictly.")
    losses = export(dataset, output, beside=beside, progress=progress, **options)
    counts = losses.as_dict()
    to = options["to"] or dataset.about.format
    if as_json:
        import json

        written = {
            "output": output,
            "format": to,
            "dry_run": options["dry_run"],
            "images": losses.images,
            "boxes": losses.boxes,
            "losses": counts,
            "loss_details": losses.details,
            "noted": losses.notes,
        }
        emit(json.dumps({**(facts or {}), **written}, indent=1, ensure_ascii=False), None, False)
        return losses
    verb = "Would write" if options["dry_run"] else "Wrote"
    lines = [*said, f"{verb} {output}: {to}, {losses.images:,} images, {losses.boxes:,} boxes"]
    if counts:
        lines.append("Lost:")
        width = max(map(len, counts))
        for kind, count in counts.items():
            lines.append(f"  {kind:<{width}}  {count:>9,}  {KINDS[kind]}")
            lines += [f"  {line}" for line in list_some(losses.details.get(kind, []), 10)]
    else:
        lines.append("Nothing is lost.")
    lines += [f"Noted: {count:,} {NOTES[kind]}" for kind, count in losses.notes.items()]
    emit("\n".join(map(printable, lines)), None, False)
    return losses


def tell_unproven(count: int) -> list[str]:
    """What to know of images with an EXIF turn whose boxes were taken as drawn on the stored pixels."""
    if not count:
        return []
    many = f"{count:,} images have" if count > 1 else "1 image has"
    return [
        f"note: {many} an EXIF turn; the boxes were taken as drawn on the pixels as stored. If they were drawn on "
        "the turned picture they are wrong now: dsq audit --select exif-rotated tells by the pixels, and "
        "dsq resize --auto-orient --box-frame upright mends it"
    ]


def list_some(lines: Sequence[str], most: int = 5) -> list[str]:
    """The first lines, indented, and how many more there are."""
    more = [f"  and {len(lines) - most:,} more"] if len(lines) > most else []
    return [*(f"  {line}" for line in lines[:most]), *more]


def emit(text: str, output: str | None, overwrite: bool) -> None:
    """Write to the file, complete or not at all; without one to stdout."""
    data = text if text.endswith("\n") else text + "\n"
    if output is None or output == "-":
        try:
            sys.stdout.buffer.write(data.encode("utf-8", "backslashreplace"))
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise WriteError(f"cannot be written: {error.strerror}.", where="standard output") from None
        return
    from dsq.target import write_file

    write_file(output, data.encode("utf-8", "backslashreplace"), overwrite=overwrite)
    click.echo(f"Wrote {output}", err=True)
