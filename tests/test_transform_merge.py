"""Merging: classes by name, files by distinct names, identical images once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from small_sets import datasets, said, shuffled

import dsq
from dsq.errors import ConfigError
from dsq.formats.naming import place_key
from dsq.model import About, Notice
from dsq.transform.merge import merge
from dsq.transform.resize import resize
from dsq.transform.suggest import suggest_names

Rows = list[tuple[str, str, float, float, float, float]]


def named(name: str, boxes: Rows, format: str = "voc", **options: Any) -> dsq.Dataset:
    data = dsq.build_dataset(boxes, about=About(format=format), **options)
    return data.replace(images=data.images.assign(source=name, root=f"/{name}.zip", origin_file="x.txt"))


def cats(name: str, box: float = 10, **options: Any) -> dsq.Dataset:
    return named(name, [("images/1.jpg", "cat", 1, 1, box, 10), ("images/2.jpg", "cat", 1, 1, 20, 10)], **options)


def rows(data: dsq.Dataset) -> list[tuple[str, str, float]]:
    names = dict(zip(data.categories["category_id"], data.categories["name"], strict=True))
    files = dict(zip(data.images["image_id"], data.images["file"], strict=True))
    return [(files[b.image_id], names[b.category_id], b.width) for b in data.boxes.itertuples()]


def test_classes_unite_by_name_in_order_of_appearance() -> None:
    a = named("a", [("1.jpg", "dog", 0, 0, 5, 5), ("1.jpg", "cat", 0, 0, 6, 6)], classes=["dog", "cat"])
    b = named("b", [("2.jpg", "cat", 0, 0, 7, 7), ("2.jpg", "ant", 0, 0, 8, 8)], classes=["ant", "cat"])
    done = merge([a, b])
    assert done.dataset.categories["name"].tolist() == ["dog", "cat", "ant"]
    assert rows(done.dataset) == [("1.jpg", "dog", 5), ("1.jpg", "cat", 6), ("2.jpg", "cat", 7), ("2.jpg", "ant", 8)]
    for table, key in ((done.dataset.images, "image_id"), (done.dataset.boxes, "box_id")):
        assert table[key].tolist() == list(range(1, len(table) + 1))


def test_mapping_is_applied_and_a_wrong_one_refused() -> None:
    a, b = cats("a"), named("b", [("3.jpg", "puss", 0, 0, 5, 5), ("3.jpg", "rat", 0, 0, 9, 9)])
    done = merge([a, b], mapping={"puss": "cat", "rat": None})
    assert done.dataset.categories["name"].tolist() == ["cat"]
    assert len(done.dataset.boxes) == 3
    with pytest.raises(ConfigError, match="puss"):
        merge([a, b], mapping={"pus": "cat"})


def test_taken_names_get_the_source_in_front() -> None:
    done = merge([cats("first"), cats("my set"), cats("third")])
    assert done.dataset.images["file"].tolist() == [
        "images/1.jpg", "images/2.jpg", "images/my_set_1.jpg", "images/my_set_2.jpg", "images/third_1.jpg",
        "images/third_2.jpg",
    ]  # fmt: skip
    assert done.renamed["images/my_set_1.jpg"] == "images/1.jpg"
    assert done.dataset.images["member"].tolist() == ["images/1.jpg", "images/2.jpg"] * 3
    assert done.provenance["source_file"].tolist() == ["images/1.jpg", "images/2.jpg"] * 3
    assert done.provenance["source"].tolist() == ["first"] * 2 + ["my set"] * 2 + ["third"] * 2


@pytest.mark.parametrize(
    ("one", "two", "collide"),
    [
        ("images/train/a.jpg", "JPEGImages/a.jpg", True),
        ("a.jpg", "A.PNG", True),
        ("cam1/a.jpg", "cam2/a.jpg", False),
        ("train/a.jpg", "valid/a.jpg", True),
        ("a.jpg", "a.v2.jpg", False),
    ],
)
def test_what_collides(one: str, two: str, collide: bool) -> None:
    done = merge([named("x", [(one, "c", 0, 0, 5, 5)]), named("y", [(two, "c", 0, 0, 5, 5)])])
    assert bool(done.renamed) == collide
    assert len({place_key(file) for file in done.dataset.images["file"]}) == 2


def test_a_prefixed_name_that_is_taken_is_numbered() -> None:
    a = named("a", [("1.jpg", "c", 0, 0, 5, 5), ("b_1.jpg", "c", 0, 0, 5, 5)])
    done = merge([a, named("b", [("1.jpg", "c", 0, 0, 5, 5)])])
    assert done.dataset.images["file"].tolist() == ["1.jpg", "b_1.jpg", "b_1_2.jpg"]


def test_sources_of_one_name_are_told_apart() -> None:
    done = merge([cats("set"), cats("set"), cats("set")])
    assert done.dataset.images["source"].astype(str).unique().tolist() == ["set", "set-2", "set-3"]
    given_names = merge([cats("set"), cats("set")], names=["north", "south"])
    assert given_names.provenance["source"].tolist() == ["north"] * 2 + ["south"] * 2


@pytest.mark.parametrize("options", [{"names": ["one"]}, {"names": ["a", ""]}, {"mapping": {"x": "y"}}])
def test_wrong_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        merge([cats("a"), cats("b")], **options)
    with pytest.raises(ConfigError):
        merge([])


def twins(first: str = "same", second: str = "same") -> dict[tuple[str, str], str]:
    return {("/a.zip", "images/1.jpg"): first, ("/b.zip", "images/1.jpg"): second}


def test_identical_images_become_one_with_the_boxes_of_both() -> None:
    b = named("b", [("images/1.jpg", "cat", 1.004, 1, 10, 10), ("images/1.jpg", "dog", 30, 30, 9, 9)])
    done = merge([cats("a"), b], hashes=twins())
    assert done.united == 1 and done.same_boxes == 1
    assert done.dataset.images["file"].tolist() == ["images/1.jpg", "images/2.jpg"]
    assert rows(done.dataset) == [("images/1.jpg", "cat", 10), ("images/2.jpg", "cat", 20), ("images/1.jpg", "dog", 9)]
    assert len(done.conflicts) == 0  # a does not know dogs
    assert done.provenance["boxes_from"].fillna("").tolist() == ["a;b", "a", ""]
    assert done.provenance["sha256"].tolist()[0] == "same"
    assert not done.renamed


def test_other_boxes_of_one_class_are_a_conflict_and_are_kept() -> None:
    done = merge([cats("a"), cats("b", box=14)], hashes=twins())
    assert done.conflicts.to_dict("records") == [
        {
            "kind": "boxes-differ", "file": "images/1.jpg", "first": "a", "second": "b",
            "copy": "images/1.jpg",
            "what": "boxes in the first alone: 1, in the second alone: 1; all were kept",
        }
    ]  # fmt: skip
    assert len(done.dataset.boxes) == 4


def on_one_image(name: str, *boxes: tuple[str, float, float, float, float], **more: Any) -> dsq.Dataset:
    """A set whose only image is the one that `twins` says is the same in a and b."""
    rows = [
        {"file": "images/1.jpg", "category": label, "x": x, "y": y, "width": width, "height": height, **more}
        for label, x, y, width, height in boxes
    ]
    return named(name, rows)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("other", "iou"),
    [
        ((41, 39, 100, 80), "0.96"), ((40, 40, 95, 72), "0.85"),  # at least 0.8
        ((11, 11, 9, 9), "0.81"), ((9, 9, 10, 10), "0.68"), ((11.5, 10, 10, 10), "0.74"),  # an edge is a pixel off
    ],
)  # fmt: skip
def test_a_box_drawn_a_little_otherwise_is_taken_once(other: tuple[float, ...], iou: str) -> None:
    mine = (40, 40, 100, 80) if other[2] > 50 else (10, 10, 10, 10)
    a, b = on_one_image("a", ("cat", *mine)), on_one_image("b", ("cat", *other))  # type: ignore[arg-type]
    for first, second in ((a, b), (b, a)):
        done = merge([first, second], hashes=twins())
        kept = done.dataset.boxes[["x", "y", "width", "height"]].to_numpy().tolist()
        assert kept == first.boxes[["x", "y", "width", "height"]].to_numpy().tolist()
        (conflict,) = done.conflicts.to_dict("records")
        assert conflict["kind"] == "box-differs" and f"IoU {iou}" in conflict["what"]
        assert all(f"{side:g}" in conflict["what"] for side in (*mine, *other))
        assert done.same_boxes == 1


@pytest.mark.parametrize("other", [(48, 40, 100, 95), (12, 10, 9, 10), (10, 10, 14, 10), (13, 10, 10, 10)])
def test_boxes_that_overlap_less_are_both_kept(other: tuple[float, ...]) -> None:
    mine = (40, 40, 100, 80) if other[2] > 50 else (10, 10, 10, 10)
    sets = [on_one_image("a", ("cat", *mine)), on_one_image("b", ("cat", *other))]  # type: ignore[arg-type]
    done = merge(sets, hashes=twins())
    assert len(done.dataset.boxes) == 2
    assert done.conflicts["kind"].tolist() == ["boxes-differ"]


def test_neighbours_are_paired_one_by_one() -> None:
    mine = [("cat", 10.0, 10.0, 20.0, 20.0), ("cat", 11.0, 10.0, 20.0, 20.0)]
    a, b = on_one_image("a", *mine), on_one_image("b", ("cat", 10.5, 10, 20, 20))
    assert len(merge([a, b], hashes=twins()).dataset.boxes) == 2
    back = merge([b, a], hashes=twins())
    assert back.dataset.boxes["x"].tolist() == [10.5, 11.0]  # one of a's is b's, the other is another object
    assert back.conflicts["kind"].tolist() == ["box-differs", "boxes-differ"]


def test_two_class_names_at_one_place_are_a_conflict() -> None:
    a, b = on_one_image("a", ("cat", 10, 10, 50, 50)), on_one_image("b", ("dog", 11, 10, 50, 50))
    done = merge([a, b], hashes=twins())
    (conflict,) = done.conflicts.to_dict("records")
    assert conflict["kind"] == "class-differs"
    assert "cat" in conflict["what"] and "dog" in conflict["what"] and "both were kept" in conflict["what"]
    assert len(done.dataset.boxes) == 2
    both = on_one_image("a", ("cat", 10, 10, 50, 50), ("pet", 10, 10, 50, 50))  # classes that nest by design
    assert len(merge([both, on_one_image("b", ("cat", 10, 10, 50, 50))], hashes=twins()).conflicts) == 0


def test_flags_and_masks_that_disagree_are_a_conflict() -> None:
    box = ("cat", 1.0, 1.0, 10.0, 10.0)
    masks = [b"[[1,1,11,1,11,11]]", b"[[1.0,1,11,1,11,11.01]]", b"[[1,1,11,1,6,11]]"]
    a = on_one_image("a", box, difficult=False, segmentation=masks[0])
    said = on_one_image("b", box, difficult=True, segmentation=masks[1])
    done = merge([a, said], hashes=twins())
    (what,) = done.conflicts["what"]
    assert "difficult False and True" in what and "mask" not in what and "the first was kept" in what
    other = on_one_image("b", box, segmentation=masks[2])
    assert ["masks differ" in what for what in merge([a, other], hashes=twins()).conflicts["what"]] == [True]


def test_many_boxes_of_two_copies_take_time_by_their_number() -> None:
    rows = [("cat", float(n % 60), float(n // 60 % 60), 3.0, 3.0) for n in range(20_000)]
    a, b = on_one_image("a", *rows), on_one_image("b", *rows)
    done = merge([a, b], hashes=twins())
    assert done.same_boxes == 20_000 and len(done.dataset.boxes) == 20_000
    flat = [("cat", 5.0, 5.0, 0.0, 4.0)] * 3000
    assert len(merge([on_one_image("a", *flat), on_one_image("b", *flat)], hashes=twins()).dataset.boxes) == 3000


def test_provenance_has_a_row_for_every_image_of_every_source() -> None:
    a = cats("a")
    b = named("b", [("images/1.jpg", "cat", 1, 1, 10, 10)], images=["images/0.jpg", "images/1.jpg"])
    c = named("c", [], images=["images/1.jpg"])
    a = a.replace(images=a.images.assign(source_id=[7, 9]))
    b = b.replace(images=b.images.assign(source_id=[7, 8]))
    done = merge([a, b, c], hashes={**twins(), ("/c.zip", "images/1.jpg"): "same"})
    assert done.provenance.astype(object).where(done.provenance.notna(), None).to_numpy().tolist() == [
        ["images/1.jpg", "kept", "a", "images/1.jpg", 7, "same", "a;b"],
        ["images/2.jpg", "kept", "a", "images/2.jpg", 9, None, "a"],
        ["images/0.jpg", "kept", "b", "images/0.jpg", 7, None, None],
        ["images/1.jpg", "merged", "b", "images/1.jpg", 8, "same", None],
        ["images/1.jpg", "merged", "c", "images/1.jpg", None, "same", None],
    ]
    assert done.became.tolist() == [0, 1, 2, 0, 0]


def test_images_without_a_split_beside_a_split_set() -> None:
    a = cats("a", images=[{"file": f"images/{n}.jpg", "split": split} for n, split in ((1, "train"), (2, "val"))])
    b = named("b", [("images/3.jpg", "cat", 1, 1, 5, 5), ("images/1.jpg", "cat", 1, 1, 10, 10)])
    done = merge([a, b], hashes=twins())  # b's 1.jpg is a's, which is in train
    assert done.dataset.images["split"].isna().tolist() == [False, False, True]
    (notice,) = [note for note in done.dataset.about.notices if note.kind == "images-without-split"]
    assert "1 image of b" in notice.text and "unassigned" in notice.text and "--into" in notice.text
    into = merge([a, b], hashes=twins(), into="train").dataset
    assert into.images["split"].tolist() == ["train", "val", "train"]
    assert not [note for note in into.about.notices if note.kind == "images-without-split"]
    assert not [note for note in merge([b, b]).dataset.about.notices if note.kind == "images-without-split"]
    for wrong in ("a/b", "", ".."):
        with pytest.raises(ConfigError, match="split"):
            merge([a, b], into=wrong)


def test_states_splits_and_sizes_that_disagree() -> None:
    a = cats("a", images=[{"file": "images/1.jpg", "split": "train"}])
    b = cats("b", images=[{"file": "images/1.jpg", "split": "val", "width": 99}])
    assert merge([a, b], hashes=twins()).conflicts["kind"].tolist() == ["split-differs", "size-differs"]
    c = cats("c", images=[{"file": "images/1.jpg", "split": "val"}])
    third = {**twins(), ("/c.zip", "images/1.jpg"): "same"}
    settled = merge([cats("b"), a, c], hashes=third)
    assert settled.dataset.images["split"].astype(str).tolist()[0] == "train"
    assert settled.conflicts["kind"].tolist() == ["split-differs"]
    empty = named("b", [], images=["images/1.jpg"])
    for order in ([cats("a"), empty], [empty, cats("a")]):
        done = merge(order, hashes=twins())
        assert done.conflicts["kind"].tolist() == ["state-differs"]
        assert done.dataset.images["label_state"].tolist()[0] == "labelled"
    silent = named("b", [], images=[{"file": "images/1.jpg", "label_state": "unlabelled"}])
    assert len(merge([cats("a"), silent], hashes=twins()).conflicts) == 0


def test_what_the_first_copy_does_not_say_is_filled_in() -> None:
    mask = b"[[1,1,5,1,5,5]]"
    rich = [{"file": "images/1.jpg", "category": "cat", "x": 1, "y": 1, "width": 10, "height": 10, "difficult": True}]
    b = named("b", [row | {"segmentation": mask} for row in rich])  # type: ignore[misc]
    box = merge([cats("a"), b], hashes=twins()).dataset.boxes.iloc[0]
    assert box["difficult"] is True or box["difficult"] == True  # noqa: E712
    assert box["segmentation"] == mask


def test_an_area_goes_with_its_own_box_or_mask() -> None:
    a = on_one_image("a", ("cat", 10, 10, 50, 50))
    b = on_one_image("b", ("cat", 11, 10, 50, 51), area=2550.0)
    assert merge([a, b], hashes=twins()).dataset.boxes["area"].isna().all()
    b = on_one_image("b", ("cat", 11, 10, 50, 51), area=900.0, segmentation=b"[[11,10,61,10,30,61]]")
    assert merge([a, b], hashes=twins()).dataset.boxes["area"].tolist() == [900.0]


def test_copies_that_are_to_be_resized_differently_stay_apart() -> None:
    small = resize(cats("b"), 64).dataset
    done = merge([cats("a"), small], hashes=twins())
    assert done.united == 0 and len(done.dataset) == 4
    again = {("/b.zip", "images/1.jpg"): "x", ("/c.zip", "images/1.jpg"): "x"}
    assert merge([small, resize(cats("c"), 64).dataset], hashes=again).united == 1


@pytest.mark.parametrize("side", [float("nan"), float("inf"), -5.0, 1e300, 0.0])
def test_boxes_that_are_none_are_united_all_the_same(side: float) -> None:
    box = ("cat", 1.0, 2.0, side, 4.0)
    done = merge([on_one_image("a", box), on_one_image("b", box, ("cat", 30.0, 30.0, 9.0, 9.0))], hashes=twins())
    assert len(done.dataset.boxes) in (2, 3)  # what is no number is like no other
    assert done.same_boxes == 3 - len(done.dataset.boxes)


def test_twice_the_same_box_in_one_copy_stays_twice() -> None:
    double = named("a", [("images/1.jpg", "cat", 1, 1, 10, 10)] * 2)
    done = merge([double, cats("b")], hashes=twins())
    assert [row for row in rows(done.dataset) if row[0] == "images/1.jpg"] == [("images/1.jpg", "cat", 10)] * 2


def test_what_is_said_of_the_whole() -> None:
    notice = Notice("class-names-unknown", "no names", "labels")
    a = cats("a").replace(about=About(format="yolo", notices=(notice,), documents={"data.yaml": b"nc: 1"}))
    about = merge([a, cats("b")]).dataset.about
    assert about.format == "mixed"
    assert [note.kind for note in about.notices] == ["class-names-unknown", "merged-by-number"]
    assert about.notices[0].file == "a/labels"
    assert merge([a, a.replace()]).dataset.about.format == "yolo"
    assert merge([a, cats("b")]).dataset.images["origin_file"].isna().all()


def test_source_ids_are_kept_where_no_two_share_one() -> None:
    a, b = cats("a"), cats("b")
    a = a.replace(images=a.images.assign(source_id=[7, 9]), categories=a.categories.assign(source_id=[17]))
    b = b.replace(images=b.images.assign(source_id=[8, 10]), categories=b.categories.assign(source_id=[17]))
    done = merge([a, b]).dataset
    assert done.images["source_id"].tolist() == [7, 9, 8, 10]
    assert done.categories["source_id"].tolist() == [17]
    b = b.replace(images=b.images.assign(source_id=[7, 10]), categories=b.categories.assign(source_id=[1]))
    done = merge([a, b]).dataset
    assert done.images["source_id"].isna().all()
    assert done.categories["source_id"].isna().all()


def test_problems_and_headers_come_along() -> None:
    a = cats("a", problems=[("malformed-record", "x.xml", "object 1", "bad")], headers={"images/1.jpg": {}})
    b = cats("b", headers={"images/2.jpg": {}})
    done = merge([a, b]).dataset
    assert done.problems["file"].tolist() == ["a/x.xml"]
    assert done.headers is not None
    assert done.headers["image_id"].tolist() == [1, 4]


def test_an_empty_dataset_adds_its_classes_only() -> None:
    done = merge([dsq.build_dataset(classes=["ant"]), cats("b")])
    assert done.dataset.categories["name"].tolist() == ["ant", "cat"]
    assert len(done.dataset) == 2


def test_inputs_are_left_alone() -> None:
    a, b = cats("a"), cats("b")
    before = said(a), said(b)
    merge([a, b], hashes=twins(), mapping={"cat": "dog"})
    assert (said(a), said(b)) == before


def digests(sets: list[dsq.Dataset], draw: list[int]) -> dict[tuple[str, str], str]:
    places = [(d.images["root"][0], member) for d in sets for member in d.images["member"] if len(d)]
    return {place: f"content {value}" for place, value in zip(places, draw, strict=False)}


def rooted(data: dsq.Dataset, name: str) -> dsq.Dataset:
    return data.replace(images=data.images.assign(root=f"/{name}", source=name))


@given(datasets(most=4), datasets(most=4), datasets(most=4), st.lists(st.integers(0, 20), min_size=12, max_size=12))
@settings(max_examples=60, deadline=None)
def test_associative_up_to_ids(a: dsq.Dataset, b: dsq.Dataset, c: dsq.Dataset, draw: list[int]) -> None:
    sets = [rooted(data, name) for data, name in zip((a, b, c), "abc", strict=True)]
    hashes = digests(sets, draw)
    whole = merge(sets, hashes=hashes).dataset
    left = merge([merge(sets[:2], hashes=hashes).dataset, sets[2]], hashes=hashes).dataset
    right = merge([sets[0], merge(sets[1:], hashes=hashes).dataset], hashes=hashes).dataset
    assert said(left) == said(whole)
    assert sorted(row[5] for row in said(right)) == sorted(row[5] for row in said(whole))
    assert sorted(right.images["source"].astype(str)) == sorted(whole.images["source"].astype(str))


@given(datasets(most=6), datasets(most=6), st.integers(0, 5), st.lists(st.integers(0, 5), min_size=12, max_size=12))
@settings(max_examples=60, deadline=None)
def test_row_order_does_not_matter(a: dsq.Dataset, b: dsq.Dataset, seed: int, draw: list[int]) -> None:
    sets = [rooted(a, "a"), rooted(b, "b")]
    hashes = digests(sets, draw)
    one, two = merge(sets, hashes=hashes), merge([shuffled(data, seed) for data in sets], hashes=hashes)
    assert said(one.dataset) == said(two.dataset)
    assert sorted(map(tuple, one.conflicts.to_numpy())) == sorted(map(tuple, two.conflicts.to_numpy()))


@given(datasets(most=8), datasets(most=8))
@settings(max_examples=40, deadline=None)
def test_nothing_is_lost(a: dsq.Dataset, b: dsq.Dataset) -> None:
    done = merge([rooted(a, "a"), rooted(b, "b")]).dataset
    assert len(done) == len(a) + len(b)
    assert len(done.boxes) == len(a.boxes) + len(b.boxes)
    for state in ("background", "unlabelled"):
        count = sum(int((d.images["label_state"] == state).sum()) for d in (a, b))
        assert int((done.images["label_state"] == state).sum()) == count
    assert done.images["file"].map(place_key).is_unique


def test_content_hashes_reads_what_may_be_equal(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        for number, colour in enumerate([(1, 2, 3), (4, 5, 6), (7, 8, 9)]):
            Image.new("RGB", (300, 200), colour).save(tmp_path / folder / f"{folder}{number}.bmp")
    Image.new("RGB", (300, 200), (9, 9, 9)).save(tmp_path / "b" / "b2.bmp")
    a, b = dsq.read(tmp_path / "a"), dsq.read(tmp_path / "b")
    found = dsq.content_hashes([a, b])
    assert sorted(Path(root, member).name for root, member in found) == ["a0.bmp", "a1.bmp", "b0.bmp", "b1.bmp"]
    assert len(set(found.values())) == 2
    assert dsq.content_hashes(a) == {}
    assert len(dsq.content_hashes([a, a])) == 3
    assert merge([a, a], hashes=dsq.content_hashes([a, a])).united == 3
    done = merge([a, b], hashes=found)
    assert done.united == 2
    assert len(done.dataset) == 4


@pytest.mark.parametrize(
    ("one", "two", "why"),
    [
        ("Car", "car", "spelling"), ("stop sign", "stop_sign", "spelling"), ("cars", "car", "plural"),
        ("helmet", "helmets", "plural"), ("lorries", "lorry", "plural"), ("hemlet", "helmet", "slip"),
        ("motorbyke", "motorbike", "slip"), ("raccoon", "racoon", "slip"), ("Cars", "car", "plural"),
        ("cat", "car", None), ("glass", "gla", None), ("level1", "level2", None), ("person", "dog", None),
        ("行人", "行人 ", "spelling"), ("bus", "bu", None),
    ],
)  # fmt: skip
def test_suggestions(one: str, two: str, why: str | None) -> None:
    found = suggest_names({"a": [one], "b": [two]}, {one: 1, two: 5})
    assert [(s.old, s.new, s.why) for s in found] == ([(one, two, why)] if why else [])
    assert suggest_names({"a": [one, two], "b": [two]}, {}) == []


def test_suggestions_are_not_applied() -> None:
    done = merge([cats("a"), named("b", [("3.jpg", "Cat", 0, 0, 5, 5)])])
    assert [(s.old, s.new) for s in done.suggestions] == [("Cat", "cat")]
    assert done.dataset.categories["name"].tolist() == ["cat", "Cat"]


def test_real_sets(shared_data: Path) -> None:
    sets = [dsq.read(shared_data / name) for name in ("raccoon", "ships-yolov8", "traffic-ground", "coco-tiny")]
    done = merge(sets, hashes=dsq.content_hashes(sets))
    assert done.united == 7  # four pairs in raccoon, three in ships
    assert done.conflicts["first"].tolist() == ["raccoon"] * 4
    assert len(done.dataset) == sum(map(len, sets)) - 7
    assert len(done.dataset.boxes) + done.same_boxes == sum(len(data.boxes) for data in sets)
    assert done.dataset.images["source"].astype(str).nunique() == 4
    assert any(text.startswith("raccoon:") for text in dsq.audit(done.dataset, select=["class-coverage"]).messages())
