"""Which image belongs to which split: by config or list, found by looking where it points nowhere."""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsq.errors import ReadError
from dsq.formats.layout import (
    ImageIndex,
    Request,
    decode_text,
    escapes,
    resolve,
    split_of,
    split_of_path,
)
from dsq.formats.naming import UNASSIGNED
from dsq.formats.yolo.config import Config, Declared, Problem, is_image_list, is_split_list, read_entries
from dsq.model import Notice

Array = NDArray[Any]

MOST_LIST = 256 << 20  # bytes of a list file
SHOWN = 8  # paths or names that a message lists


class Tree:
    """The dataset's images by folder and by name; `absent`: those that only labels speak of."""

    def __init__(self, files: Sequence[str], absent: Container[str] = ()) -> None:
        self.absent = absent
        self.row = {name: i for i, name in enumerate(files)}
        self.index = ImageIndex([])
        self.index.places = dict.fromkeys(files, "")
        self.folders: dict[str, list[int]] = {}
        for i, name in enumerate(files):
            self.folders.setdefault(name.rpartition("/")[0], []).append(i)
        self.above: set[str] = set()  # every folder with an image in or below it
        for folder in self.folders:
            while folder not in self.above:
                self.above.add(folder)
                folder = folder.rpartition("/")[0]

    @cached_property
    def spelled(self) -> dict[str, list[tuple[str, str]]]:
        """Folders as they are and in plain spelling behind a slash, by the last part of that."""
        found: dict[str, list[tuple[str, str]]] = {}
        for folder in self.above:
            plain = f"/{_plain(folder)}"
            found.setdefault(plain.rpartition("/")[2], []).append((folder, plain))
        return found

    def below(self, folder: str) -> list[int]:
        """Positions of the images in a folder and its subfolders."""
        if not folder:
            return list(range(len(self.row)))
        start = f"{folder}/"
        return [i for name, rows in self.folders.items() if name == folder or name.startswith(start) for i in rows]


@dataclass
class Splits:
    """What was found: `split` (images,) of names and None, and what there is to say about it.

    held (images,): whether a place that is declared for a split holds the image, or a folder names its split.
    """

    split: Array
    held: Array
    notices: list[Notice] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    lists: list[str] = field(default_factory=list)  # list files that were used
    found: int = 0  # declared places that hold images
    empty: list[str] = field(default_factory=list)  # declared places that hold none, but for a test split not there

    def notice(self, kind: str, text: str, file: str = "") -> None:
        self.notices.append(Notice(kind, text, file))


def assign_splits(request: Request, tree: Tree, config: Config | None, loose: Iterable[str]) -> Splits:
    """The split of every image of `tree`.

    config: what the dataset declares. loose: text files that are no labels; those called train.txt, val.txt …
    name splits where the config names none. Images that neither covers get the split that their folder names,
    unless the config declares that split elsewhere.
    """
    splits = Splits(np.full(len(tree.row), None, object), np.zeros(len(tree.row), bool))
    members: dict[str, list[int]] = {}
    if config is not None and config.splits:
        _follow(request, tree, config, splits, members)
        where = config.file
    else:
        where = ", ".join(_use_lists(request, tree, loose, splits, members))
    _share_out(tree, members, where, splits, config.placeholders if config is not None else set())
    declared = {one.split for one in config.splits} if config is not None else set()
    for folder, rows in tree.folders.items():
        split = split_of_path(f"{folder}/")
        if split and split not in declared:
            free = [row for row in rows if splits.split[row] is None]
            splits.split[free] = split
    splits.held = splits.split.astype(bool)
    for rows in members.values():
        splits.held[rows] = True
    return splits


