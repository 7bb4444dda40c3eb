"""dsq diff: what is another in a second dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from dsq.cli.options import Progress, check_report, emit, list_some, many_reading_options, read_source, take_reading
from dsq.errors import EXIT_CLEAN, EXIT_FINDINGS, ConfigError
from dsq.printing import printable

if TYPE_CHECKING:
    from dsq.transform.diff import Diff

SUFFIXES = {"json": "json", "csv": "csv"}
SHOWN = 5


@click.command("diff")
@many_reading_options
@click.option("--iou", type=float, default=0.5, show_default=True, help="Overlap from which two boxes are one.")
@click.option("--tolerance", type=float, default=0.01, show_default=True, help="Pixels that count as no move.")
@click.option("--no-hash", is_flag=True, help="Pair images by name only, not by content.")
@click.option("--all", "all_", is_flag=True, help="Show every change.")
@click.option("--exit-code", is_flag=True, help="Exit with 1 where they differ.")
@click.option(
    "-o", "--output", metavar="FILE", callback=check_report, help="Write to FILE; its suffix says the format."
)
@click.option("--output-format", type=click.Choice(["text", "json", "csv"]), help="Format.  [default: text]")
@click.option("--overwrite", is_flag=True, is_eager=True, help="Replace FILE if it exists.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def command(
    srcs: tuple[str, ...],
    iou: float,
    tolerance: float,
    no_hash: bool,
    all_: bool,
    exit_code: bool,
    output: str | None,
    output_format: str | None,
    overwrite: bool,
    quiet: bool,
    **options: Any,
) -> int:
    """Say what is another in the second SRC: images and boxes added, removed, moved, relabelled."""
    if len(srcs) != 2:
        raise ConfigError(f"{len(srcs)} datasets were given.", hint="diff takes two: dsq diff OLD NEW.")
    from dsq.contents import content_hashes
    from dsq.transform.diff import diff

    progress = Progress(quiet)
    reading = take_reading(options)
    a, b = (read_source(src, progress, **reading) for src in srcs)
    hashes = None if no_hash else content_hashes([a, b], progress=progress)
    found = diff(a, b, hashes=hashes, iou=iou, tolerance=tolerance)
    form = output_format or SUFFIXES.get((output or "").rpartition(".")[2].lower(), "text")
    text = render_json(found) if form == "json" else render_csv(found) if form == "csv" else render_text(found, all_)
    emit(text, output, overwrite)
    return EXIT_FINDINGS if exit_code and found else EXIT_CLEAN


def render_text(found: Diff, show_all: bool) -> str:
    """Counts of each kind of change, and a few of each."""
    lines = [f"{found.same_images:,} images and {found.same_boxes:,} boxes are the same"]
    for name, table in (("classes", found.classes), ("images", found.images), ("boxes", found.boxes)):
        for what, part in table.groupby("what", sort=True):
            lines.append(f"{len(part):,} {name} {what}")
            told = [_line(name, row) for row in part.to_dict("records")]
            lines += list_some(told, len(told) if show_all else SHOWN)
    return "\n".join(map(printable, lines))


def _line(table: str, row: dict[Any, Any]) -> str:
    if table == "classes":
        return f"{row['name']} ({row['boxes']:,} boxes)"
    if table == "images":
        old, new = (row[side] if isinstance(row[side], str) else None for side in ("old", "new"))
        said = " -> ".join(side or "none" for side in (old, new))
        return f"{row['file']}: {said}" if row["what"] not in ("added", "removed") else f"{row['file']} ({old or new})"
    boxes = []
    for side in ("old", "new"):
        if isinstance(row[f"{side}_class"], str):
            x, y, width, height = (row[f"{side}_{part}"] for part in ("x", "y", "width", "height"))
            boxes.append(f"{row[f'{side}_class']} [{x:.6g}, {y:.6g}, {width:.6g}, {height:.6g}]")
    return f"{row['file']}: {' -> '.join(boxes)}"


def render_json(found: Diff) -> str:
    """Counts and every change."""
    import json

    document = {
        "version": 1,
        "same": {"images": found.same_images, "boxes": found.same_boxes},
        "summary": found.summary,
    }
    for name, table in (("classes", found.classes), ("images", found.images), ("boxes", found.boxes)):
        document[name] = table.astype(object).where(table.notna(), None).to_dict("records")
    return json.dumps(document, indent=1, ensure_ascii=False)


def render_csv(found: Diff) -> str:
    """A row a change, of images and boxes alike."""
    import csv
    import io

    from dsq.render.csv import safe_cell

    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    columns = ["table", "what", "file", "old", "new", *found.boxes.columns[2:]]
    writer.writerow(columns)
    for name, table in (("classes", found.classes), ("images", found.images), ("boxes", found.boxes)):
        for row in table.astype(object).where(table.notna(), None).to_dict("records"):
            row = {"table": name, **row, **({"file": row["name"], "new": row["boxes"]} if name == "classes" else {})}
            writer.writerow([safe_cell(row.get(column)) for column in columns])
    return out.getvalue()
