"""dsq resize: images of another size, turned upright."""

from __future__ import annotations

import re
from typing import Any

import click

from dsq.cli.options import (
    Progress,
    list_some,
    read_source,
    reading_options,
    take_reading,
    tell_unproven,
    write_dataset,
    writing_options,
)
from dsq.errors import ConfigError


@click.command("resize")
@reading_options
@click.option("--size", metavar="WxH", help="Pixels, such as 640x480; 640 is 640x640.")
@click.option(
    "--mode",
    type=click.Choice(["stretch", "fit", "letterbox"]),
    default="stretch",
    show_default=True,
    help="To exactly that size; inside it; inside it and padded.",
)
@click.option("--no-enlarge", is_flag=True, help="Leave smaller images at their size.")
@click.option("--auto-orient", is_flag=True, help="Turn images as their EXIF says; boxes follow.")
@click.option(
    "--box-frame",
    type=click.Choice(["auto", "stored", "upright"]),
    default="auto",
    show_default=True,
    help="With --auto-orient: how the images lay when they were annotated.",
)
@click.option("--fill", metavar="R,G,B", default="114,114,114", show_default=True, help="Colour of the padding.")
@writing_options
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def command(
    src: str,
    size: str | None,
    mode: str,
    no_enlarge: bool,
    auto_orient: bool,
    box_frame: str,
    fill: str,
    quiet: bool,
    **options: Any,
) -> None:
    """Resize the images of SRC; boxes, polygons and keypoints follow."""
    wanted = parse_size(size)
    colour = parse_colour(fill)
    if wanted is None and not auto_orient:
        raise ConfigError("nothing to change was given.", hint="Use --size or --auto-orient.")
    from dsq.scan import Scan
    from dsq.transform.resize import resize

    progress = Progress(quiet)
    dataset = read_source(src, progress, **take_reading(options))
    done = resize(
        dataset, wanted, mode=mode, enlarge=not no_enlarge, auto_orient=auto_orient, box_frame=box_frame,
        headers=Scan(dataset, progress=progress).headers, fill=colour,
    )  # fmt: skip
    said = [f"{done.images:,} of {len(dataset):,} images change, {done.turned:,} of them are turned upright"]
    if done.tagged:
        many = f"{done.tagged:,} images keep their" if done.tagged > 1 else "1 image keeps its"
        said.append(
            f"{many} EXIF orientation; boxes hold for the pixels as stored, "
            "but Ultralytics turns such images when it loads them: --auto-orient turns both"
        )
    if done.skipped:
        said += [f"{len(done.skipped):,} images of unknown size stay as they are:", *list_some(done.skipped, 3)]
    said += tell_unproven(done.unproven)
    said += [f"{count:,} {what} could not follow and were left out" for what, count in done.lost.items()]
    facts = {
        "changed": done.images,
        "turned": done.turned,
        "exif_kept": done.tagged,
        "box_frame_unproven": done.unproven,
        "skipped": done.skipped,
        "left_out": done.lost,
    }
    write_dataset(done.dataset, progress=progress, said=said, facts=facts, **options)


def parse_size(text: str | None) -> tuple[int, int] | None:
    """640x480 or 640 as (width, height). ConfigError for anything else."""
    if text is None:
        return None
    found = re.fullmatch(r"\s*(\d+)\s*(?:[xX×*,]\s*(\d+)\s*)?", text)
    if found is None:
        raise ConfigError(f"the size is {text!r};", hint="write 640x480, width first.")
    return int(found[1]), int(found[2] or found[1])


def parse_colour(text: str) -> tuple[int, ...]:
    """R,G,B as three numbers of 0 to 255. ConfigError for anything else."""
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() and int(part) <= 255 for part in parts):
        raise ConfigError(f"the fill is {text!r};", hint="write three numbers of 0 to 255: 114,114,114.")
    return tuple(int(part) for part in parts)
