"""Renders the sample datasets with numpy and Pillow: `python sample_datasets/render.py [--out DIR]`.

The same versions on the same kind of machine give the same zips, byte for byte.
"""

from __future__ import annotations

import argparse
import csv
import io
import platform
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import astuple, fields
from pathlib import Path

import numpy as np
import PIL
from darkroom import bad_pictures
from flaws import flawed_coco, flawed_voc, flawed_yolo
from layouts import Coco, Members, Voc, Yolo
from PIL import features
from planting import Flaw, plant_common, street_set
from quirks import quirks
from sets import overhead_set, small_sets
from siblings import sibling_sets
from twins import twin_sets

EPOCH = (1980, 1, 1, 0, 0, 0)


def zipped(members: Members) -> bytes:
    """A zip of the members: sorted, text deflated and pictures stored, all of one date."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(members):
            info = zipfile.ZipInfo(name, EPOCH)
            info.create_system, info.external_attr = 3, 0o644 << 16
            method = zipfile.ZIP_STORED if name.endswith(".jpg") else zipfile.ZIP_DEFLATED
            archive.writestr(info, members[name], method, 9)
    return stream.getvalue()


def listed(flaws: Iterable[Flaw]) -> bytes:
    """flaws.csv, sorted."""
    stream = io.StringIO()
    table = csv.writer(stream, lineterminator="\n")
    table.writerow([column.name for column in fields(Flaw)])
    table.writerows(sorted(astuple(flaw) for flaw in flaws))
    return stream.getvalue().encode()


def made_with() -> str:
    """What the bytes depend on: versions of Pillow, its codecs, numpy and zlib, and the processor."""
    codecs = [f"{name} {features.version(name)}" for name in ("libjpeg_turbo", "webp")]
    packers = [f"numpy {np.__version__}", f"zlib {zlib.ZLIB_RUNTIME_VERSION}"]
    return ", ".join([f"Pillow {PIL.__version__}", *codecs, *packers, platform.machine()])


def datasets() -> tuple[dict[str, Members], list[Flaw]]:
    """Every sample set by the name of its zip, and every planted flaw."""
    made: dict[str, Members] = {"overhead-production.zip": overhead_set()}
    flaws: list[Flaw] = []
    clean = street_set()
    made |= {
        "clean-voc.zip": Voc(clean).members(),
        "clean-coco.zip": Coco(clean).members(),
        "clean-yolo.zip": Yolo(clean).members(),
    }
    ground = plant_common(clean)
    for kind, plant in (("voc", flawed_voc), ("coco", flawed_coco), ("yolo", flawed_yolo)):
        made[f"potholes-{kind}.zip"], rows = plant(ground, f"potholes-{kind}.zip")
        flaws += rows
    for name, (members, rows) in (small_sets() | quirks() | sibling_sets() | twin_sets() | bad_pictures()).items():
        made[name] = members
        flaws += rows
    return made, flaws


def main() -> None:
    """Write the zips and flaws.csv."""
    parser = argparse.ArgumentParser(description="Render the sample datasets.")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder to write to")
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    made, flaws = datasets()
    total = 0
    for name, members in sorted(made.items()):
        total += (out / name).write_bytes(zipped(members))
    (out / "flaws.csv").write_bytes(listed(flaws))
    print(f"{len(made)} zips, {total:,} bytes, {len(flaws)} flaws")
    print(f"Rendered with {made_with()}")


if __name__ == "__main__":
    main()
