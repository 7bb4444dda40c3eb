"""Damage that decoders of JPEG pass over in silence, and how much of a broken picture is left."""

from __future__ import annotations

import io
import re
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from dsq.measure.decode import Small

Array = NDArray[Any]

NAME = "damage"
VERSION = 1

ENDLESS = "only the end mark is missing"
_RUN = bytes(512)  # a lost sector
_PADDING = 64  # zeros at the end that are no mere padding
_END = b"\xff\xd9"
_LONE_LINE_FEED = re.compile(rb"[^\r]\n")
_LINES = 32  # line feeds that by chance do not all follow a carriage return
_GREY = 128  # what libjpeg paints where it has no data


def find_damage(data: bytes, format: str, small: Small) -> str:
    """What is wrong with an image file that decodes without complaint; "" where nothing is.

    Only what proves damage: bytes overwritten with zeros, line ends converted, the grey that a decoder leaves
    where the data ended early.
    """
    if format != "JPEG":
        return ""
    if _RUN in data and (what := _find_zeros(data)):
        return f"broken JPEG: {what}"
    if _LONE_LINE_FEED.search(data) is None and data.count(b"\r\n") >= _LINES:
        return "broken JPEG: its line ends were converted as if it were text"
    lost = _grey_share(small)
    return f"broken JPEG: {_tell_share(lost)}" if lost else ""


def explain(data: bytes, format: str, error: str) -> str:
    """Why an image cannot be decoded, `error` as the decoder said it, with how much is lost where that is known."""
    kind, _, _ = error.partition(": ")
    lost = _tell_loss(data) if format == "JPEG" else ""
    if not lost and kind == "truncated":
        lost = "the file ends before the picture does"
    return f"{kind}: {lost}" if lost else error


def _tell_loss(data: bytes) -> str:
    """What is left of a JPEG whose end is missing: the share that is lost, in words; "" where that is not known."""
    from PIL import Image

    if what := _find_zeros(data):
        return what
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data + _END)) as image:
                if image.format != "JPEG" or image.mode not in ("RGB", "L") or image.info.get("progressive"):
                    return ""
                image.draft("YCbCr" if image.mode == "RGB" else "L", (image.width // 8, image.height // 8))
                planes = np.asarray(image.convert("YCbCr"))
    except Exception:  # a broken file may break a decoder in any way; then nothing is known
        return ""
    grey = (planes == _GREY).all(2)
    if not grey[-1, -1]:
        return ENDLESS
    rows = int(np.argmin(grey.all(1)[::-1])) if not grey.all() else len(grey)
    return _tell_share(max(rows, 1) / len(grey))


def _tell_share(share: float) -> str:
    percent = round(100 * share)
    return "the last rows are missing" if percent < 1 else f"the lower {percent} % is missing"


def _grey_share(small: Small) -> float:
    """The share of rows at the bottom that were never decoded; 0 where nothing proves that.

    Padding of the same grey ends in a straight line; data that end leave a row that is filled up to somewhere.
    """
    y, cb, cr = small.y, small.cb, small.cr
    if y[-1, -1] != _GREY or cb[-1, -1] != _GREY or cr[-1, -1] != _GREY:
        return 0.0
    grey = (y == _GREY) & (cb == _GREY) & (cr == _GREY)
    whole = grey.all(1)
    if whole.all() or whole[0] or not whole[-1]:
        return 0.0
    rows = int(np.argmin(whole[::-1]))
    edge = grey[-rows - 1]
    filled = len(edge) - int(np.argmin(edge[::-1])) if not edge.all() else 0
    return rows / len(grey) if 0 < filled <= len(edge) - 2 and not edge[:filled].all() else 0.0


def _find_zeros(data: bytes) -> str:
    """Zeros in place of entropy-coded data; "" where there are none, or where they may stand for a flat picture."""
    start = _find_scan(data)
    if not start or _RUN not in data[start:]:
        return ""
    end = data.find(_END, start)
    if end < 0:
        left = len(data.rstrip(b"\0"))
        if len(data) - left >= _PADDING:
            return f"the last {round(100 * (len(data) - left) / len(data))} % of the file are zeros"
    run = data.find(_RUN, start, end if end >= 0 else len(data))
    return "a part of the file was overwritten with zeros" if run >= 0 else ""


def _find_scan(data: bytes) -> int:
    """Where the entropy-coded data of a sequential JPEG start; 0 where zero bits in them may stand for flat blocks."""
    at, shortest = 2, set[int]()
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        stop = at + 2 + (data[at + 2] << 8 | data[at + 3])
        if marker == 0xC2:
            return 0
        if marker == 0xDA:
            return 0 if shortest == {0} else stop
        table = at + 4
        while marker == 0xC4 and table + 17 < min(stop, len(data)):
            if data[table] & 0x10:  # of the coefficients: what the code of zeros alone says, 0 being "no more"
                shortest.add(data[table + 17])
            table += 17 + sum(data[table + 1 : table + 17])
        at = stop
    return 0
