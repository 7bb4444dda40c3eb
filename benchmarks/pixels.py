"""What measuring images costs beside cleanvision and a bare loop that reads, hashes, decodes; a second look; memory."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.measure import put_section
from dsq.measure.probes import PROBES

IMAGES, MANY = 2_000, 20_000
#: least multiple of cleanvision's speed, least share of the bare loop's, least multiple of the first look's speed
FASTER, SHARE, AGAIN = 20.0, 0.70, 20.0
GROWTH = 4.0  # most KiB an image

#: both print JSON; imports and the first image are left out of the seconds
OURS = """
import json, resource, sys, time
import dsq
from dsq.measure.images import measure_images
folder, one, cache = sys.argv[1:4]
measure_images(dsq.read(one), cache=False, workers=1)
data = dsq.read(folder)
start = time.process_time()
found = measure_images(data, cache=cache, workers=1)
seconds = time.process_time() - start
assert not (found.table["error"] != "").any() and len(found.table) == len(data)
print(json.dumps({"cpu": seconds, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}))
"""
BARE = """
import json, os, sys, time
import cv2, numpy, xxhash
cv2.setNumThreads(1)

def look(path):
    with open(path, "rb", buffering=0) as stream:
        data = stream.read()
    xxhash.xxh3_128_digest(data)
    return cv2.imdecode(numpy.frombuffer(data, numpy.uint8), cv2.IMREAD_REDUCED_GRAYSCALE_8)

paths = sorted(entry.path for entry in os.scandir(sys.argv[1]))
look(paths[0])
start = time.process_time()
for path in paths:
    look(path)
print(json.dumps({"cpu": time.process_time() - start}))
"""
CLEANVISION = """
import contextlib, io, json, sys, time
from cleanvision import Imagelab
start = time.process_time()
with contextlib.redirect_stdout(io.StringIO()):
    Imagelab(data_path=sys.argv[1]).find_issues(n_jobs=1, verbose=False)
