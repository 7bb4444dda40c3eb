"""Which image a Pascal VOC XML speaks of, which images have none, and what ImageSets and labelmap.txt say."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import islice
from pathlib import PurePosixPath
from typing import NamedTuple
from urllib.parse import unquote

import msgspec

from dsq.formats.folders import folder_of, place_of, split_of_folder
from dsq.formats.layout import ImageIndex, decode_text, in_masks, split_of, stem
from dsq.model import Notice
from dsq.source import is_image

Problem = tuple[str, str, str, str]

_LIST = re.compile(
    r"(?P<base>.*?)(?:^|/)ImageSets(?:/(?P<task>Main|Layout|Segmentation|Action|Unlabelled))?/(?P<name>[^/]+)\.txt",
    re.IGNORECASE,
)
_TASKS = ("main", "", "layout", "segmentation", "action")
_OF_A_CLASS = re.compile(r".+_(?:trainval|train|val|test)", re.IGNORECASE)
_SIGN = re.compile(r"(?<!\s)\s+[-+]?[01]$")
_SIGNED = re.compile(r"\S.*\s[-+]?[01]")
#: what begins a comment of labelmap.txt with a class name as JSON
MARK = "# dsq: "
_IMAGE_FOLDERS = {"annotations": "images", "annots": "images", "Annotations": "JPEGImages"}


def _below(folder: str) -> list[str]:
    """The subfolders below the first folder that says XML or images."""
    parts = folder.split("/")
    first = next((row for row, part in enumerate(parts) if not place_of(part)), -1)
    return parts[first + 1 :]


class Pairs(NamedTuple):
    """Which image belongs to which XML.

    images: that of each XML, None where it was not found. differing: (xml, stated, taken) where the stated
    file name is another's. loose: images that no XML speaks of. masks: image files that are no photographs.
    """

    images: list[str | None]
    differing: list[tuple[str, str, str]]
    loose: list[str]
    masks: list[str]


@dataclass
class Pairing:
    """Finds the image of each XML among the files of an index."""

    index: ImageIndex
    home: str  # the root of the source that holds the XML files
    folders: dict[str, dict[str, str]] = field(default_factory=dict)  # folder -> stem -> image
    twins: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    masks: list[str] = field(default_factory=list)
    _near: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = self.index.places
        folders = {folder_of(name) for name in names}
        masked = {folder for folder in folders if in_masks(f"{folder}/")}
        if masked == folders:
            masked = set()
        for name in names:
            folder, _, base = name.rpartition("/")
            if folder in masked:
                self.masks.append(name)
                continue
            head, dot, _ = base.rpartition(".")
            key = head if dot and head else base
            held = self.folders.setdefault(folder, {})
            if held.setdefault(key, name) != name:
                self.twins.setdefault((folder, key), [held[key]]).append(name)

    def near(self, folder: str) -> list[str]:
        """Folders of images that belong to a folder of XML files: itself, then those in the same place, the one
        whose subfolders have the same names first.
        """
        if folder not in self._near:
            found = [other for other in self._places.get(place_of(folder), []) if other != folder]
            if len(found) > 1:
                found.sort(key=lambda other: _below(other) != _below(folder))
            self._near[folder] = [folder, *found] if folder in self.folders else found
        return self._near[folder]

    @cached_property
    def _places(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for folder in sorted(self.folders):
            found.setdefault(place_of(folder), []).append(folder)
        return found

    @cached_property
    def _anywhere(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for held in self.folders.values():
            for key, name in held.items():
                found.setdefault(key.lower(), []).append(name)
        return found

    def pair(self, xmls: Sequence[str], stated: Sequence[str]) -> Pairs:
        """Pair by stem; a stated name wins where it is an image of its own that one XML alone speaks for."""
        images: list[str | None] = [None] * len(xmls)
        near: dict[str, list[dict[str, str]]] = {}
        claimed: set[tuple[str, str]] = set()
        rivals: dict[int, str] = {}
        for row, xml in enumerate(xmls):
            folder, _, base = xml.rpartition("/")
            key = base[:-4]
            if folder not in near:
                near[folder] = [self.folders[name] for name in self.near(folder)]
            claimed.add((folder, key))
            held = near[folder]
            found = None
            for group in held:
                found = group.get(key)
                if found is not None:
                    break
            images[row] = found
            name = stated[row]
            if not name or not held or found == name or (found and found.endswith("/" + name)):
                continue
            name = name.replace("\\", "/").rpartition("/")[2]
            other = self._exactly(name, folder, held)
            if other is not None and other != found:
                if stem(other) == key:
                    images[row] = other
                else:
                    rivals[row] = other
        wanted = Counter(rivals.values())
        differing = []
        for row, other in rivals.items():
            free = (folder_of(xmls[row]), stem(other)) not in claimed and wanted[other] == 1
            if images[row] is None or free:
                images[row] = other
            differing.append((xmls[row], stated[row], images[row] or ""))
        if self.folders and None in images:
            taken = {(place_of(folder), key) for folder, key in claimed}
            for row, image in enumerate(images):
                if image is None:
                    images[row] = self._elsewhere(xmls[row], stated[row], taken)
        loose = self._loose({image for image in images if image is not None}, {place_of(f) for f in near})
        return Pairs(images, differing, loose, self.masks)

    def _exactly(self, name: str, folder: str, held: Iterable[dict[str, str]]) -> str | None:
        """The image of exactly this name, suffix included, beside those of a folder of XML files."""
        key = stem(name)
        for group, place in zip(held, self.near(folder), strict=True):
            candidates = self.twins.get((place, key)) or ([group[key]] if key in group else [])
            for candidate in candidates:
                if candidate.rpartition("/")[2] == name:
                    return candidate
        return None

    def _elsewhere(self, xml: str, stated: str, taken: set[tuple[str, str]]) -> str | None:
        """The one image of a stem in any folder that neither has its own XML nor lies in another split."""
        base = xml.rpartition("/")[2][:-4]
        names = [base, unquote(base), stated.replace("\\", "/").rpartition("/")[2]]
        for name in dict.fromkeys(stem(name) if is_image(name) else name for name in names if name):
            fits = (
                image
                for image in self._anywhere.get(name.lower(), ())
                if self._fits(image, xml) and (place_of(folder_of(image)), stem(image)) not in taken
            )
            found = list(islice(fits, 2))
            if len(found) == 1:
                return found[0]
        return None

    def _fits(self, image: str, xml: str) -> bool:
        if self.index.places[image] != self.home:
            return True
        mine, other = split_of_folder(folder_of(xml)), split_of_folder(folder_of(image))
        return mine is None or other is None or mine == other

    def _loose(self, paired: set[str], places: set[str]) -> list[str]:
        """Images without XML in folders of the dataset; pictures above its folders are none of it."""
        homes = {folder_of(name) for name in paired}
        above_homes = {way.as_posix() for home in homes for way in PurePosixPath(home).parents}
        twins: dict[str, list[str]] = {}
        for (place, _), names in self.twins.items():
            twins.setdefault(place, []).extend(names[1:])
        found = []
        for folder, held in self.folders.items():
            above = folder not in homes and (folder or ".") in above_homes and "JPEGImages" not in folder.split("/")
            if above and (not folder or place_of(folder.rpartition("/")[2])) and place_of(folder) not in places - {""}:
                continue
            found += [name for name in (*held.values(), *twins.get(folder, ())) if name not in paired]
        return found

    def missing(self, xml: str, stated: str, unique: bool) -> str:
        """The name that the image of an XML would have: as stated, in the folder where its images lie."""
        folder, _, base = xml.rpartition("/")
        name = stated.replace("\\", "/").rpartition("/")[2]
        suffixed = is_image(name)
        if not name or (not unique and stem(name) != base[:-4]):
            name = base[:-4] + (name[len(stem(name)) :] if suffixed else ".jpg")
        elif not suffixed:
            name += ".jpg"
        near = self.near(folder)
        home = near[0] if near else _images_beside(folder)
        return f"{home}/{name}" if home else name


@lru_cache(4096)
def _images_beside(folder: str) -> str:
    """Where images would lie of the XML files in a folder."""
    return "/".join(_IMAGE_FOLDERS.get(part, part) for part in folder.split("/") if part)


class SplitList(NamedTuple):
    """One list of ImageSets. base: the folder that holds ImageSets. entries: (line number, stem)."""

    file: str
    base: str
    split: str
    entries: list[tuple[int, str]]


def in_image_sets(name: str) -> bool:
    """Whether a file is a list of ImageSets."""
    return _LIST.fullmatch(name) is not None


def find_lists(names: Iterable[str], contents: Mapping[str, bytes] | None = None) -> tuple[list[str], list[str]]:
    """Files of ImageSets that name splits, and those that are left aside (a class each, or another task).

    Those of the folder Unlabelled, which our writer makes, speak of images beside the others. contents: what the
    files hold, where it is known.
    """
    groups: dict[str, dict[str, list[str]]] = {}
    for name in names:
        match = _LIST.fullmatch(name)
        if match:
            groups.setdefault(match["base"], {}).setdefault((match["task"] or "").lower(), []).append(name)
    used: list[str] = []
    every: list[str] = []
    for tasks in groups.values():
        every += [name for files in tasks.values() for name in files]
        plain = (_plain_lists(tasks.get(task, []), contents or {}) for task in _TASKS)
        used += next((files for files in plain if files), []) + tasks.get("unlabelled", [])
    return sorted(used), sorted(set(every) - set(used))


def _plain_lists(names: Sequence[str], contents: Mapping[str, bytes]) -> list[str]:
    """The lists of one folder that name images, not which of them hold a class.

    A list of a class is called `<class>_<list>` after another list or a usual split, or holds -1, 0 or 1 after
    every stem: one that does so without any -1 has to be called `<something>_<something>`, too.
    """
    stems = {stem(name).lower() for name in names}
    plain = []
    for name in names:
        own = stem(name).lower()
        ends = {own[place + 1 :] for place in range(1, len(own)) if own[place] == "_"}
        if _OF_A_CLASS.fullmatch(own) or ends & stems:
            continue
        lines = [line.strip() for line in decode_text(contents.get(name, b"")).splitlines() if line.strip()]
        signed = bool(lines) and all(map(_SIGNED.fullmatch, lines))
        if not (signed and (ends or any(line.endswith("-1") for line in lines))):
            plain.append(name)
    return plain


def parse_list(file: str, text: str) -> SplitList:
    """A list with a stem a line; what a second column says is left out."""
    match = _LIST.fullmatch(file)
    name = match["name"] if match else stem(file)
    lines = re.split(r"\r\n|\r|\n", text)
    entries = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    return SplitList(file, match["base"] if match else "", split_of(name) or name, entries)


def assign_splits(
    lists: Sequence[SplitList], members: Sequence[str]
) -> tuple[list[str | None], list[Problem], list[tuple[str, list[str]]]]:
    """The split of each member (path of its XML, else of its image), problems, and (list, entries unknown).

    train, val and test come first; trainval and other lists speak for what these leave out. An image in two
    of the three keeps the first and is a problem.
    """
    splits: list[str | None] = [None] * len(members)
    problems: list[Problem] = []
    unknown: list[tuple[str, list[str]]] = []
    first: dict[int, SplitList] = {}
    again: dict[int, list[tuple[str, int, str]]] = {}
    known: dict[str, dict[str, list[int]]] = {}
    ranks = {"train": 0, "val": 1, "test": 2, "trainval": 3}
    for each in sorted(lists, key=lambda each: (ranks.get(each.split, 4), each.file)):
        if each.base not in known:
            known[each.base] = _by_stem(each.base, members)
        held = known[each.base]
        absent = []
        for number, entry in each.entries:
            rows = held.get(entry) or _find(held, entry)
            if not rows:
                absent.append(entry)
            for row in rows:
                if splits[row] is None:
                    splits[row] = each.split
                    first[row] = each
                elif splits[row] != each.split and ranks.get(each.split, 4) < 3:
                    again.setdefault(row, []).append((each.file, number, entry.strip()))
        if absent:
            unknown.append((each.file, absent))
    for row, places in again.items():
        file, number, entry = places[0]
        also = " and ".join(dict.fromkeys([first[row].file, *(other for other, *_ in places if other != file)]))
        what = f"{entry} is listed in {also} too; it was taken as {splits[row]}"
        problems.append(("image-in-two-splits", file, f"line {number}", what))
    return splits, problems, unknown


def _by_stem(base: str, members: Sequence[str]) -> dict[str, list[int]]:
    """Rows below `base` by stem, and by their path below the folder of their kind ("sub/a").

    A stem alone means the file that lies in no subfolder, where there is one.
    """
    found: dict[str, list[int]] = {}
    several: set[str] = set()
    prefix = base + "/" if base else ""
    for row, name in enumerate(members):
        if not name.startswith(prefix):
            continue
        folder, _, base = name[len(prefix) :].rpartition("/")
        key = base[: base.rfind(".")]
        if key in found:
            found[key].append(row)
            several.add(key)
        else:
            found[key] = [row]
        if "/" in folder:
            found.setdefault(f"{folder.partition('/')[2]}/{key}", []).append(row)
    for key in several:
        own = [row for row in found[key] if "/" not in folder_of(members[row][len(prefix) :])]
        found[key] = own or found[key]
    return found


def rows_of_entries(each: SplitList, members: Sequence[str]) -> list[list[int]]:
    """The rows of `members` that each entry of a list names."""
    held = _by_stem(each.base, members)
    return [held.get(entry) or _find(held, entry) for _, entry in each.entries]


def _find(held: dict[str, list[int]], entry: str) -> list[int]:
    entry = entry.strip()
    if entry in held:
        return held[entry]
    bare = _SIGN.sub("", entry)
    path = bare[: -len(bare) + bare.rfind(".")] if is_image(bare) else bare
    for name in (bare, path, path.replace("\\", "/").rpartition("/")[2]):
        if name in held:
            return held[name]
    return []


def told_absent(file: str, absent: Sequence[str]) -> Notice:
    """The notice on a list whose entries are in part no files."""
    some = ", ".join(entry.strip() for entry in absent[:3]) + (", …" if len(absent) > 3 else "")
    text = f"{len(absent):,} of its entries are neither an XML nor an image: {some}"
    return Notice("list-skipped", text, file)


def is_labelmap(name: str) -> bool:
    """Whether a file lists the classes of a set."""
    return name.rpartition("/")[2].lower() == "labelmap.txt"


def parse_labelmap(text: str) -> list[str]:
    """The class names of a labelmap.txt, `label:color:parts:actions` a line, in its order, each once. Names that no
    such line can hold stand in comments of ours; see MARK.
    """
    names = (name_of_line(line.strip()) for line in text.splitlines())
    return list(dict.fromkeys(name for name in names if name))


def name_of_line(line: str) -> str:
    """The class that a line of a labelmap.txt names; "" for none."""
    if not line.startswith("#"):
        return line.partition(":")[0].strip()
    if not line.startswith(MARK):
        return ""
    try:
        return msgspec.json.decode(line[len(MARK) :], type=str)
    except msgspec.DecodeError:  # a comment of somebody else's
        return ""
