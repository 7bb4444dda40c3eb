"""Pascal VOC: one XML an image, in a devkit, flat, beside the images or in split folders.

Coordinates are 1-based and inclusive (x0 = xmin - 1, x1 = xmax) or 0-based, which is read as half-open
(x0 = xmin, x1 = xmax), as the tools that write it mean it; one convention holds for a whole set.

What no column holds is kept in `extras` as XML elements, one after the other, without indentation: those of
an object in `boxes.extras`, those of the annotation in `images.extras`. A writer puts them back as they stand
and fills in from the columns what they leave out. Attributes are kept as an empty element of the same name in
front (`<annotation verified="yes"/>`), what else a <bndbox> holds as `<bndbox>…</bndbox>` without corners.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import msgspec
import numpy as np
import pandas as pd

from dsq.errors import ReadError
from dsq.formats import Match
from dsq.formats.folders import folder_of, split_of_folder
from dsq.formats.layout import Request, decode_text, escapes, is_file, stem
from dsq.formats.voc.files import Files, find_offsets, infer_offset, read_files
from dsq.formats.voc.layout import (
    Pairing,
    Pairs,
    Problem,
    SplitList,
    assign_splits,
    find_lists,
    in_image_sets,
    is_labelmap,
    parse_labelmap,
    parse_list,
    told_absent,
)
from dsq.formats.voc.tree import to_utf8
from dsq.formats.voc.write import write
from dsq.formats.voc.xml import FLAGS, STAMP, Look
from dsq.model import (
    BOXES,
    CATEGORIES,
    IMAGES,
    PROBLEMS,
    About,
    ClassList,
    Dataset,
    Notice,
    Table,
    make_table,
)
from dsq.source import IMAGE_SUFFIXES, is_image

__all__ = ["STAMP", "infer_offset", "read", "sniff", "write"]

SAMPLE = 8  # XML files that a sniff looks into
_KIND = re.compile(rb"<(annotation|annotations|dataset)[\s>]")
_INCLUSIVE = np.array([1.0, 1.0, 0.0, 0.0])  # an offset moves the first corner; the last pixel is inside
_STATES = ["labelled", "background", "unlabelled"]


def sniff(request: Request) -> Match | None:
    """VOC where XML files hold an <annotation>, or where there is none but lists of ImageSets are; other tools' XML is
    recognised so that it can be refused.
    """
    xmls = _xml_files(request)
    if not xmls:
        return _sniff_lists(request)
    kinds = []
    for row in np.unique(np.linspace(0, len(xmls) - 1, SAMPLE).astype(int)):
        try:
            head = to_utf8(request.source.head(xmls[row], 4096, follow=True))
        except ReadError as error:
            request.unread[xmls[row]] = error.what
            continue
        found = _KIND.search(head)
        kinds.append(found[1].decode() if found else "")
    where = Counter(folder_of(name) or "the root" for name in xmls).most_common(1)[0][0]
    count = _count(len(xmls))
    if "annotation" in kinds:
        few = len(xmls) * 5 < len(request.images) and request.focus is None
        return Match(0.45 if few else 0.9, f"{count} with <annotation> in {where}")
    if any(kinds):
        return Match(0.4, f"{count} of another tool in {where}")
    if request.focus is not None or re.search(r"(^|/)annot[^/]*$", where, re.IGNORECASE):
        return Match(0.3, f"{count} in {where}")
    return None


def _sniff_lists(request: Request) -> Match | None:
    """VOC where lists of ImageSets name images, none of which has an XML."""
    lists = [name for name in request.with_suffix(".txt") if in_image_sets(name)]
    for name in find_lists(lists)[0] if request.images.places and request.focus is None else ():
        try:
            entries = parse_list(name, decode_text(request.source.head(name, 4096, follow=True))).entries[:SAMPLE]
        except ReadError as error:
            request.unread[name] = error.what
            continue
        if any(stem(f"{entry.strip()}.x").lower() in request.images.by_stem for _, entry in entries):
            return Match(0.35, f"lists in {folder_of(name)}, no XML file")
    return None


def _count(number: int) -> str:
    return f"{number:,} XML file{'s' if number != 1 else ''}"


def _xml_files(request: Request) -> list[str]:
    if request.focus is not None:
        return [request.focus] if request.focus.lower().endswith(".xml") else []
    return request.with_suffix(".xml")


def read(request: Request) -> Dataset:
    """Every XML and every image that belongs to them. Raises ReadError where the XML is another tool's."""
    files = read_files(request, _xml_files(request))
    if not any(count >= 0 for count in files.columns.objects):
        for name, refused in files.foreign:
            if refused.hint or request.focus is not None:
                hint = refused.hint or "Give an XML that holds an <annotation>."
                raise ReadError(f"{refused.what}.", where=name, hint=hint)
    if request.focus is not None and not request.image_sources:
        _look_beside(request, files)
    pairing = Pairing(request.images, request.source.root)
    pairs = pairing.pair(files.columns.names, files.columns.stated)
    names, owners = _rows(files, pairing, pairs, loose=request.focus is None)
    lists, documents, problems, roles = _side_files(request)
    members = [files.columns.names[row] if row >= 0 else name for row, name in zip(owners.tolist(), names, strict=True)]
    listed, doubled, unknown = assign_splits(lists, members)
    splits = [
        split or split_of_folder(folder_of(name)) or split_of_folder(folder_of(member))
        for split, name, member in zip(listed, names, members, strict=True)
    ]
    class_lists = [
        ClassList(name, tuple(parse_labelmap(decode_text(data))))
        for name, data in documents.items()
        if is_labelmap(name)
    ]
    categories, codes = _categories(files, class_lists)
    corners = np.frombuffer(files.coords, np.float64).reshape(-1, 4) if files.coords else np.zeros((0, 4))
    parent = np.repeat(np.arange(len(files.columns.names)), np.array(files.columns.kept, np.int64))
    offsets, taken, why, notices = find_offsets(request, files, corners, parent)
    images, sizeless = _images(request, files, pairs, names, owners, splits)
    ids = np.zeros(len(files.columns.names), np.int64)
    ids[owners[owners >= 0]] = np.flatnonzero(owners >= 0) + 1
    problems = [*request.refusals(), *problems, *files.problems, *_foreign(files), *_outside(files), *doubled]
    roles |= dict.fromkeys(files.columns.names, "annotation") | dict.fromkeys(pairs.masks, "other")
    about = About(
        format="voc",
        root=request.src,
        why=(f"coordinates are {taken}-based: {why}",),
        notices=(*notices, *sizeless, *_notices(files, pairs, unknown)),
        class_lists=tuple(class_lists),
        documents=documents,
        voc_offset=taken,
        listed=request.focus is None or bool(request.image_sources),
        no_label_file=request.no_label_file,
    )
    fields = dict(zip(PROBLEMS, zip(*problems, strict=True), strict=True)) if problems else {}
    return Dataset(
        images=images,
        boxes=_boxes(files, corners - offsets[parent, None] * _INCLUSIVE, ids[parent], offsets[parent], codes),
        categories=categories,
        problems=make_table(PROBLEMS, len(problems), **fields),
        files=request.inventory(roles),
        about=about,
    )


