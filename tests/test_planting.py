"""Faults planted at random into the clean samples are found at their places, and nothing beside them."""

from __future__ import annotations

import importlib
from collections import defaultdict
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import dsq
from dsq.registry import all_rules

ROOT = Path(__file__).resolve().parent.parent
RULES = (
    "degenerate-box", "box-outside-image", "duplicate-box", "two-classes-one-object", "tiny-box", "whole-image-box",
    "odd-aspect-box", "border-sliver", "box-polygon-mismatch", "area-mismatch", "annotation-id-zero",
    "undeclared-class",
)  # fmt: skip
#: stretched boxes that are not beyond their class's usual shapes are no fault by the rule's own page
BEYOND = "any box stretched 2–5 times"


@pytest.fixture(scope="module")
def planting() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT))
        return importlib.import_module("benchmarks.planting")


@pytest.fixture(scope="module")
def tallies(planting: ModuleType, samples: Path) -> dict[str, Any]:
    """What is planted and found in the three clean samples, by rule."""
    planters = [p for p in planting.TABLES if p.rule in RULES and p.what != BEYOND]
    found: dict[str, Any] = defaultdict(planting.Tally)
    for path in sorted(samples.glob("clean-*.zip")):
        for (rule, _), tally in planting.plant_tables(planting.read_set(path), path.stem, 0, planters).items():
            found[rule].add(tally)
    return found


@pytest.mark.parametrize("rule", RULES)
def test_planted_faults_are_found(tallies: dict[str, Any], rule: str) -> None:
    tally = tallies[rule]
    assert tally.planted >= 5
    assert tally.recall >= 0.8
    assert tally.precision >= 0.9


def test_every_rule_is_planted(planting: ModuleType) -> None:
    """But for those that compare two sets: nothing is planted in one, and benchmarks/domains.py has their figures."""
    planted = {planter.rule for planter in (*planting.TABLES, *planting.FILES)}
    assert planted == {rule.name for rule in all_rules().values() if "production" not in rule.needs}


def test_same_seed_same_faults(planting: ModuleType, samples: Path) -> None:
    dataset = planting.read_set(samples / "clean-yolo.zip")
    planters = [planter for planter in planting.TABLES if planter.rule == "tiny-box"]
    once, again = (planting.plant_tables(dataset, "a", seed, planters) for seed in (1, 1))
    assert once == again


def test_files_are_planted_in_copies(planting: ModuleType, samples: Path) -> None:
    before = (samples / "clean-coco.zip").read_bytes()
    planters = [planter for planter in planting.FILES if planter.rule in ("missing-image", "duplicate-id")]
    found = planting.plant_files(samples / "clean-coco.zip", "clean-coco", 0, planters)
    assert [(tally.recall, tally.precision) for tally in found.values()] == [(1.0, 1.0)] * 2
    assert (samples / "clean-coco.zip").read_bytes() == before


def test_a_tree_is_not_left(planting: ModuleType, tmp_path: Path) -> None:
    tree = planting.Tree(tmp_path, dsq.build_dataset(), np.random.default_rng(0))
    for name in ("../a.jpg", "/a.jpg"):
        with pytest.raises(ValueError, match="out of the tree"):
            tree.write(name, b"")


def test_own_findings_are_set_aside_and_others_count(planting: ModuleType) -> None:
    boxes = [("a.jpg", "cat", 10, 10, 0, 20), ("b.jpg", "cat", 10, 10, 30, 20), ("c.jpg", "cat", 10, 10, 30, 20)]
    sound = dsq.build_dataset(boxes)
    faulty = sound.replace(boxes=sound.boxes.assign(width=0.0))
    planted = planting.Planted(faulty, [frozenset([("box", 2)])], sound)
    planter = planting.Planter("degenerate-box", "all", lambda field: planted)
    tally = planting.weigh(planter, planted, "set")
    assert (tally.planted, tally.found, tally.findings, tally.right) == (1, 1, 2, 1)


@pytest.mark.parametrize(("hits", "total", "interval"), [(0, 0, (0, 1)), (10, 10, (0.722, 1)), (5, 10, (0.237, 0.763))])
def test_wilson(planting: ModuleType, hits: int, total: int, interval: tuple[float, float]) -> None:
    assert planting.wilson(hits, total) == pytest.approx(interval, abs=1e-3)
