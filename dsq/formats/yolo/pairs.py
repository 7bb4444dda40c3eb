"""Which text file labels which image, and what the text files say."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsq.errors import ReadError
from dsq.formats.layout import Request, decode_text, in_masks, split_of_path, stem
from dsq.formats.yolo.config import Problem, is_class_list, is_prose, is_split_list, read_entries
from dsq.formats.yolo.rows import Bad, is_list, is_row, parse_labels
from dsq.formats.yolo.shapes import NO_ROWS, Rows, RowStack
from dsq.formats.yolo.splits import MOST_LIST
from dsq.model import Notice

Array = NDArray[Any]

MOST_LABELS = 32 << 20  # bytes of one label file
MOST_ALIKE = 50  # label files of one stem that are looked at for an image; of more, those in its own place
BATCH, BATCH_BYTES = 4096, 32 << 20  # label files that are parsed at once, and about how much text
_LAYOUT_WORDS = frozenset(("labels", "label", "images", "image", "imgs", "img", "annotations", "txt"))


@dataclass
class Labels:
    """Text files and what stands in them: an entry a file (see Parsed); `rows.file` is a position in `files`."""

    files: list[str]
    rows: Rows
    bad: list[Bad]
    blank: Array
    listing: Array
    odd: Array
    unread: dict[int, ReadError]

    def counts(self) -> tuple[Array, Array]:
        """Good and bad rows of each file."""
        bad = np.bincount([one.file for one in self.bad], minlength=len(self.files))
        return np.bincount(self.rows.file, minlength=len(self.files)), bad.astype(np.int64)

    def give_rows(self) -> Rows:
        """The rows, which are kept no longer."""
        rows, self.rows = self.rows, NO_ROWS
        return rows


@dataclass
class Paired:
    """Images, sorted by name, those that only a label file speaks of among them.

    label (images,): position in `labels.files`, -1 for none. present (images,): the image is there.
    loose: text files that are no labels. masks: image files that are no photographs.
    """

    files: list[str]
    label: Array
    present: Array
    labels: Labels
    loose: list[str]
    masks: list[str] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def pair_labels(request: Request, keypoints: tuple[int, int] | None, darknet: bool = False) -> Paired:
    """Find and read the label file of every image.

    Where the trainer looks first (the last `/images/` of the path becomes `/labels/`), then beside the image,
    then the one text file of that stem anywhere. A label file without an image gets one that is not present.
    keypoints: number and dimensions of a pose set's. darknet: the set is Darknet's, which looks elsewhere for VOC's.
    """
    images = sorted(request.images.places)
    texts = set(_candidates(request, images))
    found = [path if path in texts else beside if beside in texts else None for path, beside in _wanted_paths(images)]
    masks = _find_masks(images, found)
    kept = [i for i, image in enumerate(images) if image not in masks]
    images, found = [images[i] for i in kept], [found[i] for i in kept]
    by_stem = _match_stems(images, found, texts)
    labels = read_labels(request, sorted(texts), keypoints)
    position = {name: i for i, name in enumerate(labels.files)}
    good, bad = labels.counts()
    claimed: dict[int, str] = {}
    for i, path in enumerate(found):
        if path is None:
            continue
        at = position[path]
        guess = i in by_stem and not (good[at] or labels.blank[at] or in_labels(path))
        if labels.listing[at] or guess:
            found[i] = None
            by_stem.discard(i)
        else:
            claimed.setdefault(at, images[i])
    paired = Paired([], np.empty(0, np.int64), np.empty(0, bool), labels, [], sorted(masks))
    suffixes = _listed_suffixes(request, labels) if len(claimed) < len(labels.files) else {}
    extra = _orphans(paired, labels, images, claimed, good, bad, suffixes)
    names = images + list(extra)
    spots = [position[path] if path is not None else -1 for path in found] + list(extra.values())
    order = sorted(range(len(names)), key=names.__getitem__)
    paired.files = [names[i] for i in order]
    paired.label = np.array(spots, np.int64)[order]
    paired.present = np.arange(len(names))[order] < len(images)
    _tell_stems(request, paired, [(images[i], found[i] or "") for i in sorted(by_stem)], darknet)
    shared = Counter(path for path in found if path is not None)
    twice = [path for path, count in shared.items() if count > 1]
    if twice:
        serve = f"{len(twice):,} label files serve" if len(twice) > 1 else "a label file serves"
        text = f"{serve} several images of one stem ({twice[0]}); each image got the boxes."
        paired.notices.append(Notice("shared-label-file", text))
    return paired


def _tell_stems(request: Request, paired: Paired, found: Sequence[tuple[str, str]], darknet: bool) -> None:
    """Label files that were found by name alone are misplaced; of images that lie elsewhere nobody can say."""
    apart: list[tuple[str, str]] = []
    for image, label in found:
        if request.images.places[image] != request.source.root:
            apart.append((image, label))
        elif not (darknet and label == label_path(f"/{image}".replace("/JPEGImages/", "/images/"))[1:]):
            paired.problems.append(("misplaced-label", label, "", _say_misplaced(label, label_path(image))))
    if apart:
        count = f"{len(apart):,} label file{'s were' if len(apart) > 1 else ' was'}"
        text = f"{count} found for {'their images' if len(apart) > 1 else 'its image'} by name"
        paired.notices.append(Notice("label-by-stem", f"{text} ({apart[0][0]}: {apart[0][1]})."))


def _say_misplaced(label: str, expected: str) -> str:
    (folder, _, base), (place, _, wanted) = label.rpartition("/"), expected.rpartition("/")
    if folder == place:
        text = f"it is called {base}: the trainer looks for {expected}"
    else:
        text = f"it lies in {folder or 'the root'}: the trainer looks in {place or 'the root'}"
        text += f" for {wanted}" if wanted != base else ""
    return f"{text}, and case counts on Linux" if label.lower() == expected.lower() else text


def _find_masks(images: Sequence[str], found: Sequence[str | None]) -> set[str]:
    """Images in folders of masks none of which has a label file; none where that is all there is."""
    labelled = {image.rpartition("/")[0] for image, path in zip(images, found, strict=True) if path is not None}
    folders = {image.rpartition("/")[0] for image in images} - labelled
    masked = {folder for folder in folders if in_masks(f"{folder}/")}
    masks = {image for image in images if image.rpartition("/")[0] in masked} if masked else set()
    return masks if len(masks) < len(images) else set()


def label_path(image: str) -> str:
    """Where the trainer looks for the labels of an image."""
    head, images, tail = f"/{image}".rpartition("/images/")
    base = f"{head}/labels/{tail}"[1:] if images else image
    return f"{base[: base.rfind('/') + 1]}{stem(base)}.txt"


def _wanted_paths(images: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Where the trainer looks for the labels of each image, and the place beside it."""
    folders: dict[str, tuple[str, str]] = {}
    for image in images:
        folder, slash, base = image.rpartition("/")
        if folder not in folders:
            folders[folder] = label_path(f"{folder}{slash}x.jpg").removesuffix("x.txt"), folder + slash
        path, beside = folders[folder]
        text = f"{stem(base)}.txt"
        yield path + text, beside + text


