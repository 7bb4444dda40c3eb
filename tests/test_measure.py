"""What is measured of image files: once, from one read, the same whatever the way, and never a wrong row."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pictures import LONG_AGO, draw, encode, make_folder, make_zip, put
from PIL import Image

import dsq
from dsq.headers import Header, read_headers
from dsq.measure import derive, files, store
from dsq.measure.images import Measured, header_table, measure_images
from dsq.measure.probes import PROBES
from dsq.measure.stated import state_pixels
from dsq.measure.thumbs import read_thumbs, shrink
from dsq.model import Dataset, text_or_none
from dsq.scan import Scan
from dsq.source import open_source


def measure(path: Path | Dataset, cache: Path | bool = False, **options: Any) -> Measured:
    return measure_images(path if isinstance(path, Dataset) else dsq.read(path), cache=cache, **options)


def same(one: Measured, other: Measured) -> bool:
    pd.testing.assert_frame_equal(one.table, other.table, check_exact=True)
    return bool((one.probes == other.probes).all())


def errors(measured: Measured) -> dict[str, str]:
    """Errors by the number in the file names, which `row` is."""
    return {str(row): why for row, why in zip(measured.table["row"], measured.table["error"], strict=True) if why}


class Counter:
    """Counts files that are read and files that are decoded."""

    def __init__(self) -> None:
        self.read = self.decoded = 0


@pytest.fixture
def counter(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter]:
    found = Counter()
    read, decode = files.Reader.read, dsq.measure.rows.decode_all

    def count_read(*arguments: Any) -> Any:
        found.read += 1
        return read(*arguments)

    def count_decode(data: Sequence[bytes], headers: Sequence[Header]) -> Any:
        found.decoded += len(data)
        return decode(data, headers)

    monkeypatch.setattr(files.Reader, "read", count_read)
    monkeypatch.setattr("dsq.measure.rows.decode_all", count_decode)
    yield found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "set", 12)


def test_a_row_an_image_in_the_order_of_images(folder: Path) -> None:
    put(folder / "0003.png", encode(draw(3), "PNG"))
    data = dsq.read(folder)
    table, probes = measure(data)
    assert table["image_id"].tolist() == data.images["image_id"].tolist()
    assert table["row"].tolist() == list(range(13))
    assert probes.shape == (13, PROBES) and probes.dtype == np.uint64
    assert (probes[:, 0] != 0).all() and len(set(probes[:, 0].tolist())) >= 12
    assert table["content"].nunique() == 13 and table["content"].str.len().eq(64).all()
    assert set(table["error"]) == {""}
    assert table["width"].eq(96).all() and table["height"].eq(72).all()
    assert table["luma_mean"].between(60, 200).all()


def test_an_image_without_a_file_has_no_row(folder: Path) -> None:
    data = dsq.read(folder)
    members = data.images["member"].astype(object)
    members.iloc[[2, 5]] = None
    table, probes = measure(data.replace(images=data.images.assign(member=members)))
    assert table["row"].tolist() == [0, 1, 3, 4, *range(6, 12)]
    assert len(probes) == 10


def test_no_image_at_all() -> None:
    table, probes = measure(dsq.build_dataset())
    assert len(table) == 0 and probes.shape == (0, PROBES)
    assert list(table.columns) == list(state_pixels(dsq.build_dataset(images=["a"]), {}).table.columns)


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_a_zip_measures_as_the_folder_does(folder: Path, tmp_path: Path, compression: int) -> None:
    zipped = make_zip(tmp_path / "set.zip", folder, compression)
    assert same(measure(folder), measure(zipped))
    assert same(measure(folder), measure(zipped, workers=2))


@pytest.mark.parametrize("workers", [2, 3, 5])
def test_the_number_of_workers_changes_nothing(folder: Path, tmp_path: Path, workers: int) -> None:
    put(folder / "wide.png", encode(draw(99, (4000, 60)), "PNG"))
    put(folder / "high.jpg", encode(draw(98, (60, 4000))))
    put(folder / "cut.jpg", encode(draw(97))[:-300])
    put(folder / "text.jpg", b"<html>no image</html>")
    one = measure(folder, tmp_path / "a", workers=1)
    assert same(one, measure(folder, tmp_path / "b", workers=workers))
    assert same(one, measure(folder, tmp_path / "b", workers=1))
    assert same(one, measure(folder))


def test_what_stands_beside_it_changes_nothing(folder: Path) -> None:
    """Images of one size are measured together; each comes out as if it had been alone."""
    together = measure(folder)
    for number in (0, 7):
        alone = measure(_only(dsq.read(folder), number))
        assert alone.table.iloc[0].drop(["row"]).equals(together.table.iloc[number].drop(["row"]))
        assert (alone.probes[0] == together.probes[number]).all()


def _only(data: Dataset, number: int) -> Dataset:
    return data.replace(images=data.images.iloc[[number]].reset_index(drop=True))


def test_the_number_of_threads_changes_nothing(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "set", 3)
    put(folder / "wide.png", encode(draw(99, (9000, 110)), "PNG"))
    program = (
        "import sys, dsq, hashlib; from dsq.measure.images import measure_images\n"
        "m = measure_images(dsq.read(sys.argv[1]), cache=False)\n"
        "print(hashlib.sha256(m.table.to_csv().encode() + m.probes.tobytes()).hexdigest())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", program, str(folder)],
            env={**os.environ, "OPENBLAS_NUM_THREADS": threads},
            capture_output=True,
            check=True,
        ).stdout
        for threads in ("1", "2", "4")
    }
    assert len(found) == 1


def test_headers_are_those_that_the_header_pass_reads(shared_data: Path) -> None:
    for name in ("odd", "raccoon", "pen-zip/archive.zip", "traffic-ground"):
        data = dsq.read(shared_data / name)
        table = header_table(measure(data))
        with_files = data.images[data.images["member"].notna()].set_index("image_id")
        for root, part in with_files.groupby("root", observed=True):
            with open_source(str(root)) as source:
                headers = read_headers(source, part["member"].tolist())
            ours = table.set_index("image_id").loc[part.index]
            for field in Header._fields:
                told = ours[field].tolist()
                assert told == [getattr(header, field) for header in headers], (name, field)


def test_scan_takes_headers_and_pixels_from_one_read(folder: Path, counter: Counter) -> None:
    data = dsq.read(folder).replace(headers=None)
    scan = Scan(data, cache=False)
    assert scan.lacks("pixels") is None
    assert len(scan.pixels) == 12 and counter.read == 12
    assert scan.headers["width"].tolist() == [96] * 12 and counter.read == 12
    assert Scan(data, tables_only=True).lacks("pixels") == "left out by --tables-only"
    assert "no image file" in str(Scan(dsq.build_dataset(images=["a.jpg"])).lacks("pixels"))


# --- the cache -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zipped", [False, True])
def test_a_second_look_reads_no_file(folder: Path, tmp_path: Path, counter: Counter, zipped: bool) -> None:
    """The bytes are exchanged behind the back of the cache, with size, time and inode kept: nobody looks at them."""
    path = make_zip(tmp_path / "set.zip", folder) if zipped else folder
    data, cache = dsq.read(path), tmp_path / "cache"
    first = measure(data, cache)
    assert (counter.read, counter.decoded) == (12, 12)
    for file in [path] if zipped else sorted(folder.iterdir()):
        with open(file, "r+b") as stream:
            stream.write(bytes(file.stat().st_size))
        os.utime(file, ns=(LONG_AGO, LONG_AGO))
    assert same(first, measure(data, cache))
    assert (counter.read, counter.decoded) == (12, 12)
    seen = measure(data, cache, rehash=True)
    assert counter.read == 24
    assert all(seen.table["error"] != "")


def test_a_changed_file_is_measured_again(folder: Path, tmp_path: Path, counter: Counter) -> None:
    data, cache = dsq.read(folder), tmp_path / "cache"
    first = measure(data, cache)
    put(folder / "0004.jpg", encode(draw(77)), LONG_AGO + 1)
    again = measure(data, cache)
    assert (counter.read, counter.decoded) == (13, 13)
    assert np.flatnonzero((first.probes != again.probes).any(1)).tolist() == [4]
    assert same(again, measure(data))


def test_a_changed_zip_is_read_again_but_only_new_content_is_decoded(
    folder: Path, tmp_path: Path, counter: Counter
) -> None:
    zipped, cache = make_zip(tmp_path / "set.zip", folder), tmp_path / "cache"
    measure(zipped, cache)
    put(folder / "0004.jpg", encode(draw(77)))
    make_zip(zipped, folder)
    os.utime(zipped, ns=(LONG_AGO, LONG_AGO + 5))
    again = measure(zipped, cache)
    assert (counter.read, counter.decoded) == (24, 13)
    assert same(again, measure(zipped))


def test_moved_files_are_not_decoded_again(folder: Path, tmp_path: Path, counter: Counter) -> None:
    cache = tmp_path / "cache"
    first = measure(folder, cache)
    shutil.copytree(folder, tmp_path / "elsewhere")
    assert same(first, measure(tmp_path / "elsewhere", cache))
    assert (counter.read, counter.decoded) == (24, 12)
    measure(tmp_path / "elsewhere" / "..", cache)
    assert counter.decoded == 12


def test_twins_are_decoded_once_in_a_batch(tmp_path: Path, counter: Counter) -> None:
    for name in "abc":
        put(tmp_path / "set" / f"{name}.jpg", encode(draw(1)))
    table, _ = measure(tmp_path / "set")
    assert table["content"].nunique() == 1
    assert counter.decoded <= 3


def test_young_files_are_not_trusted(folder: Path, tmp_path: Path, counter: Counter) -> None:
    cache, young = tmp_path / "cache", folder / "0004.jpg"
    os.utime(young)
    data = dsq.read(folder)
    measure(data, cache)
    assert counter.read == 12
    before = young.stat()
    young.write_bytes(encode(draw(77), quality=80).ljust(before.st_size, b"\0")[: before.st_size])
    os.utime(young, ns=(before.st_mtime_ns, before.st_mtime_ns))
    assert young.stat()[:7] == before[:7]
    again = measure(data, cache)
    assert counter.read == 13
    assert same(again, measure(data))


def test_links_are_known_by_the_path_given(folder: Path, tmp_path: Path, counter: Counter) -> None:
    links, cache = tmp_path / "links", tmp_path / "cache"
    links.mkdir()
    for file in sorted(folder.iterdir()):
        (links / file.name).symlink_to(file)
    first = measure(links, cache)
    assert same(first, measure(links, cache))
    assert counter.read == 12
    (links / "0004.jpg").unlink()
    (links / "0004.jpg").symlink_to(put(tmp_path / "other.jpg", encode(draw(77))))
    assert not np.array_equal(measure(links, cache).probes[4], first.probes[4])
    assert same(measure(folder, cache), first)


def test_names_that_are_no_unicode(folder: Path, tmp_path: Path, counter: Counter) -> None:
    odd = os.fsencode(folder) + b"/caf\xe9.jpg"
    with open(odd, "wb") as stream:
        stream.write(encode(draw(50)))
    os.utime(odd, ns=(LONG_AGO, LONG_AGO))
    data = dsq.read(folder)
    assert "café.jpg" in data.images["file"].tolist()
    first = measure(data, tmp_path / "cache")
    assert set(first.table["error"]) == {""}
    assert same(first, measure(data, tmp_path / "cache"))


def test_another_version_of_a_measure_is_measured_anew(
    folder: Path, tmp_path: Path, counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure(folder, tmp_path / "cache")
    monkeypatch.setattr("dsq.measure.probes.VERSION", 1_000)
    measure(folder, tmp_path / "cache")
    assert (counter.read, counter.decoded) == (24, 24)


# --- what happens meanwhile ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2])
def test_files_that_vanished_are_told_in_their_rows(folder: Path, tmp_path: Path, workers: int) -> None:
    data = dsq.read(folder)
    whole = measure(data)
    (folder / "0003.jpg").unlink()
    (folder / "0005.jpg").unlink()
    (folder / "0005.jpg").mkdir()
    found = measure(data, tmp_path / "cache", workers=workers)
    told = errors(found)
    assert set(told) == {"3", "5"}
    assert "No such file" in told["3"]
    assert text_or_none(found.table["content"])[[3, 5]].tolist() == [None, None]
    rest = [row for row in range(12) if row not in (3, 5)]
    pd.testing.assert_frame_equal(found.table.iloc[rest], whole.table.iloc[rest])


def test_a_zip_that_vanished_is_told_in_its_rows(folder: Path, tmp_path: Path) -> None:
    zipped = make_zip(tmp_path / "set.zip", folder)
    data = dsq.read(zipped)
    zipped.unlink()
    assert len(errors(measure(data, tmp_path / "cache"))) == 12


@pytest.mark.parametrize("how", ["grows", "shrinks", "rewritten"])
def test_a_file_that_changes_while_it_is_read(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    data, cache = dsq.read(folder), tmp_path / "cache"
    target = folder / "0006.jpg"
    inode, size = target.stat().st_ino, target.stat().st_size
    read = os.read

    def meddle(handle: int, count: int) -> bytes:
        if os.fstat(handle).st_ino == inode and count > size // 2:
            with open(target, "r+b") as stream:
                if how == "shrinks":
                    stream.truncate(size // 3)
                else:
                    stream.seek(0, os.SEEK_END if how == "grows" else os.SEEK_SET)
                    stream.write(b"other bytes")
        return read(handle, count)

    with monkeypatch.context() as patch:
        patch.setattr("dsq.measure.files.os.read", meddle)
        told = errors(measure(data, cache))
    assert set(told) == {"6"}
    assert "changed by somebody" in told["6"]
    put(target, encode(draw(6), quality=80))
    assert same(measure(data, cache), measure(data))


def test_a_zip_that_is_replaced_while_it_is_read(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read is measured, but not remembered for the new file."""
    zipped, cache = make_zip(tmp_path / "set.zip", folder), tmp_path / "cache"
    data = dsq.read(zipped)
    other = make_zip(tmp_path / "other.zip", make_folder(tmp_path / "other", 12, optimize=True))
    read = files.read_member

    def meddle(archive: Any, info: Any) -> bytes:
        if info.filename == "0006.jpg":
            zipped.write_bytes(other.read_bytes())
        return read(archive, info)

    with monkeypatch.context() as patch:
        patch.setattr(files, "read_member", meddle)
        told = errors(measure(data, cache))
    assert set(told) <= {str(row) for row in range(6, 12)}
    os.utime(zipped, ns=(LONG_AGO, LONG_AGO + 7))
    assert same(measure(zipped, cache), measure(zipped))


