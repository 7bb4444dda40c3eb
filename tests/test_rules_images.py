"""The rules of the group `images`: each fires on its fault, is quiet on a near miss, tells what is common once."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFilter

import dsq
from dsq.model import Dataset
from dsq.registry import all_rules
from dsq.scan import Scan

REAL = ("raccoon", "bccd/BCCD", "coco-tiny", "ships-yolov8", "traffic-ground", "pen-zip", "aerial-cars")


def judge(rule: str, pixels: dict[str, dict[str, Any]], count: int = 30, **thresholds: Any) -> list[dict[str, Any]]:
    """Findings in a set of `count` ordinary pictures 00.jpg, 01.jpg, … but for the columns stated."""
    data = dsq.build_dataset([(f"{number:02}.jpg", "cat", 20, 10, 80, 60) for number in range(count)])
    report = dsq.audit(Scan(data, pixels=pixels), select=[rule], thresholds={rule: thresholds})
    assert not report.not_checked
    return report.records


def several(count: int, **columns: Any) -> dict[str, dict[str, Any]]:
    return {f"{number:02}.jpg": columns for number in range(count)}


def with_headers(headers: dict[str, dict[str, Any]], count: int = 30) -> Dataset:
    names = [f"{number:02}.jpg" for number in range(count)]
    usual = {"width": 640, "height": 480, "format": "JPEG", "mode": "RGB"}
    return dsq.build_dataset(images=names, headers={name: usual | headers.get(name, {}) for name in names})


def judge_headers(rule: str, headers: dict[str, dict[str, Any]], count: int = 30) -> list[dict[str, Any]]:
    return dsq.audit(with_headers(headers, count), select=[rule]).records


def test_group_is_complete() -> None:
    assert sorted(name for name, rule in all_rules().items() if rule.group == "images") == [
        "blurry-image",
        "bright-image",
        "dark-image",
        "low-information-image",
        "odd-aspect-image",
        "odd-mode",
        "odd-size-image",
        "truncated-image",
    ]


@pytest.mark.parametrize("rule", ["dark-image", "truncated-image"])
def test_without_pixels_it_is_not_checked(rule: str) -> None:
    report = dsq.audit(dsq.build_dataset([("a.jpg", "cat", 1, 1, 9, 9)]), select=[rule])
    assert [item.rule for item in report.not_checked] == [rule]


DARK = {"luma_p50": 5, "luma_p95": 20, "luma_p99": 38}
BRIGHT = {"luma_p50": 255, "luma_p5": 120, "rim": 180}
PLAIN = {"luma_min": 90, "luma_p1": 91, "luma_p99": 92, "luma_max": 93, "colour_sd": 0.3, "sharpness": 1.0}
DULL = {"luma_min": 80, "luma_p1": 90, "luma_p99": 99, "luma_max": 110, "colour_sd": 2.0, "steps": 1.5}


class TestDark:
    def test_a_dark_picture_is_a_hint(self) -> None:
        (found,) = judge("dark-image", {"07.jpg": DARK})
        assert (found["image"], found["severity"], found["confidence"]) == ("07.jpg", "info", "medium")
        assert found["value"] == 20

    def test_a_black_half_with_dim_rest_is_dark(self) -> None:
        assert judge("dark-image", {"07.jpg": {"luma_p50": 8, "luma_p95": 90, "luma_p99": 160}})

    @pytest.mark.parametrize(
        "columns",
        [
            {"luma_p95": 70, "luma_p99": 82},
            {"luma_p50": 8, "luma_p95": 110, "luma_p99": 160},  # lamps by night
            DARK | PLAIN,  # told by low-information-image
            {"error": "truncated: half is missing", **dict.fromkeys(DARK, np.nan)},
        ],
    )
    def test_near_misses(self, columns: dict[str, Any]) -> None:
        assert not judge("dark-image", {"07.jpg": columns})

    def test_in_a_dim_set_a_dark_picture_is_usual(self) -> None:
        dim = several(30, luma_p95=80.0, luma_p99=100.0) | {"07.jpg": {"luma_p95": 60.0, "luma_p99": 78.0}}
        assert not judge("dark-image", dim)
        assert judge("dark-image", dim | {"07.jpg": {"luma_p95": 30.0, "luma_p99": 40.0}})

    def test_half_a_set_by_night_is_one_note(self) -> None:
        (found,) = judge("dark-image", several(14, **DARK))
        assert (found["image"], found["confidence"]) == (None, "high")
        assert found["message"].startswith("14 of 30 images (47%) are dark")

    def test_among_night_pictures_black_ones_stand_out(self) -> None:
        night = several(14, luma_p95=50.0, luma_p99=70.0) | {"03.jpg": {"luma_p95": 9.0, "luma_p99": 12.0}}
        assert [found["image"] for found in judge("dark-image", night)] == [None, "03.jpg"]

    def test_a_night_camera_is_one_note(self) -> None:
        (found,) = judge("dark-image", several(30, **DARK))
        assert "30 of 30" in found["message"]

    def test_two_in_a_small_set_are_still_two(self) -> None:
        assert len(judge("dark-image", several(2, **DARK), count=6)) == 2

    def test_thresholds_hold(self) -> None:
        assert not judge("dark-image", {"07.jpg": DARK}, level=30)
        assert len(judge("dark-image", several(14, **DARK), most_share=0.9)) == 14


class TestBright:
    @pytest.mark.parametrize("columns", [BRIGHT, {"luma_p50": 230, "luma_p5": 205}])
    def test_a_washed_out_picture_is_a_hint(self, columns: dict[str, Any]) -> None:
        (found,) = judge("bright-image", {"07.jpg": columns})
        assert (found["image"], found["severity"]) == ("07.jpg", "info")

    @pytest.mark.parametrize(
        "columns",
        [
            BRIGHT | {"rim": 254},  # a product shot
            {"luma_p50": 240, "luma_p5": 190},
            BRIGHT | PLAIN,
        ],
    )
    def test_near_misses(self, columns: dict[str, Any]) -> None:
        assert not judge("bright-image", {"07.jpg": columns})

    def test_among_product_shots_an_unclean_rim_is_no_fault(self) -> None:
        shots = several(28, luma_p50=255.0, rim=254.0) | {"03.jpg": BRIGHT}
        assert not judge("bright-image", shots)
        assert judge("bright-image", shots | {"03.jpg": BRIGHT | {"luma_p5": 220}})

    def test_common_glare_is_one_note(self) -> None:
        (found,) = judge("bright-image", several(8, **BRIGHT))
        assert found["message"] == "8 of 30 images (27%) are bright: taken for how the set is"


class TestLowInformation:
    def test_one_colour_is_a_warning(self) -> None:
        (found,) = judge("low-information-image", {"07.jpg": PLAIN})
        assert (found["severity"], found["confidence"]) == ("warning", "high")

    def test_nearly_uniform_is_a_hint(self) -> None:
        (found,) = judge("low-information-image", {"07.jpg": DULL})
        assert (found["severity"], found["confidence"]) == ("info", "medium")
        assert found["message"] == "nearly uniform: 98 % of it within 9 of 255 levels"

    @pytest.mark.parametrize(
        "columns",
        [
            DULL | {"steps": 6.0},  # something small stands out
            DULL | {"luma_p99": 120},
            DULL | {"colour_sd": 9.0},
            DULL | DARK,  # told by dark-image
            PLAIN | {"luma_max": 130},  # a dot of something
        ],
    )
    def test_near_misses(self, columns: dict[str, Any]) -> None:
        assert not [f for f in judge("low-information-image", {"07.jpg": columns}) if f["confidence"] == "high"]
        if columns["luma_max"] != 130:
            assert not judge("low-information-image", {"07.jpg": columns})

    def test_open_water_is_one_note_but_failed_pictures_are_told(self) -> None:
        found = judge("low-information-image", several(9, **DULL) | {"20.jpg": PLAIN})
        assert [(f["image"], f["severity"]) for f in found] == [("20.jpg", "warning"), (None, "info")]


class TestBlurryByNumbers:
    """Without files there is no closer look: only what is blurred beyond doubt is told."""

    def test_beyond_doubt(self) -> None:
        assert [f["image"] for f in judge("blurry-image", {"07.jpg": {"sharpness": 0.51}})] == ["07.jpg"]

    @pytest.mark.parametrize("columns", [{"sharpness": 0.56}, {"sharpness": 0.51} | PLAIN, {"sharpness": 0.51} | DULL])
    def test_near_misses(self, columns: dict[str, Any]) -> None:
        assert not judge("blurry-image", {"07.jpg": {"sharpness": 0.51} | columns if "luma_p1" in columns else columns})

    def test_a_soft_set_is_one_note(self) -> None:
        (found,) = judge("blurry-image", several(20, sharpness=0.51))
        assert found["image"] is None


@st.composite
def any_pixels(draw: st.DrawFn) -> dict[str, dict[str, Any]]:
    chosen = draw(st.lists(st.sampled_from([DARK, BRIGHT, PLAIN, DULL, {"sharpness": 0.5}, {}]), max_size=20))
    return {f"{number:02}.jpg": dict(columns) for number, columns in enumerate(chosen)}


@given(any_pixels())
def test_nothing_is_told_twice_of_a_picture_and_order_does_not_matter(pixels: dict[str, dict[str, Any]]) -> None:
    rules = ["dark-image", "bright-image", "low-information-image"]
    names = [f"{number:02}.jpg" for number in range(30)]
    told = []
    for order in (names, names[::-1]):
        data = dsq.build_dataset([(name, "cat", 20, 10, 80, 60) for name in order])
        records = dsq.audit(Scan(data, pixels=pixels), select=rules).records
        told.append([(record["rule"], record["image"], record["message"]) for record in records])
    assert told[0] == told[1]
    images = [image for _, image, _ in told[0] if image is not None]
    assert len(images) == len(set(images))


class TestTruncated:
    @pytest.mark.parametrize(
        ("error", "severity"),
        [
            ("truncated: the lower 26 % is missing", "error"),
            ("broken PNG: bad data", "error"),
            ("truncated: only the end mark is missing", "warning"),
        ],
    )
    def test_what_cannot_be_decoded(self, error: str, severity: str) -> None:
        (found,) = judge("truncated-image", {"07.jpg": {"error": error}})
        assert (found["image"], found["message"], found["severity"]) == ("07.jpg", error, severity)

    @pytest.mark.parametrize(
        ("error", "said", "severity"),
        [
            ("too large: 50,000 x 40,000 pixels are not decoded", "not looked at, and maybe whole: 50,000 x", "info"),
            ("broken PNG: data too large for PngImagePlugin.MAX_TEXT_CHUNK", "whole, but Pillow", "warning"),
        ],
    )
    def test_a_file_that_may_be_whole(self, error: str, said: str, severity: str) -> None:
        (found,) = judge("truncated-image", {"07.jpg": {"error": error}})
        assert found["message"].startswith(said) and found["severity"] == severity

    def test_a_broken_header_is_another_rule(self) -> None:
        assert not judge("truncated-image", {"07.jpg": {"error": "empty file", "header_error": "empty file"}})

    def test_it_is_told_for_each_picture(self) -> None:
        assert len(judge("truncated-image", several(29, error="truncated: half is missing"))) == 29


class TestOddMode:
    @pytest.mark.parametrize(
        ("facts", "severity", "said"),
        [
            ({"mode": "I;16", "format": "PNG"}, "warning", "more than 8 bits (I;16)"),
            ({"mode": "F", "format": "TIFF"}, "warning", "more than 8 bits (F)"),
            ({"mode": "CMYK"}, "warning", "CMYK: decoders differ"),
            ({"mode": "P", "format": "GIF", "frames": 12}, "warning", "several frames (12)"),
            ({"mode": "P", "format": "PNG"}, "info", "a palette (P)"),
            ({"mode": "RGBA", "format": "PNG"}, "info", "transparency (RGBA)"),
            ({"mode": "L"}, "info", "greyscale (L)"),
        ],
    )
    def test_kinds(self, facts: dict[str, Any], severity: str, said: str) -> None:
        (found,) = judge_headers("odd-mode", {"07.jpg": facts})
        assert (found["image"], found["severity"]) == ("07.jpg", severity)
        assert found["message"].startswith(said)

    @pytest.mark.parametrize("facts", [{"mode": "RGB", "format": "PNG"}, {"mode": "YCbCr", "format": "TIFF"}])
    def test_colour_is_the_usual(self, facts: dict[str, Any]) -> None:
        assert not judge_headers("odd-mode", {"07.jpg": facts})

    def test_a_common_kind_is_one_note_a_kind(self) -> None:
        headers = {f"{n:02}.jpg": {"mode": "RGBA" if n < 10 else "CMYK"} for n in range(20)}
        found = judge_headers("odd-mode", headers)
        assert [(f["image"], f["severity"]) for f in found] == [(None, "warning"), (None, "info")]
        assert len({f["finding_id"] for f in found}) == 2

    def test_a_grey_set_is_no_fault(self) -> None:
        assert not judge_headers("odd-mode", {f"{n:02}.jpg": {"mode": "L"} for n in range(25)})

    def test_a_broken_header_is_another_rule(self) -> None:
        assert not judge_headers("odd-mode", {"07.jpg": {"mode": "CMYK", "error": "cut"}})


class TestShapes:
    def test_a_strip_is_a_hint(self) -> None:
        (found,) = judge_headers("odd-aspect-image", {"07.jpg": {"width": 200, "height": 1000}})
        assert found["message"] == "200×1000: 5.0 times as high as wide"
        assert not judge_headers("odd-aspect-image", {"07.jpg": {"width": 350, "height": 1000}})

    def test_a_set_of_strips_is_one_note(self) -> None:
        strips = {f"{n:02}.jpg": {"width": 1000, "height": 200} for n in range(12)}
        (found,) = judge_headers("odd-aspect-image", strips)
        assert found["image"] is None

    def test_a_thumbnail_and_a_giant_are_hints(self) -> None:
        sizes = {"03.jpg": {"width": 160, "height": 120}, "07.jpg": {"width": 4000, "height": 3000}}
        found = judge_headers("odd-size-image", sizes)
        assert [f["image"] for f in found] == ["03.jpg", "07.jpg"]
        assert found[1]["message"] == "4000×3000: 6.3 times larger than usual here, along each side"

    def test_twice_the_size_is_usual(self) -> None:
        assert not judge_headers("odd-size-image", {"07.jpg": {"width": 1280, "height": 960}})

    def test_where_all_sizes_differ_only_tiny_ones_are_odd(self) -> None:
        sizes = {f"{n:02}.jpg": {"width": int(120 * 1.15**n), "height": int(90 * 1.15**n)} for n in range(30)}
        assert not judge_headers("odd-size-image", sizes)
        found = judge_headers("odd-size-image", sizes | {"07.jpg": {"width": 50, "height": 40}})
        assert [f["image"] for f in found] == ["07.jpg"]


def draw_scene(seed: int) -> Image.Image:
    """Sharp shapes of many sizes on a slope of light."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:480, 0:640]
    canvas = np.stack([(90 + 60 * x / 640 + 40 * y / 480)] * 3, 2)
    for _ in range(40):
        left, top, width, height = rng.integers(0, 600), rng.integers(0, 440), *rng.integers(8, 120, 2)
        canvas[top : top + height, left : left + width] = rng.integers(20, 235, 3)
    return Image.fromarray((canvas + rng.normal(0, 2, canvas.shape)).clip(0, 255).astype(np.uint8))


