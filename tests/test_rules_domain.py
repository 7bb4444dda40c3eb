"""Rules that compare a set with a sample of production: each fires, keeps quiet, and tells the sample's story."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import dsq
from dsq.cli import group
from dsq.errors import ConfigError, ReadError
from dsq.model import Dataset
from dsq.registry import all_rules
from dsq.render.text import render_text
from dsq.scan import Scan

RULES = sorted(rule.name for rule in all_rules().values() if "production" in rule.needs)
STREET, ABOVE = "clean-yolo.zip", "overhead-production.zip"


def tell(rule: str, train: Dataset, production: Dataset) -> list[str]:
    report = dsq.audit(train, production=production, select=[rule])
    assert not report.not_checked
    return report.messages()


def make(
    seed: int, *, width: float = 100, height: float = 60, count: int = 2, left: float = 270, **more: object
) -> Dataset:
    """Forty images of boxes that vary a little."""
    rng = np.random.default_rng(seed)
    names = more.get("names", ["car", "bus"])
    assert isinstance(names, list)
    boxes = []
    for number in range(40):
        for _ in range(count + int(rng.integers(0, 2))):
            scale = float(np.exp(rng.normal(0, 0.15)))
            where = left + rng.normal(0, 40), 210 + rng.normal(0, 40)
            size = width * scale, height * scale * float(np.exp(rng.normal(0, 0.1)))
            boxes.append((f"{seed}_{number}.jpg", names[int(rng.integers(len(names)))], *where, *size))
    return dsq.build_dataset(boxes)


TRAIN = make(0)
GAPS = [
    ("object-scale-gap", make(1, width=50, height=30), "2.0 × smaller in production"),
    ("object-position-gap", make(1, left=30), "farther from the middle"),
    ("density-gap", make(1, count=8), "more objects an image"),
    ("aspect-gap", make(1, width=60, height=100), "narrower in production"),
    ("class-mix-gap", make(1, names=["car", "car", "car", "car", "van"]), "in production"),
]


@pytest.mark.parametrize(("rule", "production", "told"), GAPS, ids=[rule for rule, _, _ in GAPS])
def test_objects_that_differ(rule: str, production: Dataset, told: str) -> None:
    assert any(told in message for message in tell(rule, TRAIN, production))
    assert tell(rule, TRAIN, make(2)) == []


def test_resolution() -> None:
    train = dsq.build_dataset(images=["a.jpg", "b.jpg", "c.jpg"], size=(640, 480))
    assert len(tell("resolution-gap", train, dsq.build_dataset(images=["d.jpg"], size=(1920, 1080)))) == 1
    assert tell("resolution-gap", train, dsq.build_dataset(images=["d.jpg"], size=(800, 600))) == []


@pytest.mark.parametrize("rule", RULES)
def test_nothing_to_compare_is_quiet(rule: str) -> None:
    """Empty sets, unlabelled ones, a set against itself."""
    empty, bare = dsq.build_dataset(), dsq.build_dataset(images=["a.jpg", "b.jpg"])
    few = rule == "domain-gap"  # says that it cannot tell
    for train, production in ((empty, empty), (TRAIN, empty), (empty, TRAIN), (TRAIN, bare), (TRAIN, TRAIN)):
        told = tell(rule, train, production)
        assert all("too few" in message for message in told) if few else told == []


@pytest.mark.parametrize("rule", RULES)
def test_without_a_sample_it_is_not_checked(rule: str) -> None:
    report = dsq.audit(TRAIN, select=[rule])
    assert [item.rule for item in report.not_checked] == [rule]
    assert "--production" in report.not_checked[0].reason


def test_not_checked_is_one_line() -> None:
    lines = render_text(dsq.audit(TRAIN, select=["domain"])).splitlines()
    told = lines[lines.index("NOT CHECKED") + 1 :]
    assert told[0].startswith(f"  domain ({len(RULES)} rules): add --production SAMPLE")
    assert sum("--production" in line for line in lines) == 1


def test_few_pictures_say_what_cannot_be_told(samples: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(samples / ABOVE) as archive:
        for name in [name for name in archive.namelist() if name.endswith(".jpg")][:5]:
            archive.extract(name, tmp_path)
    report = dsq.audit(dsq.read(samples / STREET), production=tmp_path, select=["domain"])
    assert report.messages() == ["5 production images are too few to compare pictures: give 10 or more"]
    assert report.counts["warning"] == 0


def test_production_of_a_scan_belongs_to_the_scan() -> None:
    with pytest.raises(ConfigError, match="give it to the Scan"):
        dsq.audit(Scan(TRAIN), production=TRAIN)


class TestPotholes:
    """Trained on the street, used from above."""

    def test_with_labels_the_first_lines_say_how(self, samples: Path) -> None:
        report = dsq.audit(dsq.read(samples / STREET), production=samples / ABOVE)
        lines = render_text(report).splitlines()
        start = lines.index("PRODUCTION: how the sample differs from this set")
        assert start == 3  # right below the head
        first = "\n".join(lines[start + 1 : start + 6])
        assert "smaller in production" in first
        assert "farther from the middle in production" in first
        assert "more objects an image" in first
        assert "25 of 25 production pictures (100%) have no near neighbour in training" in first
        assert "production is darker" in "\n".join(lines[start : start + 10])

    def test_without_labels_the_pictures_say_so(self, samples: Path, tmp_path: Path) -> None:
        with zipfile.ZipFile(samples / ABOVE) as archive:
            for name in archive.namelist():
                if name.endswith(".jpg"):
                    archive.extract(name, tmp_path)
        report = dsq.audit(dsq.read(samples / STREET), production=tmp_path, select=["domain"])
        told = {record["rule"]: record["message"] for record in report.records}
        assert set(told) == {"domain-gap", "uncovered-production"}
        assert "production is darker: median lightness" in told["domain-gap"]
        assert told["uncovered-production"].startswith("25 of 25")

    def test_the_other_half_of_the_street_is_no_gap(self, samples: Path) -> None:
        data = dsq.read(samples / STREET)
        held = np.random.default_rng(0).permutation(len(data.images)) < 25
        parts = []
        for keep in (~held, held):
            images = data.images[keep].reset_index(drop=True)
            boxes = data.boxes[data.boxes["image_id"].isin(images["image_id"])].reset_index(drop=True)
            parts.append(data.replace(images=images, boxes=boxes))
        assert dsq.audit(parts[0], production=parts[1], select=["domain"]).messages() == []

    def test_at_the_command_line(self, samples: Path) -> None:
        found = CliRunner().invoke(
            group, ["audit", str(samples / STREET), "--production", str(samples / ABOVE), "--select", "domain"]
        )
        assert found.exit_code == 0 and "objects are 3.2 × smaller" in found.output

    def test_a_sample_that_is_not_there(self, samples: Path) -> None:
        with pytest.raises(ReadError):
            dsq.audit(TRAIN, production=samples / "nothing.zip")


def test_loading_dsq_does_not_load_scipy() -> None:
    program = "import sys, dsq; dsq.compare_domains; dsq.pick; print('scipy' in sys.modules, 'av' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_order_of_rows_does_not_matter() -> None:
    def shuffle(data: Dataset) -> Dataset:
        return data.replace(
            images=data.images.sample(frac=1, random_state=1).reset_index(drop=True),
            boxes=data.boxes.sample(frac=1, random_state=2).reset_index(drop=True),
        )

    production = make(1, width=50, count=6, names=["van"])
    one = dsq.audit(TRAIN, production=production, select=["domain"]).messages()
    assert one and one == dsq.audit(shuffle(TRAIN), production=shuffle(production), select=["domain"]).messages()
