"""Write what was picked: copies to label, a list, contact sheets; complete or not at all."""

from __future__ import annotations

import csv
import io
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from PIL import Image

from dsq.errors import WriteError
from dsq.measure.decode import DecodeError, decode_large
from dsq.model import Dataset
from dsq.printing import spreadsheet_text
from dsq.production.picking import Picked
from dsq.production.sheets import Cell, draw_sheet
from dsq.source import open_source
from dsq.target import open_target

FOLDER, LIST = "to_label", "pick.csv"
TO_LABEL, NEAREST = "to_label.jpg", "nearest_training.jpg"


def write_picked(
    picked: Picked,
    train: Dataset,
    production: Dataset,
    dst: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
) -> list[str]:
    """Write `to_label/` with the image files as they are, `pick.csv`, and a contact sheet of each list, to a folder or
    a zip. Returns the names of the copies.

    WriteError where `dst` is there already (without `overwrite`), is something else than a former pick, or lies in
    or around one of the sets.
    """
    _keep_clear((train, production), os.fspath(dst), overwrite=overwrite)
    rows = picked.to_label["row"].tolist()
    names = _name_copies(picked.to_label["file"].tolist())
    with open_target(dst, overwrite=overwrite) as target:
        for done, (row, name) in enumerate(zip(rows, names, strict=True), 1):
            image = production.images.iloc[row]
            with open_source(image["root"]) as source:
                target.add(f"{FOLDER}/{name}", source, image["member"])
            if progress is not None:
                progress("copying images", done, len(rows))
        target.write(LIST, _list(picked, names))
        far = [f"distance {distance:.1f} · {why}" for distance, why in picked.to_label[["distance", "why"]].to_numpy()]
        title = f"To label next: {len(rows):,} of {picked.compared:,} production images"
        target.write(TO_LABEL, draw_sheet(title, _cells(production, rows, names, far)))
        near = picked.nearest_training
        told = [f"distance {distance:.1f}" for distance in near["distance"]]
        title = f"The {len(near):,} training images that are most like production"
        target.write(NEAREST, draw_sheet(title, _cells(train, near["row"].tolist(), near["file"].tolist(), told)))
    return names


def _cells(dataset: Dataset, rows: list[int], names: list[str], told: list[str]) -> list[Cell]:
    return [
        Cell(_loader(dataset, row), PurePosixPath(name).name, faint)
        for row, name, faint in zip(rows, names, told, strict=True)
    ]


def _loader(dataset: Dataset, row: int) -> Callable[[], Image.Image | None]:
    """What opens the picture of an image, upright pixels as they are stored."""

    def load() -> Image.Image | None:
        image = dataset.images.iloc[row]
        with open_source(image["root"]) as source:
            data = source.read(image["member"], follow=True)
        try:
            return Image.fromarray(decode_large(data, 2), "YCbCr").convert("RGB")
        except DecodeError:
            return None

    return load


def _name_copies(files: list[str]) -> list[str]:
    """A flat name for each file: its own, with its folders where two would have the same."""
    bases = [PurePosixPath(file).name for file in files]
    often = Counter(base.casefold() for base in bases)
    names: list[str] = []
    taken: set[str] = set()
    for file, base in zip(files, bases, strict=True):
        name = base if often[base.casefold()] == 1 else file.replace("/", "_")
        whole = PurePosixPath(name)
        number = 1
        while name.casefold() in taken:
            number += 1
            name = f"{whole.stem}_{number}{whole.suffix}"
        taken.add(name.casefold())
        names.append(name)
    return names


def _list(picked: Picked, names: list[str]) -> bytes:
    """The list as CSV: what to label first stands first."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["file", "production_file", "why", "distance", "nearest_training"])
    table = picked.to_label
    for name, file, why, distance, nearest in zip(
        names, table["file"], table["why"], table["distance"], table["nearest"], strict=True
    ):
        writer.writerow(
            [
                spreadsheet_text(f"{FOLDER}/{name}"),
                spreadsheet_text(file),
                why,
                f"{distance:.4f}",
                spreadsheet_text(nearest),
            ]
        )
    return out.getvalue().encode("utf-8", "backslashreplace")


def _keep_clear(datasets: tuple[Dataset, ...], dst: str, *, overwrite: bool) -> None:
    """Refuse a target that is a source, lies in one, holds one, or is a folder of other things."""
    target = Path(dst).resolve()
    roots = {str(root) for dataset in datasets for root in dataset.images["root"].dropna().unique()}
    roots |= {dataset.about.root for dataset in datasets if dataset.about.root}
    for root in sorted(roots):
        source = Path(root).resolve()
        if source == target or target in source.parents or (source.is_dir() and source in target.parents):
            raise WriteError(
                f"is, lies in or holds the source {root}; sources are never touched.",
                where=dst,
                hint="Choose a place beside it.",
            )
    if overwrite and target.is_dir() and any(target.iterdir()) and not (target / LIST).is_file():
        raise WriteError("holds something that is no pick; it is not replaced.", where=dst, hint="Choose another name.")
