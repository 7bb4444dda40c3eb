"""dsq subset: a part of a dataset."""

from __future__ import annotations

from typing import Any

import click

from dsq.cli.options import Progress, read_source, reading_options, take_reading, write_dataset, writing_options
from dsq.errors import ConfigError


@click.command("subset")
@reading_options
@click.option("--classes", metavar="A,B,...", help="Only boxes of these classes.")
@click.option("--splits", metavar="A,B,...", help="Only images of these splits; none: of no split.")
@click.option("--states", metavar="A,B,...", help="Only images that are labelled, background, unlabelled.")
@click.option("--count", type=int, help="So many images.")
@click.option("--diverse", type=int, metavar="N", help="The N images that differ most, by their pixels.")
@click.option("--random", "by_chance", is_flag=True, help="Draw --count by chance, not class by class.")
@click.option("--seed", type=int, default=0, show_default=True, help="Another seed, another draw.")
@click.option(
    "--emptied",
    type=click.Choice(["drop", "background", "unlabelled"]),
    default="drop",
    show_default=True,
    help="What becomes of an image that loses all its boxes.",
)
@writing_options
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def command(
    src: str,
    classes: str | None,
    splits: str | None,
    states: str | None,
    count: int | None,
    diverse: int | None,
    by_chance: bool,
    seed: int,
    emptied: str,
    quiet: bool,
    **options: Any,
) -> None:
    """Write the part of SRC that every given option keeps."""
    if not (classes or splits or states) and count is None and diverse is None:
        raise ConfigError("nothing was chosen.", hint="Use --classes, --splits, --states, --count or --diverse.")
    if count is not None and diverse is not None:
        raise ConfigError("--count and --diverse were both given.", hint="Give one of them.")
    from dsq.transform.subset import subset

    progress = Progress(quiet)
    dataset = read_source(src, progress, **take_reading(options))
    signatures = None
    if diverse is not None:
        from dsq.analyse.diversity import read_signatures

        signatures = read_signatures(dataset, progress=progress)
    done = subset(
        dataset,
        classes=_list(classes),
        splits=_list(splits),
        states=_list(states),
        count=count,
        stratified=not by_chance,
        diverse=diverse,
        signatures=signatures,
        emptied=emptied,
        seed=seed,
    )
    said = [
        f"left out by {reason}: {gone['images']:,} images, {gone['boxes']:,} boxes"
        for reason, gone in done.left_out.items()
    ]
    if done.emptied:
        what = "left out" if emptied == "drop" else f"kept as {emptied}"
        said.append(f"{len(done.emptied):,} images lost all their boxes: {what}")
    facts = {"left_out": done.left_out, "emptied": done.emptied}
    write_dataset(done.dataset, progress=progress, said=said, facts=facts, **options)


def _list(text: str | None) -> list[str] | None:
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]
