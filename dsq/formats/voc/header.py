"""What stands before the objects of a Pascal VOC XML: file name, source, size, and what the extras say."""

from __future__ import annotations

from collections.abc import Sequence

from lxml import etree

from dsq.formats.voc.text import escaped
from dsq.formats.voc.tree import parse_fragment, raw_of
from dsq.formats.voc.xml import STAMP, UNSAID

MARK = "\0"  # which no XML can hold
_MOST = 4_000  # headers that are kept to be used again
_OWN_NAME = "<filename>%(file)s</filename>"


def stamp_text(offset: int, unsaid: Sequence[str]) -> str:
    """What our reader finds in <source><annotation>: the convention, and flags written as 0 that nobody said."""
    return f"{STAMP}{offset}" + (UNSAID + ",".join(unsaid) if unsaid else "")


class Headers:
    """Makes headers.

    fresh: what VOC readers expect and the extras lack is added, and <folder> and <filename> say where the image is.
    """

    def __init__(self, *, fresh: bool) -> None:
        self.fresh = fresh
        self._made: dict[tuple[bytes | None, str, str | None, bool, bool], str] = {}
        self._sized: dict[tuple[bytes | None, str, str | None, int, int, bool], tuple[str, str, str]] = {}

    def header(
        self, extras: bytes | None, folder: str, stamp: str | None, width: int, height: int, *, corrected: bool
    ) -> tuple[str, str, str]:
        """The text before the name of the image, MARK where the name goes ("" where it has no place), the text after.

        extras: XML or None. folder: for a missing <folder>. stamp: None: none is put in. width, height: 0: not known.
        corrected: they are to replace unusable sides that the extras hold.
        """
        key = (extras, folder, stamp, width, height, corrected)
        found = self._sized.get(key)
        if found is None:
            template = self._template(extras, folder, stamp, bool(width and height), corrected)
            found = (template % {"file": MARK, "width": width, "height": height}).partition(MARK)
            if len(self._sized) < _MOST:
                self._sized[key] = found
        return found

    def _template(self, extras: bytes | None, folder: str, stamp: str | None, known: bool, corrected: bool) -> str:
        """With `file`, `width` and `height` to fill in by `%`."""
        key = (extras, folder, stamp, known, corrected)
        found = self._made.get(key)
        if found is None:
            found = self._make(extras, folder, stamp, known, corrected)
            if len(self._made) < _MOST:
                self._made[key] = found
        return found

    def _make(self, extras: bytes | None, folder: str, stamp: str | None, known: bool, corrected: bool) -> str:
        attributes, name = "", _OWN_NAME
        parts: list[tuple[str, str]] = []
        for child in parse_fragment(extras.decode()) if extras else ():
            tag = child.tag if isinstance(child.tag, str) else ""
            if tag == "source" and stamp is not None:
                _put_stamp(child, stamp)
                stamp = None
            raw = _literal(raw_of(child))
            if tag == "annotation" and child.attrib and not len(child) and not parts:
                attributes = raw[len("<annotation") : -len("/>")]
            elif tag == "filename" and not parts and not attributes and name is _OWN_NAME:
                name = name if self.fresh else raw
            elif tag == "folder" and self.fresh:
                continue
            elif tag == "size" and all(kind != "size" for kind, _ in parts):
                parts.append((tag, self._size(child, known, corrected)))
            else:
                parts.append((tag, raw))
        self._fill(parts, folder, stamp, known)
        leading = parts[0][0] == "folder" if parts else False
        texts = [text for _, text in parts]
        texts.insert(1 if leading else 0, name)
        return "\n\t".join([f"<annotation{attributes}>", *texts]) + "\n"

    def _fill(self, parts: list[tuple[str, str]], folder: str, stamp: str | None, known: bool) -> None:
        """Add what is missing, in the customary order."""
        there = {kind for kind, _ in parts}
        if stamp is not None:
            source = f"<source><database>Unknown</database><annotation>{stamp}</annotation></source>"
            parts.insert(_past(parts, ("folder", "path")), ("source", source))
        if "size" not in there and (known or self.fresh):
            sides = _sides([b"<depth>3</depth>"] if self.fresh else [])
            parts.insert(_past(parts, ("folder", "path", "source", "owner")), ("size", f"<size>{sides}"))
        if self.fresh and "segmented" not in there:
            place = next(at for at, (kind, _) in enumerate(parts) if kind == "size")
            parts.insert(place + 1, ("segmented", "<segmented>0</segmented>"))
        if self.fresh and "folder" not in there:
            parts.insert(0, ("folder", f"<folder>{_literal(escaped(folder).encode())}</folder>"))

    def _size(self, size: etree._Element, known: bool, corrected: bool) -> str:
        """A <size> with its sides to fill in, or as it stands."""
        sides = [child for child in size if child.tag in ("width", "height")]
        if not (corrected if sides else known or self.fresh):
            return _literal(raw_of(size))
        inner = [raw_of(child) for child in size if child not in sides]
        del size[:]
        size.text = None
        return _literal(raw_of(size))[: -len("/>")] + ">" + _sides(inner)


def _literal(raw: bytes) -> str:
    """Text that `%` leaves as it is."""
    return raw.decode().replace("%", "%%")


def _sides(more: Sequence[bytes]) -> str:
    inner = ["<width>%(width)d</width>", "<height>%(height)d</height>", *map(_literal, more)]
    return "".join(f"\n\t\t{text}" for text in inner) + "\n\t</size>"


def _past(parts: Sequence[tuple[str, str]], kinds: Sequence[str]) -> int:
    """Where the leading elements of some kinds end."""
    return next((at for at, (kind, _) in enumerate(parts) if kind not in kinds), len(parts))


def _put_stamp(source: etree._Element, stamp: str) -> None:
    """Make the stamp the only one in a <source>."""
    for child in source.findall("annotation"):
        if (child.text or "").startswith(STAMP):
            source.remove(child)
    etree.SubElement(source, "annotation").text = stamp
