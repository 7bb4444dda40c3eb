"""dsq pick: what of production to label next."""

from __future__ import annotations

from typing import Any

import click

from dsq.cli.options import Progress, check_target, emit, read_source, reading_options


@click.command("pick")
@reading_options
@click.option(
    "--production",
    metavar="SAMPLE",
    required=True,
    help="Pictures that a model will meet: a folder, zip, video or labelled set.",
)
@click.option("-n", "--count", type=click.IntRange(1), default=50, show_default=True, help="So many images at most.")
@click.option(
    "-o",
    "--output",
    metavar="DIR",
    required=True,
    callback=check_target,
    help="Folder to write, or a zip: NAME.zip.",
)
@click.option("--overwrite", is_flag=True, is_eager=True, help="Replace DIR if it is a former pick.")
@click.option("--workers", type=click.IntRange(1), metavar="N", help="Processes that measure images.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def command(
    src: str,
    production: str,
    count: int,
    output: str,
    overwrite: bool,
    workers: int | None,
    quiet: bool,
    **reading: Any,
) -> None:
    """Choose the production images that SRC covers least, each unlike the others, and copy them to label.

    DIR gets to_label/ with the images, pick.csv (why each), to_label.jpg and nearest_training.jpg (contact sheets).
    """
    from dsq.printing import printable
    from dsq.production.picking import pick
    from dsq.production.sample import read_sample
    from dsq.production.writing import FOLDER, write_picked

    progress = Progress(quiet)
    dataset = read_source(src, progress, **reading)
    sample = read_sample(production, progress=progress)
    picked = pick(dataset, sample, count, workers=workers, progress=progress)
    write_picked(picked, dataset, sample, output, overwrite=overwrite, progress=progress)
    chosen, compared = len(picked.to_label), picked.compared
    lines = [
        f"{picked.uncovered:,} of {compared:,} production images have no near neighbour in training.",
        f"Wrote {output}: {chosen:,} images in {FOLDER}/, the least covered first in pick.csv.",
    ]
    if chosen < min(count, compared):
        lines.append(f"The other {compared - chosen:,} are nearly the same as one of these.")
    emit("\n".join(map(printable, lines)), None, False)
