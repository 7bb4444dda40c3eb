"""YOLO: a text file of rows beside each image, or in `labels/` where the image is in `images/`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dsq.errors import ReadError
from dsq.formats import Match
from dsq.formats.foreign import find_foreign
from dsq.formats.layout import Request, decode_text, stem
from dsq.formats.yolo.choice import choose_config, find_configs, leave_strays
from dsq.formats.yolo.config import (
    MOST_CONFIG,
    Config,
    Problem,
    find_class_lists,
    is_class_list,
    is_config,
    is_prose,
    parse_names,
    read_class_lists,
)
from dsq.formats.yolo.pairs import Labels, Paired, in_labels, pair_labels
from dsq.formats.yolo.rows import ODDITIES, is_row, quote
from dsq.formats.yolo.shapes import BOX, POLYGON, Rows, shape_boxes, take_rows
from dsq.formats.yolo.splits import MOST_LIST, Splits, Tree, find_file
from dsq.formats.yolo.write import write as write
from dsq.headers import Header
from dsq.model import (
    BOXES,
    CATEGORIES,
    HEADERS,
    IMAGES,
    PROBLEMS,
    About,
    ClassList,
    Dataset,
    Notice,
    Table,
    make_table,
)

Array = NDArray[Any]
Documents = dict[str, bytes]

MOST_BARE = 10_000  # classes that a bare `nc` brings at most
SAMPLE = 24  # text files that a sniff looks into


def sniff(request: Request) -> Match | None:
    """YOLO where text files hold label rows, or a data.yaml or obj.data says so."""
    if request.focus is not None and is_config(request.focus):
        return Match(1.0, f"{request.focus} was named")
    texts = [name for name in request.with_suffix(".txt") if not (is_prose(name) or is_class_list(name))]
    within = [name for name in texts if in_labels(name)]
    pool = within or texts
    looked = [pool[i] for i in np.unique(np.linspace(0, len(pool) - 1, SAMPLE).astype(int))] if pool else []
    rows = blank = 0
    for head in _heads(request, looked):
        lines = [line for line in head.splitlines() if line.strip()][:2]
        rows += bool(lines) and all(map(is_row, lines))
        blank += not lines
    configs = find_configs(request)[0]
    named = [configs[0].file] if configs else find_class_lists(request.source)[:1]
    where = " in labels/" if within else ""
    if rows:
        share = rows / (len(looked) - blank)
        why = f"{len(pool):,} text files{where} ({rows} of {len(looked)} looked at hold label rows)"
        sure = (0.9 if named else 0.8) if share > 0.5 or within else 0.4
        return Match(sure, ", ".join([*named, why]))
    if any(config.splits for config in configs) and (request.images.places or texts):
        return Match(0.5, f"{named[0]} names splits")
    if blank and (within or named) and request.images.places:
        return Match(0.4, ", ".join([*named, f"{len(pool):,} empty text files{where}"]))
    if any(stem(name).lower() in request.images.by_stem for name in within) and find_foreign(request) is None:
        return Match(0.4, f"{len(within):,} text files in labels/, none looked at holds label rows")
    return None


def _heads(request: Request, names: Sequence[str]) -> list[str]:
    heads = []
    for name in names:
        try:
            heads.append(decode_text(request.source.head(name, 4096, follow=True)))
        except ReadError as error:
            request.unread[name] = error.what
    return heads


def read(request: Request) -> Dataset:
    """Read a YOLO dataset; see `dsq.read`. A category's id is the class id of the rows."""
    configs, problems = find_configs(request)
    lists, more = read_class_lists(request.source)
    notices: list[Notice] = []
    if request.beside is not None:
        around, others = read_class_lists(request.beside)
        lists, more = lists + around, more + others
        archive = request.source.root.replace("\\", "/").rpartition("/")[2]
        beside = f"; {configs[0].file} lies beside it" if configs else ""
        text = f"{archive}, the only zip in the folder, was read{beside}."
        notices.append(Notice("archive-inside", text))
    keypoints = next((config.keypoints for config in configs if config.keypoints), None)
    darknet = any(config.file.endswith(".data") for config in configs)
    paired = pair_labels(request, keypoints, darknet)
    absent = {name for name, there in zip(paired.files, paired.present, strict=True) if not there}
    config, splits = choose_config(request, Tree(paired.files, absent), configs, paired.loose, notices)
    leave_strays(config, splits, paired)
    class_lists = _order_lists(request, config, configs, lists, splits)
    if config is not None:
        notices += config.notices
        problems += config.problems
    notices += splits.notices + paired.notices
    roles = _roles(paired, configs, class_lists, splits, notices)
    problems += more + splits.problems + paired.problems + _tell_bad(paired) + request.refusals()
    images, headers = _image_tables(request, paired, splits)
    boxes = _box_table(paired, images, keypoints, notices)
    names = config.names if config is not None else {}
    if not names and class_lists:
        names = dict(enumerate(class_lists[0].names))
    return Dataset(
        images=images,
        boxes=boxes,
        categories=_category_table(boxes, names, config, notices),
        problems=_problem_table(problems),
        files=request.inventory(roles),
        about=About(
            format="yolo",
            root=request.source.root,
            why=(_summary(paired),),
            notices=tuple(notices),
            class_lists=tuple(class_lists),
            documents=_documents(request, config, configs, roles),
            listed=request.listed,
            no_label_file=request.no_label_file,
        ),
        headers=headers if len(headers) else None,
    )


