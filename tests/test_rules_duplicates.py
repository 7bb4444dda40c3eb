"""Rules about pictures that are there more than once."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import dsq
from dsq.model import Dataset
from dsq.scan import Scan

PAIR = [("a.jpg", "b.jpg", "exact")]
MIRRORED = {"orientation": 1, "m00": -1.0, "m02": 1.0}


def tell(data: Dataset, pairs: Any, rule: str, **thresholds: Any) -> list[dict[str, Any]]:
    return dsq.audit(Scan(data, duplicates=pairs), select=[rule], thresholds={rule: thresholds}).records


def messages(data: Dataset, pairs: Any, rule: str, **thresholds: Any) -> list[str]:
    return [record["message"] for record in tell(data, pairs, rule, **thresholds)]


def pictures(count: int, **columns: Any) -> Dataset:
    return dsq.build_dataset(images=[{"file": f"{n:03}.jpg", **columns} for n in range(count)])


def labelled(first: list[tuple[Any, ...]], second: list[tuple[Any, ...]], **kinds: Any) -> Dataset:
    """Two pictures, a.jpg and b.jpg, with these boxes: (class, x, y, width, height)."""
    boxes = [("a.jpg", *box) for box in first] + [("b.jpg", *box) for box in second]
    return dsq.build_dataset(boxes, images=[{"file": "a.jpg"}, {"file": "b.jpg", **kinds}], classes=["cat", "dog"])


CAT = ("cat", 100, 100, 200, 100)


class TestExact:
    def test_a_group_is_one_finding(self) -> None:
        pairs = [("000.jpg", "001.jpg", "exact"), ("001.jpg", "002.jpg", "exact"), ("003.jpg", "004.jpg", "near")]
        (found,) = tell(pictures(5), pairs, "exact-duplicate")
        assert found["images"] == ["000.jpg", "001.jpg", "002.jpg"]
        assert (found["severity"], found["group"], found["value"]) == ("warning", "000.jpg", 3)
        assert found["message"] == "the same file 3 times: keep one"

    def test_a_labelled_one_is_kept(self) -> None:
        data = labelled([CAT], [], label_state="unlabelled")
        assert messages(data, PAIR, "exact-duplicate") == ["the same file 2 times: keep a labelled one"]
        assert not tell(data, PAIR, "conflicting-duplicates")

    def test_two_records_of_one_file_are_no_copies(self) -> None:
        data = dsq.build_dataset(images=[{"file": "a.jpg"}, {"file": "b.jpg", "member": "a.jpg"}])
        for rule in ("exact-duplicate", "near-duplicate", "conflicting-duplicates"):
            assert not tell(data, PAIR, rule)

    def test_two_splits_are_for_leakage(self) -> None:
        images = [{"file": "a.jpg", "split": "train"}, {"file": "b.jpg", "split": "val"}]
        data = dsq.build_dataset(images=images)
        assert not tell(data, PAIR, "exact-duplicate")
        assert len(tell(data, PAIR, "leakage")) == 1

    def test_broken_files_are_left_to_their_rule(self) -> None:
        data = labelled([CAT], [CAT])
        scan = Scan(data, pixels={"b.jpg": {"error": "truncated"}}, duplicates=PAIR)
        assert not dsq.audit(scan, select="exact-duplicate").records


class TestConflicts:
    @pytest.mark.parametrize(
        ("box", "what"),
        [
            (("cat", 100, 100, 175, 100), "cat: right edge at 300 against 275 (IoU 0.88)"),
            (("cat", 100, 110, 200, 90), "cat: top edge at 100 against 110 (IoU 0.90)"),
            (("dog", 100, 100, 200, 100), "cat against dog"),
            (("dog", 100, 100, 175, 100), "cat against dog, cat: right edge at 300 against 275 (IoU 0.88)"),
            (("cat", 400, 300, 100, 100), "1 of 1 boxes elsewhere"),
        ],
    )
    def test_what_differs_is_said(self, box: tuple[Any, ...], what: str) -> None:
        data = labelled([CAT], [box])
        (found,) = tell(data, PAIR, "conflicting-duplicates")
        assert found["message"] == f"same pixels, {what}"
        assert (found["severity"], found["confidence"]) == ("warning", "high")
        assert not tell(data, PAIR, "exact-duplicate")

    @pytest.mark.parametrize("box", [("cat", 101, 99, 200, 100), ("cat", 100, 100, 194, 100), CAT])
    def test_small_differences_are_none(self, box: tuple[Any, ...]) -> None:
        data = labelled([CAT], [box])
        assert not tell(data, PAIR, "conflicting-duplicates")
        assert len(tell(data, PAIR, "exact-duplicate")) == 1

    def test_small_boxes_have_a_slack(self) -> None:
        data = labelled([("cat", 10, 10, 8, 8)], [("cat", 12, 10, 8, 8)])
        assert not tell(data, PAIR, "conflicting-duplicates")
        assert len(tell(data, PAIR, "conflicting-duplicates", slack=1)) == 1

    def test_a_box_more(self) -> None:
        other = ("dog", 400, 300, 100, 100)
        assert messages(labelled([CAT], [CAT, other]), PAIR, "conflicting-duplicates") == [
            "same pixels, 1 box against 2"
        ]
        assert messages(labelled([CAT], []), PAIR, "conflicting-duplicates") == ["same pixels, 1 box against none"]

    def test_identical_boxes_pair_up(self) -> None:
        assert not tell(labelled([CAT, CAT], [CAT, CAT]), PAIR, "conflicting-duplicates")

    def test_crowds_take_no_part(self) -> None:
        data = labelled([CAT], [CAT])
        crowd = {"file": "a.jpg", "category": "cat", "x": 0, "y": 0, "width": 600, "height": 400, "crowd": True}
        data = dsq.build_dataset([("a.jpg", *CAT), ("b.jpg", *CAT), crowd])
        assert not tell(data, PAIR, "conflicting-duplicates")

    def test_near_copies_are_laid_on_each_other(self) -> None:
        half = [("a.jpg", "b.jpg", "near", {"m00": 1.25, "m02": -0.125, "m11": 1.25, "m12": -0.125})]
        moved = ("cat", 45, 65, 250, 125)
        assert not tell(labelled([CAT], [moved]), half, "conflicting-duplicates")
        (found,) = tell(labelled([CAT], [("dog", 45, 65, 250, 125)]), half, "conflicting-duplicates")
        assert found["message"] == "near copies, cat against dog"
        assert (found["severity"], found["confidence"]) == ("info", "medium")

    def test_boxes_that_stayed_behind_are_told_elsewhere(self) -> None:
        mirrored = [("a.jpg", "b.jpg", "near", MIRRORED)]
        data = labelled([CAT], [CAT])
        assert not tell(data, mirrored, "conflicting-duplicates")
        assert len(tell(data, mirrored, "untransformed-boxes")) == 1
        assert len(tell(labelled([CAT], [("dog", 340, 100, 200, 100)]), mirrored, "conflicting-duplicates")) == 1

    def test_boxes_in_fractions_are_compared(self) -> None:
        boxes = [("a.jpg", "cat", 0.1, 0.1, 0.5, 0.5), ("b.jpg", "cat", 0.1, 0.1, 0.3, 0.5)]
        images = [{"file": name, "unit": "relative"} for name in ("a.jpg", "b.jpg")]
        data = dsq.build_dataset(boxes, images=images, size=None)
        assert messages(data, PAIR, "conflicting-duplicates") == ["same pixels, cat (IoU 0.60)"]

    def test_too_many_boxes_to_compare(self) -> None:
        boxes = [(name, "cat", n % 600, n // 600, 4, 4) for name in ("a.jpg", "b.jpg") for n in range(1001)]
        assert not tell(dsq.build_dataset(boxes), PAIR, "conflicting-duplicates")

    def test_frames_may_differ(self) -> None:
        names = [f"cam_{n}.jpg" for n in range(6)]
        data = dsq.build_dataset([(name, "cat", 80 * n, 10, 70, 70) for n, name in enumerate(names)])
        pairs = [(one, other, "near") for one, other in pairwise(names)]
        assert not tell(data, pairs, "conflicting-duplicates")
        assert not tell(data, pairs, "near-duplicate")
        assert len(tell(data, pairs, "sequence-frames")) == 1


class TestNear:
    def test_how_the_copy_was_made(self) -> None:
        images = [{"file": f"{name}.jpg"} for name in "abcdefgh"]
        images[1] |= {"width": 320, "height": 240}
        data = dsq.build_dataset(images=images)
        pairs = [
            ("a.jpg", "b.jpg", "near"),
            ("c.jpg", "d.jpg", "near", {"agreement": 0.93}),
            ("e.jpg", "f.jpg", "near", MIRRORED),
            ("g.jpg", "h.jpg", "near", {"m00": 1.1}),
        ]
        found = tell(data, pairs, "near-duplicate")
        assert len(data) == 8 and len(found) == 4
        assert [record["message"].split(", ")[1] for record in found] == [
            "resized: keep one",
            "slightly changed: keep one",
            "mirrored or turned: keep one",
            "cut or shifted: keep one",
        ]
        assert found[1]["value"] == 0.93
        assert {(record["severity"], record["confidence"]) for record in found} == {("info", "medium")}

    def test_most_images_is_one_line(self) -> None:
        pairs = [(f"{n:03}.jpg", f"{n + 10:03}.jpg", "near") for n in range(6)]
        assert messages(pictures(20), pairs, "near-duplicate") == [
            "12 of 20 images are near copies of each other, in 6 groups"
        ]
        assert len(tell(pictures(24), pairs, "near-duplicate")) == 6

    def test_versions_are_one_line(self) -> None:
        names = [f"sea_jpg.rf.{n}.jpg" for n in "123"] + ["boat_jpg.rf.1.jpg", "boat.jpg", "boat_flip.jpg"]
        data = dsq.build_dataset(images=names)
        pairs = [(names[0], names[1], "near"), (names[1], names[2], "exact"), (names[4], names[5], "near", MIRRORED)]
        (found,) = tell(data, pairs, "near-duplicate")
        assert found["message"].startswith("5 images are versions of 2 pictures, by name and pixels")

    def test_an_exact_copy_and_a_near_one(self) -> None:
        pairs = [("000.jpg", "001.jpg", "exact"), ("000.jpg", "002.jpg", "near"), ("001.jpg", "002.jpg", "near")]
        (found,) = tell(pictures(12), pairs, "near-duplicate")
        assert found["images"] == ["000.jpg", "001.jpg", "002.jpg"]


class TestScenes:
    def test_hint_of_low_confidence(self) -> None:
        pairs = [("000.jpg", "001.jpg", "same-scene", {"agreement": 0.7}), ("002.jpg", "003.jpg", "near")]
        (found,) = tell(pictures(12), pairs, "same-scene")
        assert (found["images"], found["value"]) == (["000.jpg", "001.jpg"], 0.7)
        assert (found["severity"], found["confidence"]) == ("info", "low")

    def test_near_copies_of_one_group_are_not_told_again(self) -> None:
        pairs = [
            ("000.jpg", "001.jpg", "near"),
            ("001.jpg", "002.jpg", "near"),
            ("000.jpg", "002.jpg", "same-scene"),
        ]
        assert not tell(pictures(12), pairs, "same-scene")

    def test_a_backdrop_is_one_line(self) -> None:
        pairs = [("000.jpg", f"{n:03}.jpg", "same-scene") for n in (2, 5, 8, 11, 14, 17)]
        (told,) = messages(pictures(13), pairs[:4], "same-scene")[:1]
        assert told == "5 images seem to show one scene"
        files = [f"{name}.jpg" for name in "acegikmoqsuw"]
        data = dsq.build_dataset(images=files)
        told = messages(data, [(files[0], name, "same-scene") for name in files[1:8]], "same-scene")[0]
        assert told.startswith("8 of 12 images share a scene with another, in 1 group:")


class TestVariety:
    def test_how_many_pictures_differ(self) -> None:
        pairs = [(f"{n:03}.jpg", f"{n + 1:03}.jpg", "near") for n in range(0, 30, 3)]
        pairs += [(f"{n:03}.jpg", f"{n + 2:03}.jpg", "exact") for n in range(0, 30, 3)]
        (told,) = messages(pictures(30), pairs, "low-variance")
        assert told == "30 images show 10 different pictures: dsq subset --diverse 10 keeps the most different"
        assert not tell(pictures(30), pairs[:4], "low-variance")
        assert len(tell(pictures(30), pairs[:4], "low-variance", max_share=0.9)) == 1
        assert not tell(pictures(19), [("000.jpg", f"{n:03}.jpg", "near") for n in range(1, 19)], "low-variance")

    def test_augmentation_alone_is_meant(self) -> None:
        names = [f"{source}_jpg.rf.{n}.jpg" for source in range(30) for n in range(3)]
        data = dsq.build_dataset(images=names)
        versions = [(names[n], names[n + 1], "near") for n in range(89) if n % 3 < 2]
        assert not tell(data, versions, "low-variance")
        copies = [(names[0], names[3 * n], "near") for n in range(1, 20)]
        (told,) = messages(data, versions + copies, "low-variance")
        assert told.startswith("90 images of 30 sources show 11 different pictures: dsq subset --diverse 11")

    def test_a_short_run_is_no_sequence(self) -> None:
        def run(count: int) -> Any:
            return [(f"{n:03}.jpg", f"{n + 1:03}.jpg", "same-scene") for n in range(count - 1)]

        assert not tell(pictures(12), run(4), "sequence-frames")
        assert len(tell(pictures(12), run(5), "sequence-frames")) == 1
        assert not tell(pictures(12), run(5), "sequence-frames", min_frames=6)
        (told,) = messages(pictures(12), run(9), "sequence-frames")
        assert told == "9 of 12 images are frames of sequences (1 group): keep every few, split by sequence"

    @pytest.mark.parametrize(
        ("cameras", "times", "told"),
        [
            (["One"], [f"2024:05:{n:02} 10:00:00" for n in range(1, 21)], "one camera (One): a model may learn the"),
            (["One", "Two"], ["2024:05:01 10:59:00"], "one hour (2024-05-01 10:00): a model may learn the hour"),
            (["One", "Two"], [f"2024:05:01 {n:02}:00:00" for n in range(20)], "one day (2024-05-01): a model"),
            (["One", "Two"], [f"2024:05:{n:02} 10:00:00" for n in range(1, 21)], ""),
            ([None], [None], ""),
            (["One"] * 9 + [None] * 11, [None], ""),
        ],
    )
    def test_what_exif_has_in_common(self, cameras: list[Any], times: list[Any], told: str) -> None:
        data = pictures(20)
        pixels = {
            f"{n:03}.jpg": {"camera": cameras[n % len(cameras)], "taken": times[n % len(times)]} for n in range(20)
        }
        found = dsq.audit(Scan(data, pixels=pixels), select="single-condition").messages()
        assert len(found) == bool(told)
        assert not told or found[0].startswith(told)

    def test_one_scene(self) -> None:
        data = pictures(24)
        pairs = [("000.jpg", f"{n:03}.jpg", "same-scene") for n in range(1, 24)]
        assert messages(data, pairs, "single-condition") == [
            "one scene in 24 of 24 images: a model may learn the scene, not the objects"
        ]
        assert not messages(data, pairs[:20], "single-condition")
        assert not messages(data, [(*pair[:2], "near") for pair in pairs], "single-condition")


def test_without_files_nothing_is_checked() -> None:
    report = dsq.audit(dsq.build_dataset(images=["a.jpg"]), select="duplicates")
    assert not report.records
    assert {item.rule for item in report.not_checked} >= {"exact-duplicate", "near-duplicate", "same-scene"}


@pytest.fixture(scope="module")
def raccoon(shared_data: Path) -> Scan:
    return Scan(dsq.read(shared_data / "raccoon"))


def stems(files: list[str]) -> set[str]:
    return {Path(file).stem.removeprefix("raccoon-") for file in files}


class TestRealSets:
    EXACT = ({"11", "116"}, {"120", "83"}, {"52", "74"}, {"65", "98"})

    def test_raccoon_has_four_exact_pairs(self, raccoon: Scan) -> None:
        pairs = raccoon.duplicates[(raccoon.duplicates["kind"] == "exact").to_numpy()]
        files = raccoon.image_files
        found = [stems([files[a], files[b]]) for a, b in zip(pairs["first"], pairs["second"], strict=True)]
        assert sorted(map(sorted, found)) == sorted(map(sorted, self.EXACT))

    def test_raccoon_has_four_conflicts(self, raccoon: Scan) -> None:
        report = dsq.audit(raccoon, select=["duplicates"])
        found = [r for r in report.records if r["rule"] == "conflicting-duplicates"]
        assert sorted(sorted(stems(r["images"])) for r in found) == sorted(map(sorted, self.EXACT))
        assert {r["severity"] for r in found} == {"warning"}
        assert any("right edge at 461 against 436" in r["message"] for r in found)
        assert not [r for r in report.records if r["rule"] == "exact-duplicate"]

    def test_raccoon_has_near_copies(self, raccoon: Scan) -> None:
        found = dsq.audit(raccoon, select=["near-duplicate"]).records
        groups = [stems(record["images"]) for record in found]
        assert {"21", "45"} in groups
        assert any({"50", "52"} <= group or {"50", "74"} <= group for group in groups)
        assert len(groups) <= 4

    def test_ships_are_versions(self, shared_data: Path) -> None:
        report = dsq.audit(dsq.read(shared_data / "ships-yolov8"), select=["duplicates", "leakage", "val-like-train"])
        by_rule: dict[str, list[dict[str, Any]]] = {}
        for record in report.records:
            by_rule.setdefault(record["rule"], []).append(record)
        assert len(by_rule["exact-duplicate"]) == 3
        assert [record["message"] for record in by_rule["near-duplicate"] if "versions" in record["message"]]
        assert len(by_rule["near-duplicate"]) <= 5
        assert not by_rule.get("val-like-train")

    def test_pens_on_paper(self, shared_data: Path) -> None:
        found = dsq.audit(dsq.read(shared_data / "pen-zip"), select=["near-duplicate"]).records
        groups = [{Path(file).stem for file in record["images"]} for record in found]
        assert {"Image_1", "Image_28"} in groups

    @pytest.mark.parametrize("name", ["coco-tiny", "traffic-ground", "aerial-cars"])
    def test_other_sets_are_quiet(self, name: str, shared_data: Path) -> None:
        report = dsq.audit(dsq.read(shared_data / name), select=["duplicates", "leakage", "val-like-train"])
        assert not [record for record in report.records if record["severity"] != "info"]

    def test_blood_cells_leak(self, shared_data: Path) -> None:
        """Looked at by eye: shots of the same cells, a little apart, in different splits."""
        found = dsq.audit(dsq.read(shared_data / "bccd" / "BCCD"), select=["leakage"]).records
        pairs = [sorted(Path(file).stem[-3:] for file in record["images"]) for record in found]
        known = [["037", "038"], ["204", "277"], ["227", "260"], ["229", "258"], ["230", "257"]]
        assert [pair for pair in known if pair in pairs] == known
        assert len(pairs) <= 8