def image_path(label: str, suffix: str = ".jpg") -> str:
    """The image that a label file without one speaks of: the other way round."""
    head, labels, tail = f"/{label}".rpartition("/labels/")
    base = f"{head}/images/{tail}"[1:] if labels else label
    return posixpath.splitext(base)[0] + suffix


def _listed_suffixes(request: Request, labels: Labels) -> dict[str, str]:
    """The suffixes that lists of images state, by stem."""
    lists = [name for name, listing in zip(labels.files, labels.listing, strict=True) if listing]
    found: dict[str, str] = {}
    for data in request.source.read_many(lists, limit=MOST_LIST):
        for entry in read_entries("" if isinstance(data, ReadError) else decode_text(data)):
            found.setdefault(stem(entry), posixpath.splitext(entry)[1])
    return found


def in_labels(name: str) -> bool:
    """Whether a file lies in a folder called labels, or below one."""
    return "/labels/" in f"/{name.lower()}"


def _candidates(request: Request, images: Sequence[str]) -> Iterator[str]:
    """Text files that may be labels. Those called as prose or class lists are where they begin with a row, or
    are empty and belong to an image.
    """
    wanted: set[str] = set()
    for name in request.with_suffix(".txt"):
        if is_prose(name) or is_class_list(name):
            try:
                start = decode_text(request.source.head(name, 4096, follow=True)).strip()
            except ReadError:
                continue
            if not start and not wanted:
                wanted = {path for paths in _wanted_paths(images) for path in paths}
            if not (is_row(start.splitlines()[0]) if start else name in wanted):
                continue
        yield name


def _match_stems(images: Sequence[str], found: list[str | None], texts: set[str]) -> set[int]:
    """Fill `found` for images without a label file by name alone; the positions that were filled."""
    without = [i for i, path in enumerate(found) if path is None]
    free = texts.difference(path for path in found if path is not None) if without else set()
    if not free:
        return set()
    by_stem: dict[str, list[str]] = {}
    for name in sorted(free):
        by_stem.setdefault(stem(name).lower(), []).append(name)
    crowds: dict[tuple[str, ...], list[str]] = {}
    for name in (name for group in by_stem.values() if len(group) > MOST_ALIKE for name in group):
        crowds.setdefault((stem(name).lower(), *_folders(name)), []).append(name)
    claims: dict[str, list[int]] = {}
    for i in without:
        key = stem(images[i]).lower()
        group = by_stem.get(key, [])
        if len(group) > MOST_ALIKE:
            group = crowds.get((key, *_folders(images[i])), [])
        path = _nearest(images[i], group) if len(group) <= MOST_ALIKE else None
        if path is not None:
            claims.setdefault(path, []).append(i)
    sole = {claimants[0]: path for path, claimants in claims.items() if len(claimants) == 1}
    for i, path in sole.items():
        found[i] = path
    return set(sole)


