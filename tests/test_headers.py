"""Image headers: the same facts as Pillow's, without decoding, and every fault as a row."""

from __future__ import annotations

import io
import logging
import os
import random
import struct
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, PngImagePlugin

from dsq.headers import Header, read_header, read_headers
from dsq.source import is_image, open_source

ORIENTATION = 0x0112


def picture(mode: str = "RGB", size: tuple[int, int] = (40, 30)) -> Image.Image:
    return Image.effect_noise(size, 60).convert(mode)


def encode(format: str, image: Image.Image | None = None, **options: Any) -> bytes:
    stream = io.BytesIO()
    (image or picture()).save(stream, format, **options)
    return stream.getvalue()


def exif(orientation: int, padding: int = 0) -> Image.Exif:
    tags = Image.Exif()
    tags[0x010F] = "maker" + "x" * padding
    tags[ORIENTATION] = orientation
    tags[0x0131] = "software"
    return tags


def header_of(folder: Path, data: bytes, name: str = "a.jpg") -> Header:
    (folder / name).write_bytes(data)
    with open_source(folder) as source:
        return read_header(source, name)


def by_pillow(stream: Any) -> tuple[int, int, str, str, int]:
    with Image.open(stream) as image:
        value = Image.Image.getexif(image).get(ORIENTATION)
        orientation = value if isinstance(value, int) and 1 <= value <= 8 else 0
        format = "JPEG" if image.format == "MPO" else str(image.format)
        return (*image.size, format, image.mode, orientation)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(*chunks: bytes, size: tuple[int, int] = (40, 30), depth: int = 8, colour: int = 2) -> bytes:
    start = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + start + b"".join(chunks) + chunk(b"IDAT", b"no pixels")


