"""What file names say about where a picture came from: Roboflow versions, augmented copies, counters."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence, Set
from typing import Any
from xml.sax.saxutils import unescape

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dsq.model import Table

MOST_LETTERS = 255  # of a file name: what systems take
_ROBOFLOW = re.compile(r"(.+)\.rf\.[0-9A-Za-z_-]+\Z")
_OLD_SUFFIX = re.compile(r"_(?:jpe?g|png|bmp|webp|tiff?)\Z", re.IGNORECASE)
#: words that only an augmentation script writes, and words that may also be a month or what a picture shows
_SURE = r"augm(?:ented|entation)?\d*|[hv]flip(?:ped)?|flip(?:lr|ud|ped)|rot(?:ated?)?[-_]?(?:90|180|270)"
_UNSURE = (
    r"aug\d*|flip|mirror(?:ed)?|rot(?:ated?|ation)?[-_]?\d*|blur(?:red)?|nois[ey]|bright(?:er|ness)?|contrast"
    r"|dark(?:er|en)?|crop(?:ped)?|shear(?:ed)?|zoom(?:ed)?|scaled?|shift(?:ed)?|translated?|cutout|jitter|hue"
    r"|saturation|gr[ae]y(?:scale)?|sharpen(?:ed)?|equalized?"
)
_COPY = re.compile(
    rf"(?P<base>.+?)[-_. ](?:(?P<sure>{_SURE})|(?P<aug>aug\d*)|{_UNSURE})"
    rf"(?:[-_. ](?:{_SURE}|{_UNSURE}|\d+))*\Z",
    re.IGNORECASE,
)
_LEAD = re.compile(r"augmented[-_]|aug[-_]\d+[-_]\d(?!\d{3}\b)", re.IGNORECASE)
_DAY_OR_YEAR = re.compile(r"(?:^|\D)(?:\d{1,2}|\d{4})\Z")
_ENDINGS = frozenset(("_jpg", "jpeg", "_png", "_bmp", "webp", "_tif", "tiff"))
_COMMON = re.compile(
    r"images?|img|frames?|photos?|pictures?|pic|screenshots?|screen|shot|dscn?|dji|mvimg|pxl|video|vid|movie|vlcsnap"
    r"|downloads?|untitled|copy|sample|file|capture|snapshot|whatsapp|jpe?g|png|thumb|whole|full|left|right|front|back",
    re.IGNORECASE,
)


#: folders that say how a set is laid out, not where its pictures come from
_LAYOUT = re.compile(
    r"(?:(?:train(?:ing|val)?|val|valid|validat(?:e|ion)|dev|test(?:ing)?|eval|holdout)[\W_\d]*"
    r"|images?|imgs?|labels?|annotations?|annots?|jpegimages|obj(?:_\w+)?_data|data|dataset|photos|pictures|vocdevkit|voc\d*)",
    re.IGNORECASE,
)


class _Record(msgspec.Struct):
    file_name: msgspec.Raw = msgspec.Raw()


_RECORDS = msgspec.json.Decoder(_Record)
_FILENAME = re.compile(rb"<filename>(.*?)</filename>")


def stated_name(extras: bytes | None) -> str | None:
    """The file name in an image's extras, where a COCO record or a VOC file states another than the image's own."""
    if not extras:
        return None
    if extras[:1] == b"{":
        name = bytes(_RECORDS.decode(extras).file_name) if b'"file_name"' in extras else b""
        return msgspec.json.decode(name, type=str) if name[:1] == b'"' else None
    found = _FILENAME.match(extras)
    return unescape(found[1].decode("utf-8", "replace")) if found else None


def source_stems(files: Iterable[str]) -> NDArray[Any]:
    """The source image that each file was made from, (n,) text: equal for versions of one picture.

    Roboflow writes `<source>.rf.<hash>.jpg`, one hash a version: the source is what stands before `.rf.`.
    Copies that an augmentation script put beside the original (`a.jpg`, `a_flip.jpg`) share its name. Any
    other file is its own source, under its whole name.
    """
    return name_facts(list(files))["source"].to_numpy(object)


def name_facts(files: Sequence[str]) -> Table:
    """What names say, a row a file.

    source: see `source_stems`. stem: the name without folder and suffix; for Roboflow's what stands before
    `.rf.`. roboflow, augmented: whether the name is that of a Roboflow version, of an augmented copy. base:
    the stem of the picture an augmented copy was made from, None for others. distinctive: whether the stem
    is shared and says so much that two files of that stem hardly are different pictures (a camera's counter
    says little, a time stamp enough).
    """
    stems = [name.rpartition(".")[0] or name for name in (file.rpartition("/")[2] for file in files)]
    roboflow = np.zeros(len(files), bool)
    source = list(files)
    for row, stem in enumerate(stems):
        if ".rf." in stem and (found := _ROBOFLOW.match(stem)):
            stems[row] = source[row] = found[1]
            roboflow[row] = True
    augmented, bases = _copies(stems)
    if any(bases):
        folders = [file.rpartition("/")[0] for file in files]
        beside = {(folder, base) for folder, base in zip(folders, bases, strict=True) if base is not None}
        for row, (folder, stem, base) in enumerate(zip(folders, stems, bases, strict=True)):
            if not roboflow[row] and (base is not None or (folder, stem) in beside):
                source[row] = f"{folder}/{base or stem}"
    names = pd.Series(stems, dtype=object)
    shared = names.duplicated(keep=False).to_numpy()
    distinctive = np.zeros(len(files), bool)
    distinctive[shared] = names[shared].isin(_telling(set(names[shared]), stems))
    return pd.DataFrame(
        {
            "source": pd.Series(source, dtype=object),
            "stem": names,
            "roboflow": roboflow,
            "augmented": augmented,
            "base": pd.Series(bases, dtype=object),
            "distinctive": distinctive,
        }
    )


def name_parts(files: Sequence[str], no_parts: Set[str], most: int) -> tuple[NDArray[Any], list[str]] | None:
    """The part of a set that each file belongs to by its first folder that is not the same for all: codes (n,) and the
    parts' names. None where there are no parts, more than `most`, or one is called as in `no_parts` (casefolded).

    Folders of a layout (train, images, labels, …) do not count.
    """
    folders, where = pd.factorize(np.array([file.rpartition("/")[0] for file in files], object))
    paths = [[part for part in name.split("/") if part and not _LAYOUT.fullmatch(part)] for name in where]
    depth = 0
    while depth < max(map(len, paths), default=0) and len({tuple(path[: depth + 1]) for path in paths}) == 1:
        depth += 1
    firsts = [path[depth] if len(path) > depth else "(no folder)" for path in paths]
    codes, names = pd.factorize(pd.Series(firsts, dtype=object), sort=True)
    parts = [str(name) for name in names]
    if not 2 <= len(parts) <= most or no_parts & {part.casefold() for part in parts}:
        return None
    return codes[folders], parts


def _copies(stems: Sequence[str]) -> tuple[NDArray[Any], list[str | None]]:
    """Which stems are those of augmented copies, and of what."""
    plain = [_OLD_SUFFIX.sub("", stem) if stem[-4:].lower() in _ENDINGS else stem for stem in stems]
    found = [None if stem.isdigit() or len(stem) > MOST_LETTERS else _COPY.match(stem) for stem in plain]
    originals = set(plain)
    siblings = Counter(match["base"] for match in found if match)
    augmented = np.zeros(len(stems), bool)
    bases: list[str | None] = [None] * len(stems)
    for row, match in enumerate(found):
        if match is None:
            augmented[row] = bool(_LEAD.match(plain[row]))
            continue
        base = match["base"]
        kin = base in originals or siblings[base] > 1
        numbered = match["aug"] and kin and not _DAY_OR_YEAR.search(base)
        augmented[row] = bool(match["sure"] or numbered or base in originals)
        if augmented[row] and kin:
            bases[row] = base
    return augmented, bases


def _telling(shared: Set[str], stems: Sequence[str]) -> set[str]:
    """Those of the `shared` stems that are no counter, common word or short name."""
    chosen = {stem for stem in shared if not (stem.isdigit() and len(stem.lstrip("0")) < 10)}
    if not chosen:
        return set()
    series = Counter(stem.rstrip("0123456789") for stem in set(stems))
    telling = set()
    for stem in chosen:
        plain = _OLD_SUFFIX.sub("", stem)
        digits = sum(len(run.lstrip("0")) for run in re.findall(r"\d+", plain))
        letters = sum(character.isalpha() for character in _COMMON.sub("", plain))
        head = stem.rstrip("0123456789")
        numbered = head != stem and series[head] > 2
        longest = max((len(run.lstrip("0")) for run in re.findall(r"[0-9a-f]+", plain.lower())), default=0)
        if digits >= 10 or longest >= 16 or (letters >= 8 and not numbered):
            telling.add(stem)
    return telling
