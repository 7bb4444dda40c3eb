"""Precision and recall of every rule: faults planted at random into real sets, and which of them are found.

Boxes and classes are changed in the tables, files in a copy of the set's folder. Beside the faults stand as many
harmless look-alikes: what a rule says of those counts against it. What it says of the set before is its own affair
and set aside.
"""

from __future__ import annotations

import argparse
import math
import os
import tempfile
import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import dsq
from benchmarks.measure import put_section
from benchmarks.planters import (
    FILES,
    SET,
    TABLES,
    Field,
    FilePlanter,
    Planted,
    Planter,
    Token,
    Tree,
    linked,
    unpack,
)
from dsq.model import Dataset
from dsq.registry import all_rules
from dsq.scan import Scan

SETS = ("raccoon", "bccd/BCCD", "coco-tiny", "ships-yolov8", "traffic-ground", "pen-zip", "aerial-cars")
SAMPLES = Path(__file__).resolve().parent.parent / "sample_datasets"
TITLE = "Planted faults"
TITLE_OF_SAMPLES = "Planted faults in the clean samples"
ABOUT = """\
Faults planted at random into {sets} ({seeds} seeds): a tenth of the boxes or images at a time (60 at most), a few
classes at a time, faults of a whole set in every other trial on a random part of it. Recall is the share of planted
faults that the rule finds at their place; precision the share of its new findings that lie at one. What a rule says of
the untouched sets is left out of both and counted under "own findings". Beside the faults stand harmless look-alikes
(named after the semicolon, else the same change within the rule's bounds); a finding there counts against precision.
Intervals are Wilson's, 95 %; faults of one set are not independent, so the true doubt is larger."""

NOTES = """\
What numbers alone do not prove is told late or not at all, so that clean sets stay quiet. A box stretched at random
often keeps within the shapes of a varied class; `odd-aspect-box` asks for twice the usual range. A corner taken for a
centre moves small boxes by a few pixels, and in aerial views nearly all of them still lie inside their images. Boxes
drawn on a smaller image look like those of a camera whose objects keep to one corner, unless they end where that image
ends. Where the table shows 1.00 for faults of a round, exact kind, it says that the rule does what its page says, not
that every such fault in the wild looks like the planted ones."""


