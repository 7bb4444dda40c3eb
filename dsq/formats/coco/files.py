"""Which JSON files are the dataset, and where the images of each lie."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dsq.errors import ReadError
from dsq.formats.coco.columns import OtherTaskError
from dsq.formats.coco.document import Document, read_document, subset_of, task_of
from dsq.formats.layout import ImageIndex, Request, escapes, is_file, resolve, shared_end, split_of, split_of_path
from dsq.model import Notice

HEAD = 1 << 16  # bytes of a JSON file that are looked at
MOST_LOOKED = 200  # JSON files that are looked into
SAMPLE = 40  # file names that are tried in each folder

_LISTS = re.compile(r'"(images|annotations)"\s*:\s*\[')
_KEYS = re.compile(r'"(categories|licenses)"\s*:\s*\[|"info"\s*:\s*[{n]')
_RESULT = re.compile(r'"(?:score|bbox)"\s*:')
_HINT = re.compile(r"coco|instances|annotation|keypoints|captions|panoptic|label|train|val|test", re.IGNORECASE)
_IMAGE_FOLDERS = ("", "images", "JPEGImages", "data", "imgs", "img")
#: which of two files over the same images is read: the first named here
_RANKS = ("boxes", "keypoints", "stuff", "labels without boxes", "image records only")

Problem = tuple[str, str, str, str]  # kind, file, place, what


@dataclass
class Findings:
    """What the JSON files of a source turned out to be."""

    documents: list[Document] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    errors: list[ReadError] = field(default_factory=list)
    predictions: list[str] = field(default_factory=list)

    def skip(self, name: str, why: str) -> None:
        self.notices.append(Notice("skipped-file", f"{name} {why}", name))


def kind_of_file(request: Request, name: str) -> str:
    """What the first bytes of a JSON file look like: "document", "predictions" or "" for anything else."""
    try:
        head = request.source.head(name, HEAD, follow=True)
    except ReadError as error:
        request.unread[name] = error.what
        return "document" if _HINT.search(name) else ""
    text = head.replace(b"\0", b"").decode("utf-8", "replace").lstrip("\ufeff\ufffe\ufffd \t\r\n")
    if not text:
        return "document" if re.search("coco|instances|annotation", name, re.IGNORECASE) else ""
    if text.startswith("{"):
        cut = request.source.size(name) > HEAD
        return "document" if _LISTS.search(text) or (cut and _KEYS.search(text)) else ""
    if text.startswith("[") and '"image_id"' in text and _RESULT.search(text):
        return "predictions"
    return ""


def find_files(request: Request) -> tuple[list[str], list[str]]:
    """(COCO files, results files) by their first bytes, sorted by name."""
    if request.focus is not None:
        names = [request.focus]
    else:
        names = request.with_suffix(".json")
        if len(names) > MOST_LOOKED:
            names.sort(key=lambda name: _HINT.search(name.rpartition("/")[2]) is None)
            names = sorted(names[:MOST_LOOKED])
    kinds = {name: kind_of_file(request, name) for name in names}
    return [n for n in names if kinds[n] == "document"], [n for n in names if kinds[n] == "predictions"]


def read_files(request: Request) -> Findings:
    """Read all COCO files of a source but those whose name says that they hold something else."""
    names, predictions = find_files(request)
    findings = Findings(predictions=predictions)
    for name in predictions:
        text = f"{name} is a list of results (predictions), not ground truth; it was left out"
        findings.notices.append(Notice("predictions-file", text, name))
    with_boxes = {(_folder(name), named[1]): name for name in names if (named := task_of(name)) and named[0] == "boxes"}
    for name in names:
        named = task_of(name)
        twin = with_boxes.get((_folder(name), named[1])) if named else None
        if named and twin and twin != name:
            findings.skip(name, f"holds {named[0]}; the boxes are read from {twin}")
            continue
        try:
            findings.documents.append(read_document(request, name))
        except OtherTaskError as error:
            findings.skip(name, f"holds {error.args[0]}, not boxes; it was left out")
        except ReadError as error:
            findings.errors.append(error)
            findings.problems.append(("malformed-record", name, "", f"{error.what} The file was left out"))
    return findings


def look_beside(request: Request, document: Document) -> None:
    """Find the images of an annotation file that was given alone, by trying its first names in likely folders."""
    here = Path(request.source.root)
    subset = subset_of(document.name)
    inner = [word for word in dict.fromkeys(("", subset, document.split or "")) if word not in (".", "..")]
    folders = [here / name / word for name in _IMAGE_FOLDERS for word in inner]
    folders += [here.parent / name / word for name in _IMAGE_FOLDERS[1:] for word in inner]
    folders += [here.parent / word for word in inner if word]
    names = document.images["name"].tolist()
    sample = [_relative(name) or re.split(r"[\\/]", name)[-1] for name in names[:: max(1, len(names) // 10)][:12]]
    left = [name for name in sample if name]
    for folder in dict.fromkeys(folders):
        if not left:
            return
        missing = [name for name in left if not is_file(folder / name)]
        if len(missing) < len(left):
            request.add_image_folder(folder)
            left = missing
    if any(is_file(here.parent / name) for name in left if "/" in name):
        request.add_image_folder(here.parent)


def _relative(name: str) -> str:
    """A stated name below some folder; "" where it is none. `../images/a.jpg` becomes `images/a.jpg`."""
    name = name.replace("\\", "/").removeprefix("./")
    return resolve(name) if not name.startswith("/") and ":" not in name and "\0" not in name else ""


@dataclass
class Matched:
    """The images of a document, a row each: `member` (listed name or None) and `file`; outside: rows whose name
    leads out of the dataset, whether or not an image of the dataset was taken for it. home: the folder from which
    the names are meant, "" where that is the root or not known.
    """

    member: list[str | None]
    file: list[str]
    outside: list[int]
    home: str


def match_images(request: Request, document: Document) -> Matched:
    """Find each image record's file. What a name that leads out of the dataset states is never opened: the image
    in the dataset whose path ends most like it is taken.
    """
    names: list[str] = document.images["name"].tolist()
    stated = names
    joined = "\n".join(names)
    if "\\" in joined or "./" in joined or "//" in joined:
        names = [_clean(name) for name in names]
    risky = ".." in joined or ":" in joined or joined.startswith("/") or "\n/" in joined or "\0" in joined
    folder = _folder(document.name)
    outside = [row for row, name in enumerate(names) if _leaves(folder, name)] if risky else []
    places = request.images.places
    member: list[str | None] = [None] * len(names)
    home = folder if request.focus is None and (split_of(folder.rpartition("/")[2]) is not None) else ""
    if places:
        folders = _rank(request, document, names)
        prefixes = [f"{folder}/" if folder else "" for folder in folders]
        missed = []
        for row, name in enumerate(names):
            for prefix in prefixes:
                if prefix + name in places:
                    member[row] = prefix + name
                    break
            else:
                missed.append(row)
        if request.focus is not None:  # names may be meant from its folder, and the root lies above that
            outside = [row for row in outside if _relative(names[row]) not in places]
        forbidden = set(outside)
        for row in forbidden:
            member[row] = None
        taken = set(member)
        for row in missed:
            if row in forbidden:
                continue
            found = _inside(folder, names[row], places) or request.images.find(names[row], folders)
            if found is not None and found not in taken:
                member[row] = found
        for row, found in _ends_alike(request.images, document, {row: names[row] for row in outside}).items():
            if found not in taken:
                member[row] = found
        if any(member):
            home = folders[0]
        elif not names:
            home = next((name for name in folders if _is_home(document, name)), "")
    file = [
        found if found is not None else (f"{home}/{name}" if home else name)
        for found, name in zip(member, names, strict=True)
    ]
    for row in outside:
        if member[row] is None:
            file[row] = resolve(re.sub(r"^[A-Za-z]:", "", stated[row])) or "unnamed"
    return Matched(member, file, outside, home if any(member) or not names else "")


def _is_home(document: Document, folder: str) -> bool:
    """Whether a folder may be that of the images of a document that records none."""
    last = folder.rpartition("/")[2]
    named = last == subset_of(document.name) or (document.split is not None and split_of(last) == document.split)
    return named or (document.split is None and bool(folder))


def _ends_alike(images: ImageIndex, document: Document, names: Mapping[int, str]) -> dict[int, str]:
    """The image whose path ends most like each of the names, where one alone does and it lies in no other split.

    An image that several different names end like is that of the one which shares most folders with it.
    """
    claims: dict[str, dict[str, list[int]]] = {}
    for row, name in names.items():
        found = images.find(name)
        split = document.split or split_of_path("/".join(name.split("/")[-3:]))  # not that of a folder far above
        if found is not None and (split is None or split_of_path(found) in (None, split)):
            claims.setdefault(found, {}).setdefault(name, []).append(row)
    chosen: dict[int, str] = {}
    for found, rivals in claims.items():
        shared = Counter({name: shared_end(name, found) for name in rivals}).most_common(2)
        if len(shared) == 1 or shared[0][1] > shared[1][1]:
            chosen |= dict.fromkeys(rivals[shared[0][0]], found)
    return chosen


def _clean(name: str) -> str:
    """With `/`, without `.` and empty parts; a leading `/` and `..` stay."""
    name = name.replace("\\", "/")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    return ("/" if name.startswith("/") else "") + "/".join(parts)


def _leaves(folder: str, name: str) -> bool:
    """Whether a name leads out of the dataset, seen from the root and from its annotation file's folder."""
    return escapes(name) and (name.startswith("/") or ":" in name[:2] or escapes(f"{folder}/{name}"))