KILLED = """
import os, signal, sys
import dsq
from dsq.measure import derive, images, store
store.EVERY, derive.MOST_FILES = 0.0, 3

def stop(what, done, total):
    if done >= total // 2:
        os.kill(os.getpid(), getattr(signal, sys.argv[3]))

images.measure_images(dsq.read(sys.argv[1]), cache=sys.argv[2], workers=int(sys.argv[4]), progress=stop)
"""


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("how", ["SIGKILL", "SIGINT"])
def test_an_interrupted_run_goes_on_where_it_stopped(
    folder: Path, tmp_path: Path, counter: Counter, how: str, workers: str
) -> None:
    cache = tmp_path / "cache"
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(folder), str(cache), how, workers], capture_output=True, check=False
    )
    assert done.returncode == -getattr(signal, how)
    found = measure(folder, cache)
    assert 0 < counter.read <= 6
    assert same(found, measure(folder))


def test_a_dying_worker_is_told_with_its_files(folder: Path, tmp_path: Path) -> None:
    """A decoder that crashes takes its process along, not the audit's."""
    program = """
import os, sys
import dsq
from dsq.errors import DsqError
from dsq.measure import derive
import pictures
derive.MOST_FILES = 2
try:
    derive.derive(dsq.read(sys.argv[1]), range(12), pictures.die_of_seven, "t-1", workers=2, cache=sys.argv[2])
except DsqError as error:
    print(error)
"""
    seven = (folder / "0007.jpg").read_bytes()
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent), "SEVEN": str(zlib.crc32(seven))}
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder), str(tmp_path / "cache")],
        capture_output=True,
        text=True,
        env=environment,
        check=True,
        timeout=120,
    )
    assert "a worker process was killed" in done.stdout and "0007.jpg" in done.stdout, done.stderr
    assert "--workers 1" in done.stdout