def _look_beside(request: Request, files: Files) -> None:
    """Find the image of an XML that was named alone: beside it, or in the folder that images use."""
    for name, stated in zip(files.columns.names, files.columns.stated, strict=True):
        folder = Path(request.src).absolute().parent
        bases = [stated.replace("\\", "/").rpartition("/")[2]]
        bases += [stem(name) + suffix for low in sorted(IMAGE_SUFFIXES) for suffix in (low, low.upper())]
        places = (folder, folder.parent / "JPEGImages", folder.parent / "images")
        paths = (place / base for base in bases if is_image(base) for place in places)
        found = next((path for path in paths if is_file(path)), None)
        if found is not None:
            request.add_image(found)


def _rows(files: Files, pairing: Pairing, pairs: Pairs, loose: bool) -> tuple[list[str], Any]:
    """File names of the images, sorted, and for each the row of its XML in `files`, -1 where it has none."""
    xmls, stated, objects = files.columns.names, files.columns.stated, files.columns.objects
    repeated = Counter(stated)
    rows, names = [], []
    for row, image in enumerate(pairs.images):
        if image is None:
            if objects[row] < 0:
                continue
            image = pairing.missing(xmls[row], stated[row], repeated[stated[row]] == 1)
        rows.append(row)
        names.append(image)
    more = pairs.loose if loose else []
    names += more
    rows += [-1] * len(more)
    order = sorted(range(len(names)), key=names.__getitem__)
    return [names[i] for i in order], np.array(rows, np.int64)[order]


