"""Images that belong together and must not be parted: versions of one picture, frames of one video."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dsq.errors import ConfigError
from dsq.formats.layout import split_of
from dsq.names import name_facts

Array = NDArray[Any]

#: a single series with more than this share of the images is cut into blocks of frames
LARGEST_SHARE = 0.5
BLOCKS = 20
LONG = 5  # a numbered series of so many images may be a video
BY_PIXELS = "copies and scenes, by pixels"  # what groups of `dsq.group_duplicates` are called in notes
#: words that say that the number behind them counts frames
_VIDEO = re.compile(
    r"(?:(?:^|[-_. ]|\d)(?:frames?|frm|vlcsnap|video|vid|clip|movie|seq(?:uence)?|cam(?:era)?\d*|dashcam)"
    r"|[-_.](?:mp4|mov|avi|mkv|webm|m4v|mpg|mpeg|wmv|flv|ts))[-_. ]*(?:\d+[-_. ]+)*\Z",
    re.IGNORECASE,
)
_NUMBERED = re.compile(r"(.*?)(\d+)\Z", re.DOTALL)
_UPLOADED = re.compile(r"_(?:jpe?g|png|bmp|webp|tiff?)\Z", re.IGNORECASE)


def group_images(
    files: Sequence[str],
    given: Iterable[Sequence[Any]] | Mapping[str, Sequence[Any]] = (),
    *,
    siblings: bool = True,
    sequences: str = "auto",
    sources: Sequence[Any] = (),
) -> tuple[Array, list[str]]:
    """Group codes (n,) of images that stay together, and what was done, in words.

    given: arrays of n keys each, by what they are called in the notes (without names: "given"); images with an equal
    key belong together, None and NaN to nobody. siblings:
    versions that Roboflow or an augmentation script made of one picture (by name). sequences: "auto" joins frames
    that their names say are of one video (`frame_0001`, `clip_mp4-12`), "all" every numbered series of a folder,
    "none" does not look. A series of more than half of all images is cut into blocks of frames in order.
    sources (n,): names are compared within one source only.
    """
    count = len(files)
    if sequences not in ("auto", "all", "none"):
        raise ConfigError(f"sequences is {sequences!r};", hint="it takes auto, all or none.")
    edges: list[Array] = []
    told: list[str] = []
    named = given.items() if isinstance(given, Mapping) else (("given", keys) for keys in given)
    for what, keys in named:
        if len(keys) != count:
            raise ConfigError(
                f"a group array has {len(keys):,} values for {count:,} images.", hint="Give one value an image."
            )
        edges.append(_codes(pd.Series(list(keys), dtype=object)))
        told.append(_tell(edges[-1], what))
    names = [str(source) for source in sources] if len(sources) else [""] * count
    facts = name_facts(list(files))
    if siblings:
        source = facts["source"].where(facts["roboflow"] | facts["augmented"] | (facts["source"] != list(files)))
        keyed = [f"{n}\0{key}" if isinstance(key, str) else None for n, key in zip(names, source, strict=True)]
        edges.append(_codes(pd.Series(keyed, dtype=object)))
        told.append(_tell(edges[-1], "versions of one picture, by name"))
    edges.append(_codes(pd.Series([f"{n}\0{file}" for n, file in zip(names, files, strict=True)], dtype=object)))
    if sequences != "none":
        series, cut = _series(files, facts["stem"].tolist(), names, everything=sequences == "all")
        edges.append(_codes(series))
        told.append(_tell(edges[-1], "frames of one sequence, by name"))
        told += cut
    union = _union(edges, count)
    if sequences == "auto":
        loose = _codes(_series(files, facts["stem"].tolist(), names, everything=True)[0].where(series.isna(), None))
        sizes = _parted(loose, union)
        long = sizes[sizes >= LONG]
        if len(long):
            other = (
                "" if isinstance(given, Mapping) and BY_PIXELS in given else ", or --grouped, which looks at the pixels"
            )
            told.append(
                f"{len(long):,} numbered series of {int(long.sum()):,} images were taken for unrelated images; "
                f"if they are frames of videos: --sequences all{other}"
            )
    return union, [text for text in told if text]


def _parted(series: Array, group: Array) -> Array:
    """The sizes of those series (codes, -1: none) that do not lie within one group."""
    table = pd.DataFrame({"series": series, "group": group})[series >= 0]
    by_series = table.groupby("series")["group"].agg(["size", "nunique"])
    found: Array = by_series.loc[by_series["nunique"] > 1, "size"].to_numpy()
    return found


def _series(
    files: Sequence[str], stems: Sequence[str], sources: Sequence[str], *, everything: bool
) -> tuple[pd.Series[Any], list[str]]:
    """The series that each file is a frame of (None: of none), and what was cut, in words."""
    heads: list[str | None] = []
    numbers: list[int] = []
    for file, stem, source in zip(files, stems, sources, strict=True):
        found = _NUMBERED.match(_UPLOADED.sub("", stem))
        if found is None or not (everything or _VIDEO.search(found[1])):
            heads.append(None)
            numbers.append(0)
            continue
        folders = [part for part in file.split("/")[:-1] if split_of(part) is None]
        heads.append("\0".join((source, "/".join(folders), found[1])))
        numbers.append(int(found[2][:18]))
    counts = Counter(head for head in heads if head is not None)
    told = []
    for head in sorted(name for name, size in counts.items() if size > max(1, LARGEST_SHARE * len(files))):
        members = [row for row, name in enumerate(heads) if name == head]
        members.sort(key=lambda row: (numbers[row], files[row]))
        blocks = min(BLOCKS, len(members))
        for place, row in enumerate(members):
            heads[row] = f"{head}\0{place * blocks // len(members)}"
        name = head.rpartition("\0")[2]
        told.append(
            f"{name}… holds {len(members):,} of {len(files):,} images: "
            f"cut into {blocks} blocks of frames that follow each other"
        )
    return pd.Series(heads, dtype=object), told


def _codes(keys: pd.Series[Any]) -> Array:
    """Codes of equal keys; -1 for None and NaN."""
    codes: Array = pd.factorize(keys)[0]
    return codes


def _tell(codes: Array, what: str) -> str:
    sizes = np.bincount(codes[codes >= 0])
    many = sizes[sizes > 1]
    return f"{len(many):,} groups of {int(many.sum()):,} images: {what}" if len(many) else ""


def _union(edges: Sequence[Array], count: int) -> Array:
    """Codes of the images that are connected through any of the codes."""
    parent = np.arange(count)
    for codes in edges:
        if not len(codes):
            continue
        known = np.flatnonzero(codes >= 0)
        first = np.full(int(codes.max(initial=-1)) + 1, count, np.int64)
        np.minimum.at(first, codes[known], known)
        for row, head in zip(known.tolist(), first[codes[known]].tolist(), strict=True):
            if row != head:
                a, b = _root(parent, row), _root(parent, head)
                parent[max(a, b)] = min(a, b)
    roots = [_root(parent, row) for row in range(count)]
    union: Array = pd.factorize(np.array(roots, np.int64))[0]
    return union


def _root(parent: Array, row: int) -> int:
    while parent[row] != row:
        parent[row] = parent[parent[row]]
        row = int(parent[row])
    return row
