"""Annotation formats: one module a format, each with `sniff(request)` and `read(request)`."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple, Protocol, cast

from dsq.errors import ConfigError, ReadError
from dsq.formats.foreign import find_foreign, refuse_foreign
from dsq.formats.layout import Request, WriteOptions, no_collection, open_request
from dsq.formats.narrow import narrow
from dsq.formats.outside import hush, hush_error
from dsq.formats.telling import shorten_error, shorten_texts, tell_unread
from dsq.losses import Losses
from dsq.model import Dataset, Notice
from dsq.target import Target

#: in the order in which ties are settled
FORMATS = ("coco", "voc", "yolo", "images")
#: up to here a match says little: another tool's files, bare pictures
UNSURE = 0.4


class Match(NamedTuple):
    """How sure a format is of a source (0..1), and why, in words."""

    sure: float
    why: str


class Format(Protocol):
    """What a format module offers."""

    def sniff(self, request: Request) -> Match | None:
        """Recognise the source from its listing and a few heads of files; None: not this format."""

    def read(self, request: Request) -> Dataset:
        """Everything that can be read; what cannot becomes rows of `problems`."""

    def write(self, dataset: Dataset, target: Target, options: WriteOptions, losses: Losses) -> list[str]:
        """Write annotations; count what is lost; the name of every image in the target, in the table's order."""


def load_format(name: str) -> Format:
    """The module of a format. ConfigError where there is none of that name."""
    if name not in FORMATS:
        raise ConfigError(f"no format is called {name!r}.", hint=f"There are {', '.join(FORMATS)}.")
    return cast(Format, importlib.import_module(f"dsq.formats.{name}"))


def read(
    src: str | os.PathLike[str],
    *,
    format: str | None = None,
    image_root: str | os.PathLike[str] | None = None,
    voc_offset: str | int = "auto",
    no_label_file: str = "unlabelled",
    progress: Callable[[str, int, int], None] | None = None,
) -> Dataset:
    """Read a dataset from a folder, a `.zip` or a single annotation file.

    src: what to read. format: "voc", "coco", "yolo" or "images"; None: found by looking.
    image_root: folder or zip that holds the images, where they lie elsewhere.
    voc_offset: "auto", 0 or 1: what the smallest VOC coordinate is. no_label_file: what a missing YOLO label file
    means, "unlabelled" or "background". progress: called with (what, done, total).

    Boxes come out half-open, 0-based, in pixels. Bad records become rows of `problems`.
    Raises ReadError where nothing could be read (it lists what was tried), ConfigError for a bad option.
    """
    if not isinstance(src, str | os.PathLike) or not os.fspath(src):
        raise ReadError(f"{src!r} is no path;", hint="give the folder, zip or annotation file of a dataset.")
    if str(voc_offset) not in ("auto", "0", "1"):
        raise ConfigError(f"voc_offset is {voc_offset!r};", hint="it takes auto, 0 or 1.")
    if no_label_file not in ("unlabelled", "background"):
        raise ConfigError(f"no_label_file is {no_label_file!r};", hint="it takes unlabelled or background.")
    with no_collection():
        request = open_request(
            src,
            image_root=image_root,
            voc_offset=None if str(voc_offset) == "auto" else int(voc_offset),
            no_label_file=no_label_file,
            progress=progress,
        )
        try:
            narrow(request)
            return shorten_texts(hush(_read(request, format), request))
        except ReadError as error:
            hushed = shorten_error(hush_error(error, request))
            if hushed is error:
                raise
            raise hushed from None
        finally:
            request.close()