def jpeg(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=88)
    return stream.getvalue()


def lay_out(folder: Path, pictures: dict[str, bytes]) -> Path:
    """A YOLO set."""
    for name, data in pictures.items():
        image, label = folder / "images" / name, folder / "labels" / f"{name.rpartition('.')[0]}.txt"
        for path in (image, label):
            path.parent.mkdir(parents=True, exist_ok=True)
        image.write_bytes(data)
        label.write_text("0 0.5 0.5 0.25 0.25\n")
    (folder / "data.yaml").write_text("train: images\nval: images\nnames: [thing]\n")
    return folder


def test_real_files_with_each_fault(tmp_path: Path) -> None:
    scenes = {f"{number:02}.jpg": draw_scene(number) for number in range(24)}
    pictures = {name: jpeg(image) for name, image in scenes.items()}
    pictures["03.jpg"] = jpeg(scenes["03.jpg"].filter(ImageFilter.GaussianBlur(6)))
    pictures["05.jpg"] = jpeg(scenes["05.jpg"].point(lambda level: level * 0.15))
    pictures["07.jpg"] = jpeg(scenes["07.jpg"].point(lambda level: min(level * 5, 255)))
    pictures["09.jpg"] = jpeg(Image.new("RGB", (640, 480), (200, 30, 60)))
    pictures["11.jpg"] = pictures["11.jpg"][: len(pictures["11.jpg"]) // 2]
    pictures["13.jpg"] = jpeg(scenes["13.jpg"].convert("CMYK"))
    pictures["15.jpg"] = jpeg(scenes["15.jpg"].crop((0, 100, 640, 180)))
    pictures["17.jpg"] = jpeg(scenes["17.jpg"].resize((96, 72)))
    records = dsq.audit(lay_out(tmp_path, pictures), select=["images"]).records
    assert sorted((record["image"], record["rule"]) for record in records) == [
        ("images/03.jpg", "blurry-image"),
        ("images/05.jpg", "dark-image"),
        ("images/07.jpg", "bright-image"),
        ("images/09.jpg", "low-information-image"),
        ("images/11.jpg", "truncated-image"),
        ("images/13.jpg", "odd-mode"),
        ("images/15.jpg", "odd-aspect-image"),
        ("images/17.jpg", "odd-size-image"),
    ]


def test_a_second_audit_says_the_same(tmp_path: Path) -> None:
    scenes = [draw_scene(number) for number in range(12)]
    pictures = {f"{n:02}.jpg": jpeg(image) for n, image in enumerate(scenes)}
    pictures["03.jpg"] = jpeg(scenes[3].filter(ImageFilter.GaussianBlur(6)))
    folder = lay_out(tmp_path, pictures)
    first, again = (dsq.audit(folder, select=["images"]).records for _ in range(2))
    assert first == again
    assert [record["rule"] for record in first] == ["blurry-image"]


@pytest.mark.parametrize(("turn", "stored"), [(6, Image.Transpose.ROTATE_90), (3, Image.Transpose.ROTATE_180)])
def test_pixels_tell_the_frame_of_boxes(tmp_path: Path, turn: int, stored: Image.Transpose) -> None:
    """A bright thing in the box of the upright picture, which is stored turned away."""
    canvas = np.full((480, 640, 3), 70, np.uint8)
    canvas[60:160, 80:200] = (220, 60, 40)
    image = Image.fromarray(canvas)
    exif = Image.Exif()
    exif[0x0112] = turn
    for name, picture in (("away.jpg", image.transpose(stored)), ("so.jpg", image)):
        path = tmp_path / "images" / name
        path.parent.mkdir(exist_ok=True)
        picture.save(path, "JPEG", exif=exif)
        label = tmp_path / "labels" / f"{path.stem}.txt"
        label.parent.mkdir(exist_ok=True)
        label.write_text(f"0 {140 / 640} {110 / 480} {120 / 640} {100 / 480}\n")
    (tmp_path / "data.yaml").write_text("train: images\nval: images\nnames: [thing]\n")
    wrong, note = dsq.audit(tmp_path, select=["exif-rotated"]).records
    assert (wrong["image"], wrong["severity"], wrong["confidence"]) == ("images/away.jpg", "warning", "medium")
    assert wrong["evidence"] == "pixels"
    assert note["images"] == ["images/so.jpg"]
    assert "the boxes of 1 fit the stored picture by its pixels" in note["message"]
    silent = dsq.audit(tmp_path, select=["exif-rotated"], tables_only=True)
    assert [record["severity"] for record in silent.records] in ([], ["info"])


@pytest.mark.parametrize(("weight", "wrong"), [(-0.3, 8), (0.3, 0)])
def test_many_weak_votes_decide_for_all(monkeypatch: pytest.MonkeyPatch, weight: float, wrong: int) -> None:
    names = [f"{number}.jpg" for number in range(8)]
    facts = {"width": 640, "height": 480, "orientation": 3}
    data = dsq.build_dataset([(name, "cat", 20, 10, 80, 60) for name in names], headers=dict.fromkeys(names, facts))

    def votes(scan: Scan, rows: np.ndarray[Any, Any], boxes: list[Any]) -> np.ndarray[Any, Any]:
        return weight + 0.1 * np.cos(rows)

    monkeypatch.setattr(Scan, "measure_frames", votes)
    records = dsq.audit(data, select=["exif-rotated"]).records
    assert sum(record["severity"] == "warning" for record in records) == wrong
    few = dsq.audit(data, select=["exif-rotated"], thresholds={"exif-rotated": {"evidence": 0.15}}).records
    assert len(few) == len(records)


@pytest.mark.parametrize("name", REAL)
def test_real_sets_are_quiet(shared_data: Path, name: str) -> None:
    """At most one picture in a hundred (two of a small set) is called out, but for odd modes, which are facts."""
    report = dsq.audit(shared_data / name, select=["images"], ignore=["odd-mode"])
    told = {record["image"] for record in report.records if record["image"] is not None}
    assert not [record for record in report.records if record["severity"] != "info"]
    assert len(told) <= max(0.02 * len(report.scan.images), 2)


def test_known_oddities_of_real_sets_come_out(shared_data: Path) -> None:
    modes = dsq.audit(shared_data / "pen-zip", select=["odd-mode"]).records
    assert [record["image"] for record in modes] == ["images/r.png", "images/y.png"]
    grey = dsq.audit(shared_data / "raccoon", select=["odd-mode"]).records
    assert [record["image"].rpartition("-")[2] for record in grey] == ["150.jpg", "152.jpg", "161.jpg"]
    water = dsq.audit(shared_data / "ships-yolov8", select=["low-information-image", "dark-image"]).records
    assert {"low-information-image", "dark-image"} == {record["rule"] for record in water}