def _order_lists(
    request: Request, config: Config | None, configs: list[Config], lists: list[ClassList], splits: Splits
) -> list[ClassList]:
    """Every list of class names once, the one to use first."""
    ordered: list[ClassList] = []
    if config is not None and config.names_file:
        name, tried = find_file(request, config, config.names_file)
        if name is not None:
            try:
                text = decode_text(request.source.read(name, MOST_CONFIG))
                ordered.append(ClassList(name, tuple(parse_names(text))))
            except ReadError as error:
                splits.problems.append(("malformed-record", name, "", f"{error.what} It was not used."))
        if name is None or len(tried) > 1:
            taken = f"{name} was taken" if name is not None else "no such file was found"
            also = ", ".join(path for path in (tried if name is None else tried[:-1]) if path != config.names_file)
            text = f"names: {config.names_file} is not there, {taken}{f' (tried {also})' if also else ''}."
            splits.notice("path-resolved", text, config.file)
    for each in sorted(configs, key=lambda each: each is not config):
        if each.names:
            most = max(each.names)
            ids = range(most + 1) if most < 2 * len(each.names) + MOST_BARE else sorted(each.names)
            ordered.append(ClassList(each.file, tuple(each.names.get(index, "") for index in ids)))
    if config is not None and config.names:
        ordered.sort(key=lambda one: one.file != config.file)
    return list({one.file: one for one in [*ordered, *lists] if one.names}.values())


def _roles(
    paired: Paired, configs: list[Config], class_lists: list[ClassList], splits: Splits, notices: list[Notice]
) -> dict[str, str]:
    """The part that each known file plays; lists of images that were not used are told."""
    roles = dict.fromkeys(paired.labels.files, "annotation")
    roles |= dict.fromkeys([*paired.loose, *paired.masks], "other")
    at = {name: i for i, name in enumerate(paired.labels.files)}
    listings = [name for name in paired.loose if paired.labels.listing[at[name]]]
    used = [*(config.file for config in configs), *(one.file for one in class_lists), *splits.lists]
    roles |= dict.fromkeys([*listings, *used], "config")
    skipped = [name for name in listings if name not in splits.lists]
    if skipped:
        shown = ", ".join(skipped[:12]) + (", …" if len(skipped) > 12 else "")
        some = "list images and were" if len(skipped) != 1 else "lists images and was"
        notices.append(Notice("list-skipped", f"{shown} {some} not used to tell splits."))
    return roles


