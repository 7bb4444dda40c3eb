"""The audit engine: what becomes of a rule's table."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import msgspec
import pytest

import dsq
from dsq.model import Dataset
from dsq.registry import all_rules
from dsq.render.csv import render_csv
from dsq.render.json import render_json
from dsq.render.text import render_text
from dsq.report import FIELDS, finding_id


def flat(count: int, total: int) -> Dataset:
    """`total` images with one good box; the first `count` have a box without height too."""
    boxes: list[Any] = [(f"{n:03}.jpg", "cat", 50, 50, 100, 100) for n in range(total)]
    boxes += [(f"{n:03}.jpg", "cat", 5, 7, 30, 0) for n in range(count)]
    return dsq.build_dataset(boxes)


def test_fields_of_a_finding() -> None:
    data = dsq.build_dataset([{
        "file": "a.jpg", "category": "cat", "x": 5, "y": 7, "width": 30, "height": 0,
        "origin_file": "labels/a.txt", "origin_place": 3,
    }])  # fmt: skip
    report = dsq.audit(data, select=["degenerate-box"])
    assert list(report.findings.columns) == list(FIELDS)
    row = report.findings.iloc[0]
    assert (row["image"], row["images"], row["category"], row["box_id"]) == ("a.jpg", ["a.jpg"], "cat", 1)
    assert row["bbox"] == [5, 7, 30, 0]
    assert row["origin"]["file"] == "labels/a.txt"
    assert row["severity"] == "error" and row["rule"] == "degenerate-box"


def test_finding_id_hangs_on_content_alone() -> None:
    one = dsq.audit(flat(1, 5), select=["degenerate-box"]).findings
    other = dsq.audit(flat(3, 9), select=["degenerate-box"]).findings
    assert one["finding_id"].iloc[0] in set(other["finding_id"])
    assert other["finding_id"].is_unique
    assert all(len(key) == 16 and int(key, 16) >= 0 for key in other["finding_id"])


def test_finding_id_rounds_to_a_hundredth_of_a_pixel() -> None:
    same = finding_id("r", ["b", "a"], "cat", [1.001, 2, 3, 4], None)
    assert same == finding_id("r", ["a", "b"], "cat", [1.0, 2, 3, 4], None)
    assert same != finding_id("r", ["a", "b"], "cat", [1.02, 2, 3, 4], None)
    assert same != finding_id("r", ["a", "b"], "dog", [1.0, 2, 3, 4], None)
    assert finding_id("r", [], None, None, "set") != finding_id("s", [], None, None, "set")
    assert finding_id("r", ["a"], None, [-0.0, 0, 1, 1], None) == finding_id("r", ["a"], None, [0.0, 0, 1, 1], None)


def test_identical_twins_get_ids_of_their_own() -> None:
    data = dsq.build_dataset([("a.jpg", "cat", 5, 7, 30, 0)] * 3)
    found = dsq.audit(data, select=["degenerate-box"]).findings
    assert len(found) == 3 and found["finding_id"].is_unique


def test_a_finding_that_most_images_share_is_told_once() -> None:
    boxes = [(f"{n:03}.jpg", "cat", 50, 50, 5, 5) for n in range(40)]
    rule = {"tiny-box": {"min_side": 8}}
    few = dsq.audit(
        dsq.build_dataset(boxes, images=[f"x{n}.jpg" for n in range(60)]), select="tiny-box", thresholds=rule
    )
    most = dsq.audit(dsq.build_dataset(boxes), select="tiny-box", thresholds=rule)
    assert sum(record["image"] is not None for record in few.records) == 40
    assert not [record for record in most.records if record["image"]]
    assert any("40 of 40 images" in record["message"] for record in most.records)
    assert most.summary["stand_for"] == {"tiny-box": 40}


def test_errors_are_never_put_together() -> None:
    assert len(dsq.audit(flat(40, 40), select="degenerate-box").records) == 40


def test_what_was_not_given_is_not_checked() -> None:
    data = flat(0, 3).replace(images=flat(0, 3).images.assign(member=None))
    report = dsq.audit(data, select=["unreadable-image", "degenerate-box"])
    assert [item.rule for item in report.not_checked] == ["unreadable-image"]
    assert "--image-root" in report.not_checked[0].reason
    report = dsq.audit(flat(0, 3), select=["unreadable-image"], tables_only=True)
    assert "--tables-only" in report.not_checked[0].reason


@pytest.mark.parametrize(("fail_on", "failed"), [("error", True), ("warning", True), ("info", True), ("never", False)])
def test_failed(fail_on: str, failed: bool) -> None:
    assert dsq.audit(flat(1, 2), select="degenerate-box").failed(fail_on) is failed
    assert not dsq.audit(flat(0, 2), select="degenerate-box").failed(fail_on)


def test_json_is_the_stable_interface() -> None:
    report = dsq.audit(flat(2, 4))
    document = msgspec.json.decode(render_json(report))
    assert list(document) == ["version", "dataset", "findings", "not_checked", "summary"]
    assert document["version"] == 1
    assert set(document["dataset"]) >= {"format", "root", "counts"}
    assert all(set(row) == set(FIELDS) for row in document["findings"])
    assert document["summary"]["error"] == 2
    assert render_json(dsq.audit(flat(2, 4))) == render_json(report)


def test_csv_holds_no_formula() -> None:
    data = dsq.build_dataset([("=cmd|' /C calc'!A0.jpg", "@SUM(A1)", 5, 5, 0, 5)])
    rows = list(csv.DictReader(io.StringIO(render_csv(dsq.audit(data, select="degenerate-box")))))
    assert rows[0]["image"].startswith("'=") and rows[0]["category"].startswith("'@")
    assert json.loads(rows[0]["bbox"]) == [5, 5, 0, 5]


def test_text_has_the_sections_and_stays_short() -> None:
    text = render_text(dsq.audit(flat(40, 50), tables_only=True))
    assert "MUST FIX" in text and "NOT CHECKED" in text and "+37" in text
    assert text.count("degenerate-box") <= 2
    assert len(text.splitlines()) < 40
    assert len(render_text(dsq.audit(flat(40, 50), tables_only=True), show_all=True).splitlines()) > 40


def test_text_shows_hostile_names_as_text() -> None:
    data = dsq.build_dataset([("a\x1b[2Jb\x07\n.jpg", "cat", 5, 5, 0, 5)])
    text = render_text(dsq.audit(data, select="degenerate-box"))
    assert "\x1b" not in text and "\x07" not in text and "\\x1b" in text


def test_a_report_shows_itself() -> None:
    report = dsq.audit(flat(1, 2), select="degenerate-box")
    data = dsq.build_dataset([("<script>.jpg", "<b>", 5, 5, 0, 5)])
    assert "1 error" in repr(report)
    assert "<script>" not in dsq.audit(data, select="degenerate-box")._repr_html_()
    assert "<script>" not in data._repr_html_()


def test_every_rule_is_in_a_group_of_its_module() -> None:
    groups = {rule.group for rule in all_rules().values()}
    assert groups >= {"files", "boxes", "labels", "classes", "splits"}
