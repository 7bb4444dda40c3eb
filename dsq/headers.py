"""What an image file says about itself before its first pixel: size, format, orientation.

JPEG and PNG are read by the two small parsers here, which give up on anything unusual; Pillow reads the rest.
"""

from __future__ import annotations

import contextlib
import io
import logging
import re
import struct
import warnings
import zlib
from collections.abc import Callable, Sequence
from typing import IO, Any, NamedTuple

from dsq.errors import ReadError
from dsq.source import Source

MAX_PIXELS = 1_000_000_000  # more is a decompression bomb, or a mosaic that no trainer opens
_FIRST = 4096  # bytes: the header of most JPEGs without a thumbnail
_MOST = 8 << 20  # bytes: a header beyond this is left to Pillow
_UNPACK_LIMIT = 1 << 30  # bytes: a zipped image that Pillow must have whole
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "DIB", "GIF", "TIFF", "MPO", "AVIF", "HEIF", "JPEG2000", "PPM")
_ORIENTATION = 0x0112
_XMP_ORIENTATION = re.compile(rb'tiff:Orientation(?:="|>)([0-9])')
_JPEG_MODES = {1: "L", 3: "RGB", 4: "CMYK"}
_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # start of frame, in its thirteen kinds
_SEGMENT_MARKERS = frozenset((0xC4, 0xCC, 0xDD, 0xFE, *range(0xE0, 0xF0)))
# (bits a channel, colour type) of the PNG header, as Pillow names the mode
_PNG_MODES = {
    (1, 0): "1", (2, 0): "L", (4, 0): "L", (8, 0): "L", (16, 0): "I;16",
    (8, 2): "RGB", (16, 2): "RGB",
    (1, 3): "P", (2, 3): "P", (4, 3): "P", (8, 3): "P",
    (8, 4): "LA", (16, 4): "RGBA",
    (8, 6): "RGBA", (16, 6): "RGBA",
}  # fmt: skip
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_PLAIN = frozenset((b"PLTE", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"pHYs", b"sBIT", b"bKGD", b"tIME", b"hIST"))
_PNG_TEXT = frozenset((b"tEXt", b"zTXt", b"iTXt"))
_PNG_TELLING = (b"Raw profile type exif", b"XML:com.adobe.xmp", b"exif", b"xmp")


_SILENCE = logging.NullHandler()  # else what Pillow logs of a broken TIFF lands on stderr


class Header(NamedTuple):
    """The facts of one image file.

    width, height: stored pixels, before any rotation; 0 where unknown. format: Pillow's name, "" where
    unknown; the JPEG in front of an MPO counts as "JPEG" with one frame. mode: Pillow's. orientation: EXIF
    1 to 8, 0 where not said (in a PNG: not said before the pixels). frames: 1 or more. size: bytes.
    error: "" or why the file cannot be read.
    """

    width: int
    height: int
    format: str
    mode: str
    orientation: int
    frames: int
    size: int
    error: str


class _UnusualError(Exception):
    """The header holds something that the parsers here leave to Pillow."""


class _MoreError(Exception):
    """The header goes on until at least the byte in `args[0]`."""


def read_header(source: Source, name: str) -> Header:
    """The header of one image, links followed; whatever is wrong with the file comes back in `error`."""
    return read_headers(source, (name,))[0]


def read_headers(source: Source, names: Sequence[str]) -> list[Header]:
    """`read_header` for each name, in order."""
    starts = source.heads(names, _FIRST, follow=True)
    return [_read(source, name, data) for name, data in zip(names, starts, strict=True)]


def _read(source: Source, name: str, data: bytes | ReadError) -> Header:
    """The header of the image that begins with `data`."""
    entry = source.names.get(name)
    size = entry.size if entry is not None else 0
    if isinstance(data, ReadError):
        return _fault(size, data.what)
    if not size:
        return _fault(0, "empty file")
    want = _FIRST
    try:
        while True:
            try:
                found = _parse(data)
            except _MoreError as more:
                want = max(more.args[0] + _FIRST, 4 * want)
                if len(data) < size and want < _MOST:
                    data = source.head(name, want, follow=True)
                    continue
                found = None
            except _UnusualError:
                found = None
            break
        if found is None:
            return _ask_pillow(lambda: _seekable(source, name), size, data)
    except ReadError as error:
        return _fault(size, error.what)
    return _check(Header(*found, 1, size, ""))