print(json.dumps({"cpu": time.process_time() - start}))
"""


def draw_picture(number: int) -> Image.Image:
    """A picture of soft shapes under grain, another one for each number: about 75 KB as a JPEG."""
    random = np.random.default_rng(number)
    width, height = 640 - 16 * (number % 4), 480 - 8 * (number % 3)
    shapes = Image.fromarray(random.integers(0, 256, (12, 16, 3), np.uint8)).resize((width, height), 3)
    grain = Image.fromarray(random.integers(0, 60, (height // 2, width // 2, 3), np.uint8)).resize((width, height), 2)
    levels = np.asarray(shapes, np.int16) + np.asarray(grain, np.int16) + random.integers(-6, 6, (height, width, 1))
    return Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8))


def make_pictures(folder: Path, count: int) -> Path:
    """`count` JPEGs."""
    folder.mkdir(parents=True)
    for number in range(count):
        draw_picture(number).save(folder / f"{number:06}.jpg", quality=82 + number % 8)
    return folder


def multiply_pictures(source: Path, folder: Path, count: int) -> Path:
    """`count` files with the pictures of `source`, each with another comment, so that no two are the same."""
    folder.mkdir(parents=True)
    paths = sorted(source.iterdir())
    for number in range(count):
        data = paths[number % len(paths)].read_bytes()
        comment = f"number {number}".encode()
        segment = b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment
        (folder / f"{number:06}.jpg").write_bytes(data[:2] + segment + data[2:])
    return folder


def settle(folder: Path) -> None:
    """Make the files look older than the seconds in which the cache does not trust them."""
    for entry in os.scandir(folder):
        os.utime(entry.path, ns=(10**18, 10**18))


def run(python: str, program: str, *arguments: object) -> dict[str, Any]:
    """What the program prints, run by another Python with one thread."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    done = subprocess.run(
        [python, "-c", program, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL if python != sys.executable else None,
        env={**os.environ, **threads},
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


class Figures:
    """CPU µs an image of everything, and what memory grows by (KiB an image)."""

    def __init__(self, work: Path, options: argparse.Namespace) -> None:
        self.images, self.many = options.images, options.many
        pictures = make_pictures(work / "pictures", self.images)
        settle(pictures)
        one = make_pictures(work / "one", 1)
        size = sum(entry.stat().st_size for entry in os.scandir(pictures))
        self.kilobytes = size / self.images / 1000
        bare, ours = [], []
        for number in range(options.repeat):  # in turn, as others may use the machine
            bare.append(run(options.cv2, BARE, pictures)["cpu"])
            cache = work / f"cache{number}"
            ours.append(run(sys.executable, OURS, pictures, one, cache)["cpu"])
        self.bare, self.ours = (1e6 * min(values) / self.images for values in (bare, ours))
        self.peer = 0.0
        if options.cleanvision:
            self.peer = 1e6 * run(options.cleanvision, CLEANVISION, pictures)["cpu"] / self.images
        many = multiply_pictures(pictures, work / "many", self.many)
        settle(many)
        first = run(sys.executable, OURS, many, one, work / "cache")
        again = [run(sys.executable, OURS, many, one, work / "cache") for _ in range(options.repeat)]
        small = run(sys.executable, OURS, pictures, one, work / "cache-small")["peak"]
        small_again = run(sys.executable, OURS, pictures, one, work / "cache-small")["peak"]
        self.first, self.second = first["cpu"], min(run["cpu"] for run in again)
        more = self.many - self.images
        self.growth = (first["peak"] - small) / more
        self.growth_again = (min(run["peak"] for run in again) - small_again) / more

    def missed(self) -> list[str]:
        """The targets that are missed, by name."""
        checks = {
            "speed beside cleanvision": not self.peer or self.peer >= FASTER * self.ours,
            "speed beside the bare loop": self.bare >= SHARE * self.ours,
            "a second look": self.first >= AGAIN * self.second,
            "memory": max(self.growth, self.growth_again) <= GROWTH,
        }
        return [name for name, met in checks.items() if not met]

    def table(self) -> str:
        """Everything as Markdown."""
        head = f"""\
{self.images:,} JPEGs of {self.kilobytes:.0f} KB (640 × 480 or a little less), one process and one thread each, CPU time
of the work itself without imports, best of several runs in turn (cleanvision once); Python {platform.python_version()}.
The bare loop reads each file once, takes its xxh3 and lets OpenCV decode it in grey at an eighth. dsq reads each file
once, takes its SHA-256 and its header, decodes luma and chroma at an eighth, looks for damage, computes the basic
measures and {PROBES} perceptual hashes, and writes the cache."""
        bare, again = self.bare / self.ours, self.first / self.second
        rows = [
            ("bare loop", self.bare, ""),
            ("dsq, first look", self.ours, f"{bare:.0%} of the bare loop's speed, target ≥ {SHARE:.0%}"),
            (
                f"dsq, first look at {self.many:,} images",
                1e6 * self.first / self.many,
                f"memory grows by {self.growth:.1f} KiB an image, target ≤ {GROWTH:.0f}",
            ),
            (
                "dsq, second look at them",
                1e6 * self.second / self.many,
                f"{again:,.0f} × as fast, target ≥ {AGAIN:.0f} ×; {self.growth_again:.1f} KiB an image",
            ),
        ]
        if self.peer:
            told = f"dsq is {self.peer / self.ours:.1f} × as fast, target ≥ {FASTER:.0f} ×"
            rows.append(("cleanvision, `find_issues`", self.peer, told))
        lines = [f"| {name} | {cost:,.0f} | {told} |" for name, cost, told in rows]
        return "\n".join([head, "", "| | CPU µs an image | |", "| --- | --- | --- |", *lines])


def main(arguments: Sequence[str]) -> int:
    """Measure, print the table; exit 1 where a target is missed."""
    parser = argparse.ArgumentParser(prog="benchmarks pixels", description=__doc__)
    parser.add_argument("--cleanvision", metavar="PYTHON", help="interpreter that has cleanvision; else it is left out")
    parser.add_argument("--cv2", metavar="PYTHON", default=sys.executable, help="interpreter with OpenCV and xxhash")
    parser.add_argument("--images", type=int, default=IMAGES)
    parser.add_argument("--many", type=int, default=MANY)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--work", type=Path, help="folder for the pictures, about 2 GB  [default: a temporary one]")
    parser.add_argument("--write", metavar="FILE", help="put the table into this Markdown file")
    options = parser.parse_args(arguments)
    if subprocess.run([options.cv2, "-c", "import cv2, xxhash"], capture_output=True, check=False).returncode:
        parser.error(
            f"{options.cv2} has no cv2 or no xxhash: pip install opencv-python-headless xxhash, or --cv2 PYTHON"
        )
    work = Path(tempfile.mkdtemp(prefix="dsq-pixels-", dir=options.work))
    try:
        figures = Figures(work, options)
    finally:
        shutil.rmtree(work)
    text = figures.table()
    print(text)
    if options.write:
        put_section(options.write, "Measuring images", text)
    missed = figures.missed()
    if missed:
        print("missed:", ", ".join(missed), file=sys.stderr)
    return 1 if missed else 0