def _inside(folder: str, name: str, places: Iterable[str]) -> str | None:
    path = resolve(f"{folder}/{name}")
    return path if path in places else None


def _rank(request: Request, document: Document, names: Sequence[str]) -> list[str]:
    """Folders that may hold the images, the one with most of them first."""
    folder = _folder(document.name)
    above = folder.rpartition("/")[0]
    subset = subset_of(document.name)
    ancestors: set[str] = {""}
    for name in {name.rpartition("/")[0] for name in request.images.places}:
        parts = name.split("/")
        ancestors.update("/".join(parts[:count]) for count in range(1, len(parts) + 1))
    same_split = sorted(
        name for name in ancestors if document.split and split_of(name.rpartition("/")[2]) == document.split
    )
    bases = dict.fromkeys((folder, above, ""))
    inner = dict.fromkeys((subset, document.split or subset, ""))
    wanted = [_join(base, name, word) for word in inner for base in bases for name in _IMAGE_FOLDERS]
    wanted += [_join(base, word, name) for word in inner if word for base in bases for name in _IMAGE_FOLDERS]
    own = [name for name in wanted if split_of(name.rpartition("/")[2]) or name.endswith(subset)]
    candidates = [name for name in dict.fromkeys([*own, *same_split, *wanted]) if name in ancestors]
    sample = names[:: max(1, len(names) // SAMPLE)]
    places = request.images.places
    hits = {base: sum((f"{base}/{name}" if base else name) in places for name in sample) for base in candidates}
    return sorted(candidates, key=lambda base: -hits[base])


def _folder(name: str) -> str:
    return name.rpartition("/")[0]


def _join(*parts: str) -> str:
    return "/".join(part for part in parts if part)


def choose(documents: Sequence[Document], matched: Sequence[Matched], findings: Findings) -> list[int]:
    """Positions of the documents that are read, so that no image counts twice; the others become notices.

    A document more than half of whose images are in those chosen before it is left out. Files that name their
    split come first where together they hold at least as many images as the larger files would.
    """
    if len(documents) == 1:
        return [0]
    open_folders = {_folder(document.name) for document in documents if document.split is None}
    keys: list[set[object]] = []
    for document, match in zip(documents, matched, strict=True):
        folder = _folder(document.name)
        split = None if folder in open_folders else document.split
        keys.append({found or (split, folder, file) for found, file in zip(match.member, match.file, strict=True)})
    boxed = any(document.task in _RANKS[:3] and len(document.boxes["id"]) for document in documents)

    def size(place: int) -> tuple[int, int, int, str]:
        document = documents[place]
        rank = _RANKS.index(document.task) if boxed else 0
        return rank, -len(keys[place]), -len(document.boxes["id"]), document.name

    usable = [
        place for place, document in enumerate(documents)
        if not boxed or document.task in _RANKS[:3]
    ]  # fmt: skip
    by_size = _greedy(sorted(usable, key=size), keys)
    by_split = _greedy(sorted(usable, key=lambda p: (size(p)[0], documents[p].split is None, size(p))), keys)
    best = by_split if _covered(by_split, keys) >= _covered(by_size, keys) else by_size
    for place, document in enumerate(documents):
        if place not in usable:
            findings.skip(document.name, f"holds {document.task}; it was left out")
        elif place not in best:
            rival = max(best, key=lambda other: len(keys[place] & keys[other]))
            shared = len(keys[place] & keys[rival])
            findings.skip(
                document.name,
                f"({document.counts}) was left out: {shared:,} of its images are also in {documents[rival].name} "
                f"({documents[rival].counts}), which was read. Give the file itself to read it instead",
            )
    return sorted(best)


def _greedy(order: Sequence[int], keys: Sequence[set[object]]) -> list[int]:
    """Those of `order` that bring mostly new images."""
    chosen: list[int] = []
    seen: set[object] = set()
    for place in order:
        if not keys[place] or 2 * len(keys[place] & seen) <= len(keys[place]):
            chosen.append(place)
            seen |= keys[place]
    return chosen


def _covered(places: Sequence[int], keys: Sequence[set[object]]) -> int:
    return len(set().union(*(keys[place] for place in places)))
