"""What is measured of one picture: its light, its sharpness, damage in its file, the frame of its boxes."""

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
from dsq.measure.basics import Basics, describe
from dsq.measure.damage import explain, find_damage
from dsq.measure.decode import DecodeError, Small, decode_small
from dsq.measure.focus import measure_focus, read_focus
from dsq.measure.frames import Stated, read_frames, turn_back, weigh_frames


def plane(levels: Any) -> np.ndarray[Any, Any]:
    return np.ascontiguousarray(levels, np.uint8)


def grey(levels: Any) -> Small:
    y = plane(levels)
    neutral = np.full(y.shape, 128, np.uint8)
    return Small(y, neutral, neutral, 1)


def photo(seed: int = 1, size: tuple[int, int] = (640, 480)) -> Image.Image:
    """Shapes on a slope, with grain."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0 : size[1], 0 : size[0]]
    canvas = np.stack([60 + 100 * x / size[0] + 60 * y / size[1]] * 3, 2)
    for _ in range(50):
        left, top = rng.integers(0, size[0]), rng.integers(0, size[1])
        width, height = rng.integers(8, 100, 2)
        canvas[top : top + height, left : left + width] = rng.integers(20, 235, 3)
    return Image.fromarray((canvas + rng.normal(0, 3, canvas.shape)).clip(0, 255).astype(np.uint8))


def jpeg(image: Image.Image, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", **{"quality": 88, **options})
    return stream.getvalue()


class TestBasics:
    def test_levels(self) -> None:
        found = describe(grey(np.arange(256).reshape(16, 16)))
        assert found.luma_mean == 127.5
        assert (found.luma_min, found.luma_p50, found.luma_max) == (0, 127, 255)
        assert (found.luma_p5, found.luma_p95) == (12, 243)
        assert found.information == pytest.approx(8)
        assert (found.colour, found.colour_sd) == (0, 0)

    def test_colour(self) -> None:
        small = Small(plane(np.full((4, 4), 90)), plane(np.full((4, 4), 118)), plane(np.full((4, 4), 128)), 1)
        found = describe(small)
        assert found.colour == pytest.approx(10)
        assert found.colour_sd == pytest.approx(0)

    def test_rim(self) -> None:
        levels = np.full((60, 80), 250)
        levels[10:50, 10:70] = 20
        assert describe(grey(levels)).rim == 250
        levels[:, :20] = 20
        assert describe(grey(levels)).rim == 20

    def test_sharpness_of_ramp_and_noise(self) -> None:
        ramp = np.tile(np.arange(0, 240, 3), (60, 1))
        noise = np.random.default_rng(0).integers(0, 256, (60, 80))
        assert describe(grey(ramp)).sharpness == pytest.approx(0.5)
        assert describe(grey(noise)).sharpness == pytest.approx(1, abs=0.05)

    def test_nothing_changes(self) -> None:
        found = describe(grey(np.full((1, 1), 9)))
        assert (found.luma_sd, found.steps, found.sharpness, found.information) == (0, 0, 1, 0)

    @given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**32 - 1))
    def test_numbers_are_numbers(self, height: int, width: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        small = Small(*(plane(rng.integers(0, 256, (height, width))) for _ in range(3)), 1)
        found = describe(small)
        assert np.isfinite(found).all()
        order = Basics._fields.index("luma_min"), Basics._fields.index("luma_max")
        levels = found[order[0] : order[1] + 1]
        assert list(levels) == sorted(levels)
        assert (found.luma_min, found.luma_max) == (small.y.min(), small.y.max())


def damage(data: bytes) -> str:
    """What is said of a JPEG, by the decoder or after it."""
    try:
        return find_damage(data, "JPEG", decode_small(data))
    except DecodeError as error:
        return explain(data, "JPEG", str(error))


class TestDamage:
    @pytest.mark.parametrize(
        "options", [{}, {"progressive": True}, {"optimize": True}, {"restart_marker_rows": 1}, {"subsampling": 0}]
    )
    def test_sound_files(self, options: dict[str, Any]) -> None:
        data = jpeg(photo(), **options)
        assert damage(data) == ""
        assert damage(data + bytes(5000)) == ""
        assert damage(data + b"\xff\xd8 and more") == ""

    @pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
    def test_a_cut_file_says_how_much_is_missing(self, share: float) -> None:
        data = jpeg(photo())
        kind, _, lost = damage(data[: int(len(data) * share)]).partition(": the lower ")
        assert kind == "truncated"
        assert int(lost.partition(" %")[0]) == pytest.approx(100 * (1 - share), abs=12)

    def test_a_cut_progressive_file(self) -> None:
        data = jpeg(photo(), progressive=True)
        assert damage(data[: len(data) // 2]) == "truncated: the file ends before the picture does"

    def test_only_the_end_mark(self) -> None:
        assert damage(jpeg(photo())[:-2]) == "truncated: only the end mark is missing"

    def test_cut_and_closed_again(self) -> None:
        data = jpeg(photo())
        assert damage(data[: len(data) // 2] + b"\xff\xd9").startswith("broken JPEG: the lower ")

    @pytest.mark.parametrize("grey_side", ["both", "left"])
    def test_grey_padding_is_no_damage(self, grey_side: str) -> None:
        frame = Image.new("RGB", (640, 640), (128, 128, 128))
        frame.paste(photo(), (0, 80) if grey_side == "both" else (160, 0))
        assert damage(jpeg(frame)) == ""

    def test_zeros_at_the_end_and_inside(self) -> None:
        data = jpeg(photo())
        half = len(data) // 2
        assert "% of the file are zeros" in damage(data[:half] + bytes(len(data) - half))
        assert "overwritten with zeros" in damage(data[:half] + bytes(3000) + data[half + 3000 :])

    @pytest.mark.parametrize("options", [{}, {"optimize": True}, {"progressive": True}])
    @pytest.mark.parametrize("shade", [0, 128, 255])
    def test_a_flat_picture_may_be_coded_as_zeros(self, options: dict[str, Any], shade: int) -> None:
        frame = Image.new("RGB", (2400, 2400), (shade, shade, shade))
        frame.paste(photo(), (300, 300))
        assert damage(jpeg(frame, **options)) == ""
        assert damage(jpeg(Image.new("L", (3000, 3000), shade), **options)) == ""

    def test_converted_line_ends(self) -> None:
        small = decode_small(jpeg(photo()))
        data = jpeg(photo()).replace(b"\r", b"").replace(b"\n", b"\r\n")
        assert "line ends were converted" in find_damage(data, "JPEG", small)

    def test_other_formats_are_left_to_their_decoder(self) -> None:
        stream = io.BytesIO()
        photo().save(stream, "PNG")
        assert find_damage(stream.getvalue() + bytes(1000), "PNG", decode_small(stream.getvalue())) == ""
        assert explain(b"\x89PNG", "PNG", "broken PNG: bad data") == "broken PNG: bad data"

    @given(st.binary(max_size=600), st.integers(0, 4000))
    def test_hostile_bytes(self, data: bytes, zeros: int) -> None:
        small = grey(np.full((8, 8), 128))
        assert isinstance(find_damage(b"\xff\xd8" + data + bytes(zeros), "JPEG", small), str)
        assert explain(b"\xff\xd8" + data + bytes(zeros), "JPEG", "truncated: x").startswith("truncated: ")

    @pytest.mark.parametrize("name", ["raccoon", "coco-tiny", "ships-yolov8"])
    def test_real_files_are_sound(self, shared_data: Path, name: str) -> None:
        from dsq.scan import Scan

        assert set(Scan(dsq.read(shared_data / name)).pixels["error"]) == {""}


class TestFocus:
    def test_blur_lowers_it(self) -> None:
        values = [measure_focus(jpeg(photo().filter(ImageFilter.GaussianBlur(radius)))) for radius in (0, 2, 5, 10)]
        assert values == sorted(values, reverse=True)
        assert values[0] > 0.45
        assert values[2] < 0.28
        assert 0.25 < values[3] < 0.27

    def test_motion_along_one_axis(self) -> None:
        levels = np.asarray(photo(), np.float32)
        moved = sum((np.roll(levels, k, 0) for k in range(24)), np.zeros_like(levels)) / 24
        assert measure_focus(jpeg(Image.fromarray(moved.astype(np.uint8)))) < 0.3

    def test_a_sharp_subject_before_a_soft_ground(self) -> None:
        soft = photo().filter(ImageFilter.GaussianBlur(10))
        soft.paste(photo(2).crop((200, 150, 440, 330)), (200, 150))
        assert measure_focus(jpeg(soft)) > 0.4

    @pytest.mark.parametrize("size", [(1, 1), (3, 200), (30, 20), (2000, 1500)])
    def test_any_size(self, size: tuple[int, int]) -> None:
        assert 0.2 < measure_focus(jpeg(Image.new("RGB", size, (90, 40, 10)))) <= 1

    def test_what_cannot_be_decoded_is_unknown(self, tmp_path: Path) -> None:
        for name, data in (("a.jpg", jpeg(photo())), ("b.jpg", jpeg(photo())[:3000]), ("c.jpg", b"no")):
            (tmp_path / name).write_bytes(data)
        found = read_focus(dsq.read(tmp_path, format="images"), [0, 1, 2])
        assert np.isnan(found).tolist() == [False, True, True]


class TestFrames:
    @pytest.mark.parametrize(
        ("orientation", "method"),
        [
            (2, Image.Transpose.FLIP_LEFT_RIGHT),
            (3, Image.Transpose.ROTATE_180),
            (4, Image.Transpose.FLIP_TOP_BOTTOM),
            (5, Image.Transpose.TRANSPOSE),
            (6, Image.Transpose.ROTATE_270),
            (7, Image.Transpose.TRANSVERSE),
            (8, Image.Transpose.ROTATE_90),
        ],
    )
    def test_turn_back_undoes_the_turn(self, orientation: int, method: Image.Transpose) -> None:
        pixels = np.zeros((40, 60), np.uint8)
        pixels[4:12, 6:36] = 255
        upright = np.asarray(Image.fromarray(pixels).transpose(method))
        y, x = np.nonzero(upright)
        height, width = upright.shape
        seen = np.array([[x.min() / width, y.min() / height, (x.max() + 1) / width, (y.max() + 1) / height]])
        assert turn_back(seen, orientation)[0] == pytest.approx([6 / 60, 4 / 40, 36 / 60, 12 / 40])

    def picture(self) -> bytes:
        canvas = np.full((480, 640, 3), 70, np.uint8)
        canvas[60:160, 80:200] = (220, 60, 40)
        return jpeg(Image.fromarray(canvas))

    def test_a_box_that_holds_something_is_right(self) -> None:
        true = np.array([[80 / 640, 60 / 480, 200 / 640, 160 / 480]])
        assert weigh_frames(self.picture(), Stated(true, true, 3)) > 0.7
        away = turn_back(true, 3)
        assert weigh_frames(self.picture(), Stated(away, away, 3)) < -0.7

    def test_a_box_that_is_alike_in_both_says_nothing(self) -> None:
        middle = np.array([[0.3, 0.3, 0.7, 0.7]])
        assert np.isnan(weigh_frames(self.picture(), Stated(middle, middle, 3)))
        assert np.isnan(weigh_frames(self.picture(), Stated(np.empty((0, 4)), np.empty((0, 4)), 6)))

    def test_what_was_read_is_kept(self, tmp_path: Path) -> None:
        (tmp_path / "a.jpg").write_bytes(self.picture())
        (tmp_path / "b.jpg").write_bytes(b"no picture")
        data = dsq.read(tmp_path, format="images")
        box = np.array([[0.1, 0.1, 0.3, 0.3]])
        stated = [Stated(box, box, 3)] * 2
        first, again = (read_frames(data, [0, 1], stated, cache=tmp_path / "cache") for _ in range(2))
        assert np.isfinite(first[0])
        assert np.isnan(first[1])
        assert first.tobytes() == again.tobytes()
