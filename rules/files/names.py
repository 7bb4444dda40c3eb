"""Names that records state, held against the image files that were found for them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from urllib.parse import unquote

import pandas as pd

from dsq.model import text_or_none
from dsq.rule import Severity, rule
from dsq.scan import Scan, Table

from .records import problems_of

#: endings that make what stands after the last dot of a name an extension
_EXTENSION = re.compile(r"\.(?:bmp|dng|gif|heic|heif|avif|jp2|jpe?g?|jfif|mpo|png|tiff?|webp|pfm)\Z", re.IGNORECASE)
_WINDOWS = "backslashes"
_CASE = "case"
_ANOTHER, _OTHER, _SUFFIX = "another image's", "other", "extension"


def _stated(scan: Scan) -> Iterable[tuple[int, str, str]]:
    """(position in `images`, stated name, file) where the two differ; names that lead out of the dataset are not
    among them.
    """
    if scan.about.format not in ("voc", "coco"):
        return
    outside = problems_of(scan, "path-outside-dataset")
    told = set() if outside is None else set(outside["image_id"].dropna())
    ids = scan.images["image_id"].tolist()
    for row, (name, file) in enumerate(zip(scan.stated_names, scan.image_files, strict=True)):
        if name is not None and not file.endswith(f"/{name}") and name != file and ids[row] not in told:
            yield row, name, file


def _base(path: str) -> str:
    return path.rpartition("/")[2]


def _stem(base: str) -> str:
    return _EXTENSION.sub("", base)


def _differs_in_case(name: str, file: str) -> bool:
    """Whether a stated path is that of the file but for upper and lower case."""
    plain, here = "/" + name.replace("\\", "/").removeprefix("./"), f"/{file}"
    if _base(plain) != _base(here) and _base(plain).casefold() == _base(here).casefold():
        return True
    return here.casefold().endswith(plain.casefold()) and not here.endswith(plain)


@rule(Severity.WARNING, message="{what}", collapse=False)
def unportable_path(scan: Scan) -> Table | None:
    """File names that lead to the image on some systems only.

    `images\\a.jpg` is a path on Windows; elsewhere it is a file of that whole name, which is not there.
    `A.JPG` opens `a.jpg` on Windows and on most Macs, on Linux it opens nothing. The dataset works where it
    was made and fails on the machine that trains, or its images are left out there without a word. Told once
    for an annotation file, for Pascal VOC once for the set.

    **Do:** write `/` between folders, and each name in the case that the file has.

    >>> import dsq
    >>> from dsq.model import About
    >>> image = {"file": "images/a.jpg", "origin_file": "a.json", "extras": rb'{"file_name":"images\\\\a.jpg"}'}
    >>> data = dsq.build_dataset(images=[image], about=About(format="coco"))
    >>> dsq.audit(data, select=["unportable-path"]).messages()
    ['1 file name with backslashes (images\\\\a.jpg): a path on Windows only']
    """
    present = scan.present.tolist()
    found: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for row, name, file in _stated(scan):
        origin = scan.image_origins[row] or "" if scan.about.format == "coco" else ""
        kind = _WINDOWS if "\\" in name else _CASE if present[row] and _differs_in_case(name, file) else None
        if kind is not None:
            found.setdefault((origin, kind), []).append((name, file))
    rows = []
    for (origin, kind), pairs in sorted(found.items()):
        name, file = min(pairs)
        count = f"{len(pairs):,} file name{'s' if len(pairs) > 1 else ''}"
        what = f"{count} with backslashes ({name}): a path on Windows only"
        if kind == _CASE:
            what = f"{count} in another case than the file ({name} is {file}): found on Windows and Macs only"
        subject = f"{origin or 'set'}: {kind}"
        rows.append({"subject": subject, "file": origin or None, "value": len(pairs), "what": what})
    return pd.DataFrame(rows) if rows else None


@rule(Severity.WARNING, message="{tag} says {stated}{note}", collapse=False)
def filename_mismatch(scan: Scan) -> Table | None:
    """A record that names another file than the image it was put to.

    An XML file belongs to the image of its own name; its `<filename>` should say the same. Where it does not,
    tools part: those that go by the XML's own name (Ultralytics' converter, labelImg, dsq) and those that go
    by `<filename>` (scripts that make TFRecords, Detectron2) read different datasets. If it names another
    image of the set, the second kind puts the boxes on a wrong picture: an error. If it names nothing that is
    here, as after a renaming, they stop or skip the image: a warning. Where the extension alone differs it is
    a note in VOC; a COCO loader opens `file_name` as it stands, so there it is a warning. A missing extension
    and a foreign folder in VOC are harmless and left alone. What most files share is told once for the set.

    **Do:** look at a few images of which the two names disagree to see which is right; if it is the XML's own,
    write it into `<filename>`.

    >>> import dsq
    >>> from dsq.model import About
    >>> image = {"file": "a.jpg", "origin_file": "a.xml", "extras": b"<filename>DSC0001.JPG</filename>"}
    >>> data = dsq.build_dataset(images=[image, {"file": "b.jpg", "origin_file": "b.xml"}], about=About(format="voc"))
    >>> dsq.audit(data, select=["filename-mismatch"]).messages()
    ['<filename> says DSC0001.JPG']
    """
    voc = scan.about.format == "voc"
    present = scan.present.tolist()
    bases = {_base(file) for file, there in zip(scan.image_files, present, strict=True) if there}
    found: dict[str, list[tuple[int, str]]] = {}
    for row, name, file in _stated(scan):
        kind = _kind(_base(name.replace("\\", "/")), _base(file), bases.__contains__, voc) if present[row] else None
        if kind is not None and scan.image_origins[row] is not None:
            found.setdefault(kind, []).append((row, name))
    spoken = sum(1 for origin, there in zip(scan.image_origins, present, strict=True) if origin and there)
    rows = []
    for kind, pairs in sorted(found.items()):
        level = "error" if kind == _ANOTHER else "info" if kind == _SUFFIX and voc else "warning"
        if len(pairs) > 1 and len(pairs) * 2 > spoken:
            rows.append(_told_once(scan, kind, pairs, spoken) | {"severity": level})
            continue
        note = {_ANOTHER: ", which is another image of the set", _SUFFIX: ", another extension"}.get(kind, "")
        rows += [
            {"image_id": scan.images["image_id"].iloc[row], "stated": name, "note": note, "severity": level}
            for row, name in pairs
        ]
    if not rows:
        return None
    numbers = pd.Series([row.get("image_id") for row in rows], dtype="Int64")
    return pd.DataFrame(rows).assign(image_id=numbers, tag="<filename>" if voc else "file_name")


def _kind(name: str, base: str, known: Callable[[str], bool], voc: bool) -> str | None:
    """How a stated name differs from that of the file; None: not, or in case alone."""
    if name.casefold() == base.casefold() or (voc and name.casefold() == _stem(base).casefold()):
        return None
    if known(name):
        return _ANOTHER
    same = {_stem(base).casefold()}
    return _SUFFIX if {_stem(name).casefold(), _stem(unquote(name)).casefold()} & same else _OTHER


def _told_once(scan: Scan, kind: str, pairs: list[tuple[int, str]], spoken: int) -> dict[str, object]:
    """The finding about a set most of whose records are so."""
    row, name = min(pairs, key=lambda pair: scan.image_files[pair[0]])
    origins = text_or_none(scan.images["origin_file"])
    example = f"{origins[row]} says {name}, the image is {_base(scan.image_files[row])}"
    what = {
        _ANOTHER: "name another image of the set: who goes by that name puts the boxes on wrong pictures",
        _SUFFIX: "name their image with another extension: who goes by that name finds none",
    }.get(kind, "name another file than their image: who goes by that name finds none")
    message = f"{len(pairs):,} of {spoken:,} records {what} ({example})"
    return {"subject": f"set: {kind}", "file": origins[row], "value": len(pairs), "message": message}
