"""Resizing: boxes, masks and keypoints go where the pixels go."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from small_sets import datasets, said, shuffled

import dsq
from dsq.errors import ConfigError, ReadError
from dsq.masks import pack_runs, runs_of
from dsq.model import About
from dsq.pixels import apply_pixel_ops, decode_ops
from dsq.transform.outlines import run_lengths
from dsq.transform.resize import MODES, resize

BOX = (30, 10, 40, 25)  # of an image of 120 × 80


def marked(orientation: int = 1, format: str = "PNG", box: tuple[int, int, int, int] = BOX) -> bytes:
    """A grey image with a white box, and an EXIF orientation."""
    image = Image.new("RGB", (120, 80), (60, 60, 60))
    image.paste((255, 255, 255), (box[0], box[1], box[0] + box[2], box[1] + box[3]))
    exif = Image.Exif()
    if orientation > 1:
        exif[0x0112] = orientation
    out = io.BytesIO()
    if format == "TIFF":
        image.save(out, format, tiffinfo={0x0112: orientation})
    else:
        image.save(out, format, exif=exif.tobytes())
    return out.getvalue()


def white_box(data: bytes) -> list[float]:
    """x, y, width, height of the white part of an image."""
    with Image.open(io.BytesIO(data)) as image:
        pixels = np.asarray(image.convert("L")) > 200
    ys, xs = np.flatnonzero(pixels.any(axis=1)), np.flatnonzero(pixels.any(axis=0))
    return [int(xs[0]), int(ys[0]), int(xs[-1] - xs[0] + 1), int(ys[-1] - ys[0] + 1)]


def one(orientation: int = 1, **box: Any) -> dsq.Dataset:
    record = {
        "file": "a.png",
        "category": "x",
        **dict(zip(("x", "y", "width", "height"), map(float, BOX), strict=True)),
    }
    header = {"width": 120, "height": 80, "orientation": orientation}
    return dsq.build_dataset(
        [record | box], images=[{"file": "a.png", "width": 120, "height": 80}], headers={"a.png": header}
    )


def box_of(data: dsq.Dataset) -> list[float]:
    return data.boxes[["x", "y", "width", "height"]].to_numpy()[0].tolist()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [(60, 40), (100, 100), (240, 200), (33, 71)])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_boxes_follow_the_pixels(mode: str, size: tuple[int, int], orientation: int) -> None:
    done = resize(one(orientation), size, mode=mode, auto_orient=True)
    image = done.dataset.images.iloc[0]
    changed = apply_pixel_ops(marked(orientation), image["pixel_ops"]) if image["pixel_ops"] else marked()
    with Image.open(io.BytesIO(changed)) as picture:
        assert picture.size == (image["width"], image["height"])
        assert picture.getexif().get(0x0112, 1) == 1
    if mode != "fit":
        assert (image["width"], image["height"]) == size
    scale = max(size) / 80
    assert white_box(changed) == pytest.approx(box_of(done.dataset), abs=1.5 * max(1, scale))
    assert done.turned == (orientation > 1)


@pytest.mark.parametrize("orientation", range(2, 9))
def test_turning_alone_is_exact(orientation: int) -> None:
    done = resize(one(orientation), auto_orient=True)
    changed = apply_pixel_ops(marked(orientation), done.dataset.images["pixel_ops"][0])
    assert white_box(changed) == box_of(done.dataset)
    with Image.open(io.BytesIO(marked(orientation))) as image:
        upright = ImageOps.exif_transpose(image)
        with Image.open(io.BytesIO(changed)) as picture:
            assert np.array_equal(np.asarray(picture), np.asarray(upright))
    assert done.dataset.headers is not None
    assert done.dataset.headers["orientation"].tolist() == [1]


@pytest.mark.parametrize("mode", MODES)
def test_a_turn_that_is_not_asked_for_stays(mode: str) -> None:
    """The tag, the pixels and the boxes say together what they said before."""
    done = resize(one(6), (60, 40), mode=mode)
    assert (done.turned, done.tagged) == (0, 1)
    changed = apply_pixel_ops(marked(6), done.dataset.images["pixel_ops"][0])
    with Image.open(io.BytesIO(changed)) as image:
        assert image.getexif()[0x0112] == 6
    assert white_box(changed) == pytest.approx(box_of(done.dataset), abs=1.5)
    shares = [
        box_of(data)[at] / data.images[("width", "height")[at % 2]][0]
        for data in (one(), done.dataset)
        for at in range(4)
    ]
    assert shares[:4] == pytest.approx(shares[4:])
    assert resize(one(6), (60, 40), auto_orient=True).tagged == 0


def test_a_tiff_is_turned_once() -> None:
    done = resize(one(6), auto_orient=True)
    assert white_box(apply_pixel_ops(marked(6, "TIFF"), done.dataset.images["pixel_ops"][0])) == box_of(done.dataset)
    still = apply_pixel_ops(marked(6, "TIFF"), '{"resize":[60,40]}')
    with Image.open(io.BytesIO(still)) as image:
        assert image.tag_v2[0x0112] == 6  # type: ignore[attr-defined]
        assert (image.tag_v2[256], image.tag_v2[257]) == (60, 40)  # type: ignore[attr-defined]


def test_boxes_that_were_drawn_upright_stay() -> None:
    """The declared size is that of the picture as shown: so are the boxes."""
    data = one(6)
    images = data.images.assign(width=data.images["height"], height=data.images["width"])
    done = resize(data.replace(images=images), auto_orient=True)
    assert box_of(done.dataset) == list(map(float, BOX))
    assert done.dataset.images[["width", "height"]].to_numpy().tolist() == [[80, 120]]
    assert decode_ops(done.dataset.images["pixel_ops"][0]) == [{"orient": 6}]
    plain = resize(data.replace(images=images), (40, 60))
    assert plain.turned == 1
    assert box_of(plain.dataset) == [15.0, 5.0, 20.0, 12.5]


def test_boxes_that_fit_the_upright_frame_only_stay() -> None:
    done = resize(one(6, x=10.0, y=60.0, width=50.0, height=55.0), auto_orient=True)
    assert box_of(done.dataset) == [10.0, 60.0, 50.0, 55.0]
    forced = resize(one(6), auto_orient=True, box_frame="upright")
    assert box_of(forced.dataset) == list(map(float, BOX))


def test_fractions_of_the_upright_frame() -> None:
    """YOLO's fractions were multiplied with the stored size by the reader."""
    data = one(6, x=60.0, y=40.0, width=30.0, height=20.0).replace(about=About(format="yolo"))
    done = resize(data, auto_orient=True, box_frame="upright")
    assert box_of(done.dataset) == pytest.approx([40.0, 60.0, 20.0, 30.0])


