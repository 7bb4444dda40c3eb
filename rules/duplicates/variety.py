"""How much a set really shows: different pictures, sequences, cameras and hours."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

from dsq.geometry import Array
from dsq.rule import Severity, rule
from dsq.scan import Scan, Table

from .pairs import Copies, gather, tell_once

_TAKEN = re.compile(r"((?:19|20)\d\d)\D(\d\d)\D(\d\d)\D(\d\d)\D(\d\d)")


@rule(
    Severity.INFO,
    message="{count:,} {named}show {pictures}: dsq subset --diverse {different} keeps the most different",
    needs=("pixels",),
)
def low_variance(scan: Scan, *, max_share: float = 0.7, min_images: int = 20) -> Table | None:
    """Far fewer different pictures than files.

    Three thousand files of which eleven hundred differ teach as much as eleven hundred: the number of images says
    little about how much there is to learn. Copies (see `exact-duplicate` and `near-duplicate`) count as one picture,
    wherever they stand. So do the versions that Roboflow or an augmentation script made of one picture, and what is
    judged is their sources, so that augmentation alone is not told. Told where no more than `max_share` (0.7, our
    choice) of at least `min_images` (20) pictures differ.

    **Do:** collect other places, days and objects instead of more of the same; `dsq subset --diverse N` keeps the
    images that differ most.

    >>> import dsq
    >>> from dsq.scan import Scan
    >>> data = dsq.build_dataset(images=[f"{n:02}.jpg" for n in range(20)])
    >>> scan = Scan(data, duplicates=[("00.jpg", f"{n:02}.jpg", "near") for n in range(1, 12)])
    >>> dsq.audit(scan, select=["low-variance"]).messages()
    ['20 images show 9 different pictures: dsq subset --diverse 9 keeps the most different']
    """
    copies = Copies(scan)
    rows = copies.readable
    sources = copies.source[rows]
    pictures = len(np.unique(sources))
    if pictures < min_images:
        return None
    group = np.where(copies.group[rows] >= 0, copies.group[rows], -1 - np.arange(len(rows)))
    different = _connect(sources, group)
    if different > max_share * pictures:
        return None
    row = {
        "subject": "set",
        "count": len(rows),
        "named": "images " if pictures == len(rows) else f"images of {pictures:,} sources ",
        "different": different,
        "pictures": "one picture" if different == 1 else f"{different:,} different pictures",
        "value": round(different / pictures, 4),
        "threshold": max_share,
    }
    return pd.DataFrame([row])


def _connect(one: Array, other: Array) -> int:
    """How many groups are left where rows with an equal value in either array belong together."""
    labels = np.unique(one, return_inverse=True)[1]
    codes = np.unique(other, return_inverse=True)[1]
    while True:
        before = labels
        for keys in (codes, labels):
            least = np.full(len(keys), len(keys), np.int64)
            np.minimum.at(least, keys, labels)
            labels = least[keys]
        if (labels == before).all():
            return len(np.unique(labels))


@rule(
    Severity.INFO,
    message="{size} frames of one sequence: keep every few of them, and all in one split",
    needs=("pixels",),
    collapse=False,
)
def sequence_frames(scan: Scan, *, min_frames: int = 5) -> Table | None:
    """Frames of a video that follow each other.

    Neighbours in a video show nearly the same thing. They teach little beyond the first, and when they are dealt
    out to splits at random, validation asks for what was just seen. Told are runs of `min_frames` (5, our choice) or
    more images that follow each other by name (`cam_0001.jpg`, `cam_0002.jpg`; a version of a frame counts once) and
    are alike by pixels: neighbours show one scene, or differ in few bits of their perceptual hash in a set where
    that is rare. Where most images are such frames it is said once.

    **Do:** keep a frame a second or fewer (`dsq subset --diverse N`), and split by sequence: `dsq split --grouped`.

    >>> import dsq
    >>> from dsq.scan import Scan
    >>> names = [f"cam_{n:03}.jpg" for n in range(6)]
    >>> data = dsq.build_dataset(images=names)
    >>> scan = Scan(data, duplicates=[(names[0], name, "same-scene") for name in names[1:]])
    >>> dsq.audit(scan, select=["sequence-frames"]).messages()
    ['6 frames of one sequence: keep every few of them, and all in one split']
    """
    copies = Copies(scan)
    rows = copies.readable[copies.run[copies.readable] >= 0]
    rows = rows[np.lexsort([rows, copies.run[rows]])]
    pairs = pd.DataFrame({"first": rows[:-1], "second": rows[1:]})
    pairs = pairs[copies.run[rows[:-1]] == copies.run[rows[1:]]].reset_index(drop=True)
    found = [row | {"value": row["size"]} for row in gather(scan, pairs, copies.run) if row["size"] >= min_frames]
    message = "{images} of {of} images are frames of sequences ({groups}): keep every few, split by sequence"
    return tell_once(scan, found, message)


@rule(
    Severity.INFO,
    message="{told}: a model may learn the {what}, not the objects",
    needs=("pixels",),
)
def single_condition(scan: Scan, *, min_share: float = 0.95, min_images: int = 20) -> Table | None:
    """A set from one camera, one hour or one place.

    What never changes in the data is not learned as something that may change: one camera at one hour gives one
    light, one angle, one sharpness, and the model fails at another. Told is what at least `min_share` (0.95, our
    choice) of the images have in common: the camera and the day or hour that their EXIF block states, where at least
    `min_images` (20) images and most of the set state it; and one scene by pixels, where that many different
    pictures (near copies count once) hang together. Downloaded and exported pictures have lost their EXIF block:
    nothing is said about those.

    **Do:** add pictures of other days, places and cameras; validate on pictures from where the model will work.

    >>> import dsq
    >>> from dsq.scan import Scan
    >>> data = dsq.build_dataset(images=[f"{n}.jpg" for n in range(20)])
    >>> exif = {"camera": "Acme One", "taken": "2024:05:01 10:07:30"}
    >>> scan = Scan(data, pixels={f"{n}.jpg": exif for n in range(20)})
    >>> dsq.audit(scan, select=["single-condition"]).messages()
    ['one camera (Acme One), one hour (2024-05-01 10:00): a model may learn the conditions, not the objects']
    """
    copies = Copies(scan)
    rows = copies.readable
    if len(rows) < min_images:
        return None
    pixels = scan.pixels.set_index("row").loc[rows]
    cameras = pixels["camera"].astype(object).tolist()
    stamps = [_TAKEN.match(text) if isinstance(text, str) else None for text in pixels["taken"].tolist()]
    days = ["-".join(stamp.groups()[:3]) if stamp else None for stamp in stamps]
    hours = [f"{day} {stamp[4]}:00" if stamp else None for day, stamp in zip(days, stamps, strict=True)]
    told: list[str] = []
    for what, keys in (("camera", cameras), ("hour", hours), ("day", days)):
        name, share = _commonest(keys, min_images)
        if share >= min_share and not (what == "day" and told and told[-1].startswith("one hour")):
            told.append(f"one {what} ({name})")
    scene, share = _scene(copies, rows, min_images)
    if share >= min_share:
        told.append(f"one scene in {scene:,} of {len(rows):,} images")
    if not told:
        return None
    what = "conditions" if len(told) > 1 else told[0].split()[1]
    return pd.DataFrame([{"subject": "set", "told": ", ".join(told), "what": what, "threshold": min_share}])


def _commonest(keys: list[Any], least: int) -> tuple[str, float]:
    """The commonest key, and its share of those that state one; 0 where too few do."""
    stated = pd.Series([key for key in keys if key], dtype=object)
    if len(stated) < least or len(stated) * 2 <= len(keys):
        return "", 0.0
    counts = stated.value_counts()
    name = min(counts.index[counts == counts.iloc[0]])
    return str(name), float(counts.iloc[0]) / len(stated)


def _scene(copies: Copies, rows: Array, least: int) -> tuple[int, float]:
    """How many images show the commonest scene, and the share of different pictures that do; 0 where too few do."""
    scene = copies.scan.duplicate_groups("same-scene")[rows]
    near = np.where(copies.group[rows] >= 0, copies.group[rows], -1 - np.arange(len(rows)))
    heads = np.unique(near, return_index=True)[1]
    known = scene[heads][scene[heads] >= 0]
    if len(known) < least:
        return 0, 0.0
    label = int(np.bincount(known).argmax())
    return int((scene == label).sum()), float((known == label).sum()) / len(heads)