def _share_out(
    tree: Tree, members: dict[str, list[int]], where: str, splits: Splits, placeholders: Container[str]
) -> None:
    """Fill `splits.split`; an image that two splits hold goes to the smaller, or to the one named first.

    Splits that hold the very same images are one: that which their folder names; none where every other image of
    the set is in a split of its own, as a set that is not split is written so; else the first. Nothing is wrong with
    that where all but one of them are `placeholders`.
    """
    files = list(tree.row)
    held = {split: np.unique(np.array(rows, np.int64)) for split, rows in members.items()}
    alike: dict[bytes, list[str]] = {}
    for split, mine in held.items():
        if len(mine):
            alike.setdefault(mine.tobytes(), []).append(split)
    unsaid: list[Array] = []
    for same in alike.values():
        if len(same) == 1:
            continue
        mine = held[same[0]]
        shown = _some([files[i] for i in mine[:2].tolist()], len(mine))
        text = f"{' and '.join(same)} are the same {len(mine):,} image{'s' if len(mine) != 1 else ''} ({shown})"
        if sum(split not in placeholders for split in same) > 1:
            splits.notice("same-images-in-two-splits", text, where)
        else:
            splits.notice("split-placeholder", f"{text}, as it says itself: no split is there for the trainer", where)
        folders = [split_of(part) or part for part in files[mine[0]].split("/")[-2::-1]]
        named = next((folder for folder in folders if folder in same), None)
        others = [rows for split, rows in held.items() if split not in same]
        if named is None and len(np.unique(np.concatenate([mine, *others]))) == len(files):
            unsaid.append(mine)
        for split in same:
            if split != (named or same[0]):
                del held[split]
    for split, mine in sorted(held.items(), key=lambda item: len(item[1])):
        taken = splits.split[mine]
        splits.split[mine[taken == None]] = split  # noqa: E711 (element by element)
        for other in dict.fromkeys(taken.tolist()):
            if other is not None:
                both = mine[taken == other]
                what = (
                    f"{len(both):,} image{'s are' if len(both) != 1 else ' is'} in {other} and in {split} "
                    f"({_some([files[i] for i in both[:2].tolist()], len(both))}); counted as {other}"
                )
                splits.problems.append(("image-in-two-splits", where, "", what))
    for mine in [*unsaid, *(mine for split, mine in held.items() if split == UNASSIGNED)]:
        splits.split[mine] = None


def _follow(request: Request, tree: Tree, config: Config, splits: Splits, members: dict[str, list[int]]) -> None:
    """Look up every place that the config declares."""
    moved: dict[str, None] = {}
    for declared in config.splits:
        rows, taken, tried = _locate(request, tree, config, declared, splits)
        members.setdefault(declared.split, []).extend(rows)
        told = f"{declared.key}: {declared.value}"
        if rows:
            splits.found += 1
            if (
                len(tried) > 1
                and config.path
                and taken == posixpath.normpath(f"{config.folder or '.'}/{declared.value}")
            ):
                inside = _inside(posixpath.join(config.folder, config.path.replace("\\", "/")), request.source.root)
                why = "is not there" if inside is not None else "leads out of the dataset"
                moved[f"path: {config.path} {why}, the yaml's own folder was taken"] = None
            elif len(tried) > 1:
                also = f" (tried {_some(tried[:-1])})" if len(tried) > 2 else ""
                stated = tried[0] if taken == declared.value else declared.value
                moved[f"{declared.key}: {stated} is not there, {taken} was taken{also}"] = None
        elif declared.split == "test" and not _has_files(request, tried):
            splits.notice("split-absent", f"{told} is declared but not there (tried {_some(tried)}).", config.file)
        else:
            what = f"{told} holds no image: tried {_some(tried)}. The split is empty"
            if request.focus is not None and _inside(tried[0], request.source.root) is None:
                what += "; if its images lie outside this folder, give the folder that holds both"
            splits.problems.append(("malformed-record", config.file, f"line {declared.line}", what))
            splits.empty.append(declared.value)
    if moved:
        splits.notice("path-resolved", "; ".join(moved) + ".", config.file)


def _has_files(request: Request, folders: Sequence[str]) -> bool:
    starts = tuple(f"{folder}/" for folder in folders if not escapes(folder))
    return bool(starts) and any(name.startswith(starts) for name in request.names)