def test_letterbox_pads_evenly() -> None:
    done = resize(one(), 100, mode="letterbox", fill=(1, 2, 3))
    assert decode_ops(done.dataset.images["pixel_ops"][0]) == [
        {"mode": "letterbox", "resize": [100, 67], "pad": [0, 16, 0, 17], "fill": [1, 2, 3]}
    ]
    with Image.open(io.BytesIO(apply_pixel_ops(marked(), done.dataset.images["pixel_ops"][0]))) as image:
        assert image.getpixel((0, 0)) == (1, 2, 3)
        assert image.getpixel((0, 20)) == (60, 60, 60)


def test_small_images_are_not_enlarged_unasked() -> None:
    for mode in MODES:
        done = resize(one(), (480, 640), mode=mode, enlarge=False)
        assert box_of(done.dataset)[2:] == [40.0, 25.0]
        assert done.images == (mode == "letterbox")


def test_images_of_that_size_are_left_alone() -> None:
    done = resize(one(), (120, 80))
    assert done.images == 0
    assert done.dataset.images["pixel_ops"].isna().all()


def test_images_of_unknown_size_are_told() -> None:
    data = dsq.build_dataset(
        [("a.jpg", "x", 0.1, 0.1, 0.2, 0.2)], images=[{"file": "a.jpg", "unit": "relative"}], size=None
    )
    done = resize(data, 64)
    assert done.skipped == ["a.jpg"]
    assert box_of(done.dataset) == [0.1, 0.1, 0.2, 0.2]