def _images(
    request: Request, files: Files, pairs: Pairs, names: list[str], owners: Any, splits: Sequence[str | None]
) -> tuple[Table, list[Notice]]:
    """The images table, and a notice where XML files declare no size."""
    spoken = owners >= 0
    at = owners[spoken]
    width, height = np.zeros(len(names), np.int64), np.zeros(len(names), np.int64)
    columns = files.columns
    width[spoken], height[spoken] = (np.array(side, np.int64)[at] for side in (columns.width, columns.height))
    there = np.array([row < 0 or pairs.images[row] is not None for row in owners.tolist()], bool)
    asked = np.flatnonzero((width == 0) & there)
    if len(asked):
        headers = request.image_headers([names[i] for i in asked.tolist()])
        width[asked] = [header.width if header.height else 0 for header in headers]
        height[asked] = [header.height if header.width else 0 for header in headers]
    objects, kept = np.array(files.columns.objects, np.int64)[at], np.array(files.columns.kept, np.int64)[at]
    state = np.full(len(names), 2, np.int8)
    state[spoken] = np.select([kept > 0, objects == 0], [0, 1], 2)
    extras: list[bytes | None] = [None] * len(names)
    for i, row in zip(np.flatnonzero(spoken).tolist(), at.tolist(), strict=True):
        stated, extra = files.columns.stated[row], files.columns.extras[row]
        base = names[i].rpartition("/")[2]
        if stated and stated not in (base, base.strip()):
            extra = f"<filename>{escape(stated)}</filename>".encode() + extra
        extras[i] = extra or None
    places = request.images.places
    member = [name if is_there else None for name, is_there in zip(names, there.tolist(), strict=True)]
    table = make_table(
        IMAGES, len(names),
        image_id=np.arange(1, len(names) + 1), file=names,
        root=_coded_texts([places[name] if name is not None else None for name in member]),
        member=member,
        width=pd.arrays.IntegerArray(width, width == 0), height=pd.arrays.IntegerArray(height, height == 0),
        split=_coded_texts(splits), label_state=_coded(state, _STATES),
        source=request.dataset_name, extras=extras,
        origin_file=_coded(owners, files.columns.names),
    )  # fmt: skip
    sizeless = [
        i for i, row in enumerate(owners.tolist()) if row >= 0 and not columns.width[row] and columns.objects[row] >= 0
    ]
    if not sizeless:
        return table, []
    known = int((width[sizeless] > 0).sum())
    where = f"{known:,} {'was' if known == 1 else 'were'} taken from the image files"
    text = f"{_count(len(sizeless))} without a usable size; {where if known else 'no image file is there to tell'}"
    return table, [Notice("size-missing", text, files.columns.names[owners[sizeless[0]]])]


def _coded(codes: Any, names: Any) -> Any:
    return pd.Categorical.from_codes(codes, names)


def _coded_texts(texts: Sequence[str | None]) -> Any:
    names = sorted({text for text in texts if text is not None})
    codes = {name: code for code, name in enumerate(names)}
    return _coded(np.array([-1 if text is None else codes[text] for text in texts], np.int64), names)


def _boxes(files: Files, corners: Any, image_ids: Any, offsets: Any, codes: Any) -> Table:
    """The boxes table, in the order of images and, within each, of objects."""
    order: Any = slice(None)
    if (np.diff(image_ids) < 0).any():
        order = np.argsort(image_ids, kind="stable")
    corners = corners[order]
    parent = np.repeat(np.arange(len(files.columns.names)), np.array(files.columns.kept, np.int64))[order]
    looks = np.array(files.looks, np.int64)[order]
    unsaid = np.array(files.columns.unsaid, np.int8)[parent]
    every = files.reader.looks or [Look("", None, None, None, None, None)]
    flags = {}
    for place, flag in enumerate(FLAGS):
        said = [getattr(look, flag) for look in every]
        data = np.array([bool(value) for value in said])[looks]
        mask = np.array([value is None for value in said])[looks]
        flags[flag] = pd.arrays.BooleanArray(data, mask | ((unsaid >> place & 1 == 1) & ~data))
    scores = np.array([np.nan if look.score is None else look.score for look in every])
    extras = np.empty(len(every), object)
    extras[:] = [look.extras for look in every]
    masks = None
    if files.polygons:
        masks = np.full(len(looks), None, object)
        for row, rings in files.polygons.items():
            shift = float(offsets[row])
            masks[row] = msgspec.json.encode([[value - shift for value in ring] for ring in rings])
        masks = masks[order]
    return make_table(
        BOXES, len(looks),
        box_id=np.arange(1, len(looks) + 1), image_id=image_ids[order], category_id=codes[looks],
        x=corners[:, 0], y=corners[:, 1],
        width=_side(corners[:, 0], corners[:, 2]), height=_side(corners[:, 1], corners[:, 3]),
        **flags, score=scores[looks], segmentation=masks, extras=extras[looks],
        origin_file=_coded(parent, files.columns.names),
        origin_place=files.places()[order],
    )  # fmt: skip


