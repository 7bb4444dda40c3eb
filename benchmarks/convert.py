"""Conversions of COCO-sized sets beside panlabel, and how their cost grows; output on a memory file system."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from benchmarks.measure import Cost, put_section, run_once
from benchmarks.tables import IMAGES, make_coco

SMALL = 5_000
#: task -> (source, target, most of panlabel's CPU)
TASKS = {
    "COCO → YOLO": ("coco", "yolo", 0.6),
    "COCO → VOC": ("coco", "voc", 0.8),
    "YOLO → COCO": ("yolo", "coco", 1.0),
    "VOC → COCO": ("voc", "coco", 1.2),
}
MEMORY = 0.6  # most of panlabel's peak


class Row(NamedTuple):
    """One line of the table."""

    task: str
    peer: Cost
    ours: Cost
    zipped: Cost
    most: float


def dsq(*arguments: object) -> list[str]:
    """The command line of this installation."""
    return [str(Path(sys.executable).with_name("dsq")), *map(str, arguments)]


def make_inputs(folder: Path, images: int) -> dict[str, Path]:
    """One set of `images` records without image files in each format, by format."""
    folder.mkdir(parents=True)
    paths = {"coco": folder / "instances.json", "yolo": folder / "yolo", "voc": folder / "voc"}
    make_coco(paths["coco"], images)
    for name in ("yolo", "voc"):
        cost = run_once(dsq("convert", paths["coco"], "-o", paths[name], "--to", name, "-q"))
        if cost.code:
            raise SystemExit(f"dsq convert --to {name} ended with {cost.code}")
    add_images(paths["yolo"], images)
    return paths


def add_images(folder: Path, images: int) -> None:
    """A picture behind every YOLO label file: without its size the fractions mean nothing."""
    (folder / "images").mkdir(exist_ok=True)
    first = folder / "images" / f"{1:012}.jpg"
    Image.new("RGB", (640, 480), (90, 120, 60)).save(first)
    for number in range(2, images + 1):
        os.link(first, first.with_name(f"{number:012}.jpg"))


def fresh(command: Sequence[str], *outputs: Path) -> Cost:
    """Run with its outputs removed before and after."""
    for path in outputs:
        shutil.rmtree(path, ignore_errors=True)
        path.unlink(missing_ok=True)
    cost = run_once(command)
    for path in outputs:
        shutil.rmtree(path, ignore_errors=True)
        path.unlink(missing_ok=True)
    return cost


def convert(source: Path, name: str, out: Path) -> Cost:
    """dsq convert to a folder, or to a zip where `out` ends in .zip."""
    return fresh(dsq("convert", source, "-o", out, "--to", name, "-q", "--images", "none"), out)


def panlabel(program: str, source: Path, kinds: tuple[str, str], out: Path) -> Cost:
    """The peer's conversion."""
    target = out.with_suffix(".json") if kinds[1] == "coco" else out
    command = [
        program,
        "convert",
        "-f",
        kinds[0],
        "-t",
        kinds[1],
        "-i",
        str(source),
        "-o",
        str(target),
        "--allow-lossy",
    ]
    return fresh(command, target)


def measure(program: str, inputs: dict[str, Path], work: Path, repeat: int) -> list[Row]:
    """Every task, the best of `repeat` runs each, peer and ours in turn."""
    rows = []
    for task, (source, target, most) in TASKS.items():
        runs = [
            (
                panlabel(program, inputs[source], (source, target), work / "peer"),
                convert(inputs[source], target, work / "ours"),
                convert(inputs[source], target, work / "ours.zip"),
            )
            for _ in range(repeat)
        ]
        peer, ours, zipped = (min(column, key=lambda cost: cost.cpu) for column in zip(*runs, strict=True))
        rows.append(Row(task, peer, ours, zipped, most))
    return rows


def table(rows: list[Row]) -> list[str]:
    """The comparison as Markdown."""
    lines = [
        "| task | panlabel CPU s | dsq | × | target | to .zip | panlabel MiB | dsq | × | target |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {row.task} | {row.peer.cpu:.2f} | {row.ours.cpu:.2f} | {row.ours.cpu / row.peer.cpu:.2f} | ≤ {row.most} "
        f"| {row.zipped.cpu:.2f} | {row.peer.memory:,.0f} | {row.ours.memory:,.0f} "
        f"| {row.ours.memory / row.peer.memory:.2f} | ≤ {MEMORY} |"
        for row in rows
    ]
    return lines


def growth(work: Path) -> list[str]:
    """CPU seconds of COCO → YOLO at three sizes."""
    lines = ["| images | CPU s | CPU ms an image |", "| --- | --- | --- |"]
    for images in (SMALL, IMAGES, 2 * IMAGES):
        path = work / f"{images}.json"
        make_coco(path, images)
        cost = convert(path, "yolo", work / "grown")
        lines.append(f"| {images:,} | {cost.cpu:.2f} | {1000 * cost.cpu / images:.3f} |")
        path.unlink()
    return lines


def main(arguments: list[str]) -> int:
    """Measure, print the tables; exit 1 where a target is missed."""
    parser = argparse.ArgumentParser(prog="benchmarks convert", description=__doc__)
    parser.add_argument("--panlabel", default=shutil.which("panlabel"), help="the peer's program")
    parser.add_argument("--work", type=Path, default=Path("/dev/shm/dsq-bench"), help="folder for inputs and outputs")
    parser.add_argument("--images", type=int, default=IMAGES)
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--no-growth", action="store_true", help="leave out the three sizes")
    parser.add_argument("--write", metavar="FILE", help="put the tables into this Markdown file")
    options = parser.parse_args(arguments)
    if not options.panlabel:
        parser.error("panlabel is not on the PATH: pip install panlabel, or --panlabel PROGRAM")
    shutil.rmtree(options.work, ignore_errors=True)
    try:
        inputs = make_inputs(options.work / "in", options.images)
        rows = measure(options.panlabel, inputs, options.work, options.repeat)
        shutil.rmtree(options.work / "in")
        grown = [] if options.no_growth else ["", "COCO → YOLO at three sizes:", "", *growth(options.work)]
    finally:
        shutil.rmtree(options.work, ignore_errors=True)
    head = (
        f"{options.images:,} images without image files, best of {options.repeat}, CPU seconds (user + system) of the "
        f"whole process, output in memory; Python {platform.python_version()}."
    )
    text = "\n".join([head, "", *table(rows), *grown])
    print(text)
    if options.write:
        put_section(options.write, "Conversions", text)
    if any(cost.code for row in rows for cost in (row.ours, row.zipped)):
        print("dsq ended with an error", file=sys.stderr)
        return 1
    missed = [r.task for r in rows if r.ours.cpu > r.most * r.peer.cpu or r.ours.memory > MEMORY * r.peer.memory]
    if any(row.peer.code for row in rows):
        print("panlabel ended with an error", file=sys.stderr)
        return 1
    if missed:
        print("missed:", ", ".join(missed), file=sys.stderr)
    return 1 if missed else 0