@dataclass
class Tally:
    """Counts of one planter: faults planted and found, findings and those at a planted place, look-alikes, sets."""

    planted: int = 0
    found: int = 0
    findings: int = 0
    right: int = 0
    decoys: int = 0
    sets: set[str] = field(default_factory=set)

    def add(self, other: Tally) -> None:
        """Add the counts of another."""
        for name in ("planted", "found", "findings", "right", "decoys"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.sets |= other.sets

    @property
    def recall(self) -> float:
        return self.found / self.planted if self.planted else math.nan

    @property
    def precision(self) -> float:
        return self.right / self.findings if self.findings else math.nan


Key = tuple[str, str]  # rule, what is planted


def tell(dataset: Dataset, rule: str, each_image: bool = False) -> list[frozenset[Token]]:
    """What a rule finds, as the tokens of each finding."""
    report = dsq.audit(dataset, select=[rule])
    found = []
    for part in report.parts:
        for record in part.told(report.scan):
            tokens: set[Token] = {SET}
            if record["box_id"] is not None:
                tokens.add(("box", record["box_id"]))
            if record["category"] is not None:
                tokens.add(("class", record["category"]))
            if record["subject"] is not None:
                tokens.add(("subject", record["subject"]))
                tokens |= {("name", name) for name in record["subject"].split(" = ")}
            if record["origin"] is not None:
                file, line, number = (record["origin"][key] for key in ("file", "line", "id"))
                tokens |= {("file", file), ("folder", file.rpartition("/")[0])}
                tokens.add(("place", file, line if line is not None else number))
            images = [("image", name) for name in record["images"]]
            tokens |= {("folder", name.rpartition("/")[0]) for name in record["images"]}
            if each_image:
                found += [frozenset([*tokens, image]) for image in images]
            else:
                found.append(frozenset([*tokens, *images]))
    return found


def place(finding: frozenset[Token]) -> frozenset[Token]:
    """What tells a finding from others of its rule, whatever its values: box, else class and images, else all."""
    for kinds in (("box",), ("class", "image"), ("subject",), ("image",)):
        chosen = frozenset(token for token in finding if token[0] in kinds)
        if chosen and not (kinds == ("class", "image") and len({token[0] for token in chosen}) < 2):
            return chosen
    return finding


def weigh(planter: Planter | FilePlanter, planted: Planted, name: str) -> Tally:
    """Which faults a rule finds, and which of its findings lie at one."""
    own = {place(found) for found in tell(planted.sound, planter.rule, planter.each_image)} if planted.sound else set()
    new = [found for found in tell(planted.faulty, planter.rule, planter.each_image) if place(found) not in own]
    if planter.beside:
        new = [found for found in new if not any(token[0] == "subject" for token in found)]
    if planter.whole:
        new = new[:1]
    caught = sum(any(fault <= found for found in new) for fault in planted.faults)
    right = sum(any(fault <= found for fault in planted.faults) for found in new)
    return Tally(len(planted.faults), caught, len(new), right, planted.decoys, {name})


def generator(seed: int, *names: str) -> np.random.Generator:
    """Random numbers that depend on the seed and these names alone."""
    return np.random.default_rng([seed, *(zlib.crc32(name.encode()) for name in names)])


def plant_tables(dataset: Dataset, name: str, seed: int, planters: Iterable[Planter] = TABLES) -> dict[Key, Tally]:
    """Every table planter on one set."""
    tallies: dict[Key, Tally] = defaultdict(Tally)
    known: dict[str, frozenset[Token]] = {}
    for planter in planters:
        if planter.rule not in known:
            found = tell(dataset, planter.rule)
            known[planter.rule] = frozenset(token for tokens in found for token in tokens if token != SET)
        for trial in range(planter.trials):
            rng = generator(seed, name, planter.rule, planter.what, str(trial))
            planted = planter.plant(Field(dataset, rng, known[planter.rule], faulty=trial % 2 == 0))
            if planted is not None and (planted.faults or planter.whole):
                tallies[planter.rule, planter.what].add(weigh(planter, planted, name))
    return dict(tallies)


def plant_files(path: Path, name: str, seed: int, planters: Iterable[FilePlanter] = FILES) -> dict[Key, Tally]:
    """Every file planter on copies of one set; where a zip lies in the folder, it is planted in unpacked."""
    tallies: dict[Key, Tally] = defaultdict(Tally)
    with tempfile.TemporaryDirectory() as folder:
        inner = sorted(path.glob("*.zip")) if path.is_dir() else []
        base = unpack(inner[0] if inner else path, Path(folder) / "base")
        sound = dsq.read(base)
        for planter in planters:
            for trial in range(planter.trials):
                rng = generator(seed, name, planter.rule, planter.what, str(trial))
                with linked(base) as root:
                    seeded = planter.plant(Tree(root, sound, rng), trial % 2 == 0)
                    if seeded is None:
                        break
                    planted = Planted(dsq.read(root), seeded.faults, sound, seeded.decoys)
                    tallies[planter.rule, planter.what].add(weigh(planter, planted, name))
    return dict(tallies)


def read_set(path: Path) -> Dataset:
    """A dataset with the headers of its images."""
    dataset = dsq.read(path)
    return dataset.replace(headers=Scan(dataset).headers)


def own_findings(dataset: Dataset) -> dict[str, int]:
    """How many findings each rule has on an untouched set."""
    return {part.rule.name: len(part.table) for part in dsq.audit(dataset).parts}


def run(job: tuple[Path, str, int]) -> dict[Key, Tally]:
    """All that is planted in one set with one seed."""
    path, name, seed = job
    return plant_tables(read_set(path), name, seed) | plant_files(path, name, seed)


def wilson(hits: int, total: int) -> tuple[float, float]:
    """95 % interval of a share."""
    if total == 0:
        return 0.0, 1.0
    z, share = 1.959964, hits / total
    middle = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    return max(middle - half, 0.0), min(middle + half, 1.0)


def share(hits: int, total: int) -> str:
    """A share with its interval, in hundredths."""
    if total == 0:
        return "–"
    low, high = wilson(hits, total)
    digits = 3 if 0.995 <= hits / total < 1 else 2
    return f"{hits / total:.{digits}f} ({low:.2f}–{high:.2f})"


def tabulate(tallies: Mapping[Key, Tally], own: Mapping[str, int]) -> list[str]:
    """The Markdown table, in the order of the rules, and a line on rules that nothing was planted for."""
    lines = [
        "| rule | what is planted | sets | planted | recall | look-alikes | precision | own findings |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    kinds = [(planter.rule, planter.what) for planter in TABLES] + [(planter.rule, planter.what) for planter in FILES]
    for rule in all_rules():
        for key in kinds:
            if key[0] != rule or key not in tallies:
                continue
            tally = tallies[key]
            lines.append(
                f"| {rule} | {key[1]} | {len(tally.sets)} | {tally.planted:,} | {share(tally.found, tally.planted)} "
                f"| {tally.decoys:,} | {share(tally.right, tally.findings)} | {own.get(rule, 0):,} |"
            )
    left = sorted(set(all_rules()) - {rule for rule, _ in tallies})
    if left:
        lines += ["", f"No set here can hold a fault of: {', '.join(left)}."]
    return lines


def find_sets(data: Path | None) -> list[tuple[Path, str]]:
    """The sets below a folder; without one, the project's own clean samples."""
    if data is None:
        return [(path, path.stem) for path in sorted(SAMPLES.glob("clean-*.zip"))]
    return [(data / name, name) for name in SETS if (data / name).exists()]


def measure(sets: Sequence[tuple[Path, str]], seeds: int) -> tuple[dict[Key, Tally], dict[str, int]]:
    """Tallies of all planters over the sets and seeds, and each rule's own findings on the untouched sets."""
    jobs = [(path, name, seed) for seed in range(seeds) for path, name in sets]
    tallies: dict[Key, Tally] = {}
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for found in pool.map(run, jobs):
            for key, tally in found.items():
                tallies.setdefault(key, Tally()).add(tally)
    own: dict[str, int] = defaultdict(int)
    for path, _ in sets:
        for rule, count in own_findings(read_set(path)).items():
            own[rule] += count
    return tallies, own


def main(arguments: list[str]) -> int:
    """Plant, print the table."""
    parser = argparse.ArgumentParser(prog="benchmarks planting", description=__doc__)
    parser.add_argument("--data", type=Path, help=f"folder that holds {', '.join(SETS)}; default: the clean samples")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--write", metavar="FILE", help="put the table into this Markdown file")
    options = parser.parse_args(arguments)
    sets = find_sets(options.data)
    if not sets:
        parser.error(f"no set was found in {options.data}")
    tallies, own = measure(sets, options.seeds)
    lines = [
        ABOUT.format(sets=", ".join(name for _, name in sets), seeds=options.seeds),
        "",
        *tabulate(tallies, own),
        "",
        NOTES,
    ]
    print("\n".join(lines))
    if options.write:
        put_section(options.write, TITLE if options.data else TITLE_OF_SAMPLES, "\n".join(lines))
    return 0