def _side(low: Any, high: Any) -> Any:
    """The width that leads from one edge exactly to the other, where the difference itself was rounded."""
    side = high - low
    off = np.flatnonzero(low + side != high)
    for limit in (np.inf, -np.inf):
        near = np.nextafter(side[off], limit)
        hit = low[off] + near == high[off]
        side[off[hit]] = near[hit]
    return side


def _categories(files: Files, class_lists: Sequence[ClassList]) -> tuple[Table, Any]:
    """The categories table, and the category id of each look."""
    looks = files.reader.looks
    used = {looks[i].name for i in np.unique(np.array(files.looks, np.int64)).tolist()}
    listed = [name for name in (class_lists[0].names if class_lists else ()) if name in used or name != "background"]
    names = listed + sorted(used - set(listed))
    ids = {name: code for code, name in enumerate(names, 1)}
    declared = [not class_lists or name in listed for name in names]
    table = make_table(CATEGORIES, len(names), category_id=list(ids.values()), name=names, declared=declared)
    return table, np.array([ids.get(look.name, 0) for look in looks] or [0], np.int64)


def _side_files(
    request: Request,
) -> tuple[list[SplitList], dict[str, bytes], list[Problem], dict[str, str]]:
    """Lists of ImageSets; the bytes of every labelmap.txt (the outermost first) and list; problems; their roles."""
    if request.focus is not None:
        return [], {}, [], {}
    found = [name for name in request.with_suffix(".txt") if in_image_sets(name)]
    maps = sorted(filter(is_labelmap, request.with_suffix(".txt")), key=lambda name: (name.count("/"), name))
    every = [*maps, *found]
    problems: list[Problem] = []
    contents: dict[str, bytes] = {}
    for name, data in zip(every, request.source.read_many(every), strict=True):
        if isinstance(data, ReadError):
            problems.append(("malformed-record", name, "", data.what))
        else:
            contents[name] = data
    used, _ = find_lists(contents, contents)
    lists = [parse_list(name, decode_text(contents[name])) for name in used]
    return lists, contents, problems, dict.fromkeys(every, "config")


def _foreign(files: Files) -> list[Problem]:
    """Files of another tool among those of VOC."""
    return [
        ("malformed-record", name, refused.place, f"{refused.what}. {refused.hint}")
        for name, refused in files.foreign
        if refused.hint
    ]


def _outside(files: Files) -> list[Problem]:
    """Stated file names that lead out of the dataset: never opened, only their last part was looked for."""
    what = "<filename> {!r} leads out of the dataset; only its last part was looked for"
    return [
        ("path-outside-dataset", name, "filename", what.format(stated[:200]))
        for name, stated in zip(files.columns.names, files.columns.stated, strict=True)
        if ("/" in stated or "\\" in stated or ":" in stated) and escapes(stated)
    ]


def _base(name: str) -> str:
    return name.replace("\\", "/").rpartition("/")[2]


def _notices(files: Files, pairs: Pairs, unknown: Sequence[tuple[str, list[str]]]) -> list[Notice]:
    """What was decided about odd names, lists, rotated boxes and XML files of no known kind."""
    found = []
    believed = [each for each in pairs.differing if _base(each[1]) == _base(each[2])]
    if believed:
        xml, stated, taken = believed[0]
        text = f"{_count(len(believed))} with a file name that is another's: "
        found.append(Notice("filename-differs", f"{text}{xml} says {stated}; taken was {taken}", xml))
    found += [told_absent(name, absent) for name, absent in unknown]
    if files.rotated:
        text = f"{files.rotated:,} rotated boxes (<robndbox>) were read as polygons and what these span"
        found.append(Notice("rotated-boxes", text))
    odd = [(name, refused) for name, refused in files.foreign if not refused.hint]
    if odd:
        text = f"{_count(len(odd))} that hold no annotation; {odd[0][0]}: {odd[0][1].what}"
        found.append(Notice("skipped-file", text, odd[0][0]))
    return found