def _nearest(image: str, candidates: Sequence[str]) -> str | None:
    """The one candidate whose folders are most like the image's; never one of another split."""
    split = split_of_path(image)
    fits = [name for name in candidates if not split or split_of_path(name) in (None, split)]
    if len(fits) <= 1:
        return fits[0] if fits else None
    mine = _folders(image)
    scores = [_alike(mine, _folders(name)) for name in fits]
    best = max(scores)
    return fits[scores.index(best)] if scores.count(best) == 1 else None


def _folders(name: str) -> list[str]:
    return [part for part in name.lower().split("/")[:-1] if part not in _LAYOUT_WORDS]


def _alike(one: Sequence[str], other: Sequence[str]) -> int:
    """How many folders agree from the front and from the back."""
    both = zip(one, other, strict=False), zip(reversed(one), reversed(other), strict=False)
    return sum(sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs)) for pairs in both)


def read_labels(request: Request, names: list[str], keypoints: tuple[int, int] | None) -> Labels:
    """Read and parse label files, in batches."""
    stack = RowStack()
    bad: list[Bad] = []
    flags: list[list[Array]] = [[np.empty(0, bool)], [np.empty(0, bool)], [np.empty(0, np.int8)]]
    unread: dict[int, ReadError] = {}
    sizes = [request.source.size(name) for name in names]
    ends = np.cumsum([0, *sizes])
    for offset, part in _batches(names, sizes):
        texts: list[bytes] = []
        for i, data in enumerate(request.source.read_many(part, limit=MOST_LIST, follow=True), offset):
            if isinstance(data, ReadError):
                unread[i] = data
            elif len(data) > MOST_LABELS and not is_list(data):
                unread[i] = ReadError(f"this file holds {len(data):,} bytes, more than labels of one image are.")
            texts.append(b"" if i in unread or isinstance(data, ReadError) else data)
        parsed = parse_labels(texts, keypoints)
        stack.add(parsed.rows, offset, ends[offset + len(part)] / max(ends[-1], 1))
        bad += [one._replace(file=one.file + offset) for one in parsed.bad]
        for flag, values in zip(flags, (parsed.blank, parsed.listing, parsed.odd), strict=True):
            flag.append(values)
        if request.progress:
            request.progress("reading labels", offset + len(part), len(names))
    blank, listing, odd = map(np.concatenate, flags)
    blank[list(unread)] = False
    return Labels(names, stack.rows, bad, blank, listing, odd, unread)


def _batches(names: list[str], sizes: list[int]) -> Iterator[tuple[int, list[str]]]:
    """Label files that are parsed together, each batch with the position of its first."""
    start = held = 0
    for i, size in enumerate(sizes):
        if i - start == BATCH or (held > BATCH_BYTES and i > start):
            yield start, names[start:i]
            start, held = i, 0
        held += size
    if names:
        yield start, names[start:]


def _orphans(
    paired: Paired,
    labels: Labels,
    images: Sequence[str],
    claimed: dict[int, str],
    good: Array,
    bad: Array,
    suffixes: dict[str, str],
) -> dict[str, int]:
    """Label files without an image, by the image that is missing; the rest goes to `paired.loose`.

    suffixes: those that images are known to have, by stem.
    """
    known = set(images)
    folders = {labels.files[at].rpartition("/")[0] for at in {*claimed, *np.flatnonzero(good > bad).tolist()}}
    extra: dict[str, int] = {}
    for at, name in enumerate(labels.files):
        if at in claimed:
            continue
        blank = labels.blank[at]
        speaks = good[at] > bad[at] or in_labels(name) or (blank and name.rpartition("/")[0] in folders)
        if labels.listing[at] or not speaks or (blank and is_split_list(name)):
            paired.loose.append(name)
            if at in labels.unread:
                what = f"{labels.unread[at].what} It was not used."
                paired.problems.append(("malformed-record", name, "", what))
            continue
        image = image_path(name, suffixes.get(stem(name), ".jpg"))
        if image in known or image in extra:
            other = f"as {image} has one already" if image in known else f"for {image}"
            what = f"a second label file, {other}; it was not used"
            paired.problems.append(("malformed-record", name, "", what))
        else:
            extra[image] = at
    return extra
