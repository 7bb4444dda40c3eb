"""What is measured of one image file, packed into bytes for the cache and for the way between processes."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsq.headers import Header, parse_header
from dsq.measure import basics, damage, probes
from dsq.measure.basics import Basics, describe_all, stack_by_size
from dsq.measure.camera import read_camera
from dsq.measure.damage import explain, find_damage
from dsq.measure.decode import DecodeError, Small, decode_all, decoder
from dsq.measure.probes import PROBES, probe_many

Array = NDArray[Any]

NAME = "image"
VERSION = 2  # of the layout, the decoding and the camera
TEXTS = ("format", "mode", "header_error", "error", "camera", "taken")

_COUNTS = ("width", "height", "orientation", "frames", "size")
_LAYOUT = np.dtype(
    [(name, "<u4") for name in _COUNTS[:-1]]
    + [("size", "<u8")]
    + [(name, "<f8") for name in Basics._fields]
    + [("probes", "<u8", (PROBES,))]
)
_HEAD = struct.Struct(f"<4IQ{len(Basics._fields)}d")
_NUMBERS, _HASHES = (float("nan"),) * len(Basics._fields), bytes(8 * PROBES)  # where there are no pixels


def kind() -> str:
    """The name and version that a row is kept under: what it depends on, the decoder's release included."""
    parts = [(NAME, VERSION), *((part.NAME, part.VERSION) for part in (basics, damage, probes))]
    return " ".join([*(f"{name}-{version}" for name, version in parts), decoder()])


def measure_files(files: Sequence[bytes]) -> list[bytes]:
    """The row of each image file that lies in memory; whatever is wrong with it stands in the row.

    Step by step for all rather than file by file: a processor does the same thing again in two thirds of the time.
    """
    headers = [parse_header(data) for data in files]
    decoded = decode_all(files, headers)
    errors = [_find_fault(*each) for each in zip(files, headers, decoded, strict=True)]
    smalls = [small for small, error in zip(decoded, errors, strict=True) if isinstance(small, Small) and not error]
    stacks = list(stack_by_size([small.y for small in smalls]))
    numbers = describe_all(smalls, stacks) if smalls else ()
    hashes = np.empty((len(smalls), PROBES), "<u8")
    for rows, planes in stacks:
        hashes[rows] = probe_many(planes)
    measured = iter(zip(numbers, hashes, strict=True))
    packed = []
    for data, header, error in zip(files, headers, errors, strict=True):
        if error:
            packed.append(_pack(header, _NUMBERS, _HASHES, error, data))
        else:
            values, probed = next(measured)
            packed.append(_pack(header, values.tolist(), probed.tobytes(), "", data))
    return packed


def _find_fault(data: bytes, header: Header, small: Small | DecodeError) -> str:
    """Why the pixels cannot be used; "" where they can."""
    if isinstance(small, Small):
        return find_damage(data, header.format, small)
    return header.error or explain(data, header.format, str(small))


def missing_row(error: str) -> bytes:
    """The row of a file that could not be read."""
    return _pack(Header(0, 0, "", "", 0, 1, 0, error), _NUMBERS, _HASHES, error, b"")


def _pack(header: Header, numbers: Sequence[float], hashes: bytes, error: str, data: bytes) -> bytes:
    head = _HEAD.pack(header.width, header.height, header.orientation, header.frames, header.size, *numbers)
    camera, taken = (None, None) if header.error else read_camera(data, header.format)
    texts = (header.format, header.mode, header.error, error, camera or "", taken or "")
    return head + hashes + "\0".join(text.replace("\0", " ") for text in texts).encode("utf-8", "replace")


def unpack(rows: Sequence[bytes]) -> tuple[dict[str, Any], Array]:
    """Columns by name (numbers as arrays, texts as lists of str) and the probes (rows, PROBES) uint64."""
    fixed = _LAYOUT.itemsize
    table = np.frombuffer(b"".join([row[:fixed] for row in rows]), _LAYOUT)
    columns: dict[str, Any] = {name: table[name].astype(np.int64) for name in _COUNTS}
    columns |= {name: table[name].astype(np.float64) for name in Basics._fields}
    tails = [row[fixed:] for row in rows]
    known = {tail: tail.decode("utf-8").split("\0") for tail in set(tails)}
    parts = [known[tail] for tail in tails]
    columns |= {name: [part[i] for part in parts] for i, name in enumerate(TEXTS)}
    return columns, table["probes"].astype(np.uint64)