def _locate(
    request: Request, tree: Tree, config: Config, declared: Declared, splits: Splits
) -> tuple[list[int], str, list[str]]:
    """Positions of the images that a declared place holds, what was taken, and what was tried, in order."""
    value = re.sub(r"(?:/\*\*?(?:\.\w+)?)+$", "", declared.value.strip().replace("\\", "/"))
    tried: list[str] = []
    for path in _candidates(config, value):
        shown = posixpath.normpath(path)
        if shown in tried:
            continue
        tried.append(shown)
        local = _inside(path, request.source.root)
        if local is None:
            continue
        if local in tree.above:
            return tree.below(local), shown, tried
        if local in request.source.names and local.lower().endswith((".txt", ".list", ".lst")):
            return _read_list(request, tree, local, config, splits), local, tried
    base = value.rpartition("/")[2]
    if base.lower().endswith(".txt"):
        same = [name for name in request.names if name.rpartition("/")[2] == base]
        tried.append(f"any {base}")
        if len(same) == 1:
            return _read_list(request, tree, same[0], config, splits), same[0], tried
        return [], "", tried
    folders, how = likely_folders(tree, declared.split, value)
    tried.append(how)
    rows = sorted({row for folder in folders for row in tree.below(folder)})
    return rows, _some(folders), tried


def likely_folders(tree: Tree, split: str, value: str) -> tuple[list[str], str]:
    """Folders with images that a place which is not there may mean, and how they were found."""
    folders = _alike(tree, value)
    if folders:
        return folders, "folders named alike"
    return [name for name in tree.folders if split_of_path(f"{name}/") == split], f"any folder named {split}"


def find_place(tree: Tree, config: Config, value: str, root: str, files: Container[str] = ()) -> str | None:
    """The folder with images, or the file of `files`, that a config calls `value`; "" is the root of the dataset.

    root: the absolute path of the dataset.
    """
    for path in _candidates(config, value.replace("\\", "/")):
        local = _inside(path, root)
        if local is not None and (local in tree.above or local in files):
            return local
    return None


def find_file(request: Request, config: Config, value: str) -> tuple[str | None, list[str]]:
    """The listed file that a config calls `value`, and what was tried, in order, the hit last."""
    tried: list[str] = []
    for path in _candidates(config, value.replace("\\", "/")):
        shown, local = posixpath.normpath(path), _inside(path, request.source.root)
        if shown not in tried:
            tried.append(shown)
            if local in request.source.names:
                return local, tried
    return None, tried


def _candidates(config: Config, value: str) -> Iterator[str]:
    """Paths to try, relative to the dataset or absolute: as the trainer looks, then ever shorter ends."""
    path = config.path.replace("\\", "/")
    yield posixpath.join(config.folder, path, value)
    yield posixpath.join(config.folder, value)
    for end in _ends(posixpath.join(path, value)):
        yield posixpath.join(config.folder, end)
        yield end


def _ends(path: str) -> Iterator[str]:
    """Ends of a path, the longest first; the last folder that names a split is never dropped."""
    parts = [part for part in re.sub(r"^[A-Za-z]:", "", path).split("/") if part not in ("", ".", "..")]
    telling = [i for i in range(max(0, len(parts) - 3), len(parts)) if split_of(parts[i])]
    last = telling[-1] if telling else len(parts) - 1
    for i in range(last + 1):
        yield "/".join(parts[i:])


def _inside(path: str, root: str) -> str | None:
    """The path within the dataset, "" for its root; None where it leads out."""
    if path.startswith(("/", "\\")):
        path, root = posixpath.normpath(path), root.replace("\\", "/")
        return "" if path == root else path[len(root) + 1 :] if path.startswith(f"{root}/") else None
    return None if escapes(path) else resolve(path)


def _alike(tree: Tree, value: str) -> list[str]:
    """The shallowest folders whose path ends like `value` where valid, val and validation mean the same."""
    for end in _ends(value):
        wanted = _plain(end)
        names_split = any(split_of(part) for part in end.split("/"))
        likely = tree.spelled.get(wanted.rpartition("/")[2], [])
        fits = [folder for folder, plain in likely if plain.endswith(f"/{wanted}")]
        depth = min((folder.count("/") for folder in fits), default=0)
        fits = sorted(folder for folder in fits if folder.count("/") == depth)
        if fits and (names_split or len(fits) == 1):
            return fits
    return []