def _documents(request: Request, config: Config | None, configs: list[Config], roles: dict[str, str]) -> Documents:
    """Configs, class lists and lists of images as they are, the config that was used first."""
    found = {one.file: one.raw for one in sorted(configs, key=lambda one: one is not config)}
    for source in (request.source, request.beside):
        names = sorted(name for name, role in roles.items() if role == "config" and name not in found)
        if source is not None:
            names = [name for name in names if name in source]
            read = zip(names, source.read_many(names, limit=MOST_LIST), strict=True)
            found |= {name: data for name, data in read if not isinstance(data, ReadError)}
    return found


def _tell_bad(paired: Paired) -> list[Problem]:
    """Problems of the label files that belong to images."""
    labels, used = paired.labels, set(paired.label.tolist())
    problems: list[Problem] = [
        ("malformed-record", labels.files[bad.file], f"line {bad.line}", bad.what)
        for bad in labels.bad
        if bad.file in used
    ]
    good = labels.counts()[0]
    unseen = {file for kind, file, _, _ in paired.problems if kind == "misplaced-label"}
    for at in np.flatnonzero(labels.odd >= 0).tolist():
        if at in used and (good[at] or labels.blank[at]) and labels.files[at] not in unseen:
            what = f"{ODDITIES[labels.odd[at]]}: the trainer cannot read it"
            problems.append(("unreadable-label-file", labels.files[at], "", what))
    for at, error in labels.unread.items():
        if at in used:
            kind = "path-outside-dataset" if "leaves the dataset" in error.what else "malformed-record"
            problems.append((kind, labels.files[at], "", f"{error.what} The image has no boxes."))
    return problems


def _image_tables(request: Request, paired: Paired, splits: Splits) -> tuple[Table, Table]:
    """The images and what their headers say."""
    count = len(paired.files)
    ids = np.arange(1, count + 1)
    there = np.flatnonzero(paired.present)
    members = [paired.files[i] for i in there.tolist()]
    headers = request.image_headers(members)
    facts = dict(zip(Header._fields, zip(*headers, strict=True), strict=True)) if headers else {}
    head = make_table(HEADERS, len(headers), image_id=ids[there], **facts)
    readable = ((head["error"] == "") & (head["width"] > 0) & (head["height"] > 0)).to_numpy()
    sized = there[readable]
    width, height = np.zeros(count, np.int64), np.zeros(count, np.int64)
    width[sized], height[sized] = head["width"].to_numpy()[readable], head["height"].to_numpy()[readable]
    held = [request.images.places[name] for name in members]
    roots = list(dict.fromkeys(held))
    codes, found = np.full(count, -1), np.full(count, None, object)
    codes[there] = list(map(roots.index, held))
    found[there] = members
    none = 0 if request.no_label_file == "background" else 2
    state = np.full(count, none)
    with_label = np.flatnonzero(paired.label >= 0)
    state[with_label] = np.where(paired.labels.blank[paired.label[with_label]], 0, 1)
    unknown = width == 0
    table = make_table(
        IMAGES,
        count,
        image_id=ids,
        file=paired.files,
        root=_coded(codes, roots),
        member=found,
        width=pd.arrays.IntegerArray(width, unknown),
        height=pd.arrays.IntegerArray(height, unknown.copy()),
        unit=_coded(unknown.astype(np.int8), ["px", "relative"]),
        split=pd.Categorical(splits.split),
        label_state=_coded(state, ["background", "labelled", "unlabelled"]),
        source=request.dataset_name,
        origin_file=_coded(paired.label, paired.labels.files),
    )
    return table, head