@pytest.fixture
def no_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails when the parsers of our own do not suffice."""

    def fail(*args: object) -> Header:
        raise AssertionError("left to Pillow")

    monkeypatch.setattr("dsq.headers._ask_pillow", fail)


# JPEG


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.usefixtures("no_pillow")
def test_jpeg(tmp_path: Path, mode: str, progressive: bool) -> None:
    data = encode("JPEG", picture(mode), progressive=progressive)
    assert header_of(tmp_path, data) == Header(40, 30, "JPEG", mode, 0, 1, len(data), "")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.usefixtures("no_pillow")
def test_jpeg_orientation(tmp_path: Path, orientation: int) -> None:
    data = encode("JPEG", exif=exif(orientation))
    assert header_of(tmp_path, data).orientation == orientation
    big = b"MM\0*\0\0\0\x08" + struct.pack(">HHHIHHI", 1, ORIENTATION, 3, 1, orientation, 0, 0)
    data = encode("JPEG", exif=b"Exif\0\0" + big)
    assert header_of(tmp_path, data, "b.jpg")[:5] == by_pillow(io.BytesIO(data)) == (40, 30, "JPEG", "RGB", orientation)


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_orientation_that_does_not_exist(tmp_path: Path, value: int) -> None:
    assert header_of(tmp_path, encode("JPEG", exif=exif(value))).orientation == 0


@pytest.mark.parametrize(
    "block",
    [
        b"", b"XX", b"II*\0", b"II*\0\xff\xff\xff\xff", b"II*\0\x08\0\0\0\xff\xff",
        b"II*\0\x08\0\0\0\x01\0\x12\x01\x04\0\x01\0\0\0\x06\0\0\0\0\0\0\0",
        b"II*\0\x08\0\0\0\x01\0\x12\x01\x02\0\x01\0\0\0\x06\0\0\0\0\0\0\0",
        b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x02\0\0\0\x06\0\x06\0\0\0\0\0",
    ],
)  # fmt: skip
def test_odd_exif_is_read_as_pillow_reads_it(tmp_path: Path, block: bytes) -> None:
    data = encode("JPEG")
    body = b"Exif\0\0" + block
    data = data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:]
    found = header_of(tmp_path, data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            expected = by_pillow(io.BytesIO(data))
        except SyntaxError:  # Pillow refuses to read the EXIF, not the picture
            expected = (40, 30, "JPEG", "RGB", 0)
    assert found[:5] == expected
    assert found.error == ""


@pytest.mark.usefixtures("no_pillow")
def test_orientation_in_xmp_counts_where_exif_is_silent(tmp_path: Path) -> None:
    attribute = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    element = b"<x:xmpmeta><tiff:Orientation>3</tiff:Orientation></x:xmpmeta>"
    assert header_of(tmp_path, encode("JPEG", xmp=attribute)).orientation == 6
    assert header_of(tmp_path, encode("JPEG", xmp=element)).orientation == 3
    assert header_of(tmp_path, encode("JPEG", xmp=attribute, exif=exif(8))).orientation == 8


@pytest.mark.parametrize("padding", [3000, 5000, 60_000])
@pytest.mark.parametrize("method", [None, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.usefixtures("no_pillow")
def test_long_jpeg_headers(tmp_path: Path, padding: int, method: int | None) -> None:
    profile = os.urandom(200_000)  # an ICC profile takes a segment for every 64 KB
    data = encode("JPEG", exif=exif(6, padding), icc_profile=profile)
    path = tmp_path
    if method is None:
        (tmp_path / "a.jpg").write_bytes(data)
    else:
        path = tmp_path / "a.zip"
        with zipfile.ZipFile(path, "w", method) as archive:
            archive.writestr("a.jpg", data)
    assert read_header(open_source(path), "a.jpg") == Header(40, 30, "JPEG", "RGB", 6, 1, len(data), "")


def test_padding_between_jpeg_segments(tmp_path: Path) -> None:
    data = encode("JPEG")
    assert header_of(tmp_path, data[:2] + b"\xff\xff\xff" + data[2:])[:3] == (40, 30, "JPEG")
    junk = data[:20] + b"junk" + data[20:]
    assert header_of(tmp_path, junk)[:5] == by_pillow(io.BytesIO(junk)) == (40, 30, "JPEG", "RGB", 0)


@pytest.mark.parametrize("frames", [1, 2])
def test_mpo_counts_as_jpeg(tmp_path: Path, frames: int) -> None:
    data = encode("MPO", save_all=True, append_images=[picture()] * (frames - 1), exif=exif(6))
    found = header_of(tmp_path, data, "a.mpo")
    assert (found.format, found.frames, found.orientation, found.error) == ("JPEG", 1, 6, "")


def frame(bits: int, height: int, width: int, layers: int) -> bytes:
    body = struct.pack(">BHHB", bits, height, width, layers) + b"\1\x11\0" * layers
    return b"\xff\xd8\xff\xc0" + struct.pack(">H", len(body) + 2) + body + b"\xff\xda\0\x08\1\1\0\0\x3f\0"


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xd8\xff\xda\0\x08\1\1\0\0\x3f\0",  # no frame before the scan
        b"\xff\xd8\xff\xd9", b"\xff\xd8\xff", b"\xff\xd8\xff\xe0\0\0", b"\xff\xd8\xff\xc0\0\x04\x08\0",
        frame(12, 30, 40, 3), frame(8, 0, 40, 3), frame(8, 30, 0, 3), frame(8, 30, 40, 2),
        frame(8, 30, 40, 5),
        b"\xff\xd8\xff\xdb\0\x05\0\0\0" + frame(8, 30, 40, 3)[2:],
    ],
)  # fmt: skip
def test_broken_jpeg_header(tmp_path: Path, data: bytes) -> None:
    found = header_of(tmp_path, data)
    assert found[:3] == (0, 0, "JPEG")
    assert found.error.startswith("JPEG header broken or truncated")


def test_jpeg_cut_anywhere(tmp_path: Path) -> None:
    data = encode("JPEG", exif=exif(6))
    for length in range(1, len(data), 7):
        found = header_of(tmp_path, data[:length])
        try:
            expected = by_pillow(io.BytesIO(data[:length]))
        except OSError:
            assert found.error, length
        else:
            assert found[:5] == expected, length
            assert not found.error


# PNG


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
@pytest.mark.usefixtures("no_pillow")
def test_png(tmp_path: Path, mode: str) -> None:
    image = Image.new(mode, (7, 9)) if mode == "I;16" else picture(mode)
    data = encode("PNG", image, dpi=(72, 72))
    assert header_of(tmp_path, data, "a.png")[:5] == by_pillow(io.BytesIO(data))


@pytest.mark.parametrize(
    ("depth", "colour"),
    [
        *((depth, 0) for depth in (1, 2, 4, 8, 16)),
        *((depth, 3) for depth in (1, 2, 4, 8)),
        *((depth, colour) for depth in (8, 16) for colour in (2, 4, 6)),
    ],
)
@pytest.mark.usefixtures("no_pillow")
def test_png_depths(tmp_path: Path, depth: int, colour: int) -> None:
    data = png(chunk(b"gAMA", struct.pack(">I", 45455)), depth=depth, colour=colour)
    assert header_of(tmp_path, data, "a.png")[:5] == by_pillow(io.BytesIO(data))


@pytest.mark.usefixtures("no_pillow")
def test_png_orientation_and_text(tmp_path: Path) -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("Software", "x" * 9000)
    data = encode("PNG", exif=exif(5), pnginfo=text)
    assert header_of(tmp_path, data, "a.png") == Header(40, 30, "PNG", "RGB", 5, 1, len(data), "")


@pytest.mark.parametrize("kind", ["tEXt", "zTXt", "iTXt", "xmp", "profile"])
def test_png_whose_orientation_hides_in_text_is_not_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    block = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    profile = f"\nexif\n{len(block):8}\n{block.hex()}".encode()
    key = b"Raw profile type exif\0"
    xmp = b'XML:com.adobe.xmp\0\0\0\0\0<x tiff:Orientation="6"/>'
    hidden = {
        "tEXt": chunk(b"tEXt", key + profile),
        "zTXt": chunk(b"zTXt", key + b"\0" + zlib.compress(profile)),
        "iTXt": chunk(b"iTXt", key + b"\0\0\0\0" + profile),
        "xmp": chunk(b"iTXt", xmp),
        "profile": chunk(b"iCCP", b"name\0\0" + zlib.compress(bytes(100))) + chunk(b"iTXt", xmp),
    }

    def load(self: object) -> None:
        raise AssertionError("pixels were decoded")

    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", load)
    assert header_of(tmp_path, png(hidden[kind]), "a.png")[:5] == (40, 30, "PNG", "RGB", 6)
    assert header_of(tmp_path, png(), "b.png")[:5] == (40, 30, "PNG", "RGB", 0)


@pytest.mark.parametrize(
    "data",
    [
        b"\x89PNG\r\n\x1a\n", png()[:30], png()[:35], png(size=(0, 30)), png(size=(40, 0)), png(depth=3),
        png()[:20] + b"\1" + png()[21:], b"\x89PNG\n" + png()[8:], png(chunk(b"gAMA", b"")[:-1] + b"x"),
    ],
)  # fmt: skip
def test_broken_png_header(tmp_path: Path, data: bytes) -> None:
    found = header_of(tmp_path, data, "a.png")
    assert found[:3] == (0, 0, "PNG")
    assert found.error.startswith("PNG header broken or truncated")


# the rest, by Pillow


@pytest.mark.parametrize("format", ["WEBP", "BMP", "GIF", "TIFF", "AVIF", "JPEG2000", "PPM"])
def test_other_formats(tmp_path: Path, format: str) -> None:
    Image.init()
    if format not in Image.SAVE:
        pytest.skip(f"this Pillow cannot write {format}")
    data = encode(format)
    found = header_of(tmp_path, data)
    assert found[:5] == by_pillow(io.BytesIO(data))
    assert found[5:] == (1, len(data), "")


@pytest.mark.parametrize("format", ["WEBP", "TIFF"])
def test_orientation_in_other_formats(tmp_path: Path, format: str) -> None:
    found = header_of(tmp_path, encode(format, exif=exif(6)))
    assert found[:5] == (
        40,
        30,
        format,
        "RGB",
        6,
    )  # the stored size, although Pillow gives a TIFF's turned one


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "TIFF"])
def test_frames(tmp_path: Path, format: str) -> None:
    more = [picture(), picture()]
    found = header_of(tmp_path, encode(format, save_all=True, append_images=more, duration=50))
    assert (found.frames, found.format, found.error) == (3, format, "")


def test_tiff_whose_second_page_is_broken(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    data = bytearray(encode("TIFF", exif=exif(6)))
    at = struct.unpack_from("<I", data, 4)[0]
    count = struct.unpack_from("<H", data, at)[0]
    struct.pack_into("<I", data, at + 2 + 12 * count, len(data))
    data += struct.pack("<HHHIII", 1, 277, 3, 1, 999, 0)
    found = header_of(tmp_path, bytes(data))
    assert found[:5] == (40, 30, "TIFF", "RGB", 6)
    assert found.error == ""
    assert capfd.readouterr().err == ""


def test_unregistered_heif_says_so(tmp_path: Path) -> None:
    Image.init()
    if "HEIF" in Image.OPEN:
        pytest.skip("a HEIF decoder is installed")
    found = header_of(tmp_path, b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200), "a.heic")
    assert (found.format, found.error) == ("HEIF", "HEIF, for which the installed Pillow has no decoder")


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", "empty file"),
        (bytes(5000), "not an image: nothing but zero bytes"),
        (b"0 0.5 0.5 0.1 0.1\n", "not an image: text"),
        ("<!DOCTYPE html><title>é".encode(), "not an image: text"),
        (b"%PDF-1.7\n\0\xff", "not an image of a known kind"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "WEBP header broken or truncated"),
        (b"GIF89a", "GIF header broken or truncated"),
    ],
)
def test_what_is_no_image(tmp_path: Path, data: bytes, error: str) -> None:
    found = header_of(tmp_path, data)
    assert found.error.startswith(error)
    assert (found.width, found.height, found.size) == (0, 0, len(data))


# bombs, and what must not leak


def test_size_limit_is_a_gigapixel(tmp_path: Path) -> None:
    assert header_of(tmp_path, png(size=(30_000, 30_000)), "a.png").error == ""
    found = header_of(tmp_path, png(size=(40_000, 40_000)), "b.png")
    assert found.error == "declares 40000 x 40000 pixels, over 1 gigapixel"
    assert found[:3] == (40_000, 40_000, "PNG")
    bitmap = bytearray(encode("BMP"))
    bitmap[18:26] = struct.pack("<ii", 20_000, 20_000)
    before = Image.MAX_IMAGE_PIXELS
    assert header_of(tmp_path, bytes(bitmap), "c.bmp")[:3] == (20_000, 20_000, "BMP")
    bitmap[18:26] = struct.pack("<ii", 200_000, 20_000)
    assert header_of(tmp_path, bytes(bitmap), "d.bmp").error.endswith("over 1 gigapixel")
    assert before == Image.MAX_IMAGE_PIXELS


def test_random_damage_is_a_row_and_nothing_leaks(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    dice = random.Random(7)
    seeds = [
        encode("JPEG", exif=exif(6)), encode("PNG", exif=exif(6)), encode("WEBP"), encode("GIF"),
        encode("TIFF", exif=exif(6)), encode("BMP"),
    ]  # fmt: skip
    for _ in range(600):
        data = bytearray(dice.choice(seeds))
        for _ in range(4):
            data[min(int(dice.expovariate(0.01)), len(data) - 1)] = dice.randrange(256)
        found = header_of(tmp_path, bytes(data[: dice.randrange(1, len(data))]))
        assert found.error or (found.width > 0 and found.height > 0 and found.format)
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("PIL").level == logging.NOTSET


def test_unreadable_files_are_rows(tmp_path: Path) -> None:
    (tmp_path / "gone.jpg").write_bytes(encode("JPEG"))
    (tmp_path / "good.jpg").write_bytes(encode("JPEG"))
    source = open_source(tmp_path)
    (tmp_path / "gone.jpg").unlink()
    gone, unknown, good = read_headers(source, ["gone.jpg", "unknown.jpg", "good.jpg"])
    assert "No such file" in gone.error
    assert "does not exist in the dataset" in unknown.error
    assert good.error == ""


def test_corrupt_zip_member_is_a_row(tmp_path: Path) -> None:
    data = encode("WEBP", lossless=True)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.webp", data)
    whole = bytearray((tmp_path / "a.zip").read_bytes())
    whole[300] ^= 255
    (tmp_path / "a.zip").write_bytes(whole)
    assert "checksum is wrong" in read_header(open_source(tmp_path / "a.zip"), "a.webp").error


def test_linked_images_are_followed(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(encode("JPEG"))
    (tmp_path / "w.jpg").write_bytes(encode("WEBP"))
    (tmp_path / "set").mkdir()
    for name in ("a.jpg", "w.jpg"):
        (tmp_path / "set" / name).symlink_to(tmp_path / name)
    source = open_source(tmp_path / "set")
    assert all(entry.outside for entry in source.entries)
    assert [found.format for found in read_headers(source, source.names)] == ["JPEG", "WEBP"]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_says_the_same_as_its_folder(tmp_path: Path, method: int) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    for format in ("JPEG", "PNG", "WEBP", "GIF", "TIFF"):
        (folder / f"a.{format.lower()}").write_bytes(encode(format))
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "text.jpg").write_bytes(b"hello")
    with zipfile.ZipFile(tmp_path / "a.zip", "w", method) as archive:
        for path in folder.iterdir():
            archive.write(path, path.name)
    plain, zipped = open_source(folder), open_source(tmp_path / "a.zip")
    assert read_headers(plain, plain.names) == read_headers(zipped, plain.names)


def test_every_shared_image_reads_as_pillow_reads_it(shared_data: Path) -> None:
    source = open_source(shared_data)
    names = [name for name in source.names if is_image(name)]
    assert len(names) > 1400
    for name, found in zip(names, read_headers(source, names), strict=True):
        assert found[:5] == by_pillow(shared_data / name), name
        assert (found.frames, found.size, found.error) == (1, (shared_data / name).stat().st_size, ""), name


def test_webp_named_jpg_in_the_shared_zip(shared_data: Path) -> None:
    source = open_source(shared_data / "pen-zip" / "archive.zip")
    found = {name: read_header(source, name) for name in source.names if is_image(name)}
    assert all(not header.error for header in found.values())
    webp = {name.rpartition("/")[2] for name, header in found.items() if header.format == "WEBP"}
    assert webp == {f"Image_{number}.jpg" for number in (2, 7, 8, 9, 11, 13, 15, 17, 18, 19)}
    assert sum(header.mode == "P" for header in found.values()) == 2
