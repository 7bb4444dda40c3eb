"""Conversions of COCO-sized sets beside other tools, to zips, and how their cost grows; output in memory.

    python -m benchmarks convert --panlabel PROGRAM --peer globox=PYTHON --peer labelformat=PYTHON
        --peer ultralytics=PYTHON --write docs/benchmarks.md

PYTHON is the interpreter of an environment that has the package. Peers that are not named are left out.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from benchmarks import peers
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
FASTER = 5  # times as fast as a Python package at least
ALIKE = 0.03  # by which two runs of one command differ
LINEAR = 1.15  # the most that an image of a set twice as large may cost more


class Row(NamedTuple):
    """One task: panlabel's cost, ours to files and to a zip, and other packages' by name."""

    task: str
    peer: Cost
    ours: Cost
    zipped: Cost
    others: Mapping[str, Cost]

    def misses(self) -> list[str]:
        """The targets that are not reached."""
        found = {
            f"{self.ours.cpu / self.peer.cpu:.2f} × panlabel's CPU": self.ours.cpu
            > TASKS[self.task][2] * self.peer.cpu,
            f"{self.ours.memory / self.peer.memory:.2f} × its memory": self.ours.memory > MEMORY * self.peer.memory,
            f"zip {self.zipped.cpu / self.ours.cpu:.2f} × files": self.zipped.cpu > (1 + ALIKE) * self.ours.cpu,
        }
        for name, cost in self.others.items():
            found[f"{cost.cpu / self.ours.cpu:.1f} × faster than {name}"] = cost.cpu < FASTER * self.ours.cpu
        return [what for what, is_missed in found.items() if is_missed]


class Bench:
    """Where to measure, and how often. The byte code of dsq is kept between runs, as an installation has it."""

    def __init__(self, work: Path, repeat: int) -> None:
        self.work, self.repeat = work, repeat
        self.environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        self.environment["PYTHONPYCACHEPREFIX"] = str(work / "cache")

    def ours(self, source: Path, name: str, out: str, *options: str) -> Cost:
        """dsq convert to a folder, or to a zip where `out` ends in .zip."""
        command = dsq("convert", source, "-o", self.work / out, "--to", name, "-q", "--images", "none", *options)
        return checked(fresh(command, self.work / out, environment=self.environment), f"dsq to {name}")

    def panlabel(self, program: str, source: Path, kinds: tuple[str, str]) -> Cost:
        """The same by panlabel."""
        target = self.work / ("peer.json" if kinds[1] == "coco" else "peer")
        options = ["-f", kinds[0], "-t", kinds[1], "-i", str(source), "-o", str(target), "--allow-lossy"]
        return checked(fresh([program, "convert", *options], target), f"panlabel to {kinds[1]}")

    def package(self, name: str, python: str, source: Path, kinds: tuple[str, str]) -> Cost:
        """The same by a Python package."""
        target = self.work / "peer"
        cost = fresh([python, peers.__file__, name, *kinds, str(source), str(target)], target)
        return checked(cost, f"{name} to {kinds[1]}")

    def make_inputs(self, folder: Path, images: int, coco: Path | None = None) -> dict[str, Path]:
        """One set of `images` records without image files in each format, by format. coco: the COCO file to take."""
        folder.mkdir(parents=True)
        paths = {"coco": coco or folder / "instances.json", "yolo": folder / "yolo", "voc": folder / "voc"}
        if coco is None:
            maker = get_context("spawn").Process(target=make_coco, args=(paths["coco"], images))
            maker.start()  # apart, for a child's peak is never told as less than what its parent held
            maker.join()
        for name in ("yolo", "voc"):
            command = dsq("convert", paths["coco"], "-o", paths[name], "--to", name, "-q")
            checked(run_once(command, environment=self.environment), f"dsq to {name}")
        add_images(paths["yolo"])
        return paths


def dsq(*arguments: object) -> list[str]:
    """The command line of this installation."""
    return [str(Path(sys.executable).with_name("dsq")), *map(str, arguments)]


def add_images(folder: Path) -> None:
    """A picture behind every YOLO label file: without its size the fractions mean nothing."""
    first = folder / "first.jpg"
    Image.new("RGB", (640, 480), (90, 120, 60)).save(first)
    for label in (folder / "labels").rglob("*.txt"):
        image = folder / "images" / label.relative_to(folder / "labels").with_suffix(".jpg")
        image.parent.mkdir(parents=True, exist_ok=True)
        os.link(first, image)
    first.unlink()


def fresh(command: Sequence[str], *outputs: Path, environment: Mapping[str, str] | None = None) -> Cost:
    """Run with its outputs removed before and after."""
    for path in outputs:
        remove(path)
    cost = run_once(command, environment=environment)
    for path in outputs:
        remove(path)
    return cost


def remove(path: Path) -> None:
    """A folder, a file or nothing."""
    shutil.rmtree(path, ignore_errors=True)
    path.unlink(missing_ok=True)


def tell_versions(program: str, packages: Mapping[str, str]) -> str:
    """The versions of panlabel and of the packages, in words."""
    ask = "import importlib.metadata, sys; print(sys.argv[1], importlib.metadata.version(sys.argv[1]))"
    commands = [[program, "--version"], *([python, "-c", ask, name] for name, python in packages.items())]
    return ", ".join(
        subprocess.run(each, capture_output=True, text=True, check=True).stdout.strip() for each in commands
    )


def checked(cost: Cost, what: str) -> Cost:
    """The cost of what succeeded; SystemExit for the rest."""
    if cost.code:
        raise SystemExit(f"{what} ended with {cost.code}")
    return cost


def measure(bench: Bench, program: str, packages: Mapping[str, str], inputs: Mapping[str, Path]) -> list[Row]:
    """Every task: the best of some runs of panlabel and of ours in turn, and one of each package."""
    rows = []
    for task, (start, end, _) in TASKS.items():
        source, kinds = inputs[start], (start, end)
        runs = [
            (
                bench.panlabel(program, source, kinds),
                bench.ours(source, end, "ours"),
                bench.ours(source, end, "ours.zip"),
            )
            for _ in range(bench.repeat)
        ]
        peer, ours, zipped = (min(column, key=lambda cost: cost.cpu) for column in zip(*runs, strict=True))
        others = {
            name: bench.package(name, python, source, kinds)
            for name, python in packages.items()
            if kinds in peers.TASKS[name]
        }
        rows.append(Row(task, peer, ours, zipped, others))
        print(f"{task}: {', '.join(rows[-1].misses()) or 'all targets reached'}", file=sys.stderr)
    return rows


def table(rows: Sequence[Row]) -> list[str]:
    """Beside panlabel, as Markdown."""
    lines = [
        "| task | panlabel CPU s | dsq | × | target | to .zip | panlabel MiB | dsq | × | target |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {row.task} | {row.peer.cpu:.2f} | {row.ours.cpu:.2f} | {row.ours.cpu / row.peer.cpu:.2f} "
        f"| ≤ {TASKS[row.task][2]} | {row.zipped.cpu:.2f} | {row.peer.memory:,.0f} | {row.ours.memory:,.0f} "
        f"| {row.ours.memory / row.peer.memory:.2f} | ≤ {MEMORY} |"
        for row in rows
    ]
    return lines


def table_of_packages(rows: Sequence[Row], names: Sequence[str]) -> list[str]:
    """Beside Python packages, as Markdown."""
    lines = [
        f"| task | dsq CPU s | {' | '.join(f'{name} | ×' for name in names)} | target |",
        f"| --- | --- |{' --- | --- |' * len(names)} --- |",
    ]
    for row in rows:
        cells = []
        for name in names:
            cost = row.others.get(name)
            cells += ["", ""] if cost is None else [f"{cost.cpu:.1f}", f"{cost.cpu / row.ours.cpu:.1f}"]
        lines.append(f"| {row.task} | {row.ours.cpu:.2f} | {' | '.join(cells)} | ≥ {FASTER} |")
    return lines


def growth(bench: Bench, sizes: Sequence[int]) -> tuple[list[str], list[str]]:
    """CPU seconds of every task at some sizes, as Markdown, and the tasks whose cost grows faster than the set."""
    costs: dict[str, list[float]] = {task: [] for task in TASKS}
    for images in sizes:
        inputs = bench.make_inputs(bench.work / "in", images)
        for task, (start, end, _) in TASKS.items():
            runs = [bench.ours(inputs[start], end, "ours").cpu for _ in range(bench.repeat)]
            costs[task].append(min(runs))
        shutil.rmtree(bench.work / "in")
    lines = [
        f"| task | {' | '.join(f'{images:,} images | ms an image' for images in sizes)} |",
        f"| --- |{' --- | --- |' * len(sizes)}",
    ]
    for task, found in costs.items():
        cells = [f"{cpu:.2f} | {1000 * cpu / images:.3f}" for cpu, images in zip(found, sizes, strict=True)]
        lines.append(f"| {task} | {' | '.join(cells)} |")
    steep = [task for task, cpu in costs.items() if cpu[-1] / sizes[-1] > LINEAR * cpu[-2] / sizes[-2]]
    return lines, steep


def read_options(arguments: list[str]) -> argparse.Namespace:
    """The command line; `peer` becomes interpreters by package."""
    parser = argparse.ArgumentParser(prog="benchmarks convert", description=__doc__.splitlines()[0])
    parser.add_argument("--panlabel", default=shutil.which("panlabel"), metavar="PROGRAM")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=PYTHON", help=", ".join(peers.TASKS))
    parser.add_argument("--coco", type=Path, metavar="FILE", help="the COCO file of the comparison; default: made")
    parser.add_argument("--images", type=int, default=IMAGES, help="of the set that is made")
    parser.add_argument("--repeat", type=int, default=3, help="runs of panlabel and dsq; the best counts")
    parser.add_argument("--no-growth", action="store_true", help="leave out the three sizes")
    parser.add_argument("--work", type=Path, default=Path("/dev/shm/dsq-bench"), help="folder for inputs and outputs")
    parser.add_argument("--write", metavar="FILE", help="put the tables into this Markdown file")
    options = parser.parse_args(arguments)
    if not options.panlabel:
        parser.error("panlabel is not on the PATH: pip install panlabel, or --panlabel PROGRAM")
    options.peer = dict(each.split("=", 1) for each in options.peer if "=" in each)
    if options.peer.keys() - peers.TASKS.keys():
        parser.error(f"--peer takes {', '.join(peers.TASKS)}, each with =PYTHON")
    return options


def main(arguments: list[str]) -> int:
    """Measure, print the tables; exit 1 where a target is missed."""
    options = read_options(arguments)
    bench = Bench(options.work, options.repeat)
    shutil.rmtree(options.work, ignore_errors=True)
    steep: list[str] = []
    try:
        inputs = bench.make_inputs(options.work / "in", options.images, options.coco)
        images = sum(1 for _ in (inputs["voc"] / "Annotations").iterdir())
        size = inputs["coco"].stat().st_size / 1e6
        rows = measure(bench, options.panlabel, options.peer, inputs)
        shutil.rmtree(options.work / "in")
        text = [
            f"{images:,} images without image files, as COCO {size:,.0f} MB; best of {options.repeat}, CPU seconds "
            f"(user + system) of the whole process, output in memory; {tell_versions(options.panlabel, options.peer)}, "
            f"Python {platform.python_version()}.",
            "",
            *table(rows),
        ]
        if options.peer:
            text += ["", "Beside Python packages (one run each):", "", *table_of_packages(rows, list(options.peer))]
        if not options.no_growth:
            grown, steep = growth(bench, (SMALL, options.images, 2 * options.images))
            text += ["", "CPU seconds at three sizes:", "", *grown]
    finally:
        shutil.rmtree(options.work, ignore_errors=True)
    print("\n".join(text))
    if options.write:
        put_section(options.write, "Conversions", "\n".join(text))
    missed = [f"{row.task}: {what}" for row in rows for what in row.misses()]
    missed += [f"{task}: grows faster than the set" for task in steep]
    for each in missed:
        print("missed:", each, file=sys.stderr)
    return 1 if missed else 0
