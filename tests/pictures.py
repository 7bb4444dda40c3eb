"""Folders of small pictures for the tests of what is measured, and tasks that worker processes can import."""

from __future__ import annotations

import io
import os
import signal
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

LONG_AGO = 1_600_000_000_000_000_000  # ns: far from the seconds in which a file is not trusted


def draw(seed: int, size: tuple[int, int] = (96, 72)) -> Image.Image:
    """A picture of soft blobs, another one for each seed."""
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    return Image.fromarray(coarse, "RGB").resize(size, Image.Resampling.BICUBIC)


def encode(image: Image.Image, format: str = "JPEG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def put(path: Path, data: bytes, time: int = LONG_AGO) -> Path:
    """Write a file that looks as if it had been there for long."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(path, ns=(time, time))
    return path


def make_folder(folder: Path, count: int, **options: object) -> Path:
    """`count` different JPEGs."""
    for number in range(count):
        put(folder / f"{number:04}.jpg", encode(draw(number), quality=80, **options))
    return folder


def make_zip(path: Path, folder: Path, compression: int = zipfile.ZIP_STORED) -> Path:
    """The files of a folder as a zip."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(folder).as_posix())
    os.utime(path, ns=(LONG_AGO, LONG_AGO))
    return path


def make_doubler(extra: int) -> Callable[[Sequence[int]], list[int]]:
    return lambda batch: [2 * number + extra for number in batch]


def make_faulty() -> Callable[[Sequence[int]], int]:
    def work(batch: Sequence[int]) -> int:
        if 3 in batch:
            raise ValueError("three is too many")
        return sum(batch)

    return work


def make_dying() -> Callable[[Sequence[int]], int]:
    def work(batch: Sequence[int]) -> int:
        if 3 in batch:
            os.kill(os.getpid(), signal.SIGKILL)
        return sum(batch)

    return work


def die_of_seven(data: bytes) -> bytes:
    if str(zlib.crc32(data)) == os.environ["SEVEN"]:
        os.kill(os.getpid(), signal.SIGKILL)
    return b""


def make_namer() -> Callable[[Sequence[int]], int]:
    return lambda batch: os.getpid()
