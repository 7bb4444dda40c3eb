"""Which camera took a picture and when, by its EXIF block."""

from __future__ import annotations

import struct

START = 4096  # bytes of a file that are searched for the start of the block; all of a WebP, where it stands last
MOST = 1 << 16  # bytes of the block
LONGEST = 120  # characters of a text
_MAKE, _MODEL, _EXIF, _TAKEN = 0x010F, 0x0110, 0x8769, 0x9003
_ENTRIES = 200  # of a directory: more has none that a camera wrote


def read_camera(data: bytes, format: str) -> tuple[str | None, str | None]:
    """(make and model, DateTimeOriginal) of an image file in memory; None where it does not say."""
    block = _find_block(data, format)
    if block is None:
        return None, None
    order = "<" if block[:2] == b"II" else ">"
    try:
        (start,) = struct.unpack_from(order + "I", block, 4)
        texts, inner = _read_directory(block, order, start, (_MAKE, _MODEL))
        taken = _read_directory(block, order, inner, (_TAKEN,))[0].get(_TAKEN) if inner else None
    except struct.error:  # a directory that leads out of the block says nothing
        return None, None
    make, model = texts.get(_MAKE, ""), texts.get(_MODEL, "")
    name = model if model.lower().startswith(make.lower()) else f"{make} {model}"
    return name.strip() or None, taken or None


def _find_block(data: bytes, format: str) -> bytes | None:
    """The TIFF structure that holds the tags."""
    if format == "TIFF":
        return data if data[:4] in (b"II*\0", b"MM\0*") else None
    if format == "WEBP":
        at = data.rfind(b"EXIF")
        body = data[at + 8 :].removeprefix(b"Exif\0\0") if at > 0 else b""
    elif format == "PNG":
        at = data.find(b"eXIf", 0, START)
        body = data[at + 4 : at + 4 + MOST] if at > 0 else b""
    else:
        at = data.find(b"Exif\0\0", 0, START)
        body = data[at + 6 : at + 6 + MOST] if at > 0 else b""
    return body if body[:4] in (b"II*\0", b"MM\0*") else None


def _read_directory(block: bytes, order: str, start: int, wanted: tuple[int, ...]) -> tuple[dict[int, str], int]:
    """Texts of the wanted tags, and where the directory of the picture's own tags starts (0: none)."""
    (count,) = struct.unpack_from(order + "H", block, start)
    texts: dict[int, str] = {}
    inner = 0
    for at in range(start + 2, start + 2 + 12 * min(count, _ENTRIES), 12):
        tag, kind, amount, value = struct.unpack_from(order + "HHII", block, at)
        if tag == _EXIF:
            inner = value
        elif tag in wanted and kind == 2:
            place = at + 8 if amount <= 4 else value
            raw = block[place : place + min(amount, LONGEST)].partition(b"\0")[0]
            texts[tag] = "".join(c for c in raw.decode("utf-8", "replace") if c.isprintable()).strip()
    return texts, inner