# --- pixels ----------------------------------------------------------------------------------------------------------


def test_every_mode_becomes_comparable(tmp_path: Path) -> None:
    grey = draw(5, (200, 150)).convert("L")
    deep = Image.fromarray((np.asarray(grey).astype(np.uint16) * 16 + 500).astype(np.uint16))
    clear = draw(5, (200, 150)).copy()
    clear.putalpha(Image.new("L", clear.size, 255))
    pictures = {
        "a-jpeg.jpg": encode(grey.convert("RGB"), quality=95),
        "b-grey.jpg": encode(grey, quality=95),
        "c-cmyk.jpg": encode(grey.convert("RGB").convert("CMYK"), quality=95),
        "d-png.png": encode(grey, "PNG"),
        "e-deep.png": encode(deep, "PNG"),
        "f-palette.png": encode(grey.convert("P"), "PNG"),
        "g-alpha.png": encode(grey.convert("LA"), "PNG"),
        "h-deep.tif": encode(deep, "TIFF"),
        "i-webp.webp": encode(grey.convert("RGB"), "WEBP", quality=95),
        "j-gif.gif": encode(grey, "GIF"),
        "k-float.tif": encode(grey.convert("F"), "TIFF"),
        "l-bmp.bmp": encode(grey.convert("RGB"), "BMP"),
        "m-progressive.jpg": encode(grey.convert("RGB"), quality=95, progressive=True),
    }
    for name, data in pictures.items():
        put(tmp_path / name, data)
    table, probes = measure(tmp_path)
    assert set(table["error"]) == {""}, table[["row", "error"]]
    assert table["luma_sd"].between(20, 90).all()
    assert (table["colour"] < 3).all()
    distance = np.bitwise_count(probes[:, 0] ^ probes[0, 0])
    assert (distance <= 6).all(), distance


