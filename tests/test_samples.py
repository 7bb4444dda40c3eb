"""The sample datasets: rendered again they are the same, small, and flaws.csv says only what is there."""

from __future__ import annotations

import csv
import io
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

FOLDER = Path(__file__).parent.parent / "sample_datasets"
ZIPS = sorted(path.name for path in FOLDER.glob("*.zip"))
KEBAB = re.compile(r"[a-z]+(-[a-z]+)*")
GREY_LEVELS = 4.0

# fmt: off
RULES = [
    "unreadable-image", "missing-image", "orphan-image", "orphan-annotation", "malformed-record",
    "duplicate-id", "duplicate-image-record", "size-mismatch", "path-outside-dataset", "wrong-extension",
    "junk-file", "label-beside-image", "class-list-disagreement", "predictions-as-labels",
    "annotation-id-zero", "filename-mismatch", "unportable-path", "unreadable-label-file", "misplaced-label",
    "exif-rotated", "degenerate-box", "box-outside-image", "duplicate-box",
    "two-classes-one-object", "tiny-box", "whole-image-box", "odd-aspect-box", "box-polygon-mismatch",
    "area-mismatch", "crowd-everywhere", "border-sliver", "box-convention", "unlabelled-image",
    "too-many-backgrounds", "suspicious-empties", "class-name-variants", "unused-class", "undeclared-class",
    "placeholder-root-class", "class-imbalance", "too-few-images-per-class", "too-few-instances-per-class",
    "class-coverage", "no-validation-split", "tiny-validation-split", "class-missing-from-split",
    "truncated-image", "odd-mode", "dark-image", "bright-image", "blurry-image", "low-information-image",
    "odd-aspect-image", "odd-size-image", "untransformed-boxes", "missing-label", "class-order-mismatch",
    "split-ratio", "same-source-in-two-splits", "augmented-validation",
    "exact-duplicate", "near-duplicate", "same-scene", "conflicting-duplicates", "low-variance", "sequence-frames",
    "single-condition", "leakage", "val-like-train",
]
# fmt: on


def flaws() -> list[dict[str, str]]:
    with (FOLDER / "flaws.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, bool]]:
    """A folder with the sets rendered again, and whether the versions are those of the committed ones."""
    out = tmp_path_factory.mktemp("samples")
    command = [sys.executable, "-B", str(FOLDER / "render.py"), "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    made_with = done.stdout.splitlines()[-1]
    assert made_with.startswith("Rendered with ")
    recorded = re.findall(r"^Rendered with .*$", (FOLDER / "README.md").read_text("utf-8"), re.MULTILINE)
    assert len(recorded) == 1
    yield out, recorded == [made_with]


def test_the_same_sets_come_out(rendered: tuple[Path, bool]) -> None:
    out, _ = rendered
    assert sorted(path.name for path in out.iterdir()) == sorted([*ZIPS, "flaws.csv"])
    assert (out / "flaws.csv").read_bytes() == (FOLDER / "flaws.csv").read_bytes()


@pytest.mark.parametrize("name", ZIPS)
def test_rendering_again_gives_the_same_zip(name: str, rendered: tuple[Path, bool]) -> None:
    """To the byte with the recorded versions; else names and labels, and pictures to a few grey levels."""
    out, same_versions = rendered
    if same_versions:
        assert (out / name).read_bytes() == (FOLDER / name).read_bytes()
        return
    with zipfile.ZipFile(FOLDER / name) as old, zipfile.ZipFile(out / name) as new:
        assert old.namelist() == new.namelist()
        for member in old.namelist():
            before, after = old.read(member), new.read(member)
            if not is_picture(before):
                assert before == after, member
                continue
            with Image.open(io.BytesIO(before)) as left, Image.open(io.BytesIO(after)) as right:
                assert (left.size, left.format) == (right.size, right.format), member
                difference = np.asarray(left, np.float64) - np.asarray(right, np.float64)
            assert np.abs(difference).mean() < GREY_LEVELS, member


def is_picture(data: bytes) -> bool:
    return data.startswith(b"\xff\xd8\xff") or data[8:12] == b"WEBP"


def test_all_zips_together_stay_small() -> None:
    assert sum((FOLDER / name).stat().st_size for name in ZIPS) <= 3_000_000


@pytest.mark.parametrize("name", ZIPS)
def test_a_zip_is_plain(name: str) -> None:
    with zipfile.ZipFile(FOLDER / name) as archive:
        infos = archive.infolist()
    assert [info.filename for info in infos] == sorted({info.filename for info in infos})
    assert {info.date_time for info in infos} == {(1980, 1, 1, 0, 0, 0)}
    assert not [info.filename for info in infos if info.filename.startswith("/") or ".." in info.filename]


def test_every_flaw_is_well_formed() -> None:
    names = {}
    for name in ZIPS:
        with zipfile.ZipFile(FOLDER / name) as archive:
            names[name] = set(archive.namelist())
    rows = flaws()
    assert list(rows[0]) == ["dataset", "rule", "image", "place", "what", "also"]
    for row in rows:
        assert KEBAB.fullmatch(row["rule"]), row
        assert all(KEBAB.fullmatch(rule) for rule in row["also"].split()), row
        assert row["rule"] not in row["also"].split(), row
        assert row["dataset"] in names, row
        assert re.fullmatch(r"\d*", row["place"]), row
        assert row["what"].endswith("."), row
        if row["rule"] in ("missing-image", "path-outside-dataset"):
            assert row["image"], row
        elif row["image"]:
            assert row["image"] in names[row["dataset"]], row


def test_no_flaw_is_told_twice() -> None:
    rows = [(row["dataset"], row["rule"], row["image"], row["place"]) for row in flaws()]
    assert len(rows) == len(set(rows))


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_has_a_flaw(rule: str) -> None:
    assert rule in {row["rule"] for row in flaws()}


def test_only_the_known_rules_have_flaws() -> None:
    told = {rule for row in flaws() for rule in (row["rule"], *row["also"].split())}
    assert told == set(RULES)


def test_the_clean_twin_has_no_flaw() -> None:
    assert not [row for row in flaws() if row["dataset"].startswith("clean-")]
