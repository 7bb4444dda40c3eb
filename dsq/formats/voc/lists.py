"""What a Pascal VOC set says beside its XML files: the lists of ImageSets, and labelmap.txt."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from dsq.formats.folders import folder_of, split_of_folder
from dsq.formats.layout import decode_text, split_of, stem
from dsq.formats.voc.layout import (
    SplitList,
    assign_splits,
    find_lists,
    is_labelmap,
    parse_labelmap,
    parse_list,
    told_absent,
)
from dsq.model import About

_UNSAFE = re.compile(r"[\x00-\x1f\x7f<>:\"|?*/\\\ud800-\udfff]")
_USUAL = ("trainval", "train", "val", "test")
_OF_A_CLASS = re.compile(r"_(trainval|train|val|test)$", re.IGNORECASE)
_NO_LINE = re.compile(r"[:\x0b\x0c\x1c-\x1e\x85\u2028\u2029\r\n]|^#")
_HEAD = "# label:color_rgb:parts:actions\n"


class Lists(NamedTuple):
    """The files of ImageSets, by name. renamed: images whose split is called otherwise in it. lost: images that
    it cannot name. left_out: files of the source that are not kept.
    """

    files: dict[str, bytes]
    renamed: int = 0
    lost: int = 0
    left_out: int = 0


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


def keep_lists(about: About, members: Sequence[str], classes: Sequence[str]) -> Lists:
    """The source's own lists, byte for byte where all that they name is still there.

    Else without the lines of what is gone; lists that speak of a class that is gone are left out.
    """
    documents = {name: data for name, data in about.documents.items() if not is_labelmap(name)}
    used, aside = find_lists(documents, documents)
    every = [parse_list(name, decode_text(documents[name])) for name in [*used, *aside]]
    absent = dict(assign_splits(every, members)[2])
    whole = all(told_absent(name, absent[name]) in about.notices for name in used if name in absent)
    found: dict[str, bytes] = {}
    left_out = 0
    for each in every:
        if each.file in aside and _speaks_of_a_lost_class(each, classes):
            left_out += 1
            continue
        found[each.file] = documents[each.file]
        if not whole and each.file in absent:
            gone = set(absent[each.file])
            found[each.file] = _list(entry for _, entry in each.entries if entry not in gone)
    return Lists(found, left_out=left_out)


def _speaks_of_a_lost_class(each: SplitList, classes: Sequence[str]) -> bool:
    """Whether a list of ImageSets/Main says which images hold a class (1, or 0 for difficult) that there is not."""
    match = _OF_A_CLASS.search(stem(each.file))
    if match is None or not folder_of(each.file).endswith("Main") or stem(each.file)[: match.start()] in classes:
        return False
    return any(entry.split()[-1] in ("0", "1") for _, entry in each.entries)


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


def make_labelmap(names: list[str], used: Collection[str], old: bytes | None = None) -> bytes | None:
    """A labelmap.txt with these classes in this order: that of the source where it says so (an unused "background"
    aside), else a new one with its lines of classes that stay. None where a name cannot stand in it.
    """
    text = decode_text(old) if old is not None else ""
    if old is not None and [name for name in parse_labelmap(text) if name in used or name != "background"] == names:
        return old
    if any(_NO_LINE.search(name) for name in names):
        return None
    told = {line.partition(":")[0].strip(): line.strip() for line in text.splitlines() if ":" in line}
    return (_HEAD + "".join(f"{told.get(name, f'{name}:::')}\n" for name in names)).encode("utf-8", "replace")
