"""What images are called in a dataset that is written afresh."""

from __future__ import annotations

import functools
import posixpath
import re
import string
import unicodedata
from collections.abc import Iterator

from dsq.formats.folders import split_of_folder
from dsq.formats.layout import in_masks
from dsq.model import Dataset, Table, text_or_none
from dsq.source import is_image, is_junk

#: where images without a split go when others have one
UNASSIGNED = "unassigned"
#: folders that only say that images lie in them
_CONTAINERS = frozenset(
    (
        "images",
        "image",
        "imgs",
        "img",
        "jpegimages",
        "jpegs",
        "photos",
        "pictures",
        "data",
        "dataset",
        "vocdevkit",
        UNASSIGNED,
    )
)
_SPLIT_DATA = re.compile(r"obj_.+_data")
_RESERVED = r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)"
_PLAIN = re.compile(rf"(?!{_RESERVED})[^\W.][\w\-+=()\[\]]*(?:\.[\w\-+=()\[\]]+)*", re.IGNORECASE)
_USUAL = f"{string.ascii_letters}{string.digits}_-+=()[].\n".encode()  # in names that fit it, one a line
_SURE_STARTS = frozenset(f"{string.ascii_letters}{string.digits}_") - frozenset("cpnalCPNAL")  # of no reserved name
_UNSAFE = re.compile(r"[\x00-\x1f\x7f<>:\"|?*\ud800-\udc7f\udd00-\udfff]|[. ]+$")
_DRIVE = re.compile(r"[A-Za-z]:")


def fresh_names(dataset: Dataset, *, folder: str, by_split: bool, pair_by_stem: bool) -> tuple[list[str], int]:
    """The name in the target of every row of `dataset.images`, and how many files got another base name.

    folder: what all of them lie in ("" for none). by_split: in a subfolder a split (see `split_folders`).
    pair_by_stem: no two names may differ in their extension alone.
    Folders that say no more than "images" or name a split are left out, other subfolders stay. Names that two
    files would share, also where case or the way to write an accent does not count, and unsafe characters are changed;
    a row for the same file as an earlier one gets its name. The first of two that collide keeps its name.
    """
    images = dataset.images
    folders = split_folders(images) if by_split else {}
    files: list[str] = images["file"].tolist()
    splits = text_or_none(images["split"]).tolist()
    plain = [file.replace("\\", "/") if "\\" in file else file for file in files]
    known: dict[str, str] = {}
    above = [known.setdefault(path, path) for path in (file[: max(file.rfind("/"), 0)] for file in plain)]
    bases = [file[file.rfind("/") + 1 :] for file in plain]
    roots = text_or_none(images["root"]).tolist()
    wrapped = _wrapping(roots, above)
    if wrapped:
        above = [path.removeprefix(wrapped.get(root, "")) for path, root in zip(above, roots, strict=True)]
    wheres = list(zip(above, splits, strict=True))
    places: dict[tuple[str, str | None], str] = {}
    for path, split in set(wheres):
        kept = [folder, folders.get(split, "") if by_split else "", *_kept(path, split)]
        places[path, split] = "".join(f"{part}/" for part in kept if part)
    odd = [] if _are_simple(bases) else [row for row, base in enumerate(bases) if _PLAIN.fullmatch(base) is None]
    for row in odd:
        bases[row] = _harmless(bases[row])
    made = (places[where] + base for where, base in zip(wheres, bases, strict=True))
    names = [file if name == file else name for name, file in zip(made, files, strict=True)]
    del bases, above, wheres
    keys = [] if _are_apart(names, pair_by_stem) else [_key(name, pair_by_stem) for name in names]
    taken = dict(zip(reversed(keys), range(len(keys) - 1, -1, -1), strict=True))  # the first row of each
    again = [row for row, key in enumerate(keys) if taken[key] != row]
    first_of: dict[tuple[object, ...], int] = {}
    if again:
        same = _identities(images, names)
        for row in again:
            first_of.setdefault(same[taken[keys[row]]], taken[keys[row]])
        for row in again:
            first = first_of.setdefault(same[row], row)
            if first != row:
                names[row] = names[first]
                continue
            path, _, base = names[row].rpartition("/")
            ending = _cut(names[taken[keys[row]]])[1]
            for other in _others(base, ending, splits[row]):
                name = f"{path}/{other}" if path else other
                key = _key(name, pair_by_stem)
                if key not in taken:
                    taken[key] = row
                    names[row] = name
                    break
    changed = [row for row in {*odd, *again} if names[row].rpartition("/")[2] != files[row].rpartition("/")[2]]
    return names, len(changed)


def _are_simple(bases: list[str]) -> bool:
    """Whether all names fit _PLAIN, for sets of which one look at the whole can tell; False says nothing."""
    text = "\n".join(bases)
    unusual = text.encode("utf-8", "surrogatepass").translate(None, _USUAL)
    dotted = ".." in text or ".\n" in text or text.endswith(".")
    parted = text.count("\n") != len(bases) - 1
    return not (unusual or dotted or parted) and {base[:1] for base in bases} <= _SURE_STARTS