def _box_table(paired: Paired, images: Table, keypoints: tuple[int, int] | None, notices: list[Notice]) -> Table:
    """The boxes of every image, in the order of images and lines."""
    labels, rows = paired.labels, paired.labels.give_rows()
    image_row = np.flatnonzero(paired.label >= 0)
    image_row = image_row[np.argsort(paired.label[image_row], kind="stable")]
    uses = np.bincount(paired.label[image_row], minlength=len(labels.files))
    first_use = np.cumsum(uses) - uses
    if (uses[rows.file] == 1).all():
        image = image_row[first_use[rows.file]].astype(np.int32)
    else:  # a label file may serve several images, or none
        repeats = uses[rows.file]
        row = np.repeat(np.arange(len(rows.file)), repeats)
        nth = np.arange(len(row)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
        rows = take_rows(rows, row)
        image = image_row[first_use[rows.file] + nth].astype(np.int32)
    if (image[1:] < image[:-1]).any():
        order = np.argsort(image, kind="stable")
        rows, image = take_rows(rows, order), image[order]
    _tell_rows(labels, rows, notices)
    width, height = (images[side].to_numpy(float, na_value=1.0) for side in ("width", "height"))
    return make_table(
        BOXES,
        len(image),
        box_id=np.arange(1, len(image) + 1),
        image_id=images["image_id"].to_numpy()[image],
        category_id=rows.number.astype(np.int64),
        origin_file=_coded(rows.file, labels.files),
        origin_place=rows.line,
        **shape_boxes(rows, image, width, height, keypoints[1] if keypoints else 3),
    )


def _tell_rows(labels: Labels, rows: Rows, notices: list[Notice]) -> None:
    """Notices of rows that can be read in two ways, or that the trainer reads otherwise."""
    shaped, _, columns = rows.others(POLYGON)
    four = shaped[columns == 9]
    if len(four):
        where = f"{labels.files[rows.file[four[0]]]} line {rows.line[four[0]]}"
        many = f"{len(four):,} rows of 9 columns are" if len(four) > 1 else "1 row of 9 columns is"
        text = f"{many} polygons of 4 points or rotated boxes ({where}); read as polygons, their extents as boxes."
        notices.append(Notice("ambiguous-rows", text))
    mixed = np.intersect1d(rows.file[rows.kind == BOX], rows.file[rows.kind == POLYGON])
    if len(mixed):
        many = f"{len(mixed):,} label files mix" if len(mixed) > 1 else "1 label file mixes"
        text = f"{many} boxes and polygons ({labels.files[mixed[0]]})"
        text += "; the trainer takes every row of such a file for a polygon."
        notices.append(Notice("mixed-rows", text))


def _category_table(boxes: Table, names: dict[int, str], config: Config | None, notices: list[Notice]) -> Table:
    """Classes that are named or used, by id."""
    used = pd.unique(boxes["category_id"]).tolist()
    nc = config.nc if config is not None else None
    bare = range(min(nc or 0, MOST_BARE)) if not names else ()
    ids = sorted({*names, *used, *bare})
    if not names:
        shown = ", ".join(map(str, ids[:8])) + (", …" if len(ids) > 8 else "")
        text = f"no file names the classes; their ids stand for them{f' ({shown})' if ids else ''}."
        notices.append(Notice("class-names-unknown", text))
        declared = [nc is None or index < nc for index in ids]
    else:
        declared = [index in names for index in ids]
    twice = sorted({name for name, count in Counter(names.values()).items() if count > 1})
    if twice:
        text = f"{', '.join(map(quote, twice[:5]))}: more than one class has this name; each keeps its id."
        notices.append(Notice("duplicate-class-name", text))
    return make_table(
        CATEGORIES,
        len(ids),
        category_id=ids,
        name=[names.get(index, str(index)) for index in ids],
        declared=declared,
        source_id=ids,
    )


def _problem_table(problems: Sequence[Problem]) -> Table:
    columns = list(zip(*problems, strict=True)) or [()] * 4
    return make_table(PROBLEMS, len(problems), **dict(zip(PROBLEMS, columns, strict=True)))


def _coded(codes: Array, values: Any) -> Any:
    """A categorical column; code -1 is NA."""
    return pd.Categorical.from_codes(codes, categories=values)


def _summary(paired: Paired) -> str:
    present, labels = int(paired.present.sum()), len(set(paired.label.tolist()) - {-1})
    return f"{labels:,} label files, {present:,} images"