def parse_header(data: bytes) -> Header:
    """The header of an image file that lies in memory as a whole; as `read_header` gives it."""
    size = len(data)
    if not size:
        return _fault(0, "empty file")
    try:
        found = _parse(data)
    except (_MoreError, _UnusualError):
        found = None
    if found is None:
        return _ask_pillow(lambda: io.BytesIO(data), size, data)
    return _check(Header(*found, 1, size, ""))


def _fault(size: int, error: str, format: str = "") -> Header:
    return Header(0, 0, format, "", 0, 1, size, error)


def _check(header: Header) -> Header:
    if header.width * header.height > MAX_PIXELS:
        return header._replace(error=f"declares {header.width} x {header.height} pixels, over 1 gigapixel")
    return header


def _parse(data: bytes) -> tuple[int, int, str, str, int] | None:
    """Width, height, format, mode and orientation of a plain JPEG or PNG; None for other files."""
    if data.startswith(b"\xff\xd8\xff"):
        return _parse_jpeg(data)
    if data.startswith(_PNG_SIGNATURE):
        return _parse_png(data)
    return None


def _parse_jpeg(data: bytes) -> tuple[int, int, str, str, int]:
    """Walk the segments up to the first scan; ITU T.81 annex B, EXIF and XMP in APP1."""
    at, end = 2, len(data)
    width = height = 0
    mode = ""
    exif = xmp = b""
    while True:
        if at + 4 > end:
            raise _MoreError(at + 4)
        marker = data[at + 1]
        if data[at] != 0xFF:
            raise _UnusualError
        if marker == 0xFF:  # padding
            at += 1
            continue
        length = data[at + 2] << 8 | data[at + 3]
        after = at + 2 + length
        if after > end:
            raise _MoreError(after)
        if marker == 0xDA:
            break
        if marker in _FRAME_MARKERS:
            if length < 8 or data[at + 4] != 8 or data[at + 9] not in _JPEG_MODES:
                raise _UnusualError
            height, width = data[at + 5] << 8 | data[at + 6], data[at + 7] << 8 | data[at + 8]
            mode = _JPEG_MODES[data[at + 9]]
        elif marker == 0xDB:
            table = at + 4
            while table < after:
                table += 129 if data[table] >> 4 else 65
            if table != after:
                raise _UnusualError
        elif marker == 0xE1:
            if data.startswith(b"Exif\0\0", at + 4):
                exif += data[at + 10 : after]
            elif data.startswith(b"http://ns.adobe.com/xap/1.0/\0", at + 4):
                xmp = data[at + 33 : after]
        elif marker not in _SEGMENT_MARKERS or length < 2:
            raise _UnusualError
        at = after
    if not width or not height:
        raise _UnusualError
    return width, height, "JPEG", mode, _orientation(exif, xmp)


def _parse_png(data: bytes) -> tuple[int, int, str, str, int]:
    """Walk the chunks up to the first pixel data, checksums included."""
    if len(data) < 33:
        raise _UnusualError
    width, height, depth, colour, _, filtering = struct.unpack_from(">IIBBBB", data, 16)
    mode = _PNG_MODES.get((depth, colour))
    if data[8:16] != b"\0\0\0\rIHDR" or mode is None or filtering or not width or not height:
        raise _UnusualError
    exif = b""
    at = 8
    while True:
        if at + 8 > len(data):
            raise _MoreError(at + 8)
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"IDAT":
            break
        after = at + 12 + length
        if after > len(data):
            raise _MoreError(after)
        body = data[at + 8 : after - 4]
        if zlib.crc32(data[at + 4 : after - 4]) != int.from_bytes(data[after - 4 : after], "big"):
            raise _UnusualError
        if kind == b"eXIf":
            exif = body
        elif kind in _PNG_TEXT:
            if body.startswith(_PNG_TELLING):
                raise _UnusualError
        elif kind not in _PNG_PLAIN and (kind != b"IHDR" or at != 8):
            raise _UnusualError
        at = after
    return width, height, "PNG", mode, _orientation(exif, b"")


