"""dsq remap: rename, merge, drop and reorder classes."""

from __future__ import annotations

from typing import Any

import click

from dsq.cli.mapping import read_mapping
from dsq.cli.options import Progress, read_source, reading_options, take_reading, write_dataset, writing_options
from dsq.errors import ConfigError


@click.command("remap")
@reading_options
@click.option("--map", "map_", metavar="FILE|OLD=NEW", multiple=True, help="YAML of old and new names, or one pair.")
@click.option("--drop", metavar="CLASS", multiple=True, help="Leave a class and its boxes out.")
@click.option("--order", metavar="A,B,...", help="Class names in the order wanted; others follow.")
@click.option(
    "--emptied",
    type=click.Choice(["background", "unlabelled", "drop"]),
    default="background",
    show_default=True,
    help="What an image is that loses all its boxes.",
)
@writing_options
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def command(
    src: str,
    map_: tuple[str, ...],
    drop: tuple[str, ...],
    order: str | None,
    emptied: str,
    quiet: bool,
    **options: Any,
) -> None:
    """Rename, merge, drop or reorder the classes of SRC; two that get one name become one."""
    mapping = read_mapping(map_, drop)
    if not mapping and not order:
        raise ConfigError("nothing to change was given.", hint="Use --map, --drop or --order.")
    from dsq.transform.remap import remap

    progress = Progress(quiet)
    dataset = read_source(src, progress, **take_reading(options))
    done = remap(
        dataset, mapping, order=[name.strip() for name in order.split(",")] if order else None, emptied=emptied
    )
    rows = done.changes.astype(object).where(done.changes.notna(), None).to_dict("records")
    said = [
        f"{row['old']}: {row['what']}" + (f" to {row['new']}" if row["new"] else "") + f", {row['boxes']:,} boxes"
        for row in rows
    ]
    if done.emptied:
        what = "left out" if emptied == "drop" else f"now {emptied}"
        said.append(f"{len(done.emptied):,} images lost all their boxes: {what}")
    said.append(f"classes: {', '.join(done.dataset.categories['name'])}")
    facts = {"changes": rows, "emptied": done.emptied, "classes": done.dataset.categories["name"].tolist()}
    write_dataset(done.dataset, progress=progress, said=said, facts=facts, **options)
