"""Every planted flaw of sample_datasets is found by its rule, and nothing is called wrong that is not."""

from __future__ import annotations

import csv
import functools
import re
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

import dsq

SAMPLES = Path(__file__).resolve().parent.parent / "sample_datasets"
FLAWS = list(csv.DictReader((SAMPLES / "flaws.csv").read_text("utf-8").splitlines()))
SETS = sorted({row["dataset"] for row in FLAWS})


@functools.cache
def findings(dataset: str) -> list[dict[str, Any]]:
    """All findings of one sample set."""
    return dsq.audit(dsq.read(SAMPLES / dataset)).records


def speaks_of(record: dict[str, Any], flaw: dict[str, str]) -> bool:
    """Whether a finding is about the place that a flaw was planted at."""
    if record["rule"] != flaw["rule"]:
        return False
    if not flaw["image"]:
        return True
    origin = record["origin"] or {"file": "", "line": None, "id": None}
    number = re.search(r"\d+", flaw["place"])
    if record["image"] is None and number and int(number[0]) in (origin["line"], origin["id"]):
        return True
    named = {record["image"], *record["images"], origin["file"]}
    return flaw["image"] in named or PurePosixPath(flaw["image"]).stem in record["message"]


@pytest.mark.parametrize("flaw", FLAWS, ids=[f"{r['dataset']}:{r['rule']}:{r['image']}" for r in FLAWS])
def test_flaw_is_found(flaw: dict[str, str]) -> None:
    found = findings(flaw["dataset"])
    told = [(r["rule"], r["image"], r["message"]) for r in found if r["rule"] == flaw["rule"]]
    assert any(speaks_of(record, flaw) for record in found), f"{flaw['what']} told instead: {told}"


@pytest.mark.parametrize("dataset", SETS)
def test_nothing_else_is_called_wrong(dataset: str) -> None:
    rows = [row for row in FLAWS if row["dataset"] == dataset]
    expected = {row["rule"] for row in rows}.union(*(row["also"].split() for row in rows))
    wrong = [r for r in findings(dataset) if r["severity"] != "info" and r["rule"] not in expected]
    assert not wrong, [(r["rule"], r["image"], r["message"]) for r in wrong]


@pytest.mark.parametrize("dataset", SETS)
def test_no_image_is_called_wrong_without_a_flaw(dataset: str) -> None:
    """Findings about one image stand at an image that a row of flaws.csv names."""
    rows = [row for row in FLAWS if row["dataset"] == dataset]
    whole = {row["rule"] for row in rows if not row["image"]}
    named = {row["image"] for row in rows if row["image"]}
    implied = set().union(*(row["also"].split() for row in rows if not row["image"]))
    stray = [
        record
        for record in findings(dataset)
        if record["severity"] != "info"
        and record["image"] is not None
        and record["rule"] not in whole | implied
        and not named & {record["image"], *record["images"], (record["origin"] or {"file": ""})["file"]}
    ]
    assert not stray, [(r["rule"], r["image"], r["message"]) for r in stray]


@pytest.mark.parametrize("dataset", ["clean-voc.zip", "clean-coco.zip", "clean-yolo.zip"])
def test_clean_twin_is_clean(dataset: str) -> None:
    wrong = [(r["rule"], r["message"]) for r in findings(dataset) if r["severity"] != "info"]
    assert not wrong


def test_every_rule_has_a_planted_flaw() -> None:
    from dsq.registry import all_rules

    told = {row["rule"] for row in FLAWS}
    # rules that compare two sets have a story instead, below
    assert {rule.name for rule in all_rules().values() if "production" not in rule.needs} <= told