def test_transparent_is_white(tmp_path: Path) -> None:
    picture = draw(5, (120, 90)).convert("RGBA")
    picture.putalpha(Image.new("L", picture.size, 0))
    put(tmp_path / "a.png", encode(picture, "PNG"))
    put(tmp_path / "b.webp", encode(picture, "WEBP", lossless=True))
    table, _ = measure(tmp_path)
    assert table["luma_mean"].tolist() == [255, 255]


@pytest.mark.parametrize("format", ["JPEG", "TIFF", "PNG", "WEBP"])
def test_pixels_are_those_stored_whatever_exif_says(tmp_path: Path, format: str) -> None:
    for orientation in range(1, 9):
        tags = Image.Exif()
        tags[0x0112] = orientation
        suffix = {"JPEG": "jpg", "TIFF": "tif"}.get(format, format.lower())
        put(tmp_path / f"{orientation}.{suffix}", encode(draw(5, (150, 90)), format, exif=tags.tobytes()))
    table, probes = measure(tmp_path)
    assert table["orientation"].tolist() == list(range(1, 9))
    assert table["width"].tolist() == [150] * 8
    assert (probes == probes[0]).all()
    assert (read_thumbs(dsq.read(tmp_path), range(8), cache=False)[1:] == read_thumbs(dsq.read(tmp_path), [0])[0]).all()


