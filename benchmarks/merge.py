"""Merging 5, 10 and 20 zips of 5,000 images each: CPU seconds and peak memory, output on a memory file system."""

from __future__ import annotations

import argparse
import io
import platform
import shutil
import sys
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.convert import dsq, fresh
from benchmarks.measure import put_section

IMAGES, BOXES, SOURCES = 5_000, 7, (5, 10, 20)
MOST_MEMORY = 1_500  # MiB


def make_zip(path: Path, seed: int) -> None:
    """A YOLO set of small pictures of their own; names repeat from zip to zip, as in real deliveries."""
    rng = np.random.default_rng(seed)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data.yaml", "train: images/train\nval: images/train\nnames: [crack, pothole, manhole]\n")
        for number in range(IMAGES):
            pixels = rng.integers(0, 256, (12, 16, 3), np.uint8)
            out = io.BytesIO()
            Image.fromarray(pixels).resize((64, 48)).save(out, "JPEG")
            archive.writestr(f"images/train/{number:05}.jpg", out.getvalue())
            corner, side = rng.uniform(0.3, 0.7, (BOXES, 2)), rng.uniform(0.05, 0.3, (BOXES, 2))
            numbers = np.hstack([corner, side]).tolist()
            rows = [f"{n % 3} " + " ".join(f"{value:.6f}" for value in row) for n, row in enumerate(numbers)]
            archive.writestr(f"labels/train/{number:05}.txt", "\n".join(rows) + "\n")


def main(arguments: list[str]) -> int:
    """Measure, print the table; exit 1 where memory passes the limit or the cost grows faster than the sources."""
    parser = argparse.ArgumentParser(prog="benchmarks merge", description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("/dev/shm/dsq-merge"))
    parser.add_argument("--write", metavar="FILE", help="put the table into this Markdown file")
    options = parser.parse_args(arguments)
    shutil.rmtree(options.work, ignore_errors=True)
    options.work.mkdir(parents=True)
    rows = []
    try:
        paths = [options.work / f"part{number:02}.zip" for number in range(max(SOURCES))]
        for seed, path in enumerate(paths):
            make_zip(path, seed)
        for count in SOURCES:
            out = options.work / "merged.zip"
            cost = fresh(dsq("merge", *paths[:count], "-o", out, "--to", "coco", "-q"), out)
            if cost.code:
                print("dsq ended with an error", file=sys.stderr)
                return 1
            rows.append((count, cost))
    finally:
        shutil.rmtree(options.work, ignore_errors=True)
    lines = [
        f"Zips of {IMAGES:,} images and {BOXES} boxes an image, to one COCO zip; Python {platform.python_version()}.",
        "",
        "| zips | CPU s | CPU s a zip | peak MiB |",
        "| --- | --- | --- | --- |",
        *(f"| {count} | {cost.cpu:.2f} | {cost.cpu / count:.2f} | {cost.memory:,.0f} |" for count, cost in rows),
    ]
    print("\n".join(lines))
    if options.write:
        put_section(options.write, "Merging", "\n".join(lines))
    first, last = rows[0], rows[-1]
    linear = last[1].cpu / last[0] <= 1.3 * first[1].cpu / first[0]
    return 0 if linear and last[1].memory <= MOST_MEMORY else 1
