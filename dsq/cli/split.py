"""dsq split: deal images out to train, val and test, or to folds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from dsq.cli.options import Progress, read_source, reading_options, take_reading, write_dataset, writing_options
from dsq.errors import ConfigError

if TYPE_CHECKING:
    from dsq.model import Dataset


@click.command("split")
@reading_options
@click.option("--ratios", metavar="80/10/10", help="Shares, or named: train=0.7,val=0.3.  [default: 80/10/10]")
@click.option("--seed", type=int, default=0, show_default=True, help="Another seed, another draw.")
@click.option("--random", "by_chance", is_flag=True, help="Do not share out the classes evenly.")
@click.option("--groups", metavar="CSV", help="Columns file and group: images of one group stay together.")
@click.option("--grouped", is_flag=True, help="Near copies and pictures of one scene stay together, by their pixels.")
@click.option("--no-siblings", is_flag=True, help="Part versions of one picture (.rf. names, augmented copies).")
@click.option("--no-hash", is_flag=True, help="Do not look for identical image files.")
@click.option(
    "--sequences",
    type=click.Choice(["auto", "all", "none"]),
    default="auto",
    show_default=True,
    help="Which numbered series count as the frames of one video.",
)
@click.option("--keep", metavar="SPLIT", multiple=True, help="Leave the images of a split where they are.")
@click.option("--folds", type=int, help="Instead of ratios: K parts fold1 ... foldK.")
@click.option("--fold", type=int, help="With --folds: this one is val, the others are train.")
@writing_options
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def command(
    src: str,
    ratios: str | None,
    seed: int,
    by_chance: bool,
    groups: str | None,
    grouped: bool,
    no_siblings: bool,
    no_hash: bool,
    sequences: str,
    keep: tuple[str, ...],
    folds: int | None,
    fold: int | None,
    quiet: bool,
    **options: Any,
) -> None:
    """Deal the images of SRC out anew; identical images and versions of one picture stay in one split.

    --grouped looks at the pixels, too: no copy and no second picture of a scene gets into another split.
    """
    shares = parse_ratios(ratios)
    from dsq.contents import content_hashes
    from dsq.transform.groups import BY_PIXELS
    from dsq.transform.split import split

    progress = Progress(quiet)
    dataset = read_source(src, progress, **take_reading(options))
    given: dict[str, Sequence[Any]] = {"given in a file": read_groups(groups, dataset)} if groups else {}
    if not no_hash:
        hashes = content_hashes(dataset, progress=progress)
        places = zip(dataset.images["root"].astype(object), dataset.images["member"], strict=True)
        given["the same file"] = [hashes.get(place) for place in places]
    noticed: list[str] = []
    if grouped:
        from dsq.analyse.groups import group_duplicates

        alike = group_duplicates(dataset, progress=progress)
        given[BY_PIXELS] = alike.keys
        noticed = alike.notes
    done = split(
        dataset, shares, seed=seed, stratified=not by_chance, groups=given, siblings=not no_siblings,
        sequences=sequences, keep=keep, folds=folds, fold=fold,
    )  # fmt: skip
    said = [
        f"{row.split}: {row.images:,} images ({row.share:.1%}), {row.boxes:,} boxes, "
        f"{row.background:,} background, {row.unlabelled:,} unlabelled"
        for row in done.shares.itertuples()
    ]
    facts = {
        "splits": done.shares.to_dict("records"),
        "classes": done.classes.to_dict("records"),
        "notes": [*noticed, *done.notes],
    }
    write_dataset(done.dataset, progress=progress, said=[*said, *noticed, *done.notes], facts=facts, **options)


def parse_ratios(text: str | None) -> dict[str, float] | list[float] | None:
    """80/10/10 or train=0.7,val=0.3 as numbers. ConfigError for anything else."""
    if text is None:
        return None
    try:
        if "=" in text:
            pairs = [part.partition("=") for part in text.split(",")]
            return {name.strip(): float(share) for name, _, share in pairs}
        return [float(part) for part in text.replace(",", "/").split("/")]
    except ValueError:
        raise ConfigError(f"the ratios are {text!r};", hint="write 80/10/10 or train=0.7,val=0.3.") from None


def read_groups(name: str, dataset: Dataset) -> list[str | None]:
    """The group of each image from a CSV with the columns file and group; None for images that it does not name.

    A file is named as in the dataset, or by its last component where that is unique.
    """
    import csv
    import io
    from pathlib import Path

    from dsq.formats.layout import decode_text

    hint = "It has a header line with the columns file and group."
    try:
        text = decode_text(Path(name).read_bytes())
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}.", where=name, hint=hint) from error
    reader = csv.DictReader(io.StringIO(text))
    if not {"file", "group"} <= set(reader.fieldnames or ()):
        raise ConfigError("has no columns file and group.", where=name, hint=hint)
    wanted = {row["file"]: row["group"] for row in reader if row["file"]}
    files = dataset.images["file"].tolist()
    by_base: dict[str, list[int]] = {}
    by_file: dict[str, list[int]] = {}
    for row, file in enumerate(files):
        by_file.setdefault(file, []).append(row)
        by_base.setdefault(file.rpartition("/")[2], []).append(row)
    found: list[str | None] = [None] * len(files)
    unknown = []
    for file, group in wanted.items():
        rows = by_file.get(file) or by_base.get(file.replace("\\", "/").rpartition("/")[2], [])
        if not rows or (file not in by_file and len(rows) > 1):
            unknown.append(file)
            continue
        for row in rows:
            found[row] = group or None
    if unknown:
        raise ConfigError(
            f"{len(unknown):,} of {len(wanted):,} files are not in the dataset, the first: {unknown[0]}.",
            where=name,
            hint=f"Files there are called like {files[0]}." if files else "",
        )
    return found