def _plain(path: str) -> str:
    return "/".join(split_of(part) or part.lower() for part in path.split("/"))


def _use_lists(
    request: Request, tree: Tree, loose: Iterable[str], splits: Splits, members: dict[str, list[int]]
) -> list[str]:
    """Take train.txt, val.txt, test.txt for what they say; the names of those used."""
    named = sorted((name for name in loose if is_split_list(name)), key=lambda name: (name.count("/"), name))
    for name in named:
        split = split_of(name.rpartition("/")[2].rpartition(".")[0])
        text = _read_text(request, name, splits)
        if split is None or not (is_image_list(text) or _names_stems(tree, text)):
            continue
        members.setdefault(split, []).extend(_read_list(request, tree, name, None, splits, text))
    return list(splits.lists)


def _names_stems(tree: Tree, text: str) -> bool:
    """Whether a list without suffixes names images of the set."""
    entries = read_entries(text)[:20]
    return sum(tree.index.find(entry) is not None for entry in entries) * 2 > len(entries)


def _read_text(request: Request, name: str, splits: Splits) -> str:
    try:
        return decode_text(request.source.read(name, MOST_LIST))
    except ReadError as error:
        splits.problems.append(("malformed-record", name, "", f"{error.what} The list was not used."))
        return ""


def _read_list(
    request: Request, tree: Tree, name: str, config: Config | None, splits: Splits, text: str | None = None
) -> list[int]:
    """Positions of the images that a list file names; what it names in vain is counted."""
    entries = read_entries(_read_text(request, name, splits) if text is None else text)
    splits.lists.append(name)
    folders = [name.rpartition("/")[0], ""]
    if config is not None:
        folders += [config.folder, posixpath.join(config.folder, config.path)]
    rows: list[int] = []
    looked: list[tuple[str, str]] = []
    missing: list[str] = []
    outside: list[str] = []
    for entry in entries:
        local = entry.removeprefix("./")
        hits = (posixpath.join(folder, local) for folder in dict.fromkeys(folders))
        found = next((hit for hit in hits if hit in tree.row), None) or _inside(entry, request.source.root)
        if found not in tree.row:
            found = tree.index.find(entry)
            split = split_of_path(entry)
            if found is not None and split and split_of_path(found) not in (None, split):
                found = None
            if found is not None and found not in tree.absent:
                looked.append((entry, found))
        if found is not None:
            rows.append(tree.row[found])
        elif not entry.startswith("/") and re.match("[A-Za-z]:", entry) is None and escapes(entry):
            outside.append(entry)
        else:
            missing.append(entry)
    if looked:
        entry, found = looked[0]
        one = len(looked) == 1
        text = f"{len(looked):,} of {len(entries):,} entries lead{'s' if one else ''} nowhere as written"
        text += f"; {'its image was' if one else 'their images were'} found by name"
        splits.notice("path-resolved", f"{text} ({entry} is {found}).", name)
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        what = f"{len(missing):,} of {len(entries):,} images that the list names {verb} not here"
        splits.problems.append(("missing-image", name, "", f"{what} ({_some(missing[:2], len(missing))})"))
    names = list(tree.row)
    again = [names[row] for row, count in Counter(rows).items() if count > 1]
    if again:
        what = f"the list names {_some(again[:2], len(again))} more than once"
        splits.problems.append(("duplicate-image-record", name, "", what))
    if outside:
        shown = _some(outside[:2], len(outside))
        lead = "1 entry leads" if len(outside) == 1 else f"{len(outside):,} entries lead"
        what = f"{lead} out of the dataset ({shown}), not opened"
        splits.problems.append(("path-outside-dataset", name, "", what))
    return rows


def _some(items: Sequence[str], count: int | None = None) -> str:
    """The first few of the items in words."""
    count = len(items) if count is None else count
    shown = ", ".join(items[:SHOWN])
    return f"{shown}, …" if count > min(len(items), SHOWN) else shown
