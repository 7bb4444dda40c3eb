"""The rules about boxes: each fires on its fault, and stays quiet on what merely looks like it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dsq
from dsq.model import About, Dataset

Box = dict[str, Any]


def box(
    x: float, y: float, width: float, height: float, category: str = "cat", file: str = "a.jpg", **more: Any
) -> Box:
    return {"file": file, "category": category, "x": x, "y": y, "width": width, "height": height, **more}


def judge(rule: str, data: Dataset | list[Box], **thresholds: Any) -> pd.DataFrame:
    if isinstance(data, list):
        data = dsq.build_dataset(data)
    return dsq.audit(data, select=[rule], thresholds={rule: thresholds}).findings


def levels(table: pd.DataFrame) -> list[str]:
    return sorted(table["severity"].tolist())


def square_mask(x: float, y: float, width: float, height: float) -> bytes:
    ring = [x, y, x + width, y, x + width, y + height, x, y + height]
    return f"[{ring}]".encode()


# ---- degenerate-box


def test_degenerate_box() -> None:
    found = judge("degenerate-box", [box(1, 1, 0, 5), box(1, 1, 5, 0), box(9, 9, -5, 5), box(1, 1, 0.01, 5)])
    assert levels(found) == ["error"] * 3
    assert found["message"].str.contains("swapped").sum() == 1


def test_degenerate_box_without_image_sizes() -> None:
    data = dsq.build_dataset(
        [box(0.1, 0.1, 0, 0.2), box(0.1, 0.1, 0.2, 0.2)], images=[{"file": "a.jpg", "unit": "relative"}], size=None
    )
    assert len(judge("degenerate-box", data)) == 1


# ---- box-outside-image


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [
        (580, 10, []),
        (580.005, 10, []),
        (580.5, 10, ["info"]),
        (581.25, 10, ["info"]),  # 0.2 % of 640 is 1.28
        (582, 10, ["warning"]),
        (-2, 10, ["warning"]),
        (10, -2, ["warning"]),
        (10, 452, ["warning"]),
        (640, 10, ["error"]),
        (-60, 10, ["error"]),
        (10, 500, ["error"]),
    ],
)
def test_box_outside_image(x: float, y: float, expected: list[str]) -> None:
    found = judge("box-outside-image", [box(x, y, 60, 30)])
    assert levels(found) == expected


def test_box_outside_image_names_the_side() -> None:
    found = judge("box-outside-image", [box(-30, 10, 60, 30), box(10, 470, 60, 30)])
    assert sorted(found["message"]) == ["20 px over the bottom edge", "30 px over the left edge"]


def test_box_outside_image_of_unknown_size_is_judged_at_zero_only() -> None:
    data = dsq.build_dataset([box(-30, 10, 60, 30), box(9000, 10, 60, 30)], size=None)
    assert judge("box-outside-image", data)["bbox"].tolist() == [[-30, 10, 60, 30]]


def test_a_yolo_row_that_makes_the_trainer_drop_the_image() -> None:
    about = About(format="yolo")
    data = dsq.build_dataset([box(10, 10, 650, 30)], about=about)  # width 1.016
    assert levels(judge("box-outside-image", data)) == ["error"]
    data = dsq.build_dataset([box(10, 10, 640, 30)], about=about)  # width 1, edge at 1.016
    assert levels(judge("box-outside-image", data)) == ["warning"]


def test_box_outside_image_takes_the_larger_of_declared_and_real_size() -> None:
    boxes = [box(600, 10, 100, 30)]
    header = {"a.jpg": {"width": 800, "height": 600}}
    assert judge("box-outside-image", dsq.build_dataset(boxes, headers=header)).empty
    assert len(judge("box-outside-image", boxes)) == 1


def test_rounding_that_most_images_share_is_told_once_and_errors_are_not() -> None:
    boxes = [box(580.5, 10, 60, 30, file=f"{n}.jpg") for n in range(12)] + [box(700, 10, 9, 9, file="0.jpg")]
    found = judge("box-outside-image", boxes)
    assert levels(found) == ["error", "info"]


# ---- box-convention

FORMS = ("xywh", "xyxy", "cxcywh")


def write(corners: np.ndarray[Any, Any], form: str) -> np.ndarray[Any, Any]:
    """Corners (n, 4) as four numbers of a form."""
    low, high = corners[:, :2], corners[:, 2:]
    return np.hstack({"xywh": (low, high - low), "xyxy": (low, high), "cxcywh": ((low + high) / 2, high - low)}[form])


def read(numbers: np.ndarray[Any, Any], form: str) -> np.ndarray[Any, Any]:
    """Four numbers of a form as x, y, width, height."""
    one, two = numbers[:, :2], numbers[:, 2:]
    return np.hstack({"xywh": (one, two), "xyxy": (one, two - one), "cxcywh": (one - two / 2, two)}[form])


def scene(count: int = 120, seed: int = 3, large: bool = False) -> np.ndarray[Any, Any]:
    """Corners of objects in 640 × 480 pictures; large: centred, one a picture."""
    rng = np.random.default_rng(seed)
    size = np.array([640, 480])
    middle = rng.uniform(0.4, 0.6, (count, 2)) if large else rng.uniform(0, 1, (count, 2))
    sides = rng.uniform(0.5, 0.75, (count, 2)) if large else rng.uniform(0.05, 0.35, (count, 2))
    low, high = np.clip(middle - sides / 2, 0, 1), np.clip(middle + sides / 2, 0, 1)
    return np.hstack([low * size, high * size])


OWN = {"coco": ("xywh", 1.0), "voc": ("xyxy", 1.0), "yolo": ("cxcywh", np.array([640, 480, 640, 480]))}


def stated(numbers: np.ndarray[Any, Any], format: str, splits: list[str] | None = None) -> Dataset:
    """The dataset that a reader of `format` makes of these numbers, three boxes an image."""
    form, unit = OWN[format]
    rows = read(numbers, form) * unit
    files = [f"{number // 3}.jpg" for number in range(len(rows))]
    images = [{"file": file, "split": splits[n] if splits else "train"} for n, file in enumerate(dict.fromkeys(files))]
    boxes = [box(*row) | {"file": file} for row, file in zip(rows.tolist(), files, strict=True)]
    return dsq.build_dataset(boxes, images=images, about=About(format=format))


#: numbers up to a hundred are pixels as well, and sides of large objects make VOC corners that fit as well
TELLING = [
    (format, form, unit, large)
    for format in OWN
    for form in FORMS
    for unit in ("px", "share", "percent")
    for large in (False, True)
    if (unit != "percent" or format == "yolo") and not (large and (format, form) == ("voc", "xywh"))
]


@pytest.mark.parametrize(("format", "form", "unit", "large"), TELLING)
def test_box_convention_finds_the_form_and_unit(format: str, form: str, unit: str, large: bool) -> None:
    corners = scene(large=large)
    scale = {"px": 1, "share": np.array([640, 480] * 2), "percent": np.array([6.4, 4.8] * 2)}[unit]
    own_form = OWN[format][0]
    found = judge("box-convention", stated(write(corners / scale, form), format))
    if (form, unit) == (own_form, "share" if format == "yolo" else "px"):
        assert found.empty
        return
    assert levels(found) == ["error"], found["message"].tolist()
    message = found["message"][0]
    names = {"xywh": " x y w h", "xyxy": " x1 y1 x2 y2", "cxcywh": " cx cy w h"}
    said = message.split(", not")[0]
    assert (names[form] in said) == (form != own_form)
    words = {"px": "pixels", "share": "fractions", "percent": "percent"}
    assert (words[unit] in said) == (unit != ("share" if format == "yolo" else "px"))


@pytest.mark.parametrize("format", ["coco", "voc"])
def test_swapped_axes(format: str) -> None:
    numbers = write(scene(), OWN[format][0])[:, [1, 0, 3, 2]]
    assert "x and y are swapped" in judge("box-convention", stated(numbers, format))["message"][0]


def test_swapped_sides() -> None:
    wide = scene()
    wide[:, 3] = wide[:, 1] + (wide[:, 3] - wide[:, 1]) / 4
    assert judge("box-convention", stated(write(wide, "xywh"), "coco")).empty
    found = judge("box-convention", stated(write(wide, "xywh")[:, [0, 1, 3, 2]], "coco"))
    assert "width and height are swapped" in found["message"][0]


@pytest.mark.parametrize("large", [False, True], ids=["scattered", "large"])
def test_drawn_on_a_larger_picture(large: bool) -> None:
    found = judge("box-convention", stated(write(scene(large=large) * 2, "xywh"), "coco"))
    assert levels(found) == ["error"]
    assert "drawn at another resolution" in found["message"][0]


def test_drawn_on_a_smaller_picture_is_no_proof() -> None:
    found = judge("box-convention", stated(write(scene() / 2, "xywh"), "coco"))
    assert levels(found) == ["warning"] and "320 × 240" in found["message"][0]
    inner = scene() / 2
    inner[:, 2:] -= (inner[:, 2:] - inner[:, :2]) * np.random.default_rng(1).uniform(0.1, 0.5, (len(inner), 2))
    assert levels(judge("box-convention", stated(write(inner, "xywh"), "coco"))) == ["info"]


def test_objects_that_keep_to_the_middle_are_no_smaller_frame() -> None:
    corners = scene() / 2 + np.array([60, 60, 60, 60])
    assert judge("box-convention", stated(write(corners, "xywh"), "coco")).empty


def test_a_split_of_another_convention() -> None:
    corners = scene(240)
    numbers = write(corners, "xywh")
    numbers[180:] = write(corners, "xyxy")[180:]
    splits = ["train"] * 60 + ["val"] * 20
    found = judge("box-convention", stated(numbers, "coco", splits))
    assert found["message"].tolist() == ["split val: " + found["message"][0].removeprefix("split val: ")]
    assert "x1 y1 x2 y2" in found["message"][0]


def test_box_convention_needs_boxes() -> None:
    numbers = write(scene(19), "xyxy")
    assert judge("box-convention", stated(numbers, "coco")).empty
    assert len(judge("box-convention", stated(numbers, "coco"), min_boxes=10)) == 1


def test_yolo_in_pixels_without_image_sizes() -> None:
    rows = read(write(scene(), "cxcywh"), "cxcywh")
    images = [{"file": "a.jpg", "unit": "relative"}]
    data = dsq.build_dataset([box(*row) for row in rows.tolist()], images=images, size=None, about=About(format="yolo"))
    assert "pixels or percent, not fractions" in judge("box-convention", data)["message"][0]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(list(OWN)), st.floats(0, 0.06), st.booleans(), st.integers(20, 300))
def test_sets_with_some_boxes_outside_are_not_another_convention(
    seed: int, format: str, share: float, large: bool, count: int
) -> None:
    corners = scene(count, seed, large)
    rng = np.random.default_rng(seed)
    moved = rng.random(count) < share
    corners[moved] += rng.uniform(-300, 300, (int(moved.sum()), 1))
    unit = 1 if format != "yolo" else np.array([640, 480] * 2)
    found = judge("box-convention", stated(write(corners / unit, OWN[format][0]), format))
    assert "error" not in found["severity"].tolist(), found["message"].tolist()


def test_while_the_convention_is_wrong_the_other_rules_keep_short() -> None:
    data = stated(write(scene(), "xyxy"), "coco")
    found = judge("box-outside-image", data)
    assert levels(found) == ["info"] and "because of box-convention" in found["message"][0]
    data = stated(write(scene(), "xywh"), "voc")
    found = judge("degenerate-box", data)
    assert levels(found) == ["info"] and "because of box-convention" in found["message"][0]
    data = stated(write(scene() / np.array([640, 480] * 2), "xywh"), "coco")
    for rule in ("tiny-box", "whole-image-box", "border-sliver", "odd-aspect-box"):
        assert judge(rule, data).empty


def test_boxes_of_a_sound_split_are_still_told() -> None:
    corners = scene(240)
    numbers = write(corners, "xywh")
    numbers[180:] = write(corners, "xyxy")[180:]
    numbers[0] = [600, 10, 90, 30]
    data = stated(numbers, "coco", ["train"] * 60 + ["val"] * 20)
    assert levels(judge("box-outside-image", data)) == ["info", "warning"]


# ---- duplicate-box and two-classes-one-object


def test_duplicate_box() -> None:
    same = box(10, 10, 90, 60)
    found = judge("duplicate-box", [same, same, box(10, 10, 90, 60), box(10, 10, 90, 60, file="b.jpg")])
    assert levels(found) == ["warning", "warning"]
    assert found["confidence"].tolist() == ["high", "high"]
    assert sorted(found["box_id"]) == [2, 3]


@pytest.mark.parametrize(("shift", "expected"), [(0, ["warning"]), (2, ["warning"]), (5, ["info"]), (12, [])])
def test_near_duplicates(shift: float, expected: list[str]) -> None:
    assert levels(judge("duplicate-box", [box(10, 10, 90, 60), box(10 + shift, 10, 90, 60)])) == expected


def test_duplicate_box_leaves_crowds_other_classes_and_empty_boxes_alone() -> None:
    same = (10, 10, 90, 60)
    assert judge("duplicate-box", [box(*same), box(*same, crowd=True)]).empty
    assert judge("duplicate-box", [box(*same), box(*same, category="dog")]).empty
    assert judge("duplicate-box", [box(10, 10, 0, 60), box(10, 10, 0, 60)]).empty


def test_duplicates_name_the_line_of_the_first() -> None:
    data = dsq.build_dataset(
        [box(10, 10, 90, 60, origin_place=4), box(10, 10, 90, 60, origin_place=7)], about=About(format="yolo")
    )
    assert judge("duplicate-box", data)["message"].tolist() == ["identical to line 4, same class"]


def test_two_classes_one_object() -> None:
    cat, dog = box(10, 10, 90, 60), box(10, 10, 90, 60, category="dog")
    assert levels(judge("two-classes-one-object", [cat, dog])) == ["warning"]
    assert levels(judge("two-classes-one-object", [cat, box(12, 10, 90, 60, category="dog")])) == ["info"]
    assert judge("two-classes-one-object", [cat, cat]).empty
    assert judge("two-classes-one-object", [cat, box(30, 30, 40, 20, category="dog")]).empty


def test_classes_that_lie_on_each_other_by_design_are_one_note() -> None:
    pairs = [box(10, 10, 90, 60, category=name, file=f"{n}.jpg") for n in range(6) for name in ("helmet", "person")]
    found = judge("two-classes-one-object", [*pairs, box(10, 10, 90, 60, category="dog", file="0.jpg")])
    assert found["box_id"].isna().sum() == 1
    assert levels(found) == ["info", "warning", "warning"]
    people = [box(200, 200, 50, 50, category=name, file=f"{n}.jpg") for n in range(20) for name in ("helmet", "person")]
    apart = [b | ({"x": 400} if b["category"] == "helmet" else {}) for b in people]
    assert levels(judge("two-classes-one-object", [*pairs, *apart])) == ["warning"] * 6


# ---- tiny-box, whole-image-box, odd-aspect-box, border-sliver


@pytest.mark.parametrize(("side", "expected"), [(1.9, ["warning"]), (2, ["info"]), (3.9, ["info"]), (4, [])])
def test_tiny_box(side: float, expected: list[str]) -> None:
    assert levels(judge("tiny-box", [box(100, 100, side, 30)])) == expected


def test_tiny_box_leaves_slivers_empty_boxes_and_thumbnails_alone() -> None:
    usual = [box(100, 100, 120, 90, file=f"{n}.jpg") for n in range(6)]
    assert judge("tiny-box", [*usual, box(638, 100, 2, 90)]).empty
    assert judge("tiny-box", [*usual, box(300, 100, 0, 90)]).empty
    assert judge("tiny-box", dsq.build_dataset([box(1, 1, 3, 3)], size=(24, 24))).empty
    assert len(judge("tiny-box", dsq.build_dataset([box(1, 1, 3, 3)], size=(24, 24)), thumbnail=20)) == 1
    assert len(judge("tiny-box", dsq.build_dataset([box(1, 1, 2, 3)], size=(24, 24)))) == 1


def test_a_tiny_box_is_as_large_as_the_user_says() -> None:
    data = dsq.build_dataset([box(30, 30, 40, 90), box(100, 100, 100, 90)], size=(320, 240))
    assert judge("tiny-box", data).empty
    assert levels(judge("tiny-box", data, min_side=200)) == ["info", "info"]
    assert levels(judge("tiny-box", data, slip_side=50)) == ["warning"]


def test_small_objects_are_told_about_the_set() -> None:
    boxes = [box(30 * n, 30 * n, 40, 40, file=f"{k}.jpg") for n in range(5) for k in range(10)]
    assert judge("tiny-box", dsq.build_dataset(boxes, size=(3000, 2000))).empty
    found = judge("tiny-box", dsq.build_dataset(boxes, size=(4000, 3000)))
    assert found["message"].tolist() == ["100% of the boxes are under 8 px at imgsz 640: train at imgsz 960"]
    found = judge("tiny-box", dsq.build_dataset(boxes, size=(12000, 9000)))
    assert found["message"][0].endswith("cut the images into tiles")
    assert judge("tiny-box", dsq.build_dataset(boxes, size=(4000, 3000)), imgsz=1280).empty


def test_whole_image_box() -> None:
    assert judge("whole-image-box", [box(2, 2, 636, 476)])["confidence"].tolist() == ["high"]
    assert judge("whole-image-box", [box(2, 2, 625, 470)]).empty
    assert judge("whole-image-box", [box(-900, -900, 5000, 5000)])["value"].tolist() == [1.0]
    found = judge("whole-image-box", [box(0, 0, 640, 480), box(9, 9, 30, 30)])
    assert found["confidence"].tolist() == ["low"]


def test_many_whole_image_boxes_are_a_property_of_the_set() -> None:
    whole = [box(0, 0, 640, 480, file=f"{n}.jpg") for n in range(10)]
    rest = [box(50, 50, 90, 80, file=f"r{n}.jpg") for n in range(60)]
    assert len(judge("whole-image-box", whole)) == 1
    assert len(judge("whole-image-box", [*whole, *rest[:40]])) == 1
    assert len(judge("whole-image-box", [*whole, *rest])) == 10


def test_odd_aspect_box() -> None:
    rng = np.random.default_rng(2)
    usual = [box(100, 100, w, h, file=f"{n}.jpg") for n, (w, h) in enumerate(rng.normal([80, 60], 6, (40, 2)).tolist())]
    assert judge("odd-aspect-box", usual).empty
    assert judge("odd-aspect-box", [*usual, box(100, 100, 90, 42)]).empty
    for width, height in ((300, 40), (40, 300)):
        assert len(judge("odd-aspect-box", [*usual, box(100, 100, width, height)])) == 1
        assert judge("odd-aspect-box", [*usual, box(0, 100, width, height)]).empty, "cut by the edge"
    small = [box(100, 100, 200, 9.9, category="pen"), box(100, 100, 200, 10.1, category="pen", file="b.jpg")]
    assert judge("odd-aspect-box", small)["bbox"].tolist() == [[100, 100, 200, 9.9]]


def test_a_class_of_two_shapes_is_not_odd() -> None:
    boxes = [box(100, 100, *((90, 30) if n % 2 else (30, 90)), file=f"{n}.jpg") for n in range(60)]
    assert judge("odd-aspect-box", boxes).empty


@pytest.mark.parametrize(
    ("sliver", "side"),
    [((0, 50, 3, 80), "left"), ((637, 50, 3, 80), "right"), ((50, 0, 80, 3), "top"), ((50, 476.5, 80, 3), "bottom")],
)
def test_border_sliver(sliver: tuple[float, float, float, float], side: str) -> None:
    usual = [box(100, 100, 120, 90, file=f"{n}.jpg") for n in range(6)]
    found = judge("border-sliver", [*usual, box(*sliver)])
    assert len(found) == 1 and f"along the {side} edge" in found["message"][0]


@pytest.mark.parametrize("near", [(5, 50, 3, 80), (0, 50, 30, 80), (0, 50, 3, 9)], ids=["inside", "thick", "a corner"])
def test_border_sliver_stays_quiet(near: tuple[float, float, float, float]) -> None:
    usual = [box(100, 100, 120, 90, file=f"{n}.jpg") for n in range(6)]
    assert judge("border-sliver", [*usual, box(*near)]).empty


def test_a_thin_class_at_the_edge_is_no_sliver() -> None:
    poles = [box(100, 100, 5, 90, category="pole", file=f"{n}.jpg") for n in range(6)]
    cats = [box(100, 100, 120, 90, file=f"{n}.jpg") for n in range(30)]
    assert judge("border-sliver", [*poles, *cats, box(0, 100, 3, 90, category="pole")]).empty


# ---- masks: box-polygon-mismatch, area-mismatch, crowd-everywhere


@pytest.mark.parametrize(("x", "fires"), [(80, False), (82, False), (83, True), (20, True)])
def test_box_polygon_mismatch(x: float, fires: bool) -> None:
    found = judge("box-polygon-mismatch", [box(x, 50, 40, 40, segmentation=square_mask(80, 50, 40, 40))])
    assert len(found) == fires


def test_a_mask_may_be_clipped_and_an_rle_leaves_out_its_last_pixel() -> None:
    clipped = box(0, 50, 60, 40, segmentation=square_mask(-20, 50, 80, 40))
    counts = b'{"size":[480,640],"counts":[4810,20,' + b"460,20," * 19 + b"293250]}"
    rle = box(10, 10, 19, 19, file="b.jpg", segmentation=counts)
    assert judge("box-polygon-mismatch", [clipped, rle]).empty
    assert len(judge("box-polygon-mismatch", [rle | {"x": 30}])) == 1


def test_a_mask_that_cannot_be_read_is_told() -> None:
    found = judge("box-polygon-mismatch", [box(1, 1, 9, 9, segmentation=b"[[1,2,3]]")])
    assert found["message"].tolist() == ["the mask cannot be read: a polygon of 3 numbers"]


def test_masks_that_mostly_disagree_are_one_finding() -> None:
    boxes = [box(10, 10, 90, 90, file=f"{n}.jpg", segmentation=square_mask(300, 10, 90, 90)) for n in range(12)]
    assert len(judge("box-polygon-mismatch", boxes)) == 1
    assert len(judge("box-polygon-mismatch", boxes[:9])) == 9


@pytest.mark.parametrize(
    ("area", "mask", "fires"),
    [
        (8100, True, False),  # the mask's
        (9000, True, False),  # of its pixels
        (10800, True, False),  # the box's
        (4000, True, True),
        (20000, True, True),
        (10800, False, False),
        (11000, False, False),
        (8100, False, True),
        (0, False, True),
        (640 * 480, False, True),
    ],
)
def test_area_mismatch(area: float, mask: bool, fires: bool) -> None:
    # a box of 120 × 90; the mask is a triangle and a bit, 8,100 px²
    ring = b"[[10,10,130,10,130,100,70,100,10,40]]" if mask else None
    judged = box(10, 10, 120, 90, area=area, segmentation=ring)
    right = [box(200, 10, 50, 60, area=3000, file=f"{n}.jpg") for n in range(3)]
    assert len(judge("area-mismatch", [judged, *right])) == fires


def test_areas_of_masks_that_were_left_out_are_possible() -> None:
    boxes = [box(10, 10, 100, 100, area=5000 + 100 * n, file=f"{n}.jpg") for n in range(8)]
    assert judge("area-mismatch", boxes).empty
    assert len(judge("area-mismatch", [*boxes, box(10, 10, 20, 20, area=900)])) == 1


def test_crowds_have_rough_areas() -> None:
    crowd = box(10, 10, 120, 90, area=4000, crowd=True, segmentation=square_mask(10, 10, 120, 90))
    assert judge("area-mismatch", [crowd]).empty
    assert len(judge("area-mismatch", [crowd | {"area": 50000}])) == 1


def test_areas_of_the_whole_image_are_one_finding() -> None:
    boxes = [box(10, 10, 100, 100, area=640 * 480, file=f"{n}.jpg") for n in range(12)]
    found = judge("area-mismatch", boxes)
    assert len(found) == 1 and "the area of the whole image" in found["message"][0]


@pytest.mark.parametrize(("crowds", "expected"), [(4, []), (10, ["warning"]), (18, ["error"]), (20, ["error"])])
def test_crowd_everywhere(crowds: int, expected: list[str]) -> None:
    boxes = [box(20 * n, 10, 9, 9, crowd=n < crowds) for n in range(20)]
    assert levels(judge("crowd-everywhere", boxes)) == expected


def test_crowd_everywhere_needs_ten_boxes() -> None:
    assert judge("crowd-everywhere", [box(20 * n, 10, 9, 9, crowd=True) for n in range(9)]).empty


# ---- real sets


@pytest.mark.parametrize(
    "name", ["raccoon", "bccd/BCCD", "coco-tiny", "ships-yolov8", "pen-zip", "traffic-ground", "aerial-cars"]
)
def test_real_sets_are_written_as_their_formats_say(shared_data: Path, name: str) -> None:
    assert judge("box-convention", dsq.read(shared_data / name)).empty


@pytest.mark.parametrize(("name", "count"), [("raccoon", 1), ("pen-zip", 2), ("ships-yolov8", 1)])
def test_whole_image_boxes_of_real_sets(shared_data: Path, name: str, count: int) -> None:
    assert len(judge("whole-image-box", dsq.read(shared_data / name))) == count


@pytest.mark.parametrize(("name", "count"), [("raccoon", 0), ("ships-yolov8", 7)])
def test_boxes_outside_of_real_sets(shared_data: Path, name: str, count: int) -> None:
    assert len(judge("box-outside-image", dsq.read(shared_data / name))) == count


def test_what_other_tools_got_wrong(shared_data: Path) -> None:
    odd = shared_data / "odd"
    assert len(judge("duplicate-box", dsq.read(odd / "mmdetection-coco-wrong-format"))) == 1
    lint = dsq.read(odd / "labellint-sample-coco")
    assert len(judge("degenerate-box", lint)) == 2
    assert len(judge("box-outside-image", lint)) == 2
    assert len(judge("area-mismatch", lint)) == 1
    assert "whole image" in judge("area-mismatch", dsq.read(odd / "sahi-terrain-coco"))["message"][0]
