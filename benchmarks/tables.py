"""dsq audit --tables-only beside panlabel validate on one COCO file of train2017's size, in one run."""

from __future__ import annotations

import argparse
import platform
import shutil
import sys
import tempfile
from pathlib import Path

import msgspec
import numpy as np

from benchmarks.measure import put_section, run_median

IMAGES = 118_287
POLYGON_RULES = "box-polygon-mismatch,area-mismatch"


def make_coco(path: Path, images: int, seed: int = 17) -> None:
    """A COCO file with about 7.2 boxes an image, polygons of some 20 points, 80 classes and a few crowds."""
    rng = np.random.default_rng(seed)
    counts = rng.geometric(1 / 7.2, images)
    total = int(counts.sum())
    width = np.clip(np.exp(rng.normal(4, 1, total)), 3, 600).round(2)
    height = np.clip(np.exp(rng.normal(4, 1, total)), 3, 440).round(2)
    x, y = (rng.random(total) * (640 - width)).round(2), (rng.random(total) * (480 - height)).round(2)
    points = np.clip(rng.normal(20, 8, total), 4, 60).astype(int)
    image = np.repeat(np.arange(1, images + 1), counts)
    category = rng.integers(1, 81, total)
    with path.open("wb") as out:
        records = [
            {"id": n, "file_name": f"{n:012}.jpg", "width": 640, "height": 480, "license": 1,
             "coco_url": f"http://images.example.org/{n:012}.jpg", "date_captured": "2013-11-14 11:18:45"}
            for n in range(1, images + 1)
        ]  # fmt: skip
        names = [{"id": n, "name": f"class {n}", "supercategory": "thing"} for n in range(1, 81)]
        out.write(b'{"categories": ' + msgspec.json.encode(names))
        out.write(b', "images": ' + msgspec.json.encode(records) + b', "annotations": [')
        for n in range(total):
            turn = np.linspace(0, 2 * np.pi, points[n], endpoint=False)
            px = x[n] + width[n] / 2 * (1 + np.cos(turn))
            py = y[n] + height[n] / 2 * (1 + np.sin(turn))
            polygon = np.stack([px, py], 1).round(2).ravel().tolist()
            record = {
                "segmentation": [polygon], "area": float(width[n] * height[n] * 0.78), "iscrowd": 0,
                "image_id": int(image[n]), "bbox": [float(v) for v in (x[n], y[n], width[n], height[n])],
                "category_id": int(category[n]), "id": n + 1,
            }  # fmt: skip
            out.write((b", " if n else b"") + msgspec.json.encode(record))
        out.write(b"]}")


def main(arguments: list[str]) -> int:
    """Measure, print the table; exit 1 where a target is missed."""
    parser = argparse.ArgumentParser(prog="benchmarks tables", description=__doc__)
    parser.add_argument("--coco", type=Path, help="the COCO file; default: one is made")
    parser.add_argument("--panlabel", default=shutil.which("panlabel"), help="the peer's program")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--write", metavar="FILE", help="put the table into this Markdown file")
    options = parser.parse_args(arguments)
    if not options.panlabel:
        parser.error("panlabel is not on the PATH: pip install panlabel, or --panlabel PROGRAM")
    with tempfile.TemporaryDirectory() as folder:
        path = options.coco or Path(folder) / "instances.json"
        if options.coco is None:
            make_coco(path, IMAGES)
        audit = [
            str(Path(sys.executable).with_name("dsq")),
            "audit",
            "--tables-only",
            "--fail-on",
            "never",
            str(path),
        ]
        peer = run_median([options.panlabel, "validate", "--format", "coco", str(path)], options.repeat)
        plain = run_median([*audit, "--ignore", POLYGON_RULES], options.repeat)
        whole = run_median(audit, options.repeat)
        size = path.stat().st_size / 1e6
    rows = [
        ("panlabel validate", peer, "", ""),
        ("dsq audit --tables-only, no polygon rules", plain, "≤ 1.5", "≤ 0.6"),
        ("dsq audit --tables-only, all rules", whole, "≤ 2.5", "≤ 0.6"),
    ]
    lines = [
        f"One file of {size:,.0f} MB, median of {options.repeat}, CPU seconds (user + system) of the whole process; "
        f"Python {platform.python_version()}.",
        "",
        "| command | CPU s | × peer | target | peak MiB | × peer | target |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {name} | {cost.cpu:.2f} | {cost.cpu / peer.cpu:.2f} | {cpu} | {cost.memory:,.0f} "
        f"| {cost.memory / peer.memory:.2f} | {memory} |"
        for name, cost, cpu, memory in rows
    ]
    print("\n".join(lines))
    if options.write:
        put_section(options.write, "Audit of the tables", "\n".join(lines))
    if plain.code or whole.code:
        print("dsq ended with an error", file=sys.stderr)
        return 1
    reached = plain.cpu <= 1.5 * peer.cpu and whole.cpu <= 2.5 * peer.cpu
    return 0 if reached and max(plain.memory, whole.memory) <= 0.6 * peer.memory else 1