def _wrapping(roots: list[str | None], paths: list[str]) -> dict[str | None, str]:
    """What folders all files of a root lie in before the first one that says something: a zip's parent folder."""
    found: dict[str | None, str] = {}
    by_root: dict[str | None, set[str]] = {}
    for root, path in set(zip(roots, paths, strict=True)):
        by_root.setdefault(root, set()).add(path)
    for root, above in by_root.items():
        folders = [path.split("/") if path else [] for path in sorted(above)]
        common = list(posixpath.commonprefix(folders))
        ends = next((i for i, part in enumerate(common) if _is_left_out(part)), 0)
        if not ends and common and all(len(f) > len(common) and _is_left_out(f[len(common)]) for f in folders):
            ends = len(common)
        if ends:
            found[root] = "/".join(common[:ends]) + "/"
    return found


def split_folders(images: Table) -> dict[str | None, str]:
    """The subfolder of each split that occurs, in order of the words train, val, test, then by name.

    None, the images without a split, has one only where others have a split.
    """
    found = images["split"]
    names = sorted({str(name) for name in found.dropna().unique()}, key=_order)
    folders: dict[str | None, str] = {}
    taken = {UNASSIGNED}
    for name in names:
        folder = _harmless(re.sub(r"[/\\]", "_", name))
        free = next(each for each in _numbered(folder, "") if each.casefold() not in taken)
        taken.add(free.casefold())
        folders[name] = free
    if names and found.isna().any():
        folders[None] = UNASSIGNED
    return folders


def is_split_name(name: str) -> bool:
    """Whether a split may be called so: by a word that names one folder."""
    return bool(name.strip()) and not re.search(r"[/\\]", name) and name not in (".", "..")


def _order(split: str) -> tuple[int, str]:
    known = ("train", "val", "test")
    return (known.index(split) if split in known else len(known), split)


def _kept(path: str, split: str | None) -> list[str]:
    """The folders of a path that say more than the split does, made harmless."""
    parts = [part for part in path.split("/") if not _DRIVE.fullmatch(part)]
    said = [part for part in parts if part not in ("", ".", "..")]
    return [_harmless(part) for part in said if part != split and not _is_left_out(part)]


def _is_left_out(folder: str) -> bool:
    word = folder.lower()
    named = word in _CONTAINERS or _SPLIT_DATA.fullmatch(word) is not None or split_of_folder(folder) is not None
    return named or in_masks(f"{folder}/x")  # readers take a folder of masks for no photographs


def _harmless(base: str) -> str:
    """One component of a path as every system takes it, and as no reader takes for junk."""
    base = _UNSAFE.sub(lambda found: "_" * len(found[0]), base) or "_"
    if re.match(_RESERVED, base, re.IGNORECASE) or is_junk(f"{base}/x.jpg" if not is_image(base) else base):
        base = f"_{base}"
    return base


def _cut(name: str) -> tuple[str, str]:
    """Name and extension, as pairing by stem cuts them: a/b.v1.jpg -> (a/b.v1, .jpg)."""
    dot = name.rfind(".")
    return (name[:dot], name[dot:]) if dot > name.rfind("/") + 1 else (name, "")


def _key(name: str, pair_by_stem: bool) -> str:
    """Equal for names that may not stand beside each other."""
    key = _cut(name)[0] if pair_by_stem else name
    return (key if key.isascii() else unicodedata.normalize("NFC", key)).casefold()


def _are_apart(names: list[str], pair_by_stem: bool) -> bool:
    """Whether each name has a key of its own, for sets of which one look at the whole can tell; False says nothing."""
    endings = {name[name.rfind(".") :] for name in names} if pair_by_stem else set()
    plain = len(endings) < 2 and "".join(names).isascii()
    return plain and len(set(map(str.casefold, names))) == len(names)


def _others(base: str, ending: str, split: str | None) -> Iterator[str]:
    """Names to try for a file whose name is taken by one with the extension `ending`."""
    stem, suffix = _cut(base)
    if suffix.lower() != ending.lower() and suffix:
        yield f"{stem}_{suffix[1:]}{suffix}"
    if split is not None:
        yield _harmless(f"{split}_{base}")
    yield from _numbered(stem, suffix, 2)


def _numbered(stem: str, suffix: str, first: int = 1) -> Iterator[str]:
    number = first
    while True:
        yield f"{stem}{suffix}" if number == 1 else f"{stem}_{number}{suffix}"
        number += 1


def _identities(images: Table, names: list[str]) -> list[tuple[object, ...]]:
    """What tells whether two rows are about one file."""
    columns = [text_or_none(images[name]) for name in ("root", "member", "source")]
    return list(zip(names, images["file"], *columns, strict=True))


def place_key(file: str) -> str:
    """Equal for files that would lie in one place of a fresh layout, split, extension and case aside."""
    above, _, base = file.rpartition("/")
    key = f"{_folder_key(above)}/{_cut(base)[0]}"
    return (key if key.isascii() else unicodedata.normalize("NFC", key)).casefold()


@functools.lru_cache(maxsize=4096)
def _folder_key(above: str) -> str:
    return "/".join(_kept(above, None))
