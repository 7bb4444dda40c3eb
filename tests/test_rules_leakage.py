"""Rules about pictures of one split that another split has already."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import dsq
from dsq.model import Dataset
from dsq.scan import Scan


def splits(**files: list[str]) -> Dataset:
    return dsq.build_dataset(
        images=[{"file": file, "split": None if split == "none" else split} for split in files for file in files[split]]
    )


def tell(data: Dataset, pairs: Any, rule: str, **thresholds: Any) -> list[dict[str, Any]]:
    return dsq.audit(Scan(data, duplicates=pairs), select=[rule], thresholds={rule: thresholds}).records


class TestLeakage:
    def test_copies_in_two_splits(self) -> None:
        data = splits(train=["a.jpg", "b.jpg", "e.jpg"], val=["c.jpg", "f.jpg"], test=["d.jpg"], none=["g.jpg"])
        pairs = [
            ("a.jpg", "b.jpg", "exact"),
            ("b.jpg", "c.jpg", "near"),
            ("c.jpg", "d.jpg", "near"),
            ("e.jpg", "f.jpg", "exact"),
            ("f.jpg", "g.jpg", "exact"),
        ]
        found = tell(data, pairs, "leakage")
        assert [record["message"] for record in found] == [
            "copies of one picture in train, val and test: the score is inflated",
            "the same file in train and val: the score is inflated",
        ]
        assert [record["images"] for record in found] == [["a.jpg", "c.jpg", "d.jpg", "b.jpg"], ["e.jpg", "f.jpg"]]
        assert [record["group"] for record in found] == ["a.jpg", "e.jpg"]
        assert {record["severity"] for record in found} == {"error"}
        for rule in ("exact-duplicate", "near-duplicate"):
            assert not tell(data, pairs, rule)

    def test_copies_in_one_split_or_none_are_no_leak(self) -> None:
        data = splits(train=["a.jpg", "b.jpg"], val=["c.jpg"], none=["d.jpg"])
        assert not tell(data, [("a.jpg", "b.jpg", "exact"), ("c.jpg", "d.jpg", "exact")], "leakage")

    def test_what_names_prove_is_told_once(self) -> None:
        names = ["t/crossing-northgate_jpg.rf.1.jpg", "v/crossing-northgate_jpg.rf.2.jpg"]
        data = splits(train=[names[0], "t/x.jpg"], val=[names[1]])
        pairs = [(*names, "near")]
        assert not tell(data, pairs, "leakage")
        assert len(tell(data, pairs, "same-source-in-two-splits")) == 1
        more = [*pairs, (names[1], "t/x.jpg", "near")]
        assert len(tell(data, more, "leakage")) == 1

    def test_what_names_only_hint_at_is_told_by_pixels(self) -> None:
        for names in (
            ["t/0001_jpg.rf.1.jpg", "v/0001_jpg.rf.2.jpg"],
            ["t/road.jpg", "v/road_hflip.jpg"],
            ["t/20240501_101500123.jpg", "v/20240501_101500123.jpg"],
        ):
            data = splits(train=[names[0]], val=[names[1]])
            assert len(tell(data, [(*names, "near")], "leakage")) == 1
            assert not tell(data, [(*names, "near")], "same-source-in-two-splits")
            assert not tell(data, [], "leakage")
            assert len(tell(data, [], "same-source-in-two-splits")) == 1

    def test_two_records_of_one_file(self) -> None:
        images = [{"file": "a.jpg", "split": "train"}, {"file": "b.jpg", "member": "a.jpg", "split": "val"}]
        assert not tell(dsq.build_dataset(images=images), [("a.jpg", "b.jpg", "exact")], "leakage")

    def test_one_scene_is_a_hint(self) -> None:
        data = splits(train=["a.jpg", "b.jpg"], val=["c.jpg", "d.jpg"])
        pairs = [("a.jpg", "c.jpg", "same-scene"), ("a.jpg", "b.jpg", "same-scene"), ("c.jpg", "d.jpg", "near")]
        (found,) = tell(data, pairs, "leakage")
        assert found["message"] == "one scene in train and val, it seems"
        assert (found["severity"], found["confidence"], found["images"]) == ("info", "low", ["a.jpg", "c.jpg"])
        assert [record["images"] for record in tell(data, pairs, "same-scene")] == [["a.jpg", "b.jpg"]]

    def test_without_splits(self) -> None:
        assert not tell(splits(none=["a.jpg", "b.jpg"]), [("a.jpg", "b.jpg", "exact")], "leakage")
        assert not tell(splits(train=["a.jpg", "b.jpg"]), [("a.jpg", "b.jpg", "exact")], "leakage")


class TestValLikeTrain:
    def test_frames_dealt_out_at_random(self) -> None:
        names = [f"walk_{n:03}.jpg" for n in range(40)]
        data = splits(train=[n for k, n in enumerate(names) if k % 4], val=names[::4])
        pairs = [(one, other, "same-scene") for one, other in pairwise(names)]
        (found,) = tell(data, pairs, "val-like-train")
        assert found["message"].startswith("10 of 10 images in val have a neighbour in train")
        assert (found["severity"], found["confidence"]) == ("warning", "medium")
        assert not tell(data, pairs, "leakage")
        assert not tell(data, pairs, "val-like-train", min_images=11)

    def test_half_is_enough_and_less_is_not(self) -> None:
        data = splits(train=["t.jpg"], val=[f"{name}.jpg" for name in "abcdefghij"])
        pairs = [(f"{name}.jpg", "t.jpg", "same-scene") for name in "abcde"]
        assert len(tell(data, pairs, "val-like-train")) == 1
        assert not tell(data, pairs[:4], "val-like-train")
        assert len(tell(data, pairs[:4], "val-like-train", min_share=0.4)) == 1
        assert [record["rule"] for record in tell(data, pairs[:4], "leakage")] == ["leakage"]

    def test_copies_are_leaks_and_not_neighbours(self) -> None:
        names = [f"{name}.jpg" for name in "abcdefghij"]
        data = splits(train=["t.jpg"], val=names)
        pairs = [(name, "t.jpg", "near") for name in names]
        assert not tell(data, pairs, "val-like-train")
        assert len(tell(data, pairs, "leakage")) == 1

    def test_test_is_judged_too_and_other_names_are_not(self) -> None:
        names = [f"{name}.jpg" for name in "abcdefghij"]
        pairs = [(name, "t.jpg", "same-scene") for name in names]
        assert len(tell(splits(train=["t.jpg"], test=names), pairs, "val-like-train")) == 1
        assert not tell(splits(train=["t.jpg"], extra=names), pairs, "val-like-train")
        assert not tell(splits(extra=["t.jpg"], val=names), pairs, "val-like-train")


def test_one_image_of_each_split_comes_first() -> None:
    images = [{"file": f"{n}.jpg", "split": "val" if n == 7 else "train"} for n in range(9)]
    pairs = [("0.jpg", f"{n}.jpg", "exact") for n in range(1, 9)]
    scan = Scan(dsq.build_dataset(images=images), duplicates=pairs)
    (found,) = dsq.audit(scan, select=["leakage"]).records
    assert found["images"][:3] == ["0.jpg", "7.jpg", "1.jpg"] and len(found["images"]) == 9
