"""What a Pascal VOC set says beside its XML files: the lists of ImageSets, and labelmap.txt."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from dsq.formats.folders import folder_of, split_of_folder
from dsq.formats.layout import decode_text, split_of, stem
from dsq.formats.voc.layout import (
    MARK,
    SplitList,
    assign_splits,
    find_lists,
    is_labelmap,
    name_of_line,
    parse_labelmap,
    parse_list,
    rows_of_entries,
    told_absent,
)
from dsq.model import About

_UNSAFE = re.compile(r"[\x00-\x1f\x7f<>:\"|?*/\\\ud800-\udfff]")
_USUAL = ("trainval", "train", "val", "test")
_OF_A_CLASS = re.compile(r"_(trainval|train|val|test)$", re.IGNORECASE)
_NO_LINE = re.compile(r"[:\x0b\x0c\x1c-\x1e\x85\u2028\u2029\r\n]|^#")
_HEAD = "# label:color_rgb:parts:actions\n"


#: for each class the rows of the images that hold it: 1, or 0 where all its boxes are difficult
Signs = Mapping[str, Mapping[int, int]]


class Lists(NamedTuple):
    """The files of ImageSets, by name. renamed: images whose split is called otherwise in it. lost: images that
    it cannot name. left_out: files of the source that are not kept. corrected: lines that contradicted the boxes.
    """

    files: dict[str, bytes]
    renamed: int = 0
    lost: int = 0
    left_out: int = 0
    corrected: int = 0


def read_lists(documents: Mapping[str, bytes]) -> list[SplitList]:
    """The lists among a dataset's documents that name splits."""
    used, _ = find_lists(documents, documents)
    return [parse_list(name, decode_text(documents[name])) for name in used]


def splits_read(lists: Sequence[SplitList], members: Sequence[str], files: Sequence[str]) -> list[str | None]:
    """The split of each image that a reader takes from these lists, else from the folders.

    members: its XML, else its own name. files: the image.
    """
    listed = assign_splits(lists, members)[0]
    return [
        split or split_of_folder(folder_of(file)) or split_of_folder(folder_of(member))
        for split, file, member in zip(listed, files, members, strict=True)
    ]


def keep_lists(about: About, members: Sequence[str], tell: Callable[[], Signs]) -> Lists:
    """The source's own lists, byte for byte where all that they say is still so.

    Else without the lines of what is gone; lists that speak of a class that is gone are left out. tell: gives what the
    boxes say.
    """
    documents = {name: data for name, data in about.documents.items() if not is_labelmap(name)}
    used, aside = find_lists(documents, documents)
    every = [parse_list(name, decode_text(documents[name])) for name in [*used, *aside]]
    absent = dict(assign_splits(every, members)[2])
    whole = all(told_absent(name, absent[name]) in about.notices for name in used if name in absent)
    signs = tell() if aside else {}
    found: dict[str, bytes] = {}
    left_out = corrected = 0
    for each in every:
        label = _class_of(each, signs) if each.file in aside else None
        if label is not None and label not in signs:
            left_out += 1
            continue
        found[each.file] = documents[each.file]
        entries = [entry for _, entry in each.entries]
        wrong: dict[str, str] = {}
        if label is not None:
            wrong = _contradicted(each, members, signs[label])
            corrected += len(wrong)
        gone = set(absent[each.file]) if not whole and each.file in absent else set()
        if wrong or gone:
            found[each.file] = _list(wrong.get(entry, entry) for entry in entries if entry not in gone)
    return Lists(found, left_out=left_out, corrected=corrected)


def _class_of(each: SplitList, classes: Collection[str]) -> str | None:
    """The class of which a list of ImageSets/Main says which images hold it (1, or 0 for difficult); one that there is
    not only where it says that an image does.
    """
    name = stem(each.file)
    known = [name[:place] for place, sign in enumerate(name) if sign == "_" and name[:place] in classes]
    match = _OF_A_CLASS.search(name)
    if not folder_of(each.file).lower().endswith("main") or not (known or match):
        return None
    if known:
        return known[-1]
    holds = any(entry.split()[-1] in ("0", "1") for _, entry in each.entries)
    return name[: match.start()] if match is not None and holds else None