def _orientation(exif: bytes, xmp: bytes) -> int:
    """The orientation tag of a TIFF block, else of XMP; 0 where neither says one from 1 to 8."""
    value = None
    if exif:
        exif = exif.removeprefix(b"Exif\0\0")
        if exif[:4] not in (b"II*\0", b"MM\0*"):
            raise _UnusualError
        order = "<" if exif[:1] == b"I" else ">"
        try:
            (start,) = struct.unpack_from(order + "I", exif, 4)
            (count,) = struct.unpack_from(order + "H", exif, start)
            for at in range(start + 2, start + 2 + 12 * count, 12):
                tag, kind, amount = struct.unpack_from(order + "HHI", exif, at)
                if tag == _ORIENTATION:
                    if kind != 3 or amount != 1:
                        raise _UnusualError
                    (value,) = struct.unpack_from(order + "H", exif, at + 8)
                    break
        except struct.error as error:
            raise _UnusualError from error
    if value is None and (match := _XMP_ORIENTATION.search(xmp)):
        value = int(match[1])
    return value if value is not None and 1 <= value <= 8 else 0


def _ask_pillow(reopen: Callable[[], IO[bytes]], size: int, start: bytes) -> Header:
    """What Pillow makes of the file without decoding it; its warnings and its own limit are silenced."""
    from PIL import Image

    logging.getLogger("PIL").addHandler(_SILENCE)
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            Image.init()
            formats = [format for format in _FORMATS if format in Image.OPEN]
            with reopen() as stream, Image.open(stream, formats=formats) as image:
                return _check(_describe(image, size))
    except ReadError:
        raise
    except Exception as error:  # a broken file may break a decoder in any way; the reason goes into the row
        return _fault(size, _reason(start, error), _guess(start))
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _seekable(source: Source, name: str) -> IO[bytes]:
    if source.kind == "folder":
        return source.open(name, follow=True)
    return io.BytesIO(source.read(name, _UNPACK_LIMIT, follow=True))


def _describe(image: Any, size: int) -> Header:
    from PIL import Image

    format = "JPEG" if image.format == "MPO" else image.format
    width, height = image.size
    if format == "TIFF":  # Pillow turns a TIFF as it loads and gives the size after that
        width, height = int(image.tag_v2[256]), int(image.tag_v2[257])
    frames, value = 1, None
    # Decoders pass over broken EXIF and look at one frame: neither makes an image unreadable.
    with contextlib.suppress(Exception):
        # Not image.getexif(): for a PNG that decodes the whole picture in search of a late EXIF chunk.
        value = Image.Image.getexif(image).get(_ORIENTATION)
    with contextlib.suppress(Exception):
        frames = 1 if format == "JPEG" else max(1, int(getattr(image, "n_frames", 1)))
    orientation = value if isinstance(value, int) and 1 <= value <= 8 else 0
    return Header(width, height, format, image.mode, orientation, frames, size, "")


def _guess(start: bytes) -> str:
    """The format that the first bytes announce, "" where they announce none."""
    for magic, format in ((b"\xff\xd8\xff", "JPEG"), (b"\x89PNG", "PNG"), (b"GIF8", "GIF"), (b"BM", "BMP")):
        if start.startswith(magic):
            return format
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "WEBP"
    if start[4:8] == b"ftyp":
        return "AVIF" if start[8:11] == b"avi" else "HEIF"
    return "TIFF" if start[:4] in (b"II*\0", b"MM\0*") else ""


def _reason(start: bytes, error: Exception) -> str:
    from PIL import Image

    format = _guess(start)
    if format in ("AVIF", "HEIF") and format not in Image.OPEN:
        return f"{format}, for which the installed Pillow has no decoder"
    if not format:
        if not start.strip(b"\0"):
            return "not an image: nothing but zero bytes"
        text = start.lstrip()[:1] == b"<" or (b"\0" not in start and start[:64].isascii())
        return "not an image: text" if text else "not an image of a known kind"
    what = "" if type(error).__name__ == "UnidentifiedImageError" else f": {error}"
    return f"{format} header broken or truncated{what}"
