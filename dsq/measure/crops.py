"""What the pixels inside a box look like, in a few hundred bytes."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsq.errors import ReadError
from dsq.headers import parse_header
from dsq.measure.decode import DecodeError, decode_large
from dsq.measure.files import read_images
from dsq.measure.store import Cache, open_store
from dsq.model import Dataset

Array = NDArray[Any]

NAME = "crops"
VERSION = 1
#: side of a crop, of its cells, bins of direction
SIDE, CELL, BINS = 32, 8, 8
#: side of the thumb
THUMB = 8
CELLS = SIDE // CELL
THUMB_SIZE, EDGES_SIZE = THUMB * THUMB * 3, CELLS * CELLS * BINS
CROP_SIZE = THUMB_SIZE + EDGES_SIZE
#: boxes with a shorter side show nothing
LEAST_SIDE = 4.0


def read_crops(
    dataset: Dataset,
    rows: Sequence[int] | Array,
    corners: Array,
    *,
    contents: Sequence[str | None] = (),
    cache: Cache = True,
    progress: Callable[[str, int, int], None] | None = None,
) -> tuple[Array, Array]:
    """Descriptors (n, CROP_SIZE) uint8 of boxes, and which there are (n,) bool.

    rows: positions in `images`; corners (n, 4) in stored pixels. contents: SHA-256 in hex of each row's image file, by
    which descriptors are kept in the cache. What cannot be decoded, lies outside or is too small has none (zeros).
    See `describe_crops` for what a descriptor holds.
    """
    found = np.zeros((len(rows), CROP_SIZE), np.uint8)
    there = np.zeros(len(rows), bool)
    corners = np.asarray(corners, np.float64).round(2)
    keys = [_key(content, box) for content, box in zip(contents, corners.tolist(), strict=True)] if contents else []
    with open_store(cache if keys else False) as store:
        known = store.recall(_kind(), [key for key in keys if key])
        for at, key in enumerate(keys):
            if key in known:
                data = known[key]
                there[at] = len(data) == CROP_SIZE
                if there[at]:
                    found[at] = np.frombuffer(data, np.uint8)
        wanted = np.array([at for at in range(len(rows)) if not keys or keys[at] not in known], np.int64)
        done = 0
        for part, pixels, whole in _cut_all(dataset, np.asarray(rows, np.int64), corners, wanted):
            there[part] = whole
            found[part[whole]] = describe_crops(pixels[whole])
            told = [(keys[at], found[at].tobytes() if there[at] else b"") for at in part.tolist() if keys and keys[at]]
            store.keep(_kind(), told)
            done += len(part)
            if progress is not None:
                progress("looking into boxes", done, len(wanted))
    return found, there


def _kind() -> str:
    import PIL

    return f"{NAME}-{VERSION} pillow-{PIL.__version__}"


def _key(content: str | None, box: Sequence[float]) -> bytes:
    """What a descriptor is kept under; empty where the content of the file is not known."""
    if not content:
        return b""
    return hashlib.sha256(bytes.fromhex(content) + struct.pack("<4d", *box)).digest()[:16]


def _cut_all(dataset: Dataset, rows: Array, corners: Array, wanted: Array) -> Iterator[tuple[Array, Array, Array]]:
    """Image by image: positions of its boxes, their pixels (n, SIDE, SIDE, 3) and which of them there are."""
    wanted = wanted[np.argsort(rows[wanted], kind="stable")]
    images, starts = np.unique(rows[wanted], return_index=True)
    parts = np.split(wanted, starts[1:]) if len(images) else []
    for part, data in zip(parts, read_images(dataset, images.tolist()), strict=True):
        pixels, there = np.zeros((len(part), SIDE, SIDE, 3), np.uint8), np.zeros(len(part), bool)
        if not isinstance(data, ReadError):
            there[:] = _cut(data, corners[part], pixels)
        yield part, pixels, there


def _cut(data: bytes, corners: Array, pixels: Array) -> Array:
    """Fill `pixels` (n, SIDE, SIDE, 3) with the boxes (n, 4) of an image file; (n,) bool: which of them there are."""
    from PIL import Image

    header = parse_header(data)
    limits = np.array([header.width, header.height] * 2, float)
    inside = np.clip(corners, 0, limits)
    sides = inside[:, 2:] - inside[:, :2]
    with np.errstate(invalid="ignore"):
        there: Array = (sides >= LEAST_SIDE).all(1)
    if not there.any():
        return there
    scale = max(1, int(sides[there].min() // SIDE))
    try:
        planes = decode_large(data, scale, header)
    except DecodeError:
        return np.zeros(len(corners), bool)
    image = Image.frombytes("YCbCr", planes.shape[1::-1], planes.tobytes())
    scaled = inside / limits * (image.size * 2)
    for at in np.flatnonzero(there).tolist():
        part = image.resize((SIDE, SIDE), Image.Resampling.BOX, box=tuple(scaled[at].tolist()))
        pixels[at] = np.asarray(part)
    return there


def describe_crops(pixels: Array) -> Array:
    """(n, SIDE, SIDE, 3) uint8 Y Cb Cr -> (n, CROP_SIZE) uint8: 8×8 means of the three planes, then for each of 4×4
    cells how strong its edges are in each of 8 directions (square roots of shares, 255 = all).
    """
    n = len(pixels)
    if n == 0:
        return np.zeros((0, CROP_SIZE), np.uint8)
    step = SIDE // THUMB
    thumbs = pixels.reshape(n, THUMB, step, THUMB, step, 3).mean((2, 4), dtype=np.float32)
    luma = pixels[..., 0].astype(np.float32)
    down, across = np.gradient(luma, axis=(1, 2))
    strength = np.hypot(across, down)
    turn = np.arctan2(down, across) * np.float32(BINS / np.pi) % BINS
    low = np.floor(turn).astype(np.int64)
    upper = turn - low
    cell = np.arange(SIDE) // CELL
    place = ((np.arange(n)[:, None, None] * CELLS + cell[:, None]) * CELLS + cell) * BINS
    edges = np.bincount((place + low % BINS).ravel(), (strength * (1 - upper)).ravel(), n * EDGES_SIZE)
    edges += np.bincount((place + (low + 1) % BINS).ravel(), (strength * upper).ravel(), n * EDGES_SIZE)
    edges = edges.reshape(n, EDGES_SIZE)
    shares = np.sqrt(edges / (np.linalg.norm(edges, axis=1, keepdims=True) + BINS))
    found: Array = np.rint(np.concatenate([thumbs.reshape(n, -1), 255 * shares], 1)).clip(0, 255).astype(np.uint8)
    return found