def test_faults_are_told_in_the_row(tmp_path: Path) -> None:
    whole = encode(draw(5, (400, 300)), quality=90)
    put(tmp_path / "0.jpg", whole)
    put(tmp_path / "1.jpg", whole[: len(whole) // 2])
    put(tmp_path / "2.jpg", b"")
    put(tmp_path / "3.jpg", b"<html>")
    png = encode(draw(5, (400, 300)), "PNG")
    put(tmp_path / "4.png", png[: len(png) // 2])
    put(tmp_path / "5.png", png[:2000] + bytes(200) + png[2200:])
    measured = measure(tmp_path)
    told = errors(measured)
    assert set(told) == {"1", "2", "3", "4", "5"}
    assert told["1"].startswith("truncated: ") and told["4"].startswith("truncated: ")
    assert told["5"].startswith("broken PNG: ")
    assert told["2"] == "empty file" and told["3"].startswith("not an image")
    table = measured.table
    assert (table["header_error"] != "").tolist() == [False, False, True, True, False, False]
    assert table["luma_mean"].isna().tolist() == [False] + [True] * 5
    assert not measured.probes[1:].any()
    assert table["content"].notna().all()


def test_a_picture_beyond_the_limit_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dsq.measure.decode.MAX_DECODED", 10_000)
    put(tmp_path / "0.png", encode(draw(5, (400, 300)), "PNG"))
    put(tmp_path / "1.jpg", encode(draw(5, (400, 300))))
    put(tmp_path / "2.jpg", encode(draw(5, (400, 300)), progressive=True))
    told = errors(measure(tmp_path))
    assert set(told) == {"0", "2"} and told["0"].startswith("too large: 400 x 300 pixels")


def test_many_pixels_take_bounded_memory(tmp_path: Path) -> None:
    """The largest PNG that is decoded, and a larger JPEG."""
    Image.new("L", (1 << 14, 1 << 13), 90).save(tmp_path / "0.png")
    Image.new("L", (30_000, 6_000), 90).save(tmp_path / "1.jpg")
    program = (
        "import sys, resource, dsq; from dsq.measure.images import measure_images\n"
        "m = measure_images(dsq.read(sys.argv[1]), cache=False)\n"
        "print(*m.table['luma_mean'].round(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, check=True, text=True)
    first, second, peak = map(float, done.stdout.split())
    assert (first, second) == (90, 90)
    assert peak < 1_500


def test_camera_and_time(tmp_path: Path) -> None:
    tags = Image.Exif()
    tags[0x010F], tags[0x0110] = "Maker Ltd", "Model 7"
    tags.get_ifd(0x8769)[0x9003] = "2024:05:06 07:08:09"
    for format, suffix in (("JPEG", "jpg"), ("PNG", "png"), ("WEBP", "webp"), ("TIFF", "tif")):
        put(tmp_path / f"{format}.{suffix}", encode(draw(5), format, exif=tags))
    put(tmp_path / "X.jpg", encode(draw(5)))
    table, _ = measure(tmp_path)
    assert text_or_none(table["camera"]).tolist() == ["Maker Ltd Model 7"] * 4 + [None]
    when = "2024:05:06 07:08:09"  # Pillow writes no second directory into a TIFF
    assert text_or_none(table["taken"]).tolist() == [when, when, None, when, None]


# --- thumbs ----------------------------------------------------------------------------------------------------------


def test_thumbs_come_from_the_cache_without_a_file(folder: Path, tmp_path: Path, counter: Counter) -> None:
    put(folder / "0002.jpg", b"no image")
    data, cache = dsq.read(folder), tmp_path / "cache"
    pixels = measure(data, cache).table
    first = read_thumbs(data, [5, 2, 5, 0], pixels=pixels, cache=cache)
    assert first.shape == (4, 64, 64) and first.dtype == np.float32
    assert np.isnan(first).all((1, 2)).tolist() == [False, True, False, False]
    assert (first[0] == first[2]).all() and np.nanmin(first) >= 0 and np.nanmax(first) <= 255
    shutil.rmtree(folder)
    assert np.array_equal(first, read_thumbs(data, [5, 2, 5, 0], pixels=pixels, cache=cache), equal_nan=True)
    assert np.isnan(read_thumbs(data, [1], pixels=pixels, cache=cache)).all()


def test_shrinking_keeps_areas() -> None:
    plane = np.zeros((64, 96), np.uint8)
    plane[:, 48:] = 200
    small = shrink(plane, 8)
    assert (small[:, :4] == 0).all() and (small[:, 4:] == 200).all()
    assert shrink(np.full((5, 7), 9, np.uint8), 64).tolist() == [[9] * 64] * 64


def test_batches_are_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(derive, "MOST_BYTES", 1_000)
    sizes = [1, 2_000, 1, 1, 500, 500, 5, 1, 1, 1, 1, 1]
    monkeypatch.setattr(derive._Batches, "_size", lambda self, position: sizes[position])
    with files.Files(dsq.read(folder), range(12)) as found:
        batches = derive._Batches(found, range(12), 1)
        assert [[position for position, _, _ in batch] for batch in batches] == [
            [0], [1], [2, 3, 4], [5, 6, 7], [8, 9, 10], [11]
        ]  # fmt: skip
        batches = derive._Batches(found, range(12), 1)
        batches.learn(10.0, 5)
        assert [len(batch) for batch in batches] == [1] * 12
    assert store.EVERY <= 2
