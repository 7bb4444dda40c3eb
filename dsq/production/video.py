"""Frames of a video as a dataset: sampled evenly, decoded once, kept as JPEGs in the cache folder."""

from __future__ import annotations

import atexit
import hashlib
import os
import re
import shutil
import tempfile
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from dsq.errors import ConfigError, ReadError
from dsq.formats import read
from dsq.headers import MAX_PIXELS
from dsq.measure.store import Cache, cache_folder
from dsq.model import Dataset

if TYPE_CHECKING:
    from av.container import InputContainer
    from PIL import Image

Progress = Callable[[str, int, int], None]

VIDEO_SUFFIXES = frozenset(".3gp .avi .flv .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .ogv .ts .webm .wmv".split())
FRAMES = 200
FOLDER = "videos"  # of the cache folder
VERSION = 1
QUALITY = 95
#: a longer video gives its key frames alone, if they are so many
MOST_DECODED, LEAST_KEYS = 3_000, 60
#: packets that are looked at: 90 hours at 30 frames a second
MOST_PACKETS = 10_000_000
_NAME = re.compile(r"[^\w.-]+")


class _Plan(NamedTuple):
    """Which frames to take: whether key frames alone are decoded, and of those that come out the numbers."""

    keys: bool
    numbers: list[int]


def read_video(path: Path, *, cache: Cache = True, progress: Progress | None = None) -> Dataset:
    """At most FRAMES frames of a video, evenly spaced, as unlabelled images.

    They are kept in the cache folder for as long as the video has its path, size and time; without a cache, until the
    process ends. ConfigError without PyAV; ReadError where no frame can be decoded.
    """
    folder = _find_frames(path, cache)
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        stage = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            _write_frames(path, stage, progress)
            if not folder.is_dir():  # another process may have been faster
                stage.rename(folder)
        finally:
            shutil.rmtree(stage, ignore_errors=True)
    dataset = read(folder, format="images", progress=progress)
    return dataset.replace(about=replace(dataset.about, why=(f"a video: {len(dataset)} frames of it",)))


def clear_frames(cache: Cache = True) -> None:
    """Forget the frames of all videos."""
    shutil.rmtree(cache_folder(cache) / FOLDER, ignore_errors=True)


def count_frames(cache: Cache = True) -> tuple[int, int]:
    """How many frames the cache folder keeps, and their bytes."""
    files = [file for file in (cache_folder(cache) / FOLDER).rglob("*.jpg") if file.is_file()]
    return len(files), sum(file.stat().st_size for file in files)


def _find_frames(path: Path, cache: Cache) -> Path:
    """The folder for the frames of this video."""
    state = path.stat()
    key = f"{VERSION}\0{FRAMES}\0{path.resolve()}\0{state.st_size}\0{state.st_mtime_ns}"
    name = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:24]
    folder = cache_folder(cache) / FOLDER
    if cache is not False:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            cache = False
    if cache is False or not os.access(folder, os.W_OK):
        folder = Path(tempfile.mkdtemp(prefix="dsq-video-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder / name


def _write_frames(path: Path, folder: Path, progress: Progress | None) -> None:
    """The chosen frames as JPEGs, named after the video and their numbers."""
    plan = _plan(path)
    stem = _NAME.sub("_", path.stem)[:60].strip("._") or "video"
    wanted, done = set(plan.numbers), 0
    for number, image in _decode(path, plan):
        if number not in wanted:
            continue
        image().save(folder / f"{stem}_{number:06}.jpg", "JPEG", quality=QUALITY)
        done += 1
        if progress is not None:
            progress("reading the video", done, len(wanted))
        if number == plan.numbers[-1]:
            break
    if not done:
        raise ReadError("no frame of it can be decoded.", where=str(path), hint="Is the video whole? Try to play it.")


def _plan(path: Path) -> _Plan:
    """Choose frames by the packets, none of which is decoded."""
    packets, keys = 0, array("q")
    with closing(_open(path)) as container:
        for packet in _guard(container.demux(video=0), path):
            if packet.size:
                if packet.is_keyframe:
                    keys.append(packets)
                packets += 1
            if packets >= MOST_PACKETS:
                break
    if packets <= MOST_DECODED or len(keys) < LEAST_KEYS:
        count = min(packets, MOST_DECODED)
        step = max(1.0, count / FRAMES)
        return _Plan(False, sorted({int((number + 0.5) * step) for number in range(min(FRAMES, count))}))
    places = ((number + 0.5) * packets / FRAMES for number in range(FRAMES))
    return _Plan(True, sorted({min(bisect_left(keys, place), len(keys) - 1) for place in places}))


def _decode(path: Path, plan: _Plan) -> Iterator[tuple[int, Callable[[], Image.Image]]]:
    """Number of each decoded frame, and what makes a picture of it."""
    import av

    with closing(_open(path)) as container:
        stream = container.streams.video[0]
        if plan.keys:
            stream.codec_context.skip_frame = "NONKEY"
        number = 0
        for packet in _guard(container.demux(stream), path):
            try:
                frames = packet.decode()
            except av.FFmpegError:
                continue  # a damaged part of it: others may be whole
            for frame in frames:
                yield number, frame.to_image
                number += 1


def _guard(packets: Iterator[Any], path: Path) -> Iterator[Any]:
    """The packets up to the first that cannot be read."""
    import av

    try:
        yield from packets
    except (av.FFmpegError, ValueError):
        return


def _open(path: Path) -> InputContainer:
    """The video; ReadError where it is none, or one that is too large."""
    try:
        import av
    except ImportError:
        hint = "Install `pip install dsq-toolkit[video]`, or give a folder of its frames."
        raise ConfigError("videos are read with PyAV, which is not installed.", where=str(path), hint=hint) from None
    try:
        container = av.open(os.fspath(path), metadata_errors="ignore")
    except (av.FFmpegError, OSError, ValueError) as error:
        reason = str(getattr(error, "strerror", "") or error)
        hint = "Is the video whole? A folder of its frames does as well."
        raise ReadError(f"cannot be read as a video: {reason}.", where=str(path), hint=hint) from None
    streams = container.streams.video
    if not streams or not 0 < streams[0].width * streams[0].height <= MAX_PIXELS:
        container.close()
        what = "holds frames that are too large." if streams else "holds no video."
        raise ReadError(what, where=str(path), hint="Give a video, a folder or a zip.")
    return container