def _read(request: Request, format: str | None) -> Dataset:
    """Read as the given format, or as the one that is surest of the source."""
    if format is not None:
        return _seen_as(_read_as(request, format), request, f"--format {format}")
    matches = []
    for order, name in enumerate(FORMATS):
        match = load_format(name).sniff(request)
        if match is not None:
            matches.append((-match.sure, order, name, match))
    matches.sort()
    for place, (_, _, name, match) in enumerate(matches):
        if name == "images":
            _refuse_foreign(request)
        try:
            dataset = load_format(name).read(request)
        except ReadError as error:
            _refuse_foreign(request, error)
            raise
        if name != "images" and not _says_something(dataset):
            _refuse_foreign(request)
        if len(dataset.images) or len(dataset.problems):
            others = {other: found for _, _, other, found in matches[place + 1 :] if found.sure > UNSURE}
            return _tell_others(_seen_as(dataset, request, match.why), others)
    _refuse_foreign(request)
    tried = "; ".join(f"{name}: {match.why}" for _, _, name, match in matches)
    if request.unread:
        name, what = min(request.unread.items())
        raise ReadError(what, where=f"{request.src}/{name}", hint="Nothing else in it was recognised as a dataset.")
    raise ReadError(
        "no dataset was recognised in it.",
        where=request.src,
        hint=f"It holds {request.summary()}. "
        + (f"Tried {tried}. " if tried else "Looked for COCO JSON, Pascal VOC XML, YOLO labels and images. ")
        + "`--format voc|coco|yolo|images` forces a format, `--image-root DIR` says where the images lie.",
    )


def _read_as(request: Request, format: str) -> Dataset:
    """Read as the format that was asked for. Images of which no file speaks are unlabelled ones of that format, unless
    another format's annotations are there.
    """
    dataset = load_format(format).read(request)
    if len(dataset.problems) or (len(dataset) and (format == "images" or _says_something(dataset))):
        return dataset
    hint = f"It holds {request.summary()}. Leave --format out to have it recognised."
    if len(dataset):
        sniffed = [load_format(name).sniff(request) for name in FORMATS if name not in ("images", format)]
        found = [match.why for match in sniffed if match is not None and match.sure >= UNSURE]
        if not found and find_foreign(request) is None:
            count = f"{len(dataset):,} image{'s' if len(dataset) > 1 else ''}"
            about, text = dataset.about, f"no file says anything of the {count}: they count as unlabelled"
            notices = (*about.notices, Notice("no-annotations", text))
            return dataset.replace(about=replace(about, notices=notices))
        hint = f"It holds {found[0]}. Leave --format out to have that read." if found else hint
    raise ReadError(f"nothing in it could be read as {format}.", where=request.src, hint=hint)


def _tell_others(dataset: Dataset, others: Mapping[str, Match]) -> Dataset:
    """The dataset with a notice on the formats that the source holds beside the one that was read."""
    if not others:
        return dataset
    held = " and ".join(f"{match.why.partition(' (')[0]} ({name})" for name, match in others.items())
    notice = Notice("other-formats", f"it also holds {held}, which were not read; --format picks")
    about = dataset.about
    return dataset.replace(about=replace(about, notices=(notice, *about.notices)))


def recognise(src: str | os.PathLike[str]) -> str | None:
    """The format with annotations that a folder or zip looks like, by its listing and a few heads; None: none."""
    request = open_request(src, image_root=None, voc_offset=None, no_label_file="unlabelled", progress=None)
    try:
        found = {name: load_format(name).sniff(request) for name in FORMATS if name != "images"}
    finally:
        request.close()
    sure = {name: match.sure for name, match in found.items() if match is not None}
    return max(sure, key=lambda name: sure[name]) if sure else None


def _says_something(dataset: Dataset) -> bool:
    """Whether any annotation or class list was read."""
    return bool(len(dataset.boxes) or len(dataset.about.class_lists) or dataset.images["origin_file"].notna().any())


def _refuse_foreign(request: Request, error: ReadError | None = None) -> None:
    """ReadError where the source holds another tool's annotations, which then are what `error` is about."""
    foreign = find_foreign(request)
    if foreign is not None and (error is None or str(error.where).endswith((request.src, *foreign.files))):
        raise refuse_foreign(request, foreign) from error


def _seen_as(dataset: Dataset, request: Request, why: str) -> Dataset:
    """The dataset with the root as the user named it and why it was taken for this format."""
    stated = dataset.images[dataset.images["origin_file"].notna()]
    if request.image_sources and len(stated) and not stated["member"].notna().any():
        raise ReadError(
            f"holds none of the {len(stated):,} images that the annotations name.",
            where=request.image_sources[0].root,
            hint=f"The first is {stated['file'].iloc[0]}. Check --image-root.",
        )
    dataset = tell_unread(dataset, request)
    about = dataset.about
    reasons = about.why if why in about.why else (why, *about.why)
    notices = (*request.notices, *about.notices)
    return dataset.replace(about=replace(about, root=request.src, why=reasons, notices=notices))