@pytest.mark.parametrize(
    ("size", "options"),
    [(0, {}), ((10, 10, 10), {}), (None, {}), (64, {"mode": "crop"}), (64, {"box_frame": "x"}), ((64, 70_000), {})],
)
def test_wrong_options_are_refused(size: Any, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        resize(one(), size, **options)


def test_auto_orient_needs_headers() -> None:
    with pytest.raises(ConfigError, match="headers"):
        resize(one().replace(headers=None), auto_orient=True)


def test_polygons_and_keypoints_follow() -> None:
    data = one(
        segmentation=b"[[30, 10, 70, 10, 70, 35]]", keypoints=b"[30,10,2,70,35,1,0,0,0]", area=500.0,
        extras=b'{"bbox":["30","10","40","25"],"mine":1}',
    )  # fmt: skip
    box = resize(data, (240, 40)).dataset.boxes.iloc[0]
    assert json.loads(box["segmentation"]) == [[60, 5, 140, 5, 140, 17.5]]
    assert json.loads(box["keypoints"]) == [60, 5, 2, 140, 17.5, 1, 0, 0, 0]
    assert box["area"] == 500.0
    assert json.loads(box["extras"]) == {"mine": 1}
    flat = one(segmentation=b"[30, 10, 70, 10, 70, 35]")
    assert json.loads(resize(flat, (240, 40)).dataset.boxes["segmentation"][0]) == [[60, 5, 140, 5, 140, 17.5]]


def test_parts_and_broken_masks_are_told() -> None:
    data = one(
        segmentation=b'{"size":[80,120],"counts":[3,4]}',
        keypoints=b'"none"',
        extras=b"<pose>Left</pose><part><name>x</name></part>",
    )
    done = resize(data, 64)
    assert done.lost == {"masks": 1, "keypoints": 1, "parts": 1}
    assert done.dataset.boxes["extras"][0] == b"<pose>Left</pose>"
    assert resize(one(segmentation=b'{"size":[80,121],"counts":[9680]}'), 64).lost == {"masks": 1}


@pytest.mark.parametrize("as_list", [True, False])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_run_lengths_follow(as_list: bool, orientation: int) -> None:
    mask = np.zeros((80, 120), np.uint8)
    mask[10:35, 30:70] = 1
    runs = run_lengths(mask)
    blob = json.dumps({"size": [80, 120], "counts": runs if as_list else pack_runs(runs)}).encode()
    done = resize(one(orientation, segmentation=blob), (60, 60), mode="letterbox", auto_orient=True)
    height, width, moved, stays = runs_of(done.dataset.boxes["segmentation"][0])
    assert (height, width, stays) == (60, 60, as_list)
    pixels = np.repeat(np.arange(len(moved)) % 2, moved).reshape(60, 60, order="F")
    ys, xs = np.flatnonzero(pixels.any(axis=1)), np.flatnonzero(pixels.any(axis=0))
    found = [xs[0], ys[0], xs[-1] - xs[0] + 1, ys[-1] - ys[0] + 1]
    assert found == pytest.approx(box_of(done.dataset), abs=1)


@given(st.lists(st.integers(0, 3_000_000), min_size=1, max_size=30))
def test_packed_runs_are_coco_s(runs: list[int]) -> None:
    coco = pytest.importorskip("pycocotools.mask")
    total = sum(runs)
    blob = json.dumps({"size": [total, 1], "counts": pack_runs(runs)}).encode()
    assert runs_of(blob)[2].tolist() == runs
    if 0 < total < 5_000_000:
        assert int(coco.area({"size": [total, 1], "counts": pack_runs(runs).encode()})) == sum(runs[1::2])


@given(datasets(), st.integers(1, 2000), st.integers(1, 2000), st.sampled_from(["stretch", "letterbox", "fit"]))
@settings(max_examples=60, deadline=None)
def test_there_and_back(data: dsq.Dataset, width: int, height: int, mode: str) -> None:
    there = resize(data, (width, height), mode=mode).dataset
    assert said(resize(shuffled(data, 1), (width, height), mode=mode).dataset) == said(there)
    steps = there.images["pixel_ops"]
    for step, image in zip(steps, there.images.itertuples(), strict=True):
        if step:
            assert image.width <= width and image.height <= height
    boxes, images = there.boxes, there.images.set_index("image_id")
    for box in boxes.itertuples():
        assert box.x >= -1e-9 and box.x + box.width <= images.loc[box.image_id, "width"] + 1e-6
    if mode == "stretch":
        for number in range(len(data)):
            part = dsq.subset(data, count=len(data)).dataset
            size = tuple(map(int, part.images[["width", "height"]].to_numpy()[number]))
            chosen = part.replace(
                images=part.images.iloc[[number]].reset_index(drop=True),
                boxes=part.boxes[part.boxes["image_id"] == part.images["image_id"][number]].reset_index(drop=True),
            )
            back = resize(resize(chosen, (width, height)).dataset, size).dataset
            assert said(back) == said(chosen)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF"])
def test_format_and_bytes(format: str) -> None:
    ops = '[{"resize":[60,40]},{"pad":[2,2,2,2]}]'
    data = marked(1, format) if format not in ("BMP", "GIF") else as_format(format)
    changed = apply_pixel_ops(data, ops)
    assert changed == apply_pixel_ops(data, ops)
    with Image.open(io.BytesIO(changed)) as image:
        assert (image.format, image.size) == (format, (64, 44))


def as_format(format: str, mode: str = "RGB") -> bytes:
    out = io.BytesIO()
    with Image.open(io.BytesIO(marked())) as image:
        image.convert(mode).save(out, format)
    return out.getvalue()


@pytest.mark.parametrize(
    ("mode", "format"),
    [
        ("L", "JPEG"),
        ("CMYK", "JPEG"),
        ("P", "PNG"),
        ("1", "PNG"),
        ("LA", "PNG"),
        ("RGBA", "PNG"),
        ("I;16", "PNG"),
        ("F", "TIFF"),
    ],
)
def test_modes(mode: str, format: str) -> None:
    data = as_format(format, mode)
    changed = apply_pixel_ops(data, '{"resize":[60,60],"pad":[0,10,0,10],"fill":[10,10,10],"orient":6}')
    with Image.open(io.BytesIO(changed)) as image:
        assert image.size == (60, 80)
        if mode != "P":
            assert image.mode == mode


def test_exif_stays_where_nothing_is_turned() -> None:
    changed = apply_pixel_ops(marked(6, "JPEG"), '{"resize":[60,40]}')
    with Image.open(io.BytesIO(changed)) as image:
        assert image.getexif()[0x0112] == 6
        assert image.size == (60, 40)


@pytest.mark.parametrize("data", [b"", b"not an image", marked(1, "JPEG")[:300]])
def test_broken_images_are_told(data: bytes) -> None:
    with pytest.raises(ReadError, match=r"a\.jpg"):
        apply_pixel_ops(data, '{"resize":[60,40]}', name="a.jpg")


def test_real_sets_resize(shared_data: object) -> None:
    data = dsq.read(f"{shared_data}/coco-tiny")
    done = resize(data, (320, 320), mode="letterbox")
    assert done.images == 160
    assert done.lost == {}
    assert done.dataset.images["width"].tolist() == [320] * 160
    scan = dsq.audit(done.dataset, select=["box-outside-image", "box-polygon-mismatch"], tables_only=True)
    before = dsq.audit(data, select=["box-outside-image", "box-polygon-mismatch"], tables_only=True)
    assert len(scan.findings) <= len(before.findings)