def _contradicted(each: SplitList, members: Sequence[str], signs: Mapping[int, int]) -> dict[str, str]:
    """Lines of a class's list of which the boxes say the opposite, and what they say. In a list without any -1 a 0
    stands for an image without the class, as some tools write it.
    """
    lines = [entry.strip().rpartition(" ") for _, entry in each.entries]
    least = 0 if any(sign == "-1" for *_, sign in lines) else -1
    fits = {"1": (0, 1), "0": (least, 0), "-1": (-1, -1)}
    found = {}
    for (_, entry), (name, _, sign), rows in zip(each.entries, lines, rows_of_entries(each, members), strict=True):
        if rows and sign in fits:
            low, high = fits[sign]
            truth = max(signs.get(row, -1) for row in rows)
            if not low <= truth <= high:
                found[entry] = f"{name.strip()} {truth:>2}"
    return found


def make_lists(splits: Sequence[str | None], stems: Sequence[str], labelled: Sequence[bool]) -> Lists:
    """Lists of ImageSets/Main, one a split, and trainval where there are both; an empty dict without splits.

    labelled: whether an XML is written; images without one are listed in ImageSets/Unlabelled, because readers
    of other tools open the XML of all that Main names.
    """
    names: dict[str, str] = {}
    taken: set[str] = set()
    wanted = sorted({name for name in splits if name is not None})
    for name in wanted:
        safe = _as_a_split(_UNSAFE.sub("_", name).strip(" .") or "split", wanted)
        names[name] = next(other for other in _numbered(safe) if other.casefold() not in taken)
        taken.add(names[name].casefold())
    lines: dict[str, list[str]] = {}
    renamed = lost = 0
    for split, name, has_xml in zip(splits, stems, labelled, strict=True):
        if split is None:
            continue
        own = names[split]
        renamed += (split_of(own) or own) != split
        lost += _encoded(name).decode() != name
        for each in (own, "trainval") if has_xml and own in ("train", "val") and {"train", "val"} <= taken else (own,):
            lines.setdefault(f"ImageSets/{'Main' if has_xml else 'Unlabelled'}/{each}.txt", []).append(name)
    return Lists({file: _list(each) for file, each in sorted(lines.items())}, renamed, lost)


def _as_a_split(name: str, others: Sequence[str]) -> str:
    """The name without what would make it that of a class's list, `<class>_<list>`."""
    ends = {*_USUAL, *(other.casefold() for other in others)}
    while any(name[place + 1 :].casefold() in ends for place, sign in enumerate(name) if sign == "_"):
        name = "-".join(name.rsplit("_", 1))
    return name


def _numbered(name: str) -> Iterator[str]:
    yield name
    number = 2
    while True:
        yield f"{name}-{number}"
        number += 1


def _encoded(name: str) -> bytes:
    return name.encode("utf-8", "replace")


def _list(names: Iterable[str]) -> bytes:
    return _encoded("".join(f"{name}\n" for name in names))


def make_labelmap(names: list[str], used: Collection[str], old: bytes | None = None) -> bytes:
    """A labelmap.txt with these classes in this order: that of the source where it says so (an unused "background"
    aside), else a new one with its lines of classes that stay. A name that no line can hold stands in a comment.
    """
    text = decode_text(old) if old is not None else ""
    if old is not None and [name for name in parse_labelmap(text) if name in used or name != "background"] == names:
        return old
    told = {name_of_line(line.strip()): line.strip() for line in text.splitlines() if ":" in line}
    lines = (
        told.get(name) or (f"{MARK}{json.dumps(name)}" if _NO_LINE.search(name) else f"{name}:::") for name in names
    )
    return (_HEAD + "".join(f"{line}\n" for line in lines)).encode("utf-8", "replace")
