"""Pascal VOC XML as a tree: decoding, refusing what is hostile or foreign, and where an object lies."""

from __future__ import annotations

import codecs
import contextlib
import math
import re
from typing import NamedTuple

from lxml import etree

from dsq.formats.layout import decode_text

LIMIT = 1e9  # pixels: a coordinate beyond it is no coordinate
CORNERS = ("xmin", "ymin", "xmax", "ymax")
NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?")

_PARSER = etree.XMLParser(
    resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False
)
_GAPS = re.compile(rb">\s+<")
_HOLLOW = re.compile(rb"<(\w+)((?: [^<>]*)?)></\1>")
_DECLARATION = re.compile(rb"\s*<\?xml[^<>]*\?>")
_DECLARED = re.compile(r"\s*<\?xml[^<>]*\?>")
_ENCODING = re.compile(rb"""encoding\s*=\s*["']([\w.:-]+)["']""")
_ONE_BYTE = re.compile(r"ascii|iso8859|cp(?:125\d|437|8\d\d)$|koi8|mac")
_CORNER = re.compile(r"([xy])([0-9]{1,6})")


class Refused(Exception):  # noqa: N818 (a verdict on a file, not a fault of the program)
    """The whole file cannot be taken: `place` ("line 3" or ""), `what`.

    foreign: it is well-formed, but no VOC annotation. hint: what to do where its format is known, else "".
    """

    def __init__(self, place: str, what: str, *, foreign: bool = False, hint: str = "") -> None:
        super().__init__(what)
        self.place, self.what, self.foreign, self.hint = place, what, foreign, hint


def parse_root(data: bytes) -> etree._Element:
    """The <annotation> of a VOC file, all names without namespaces. Raises Refused for anything else."""
    if not data.strip(b"\0 \t\r\n"):
        raise Refused("", "the file is empty")
    text = to_utf8(data)
    if b"<!DOCTYPE" in text and b"<!ENTITY" in text:
        line = text.count(b"\n", 0, text.index(b"<!ENTITY")) + 1
        raise Refused(f"line {line}", "declares entities, which are never resolved; the file was skipped")
    try:
        root = etree.fromstring(text, _PARSER)
    except etree.XMLSyntaxError as error:
        why = re.split(r", (?:line|use) ", error.msg or "")[0].rstrip(".")
        raise Refused(f"line {error.lineno}", f"not well-formed XML ({why}); the file was skipped") from error
    if b"<!DOCTYPE" in text and next(root.iter(etree.Entity), None) is not None:
        raise Refused("", "refers to entities of a DTD, which are never resolved; the file was skipped")
    if b"xmlns" in text:
        for element in root.iter("{*}*"):
            if element.tag.startswith("{"):
                name = element.tag.rpartition("}")[2]
                if ":" in name:
                    raise Refused("", f"not well-formed XML (the tag {name[:40]}); the file was skipped")
                element.tag = name
        etree.cleanup_namespaces(root)
    foreign = _foreign(root)
    if foreign is not None:
        raise foreign
    return root


def parse_fragment(text: str) -> list[etree._Element]:
    """The elements in a piece of XML. Raises XMLSyntaxError where it is not well-formed by itself."""
    return list(etree.fromstring(f"<object>{text}</object>".encode(), _PARSER)) if text.strip(" \t\r\n") else []


def to_utf8(data: bytes) -> bytes:
    """The document as UTF-8 without its declaration (spaces stand in its place, so that lines stay).

    As UTF-8 where the bytes are that and a one-byte encoding is declared, then as declared, then as any text.
    """
    declaration = _DECLARATION.match(data)
    declared = _ENCODING.search(declaration[0]) if declaration else None
    text = None
    if declared and not data.isascii():
        try:
            codec = codecs.lookup(declared[1].decode()).name
            for name in ("utf-8", codec) if _ONE_BYTE.match(codec) else (codec,):
                with contextlib.suppress(UnicodeError):
                    text = data.decode(name)
                    break
        except LookupError:
            text = None
    text = decode_text(data) if text is None else text
    blank = _DECLARED.match(text)
    if blank:
        text = re.sub(r"[^\n]", " ", blank[0]) + text[blank.end() :]
    return text.encode("utf-8", "replace")


def _foreign(root: etree._Element) -> Refused | None:
    """What a file of another format is and what to export instead; None for a VOC annotation."""
    if root.tag == "annotation":
        if root.find("object/bndbox") is not None or (
            root.find("imagesize") is None and root.find("object/deleted") is None
        ):
            return None
        what = "LabelMe's XML, not Pascal VOC"
        hint = "Convert it to COCO or Pascal VOC first; CVAT imports LabelMe 3.0 and exports both."
    elif root.tag == "annotations" and (root.find("image") is not None or root.find("track") is not None):
        count = len(root.findall("image"))
        what = f"CVAT's own XML ({count:,} images in one file), not Pascal VOC" if count else "CVAT's XML for video"
        hint = "Export the task from CVAT as Pascal VOC 1.1, COCO 1.0 or Ultralytics YOLO Detection 1.0 instead."
    elif root.find("annotation/object") is not None:
        what = f"{len(root.findall('annotation')):,} VOC annotations in one file"
        hint = "Write one XML an image, named as the image is."
    elif root.tag == "dataset" and root.find("images/image") is not None:
        what = f"dlib's imglab XML ({len(root.findall('images/image')):,} images in one file), not Pascal VOC"
        hint = "Convert it to COCO or to Pascal VOC, one XML an image."
    else:
        tag = str(root.tag)[:40]
        return Refused("", f"an XML with <{tag}> in place of <annotation>; it was skipped", foreign=True)
    return Refused("", what + "; it was skipped", foreign=True, hint=hint)


class Shape(NamedTuple):
    """Where an object lies, as written. box: xmin ymin xmax ymax. rings: polygons as x y x y …

    rotated: whether a <robndbox> was all it had. extras: what lies beside the corners in its <bndbox>.
    """

    box: list[float]
    rings: list[list[float]]
    rotated: bool
    extras: bytes
    faults: list[str]


def read_shape(item: etree._Element) -> Shape:
    """Where an <object> lies: its <bndbox>, else its <polygon>s, else its <robndbox>. ValueError if none."""
    boxes = [child for child in item if child.tag == "bndbox"]
    rings: list[list[float]] = []
    faults: list[str] = []
    extras: list[bytes] = []
    for child in item:
        if child.tag == "polygon" and len(child):
            try:
                rings.append(_ring(child))
            except ValueError as error:
                if not boxes:
                    raise
                faults.append(f"{error}; the polygon was left out")
    if boxes:
        found = {child.tag: child for child in boxes[0]}
        missing = [corner for corner in CORNERS if corner not in found]
        if missing:
            raise ValueError(f"no <{missing[0]}> in its <bndbox>")
        box = [_value(corner, text_of(found[corner])) for corner in CORNERS]
        extras = [raw_of(child) for child in boxes[0] if child.tag not in CORNERS]
        faults += ["a second <bndbox>; the first one was taken"] if len(boxes) > 1 else []
        return Shape(box, rings, False, b"<bndbox>%b</bndbox>" % b"".join(extras) if extras else b"", faults)
    rotated = item.find("robndbox")
    if not rings and rotated is not None:
        rings = [_turned(*(_number(rotated, tag) for tag in ("cx", "cy", "w", "h", "angle")))]
    if not rings:
        raise ValueError("no <bndbox>")
    xs = [x for ring in rings for x in ring[::2]]
    ys = [y for ring in rings for y in ring[1::2]]
    return Shape([min(xs), min(ys), max(xs), max(ys)], rings, rotated is not None, b"", faults)


def _ring(polygon: etree._Element) -> list[float]:
    """x y x y … of a polygon written as <x1> <y1> <x2> … or as <pt><x/><y/></pt> …; three points at least."""
    points: list[tuple[float, float]] = []
    numbered: dict[int, dict[str, float]] = {}
    for child in polygon:
        tag = child.tag if isinstance(child.tag, str) else ""
        corner = _CORNER.fullmatch(tag)
        if corner:
            numbered.setdefault(int(corner[2]), {})[corner[1]] = _value(tag, text_of(child))
        elif tag in ("pt", "point"):
            points.append((_number(child, "x"), _number(child, "y")))
    for place in sorted(numbered):
        pair = numbered[place]
        if len(pair) < 2:
            raise ValueError(f"point {place} of its <polygon> lacks a coordinate")
        points.append((pair["x"], pair["y"]))
    if len(points) < 3:
        raise ValueError(f"a <polygon> of {len(points)} points")
    return [value for point in points for value in point]


def _turned(cx: float, cy: float, width: float, height: float, angle: float) -> list[float]:
    """The corners of a box turned by an angle in radians (in degrees where it is more than a full turn)."""
    if abs(angle) > 2 * math.pi:
        angle = math.radians(angle)
    across = (width / 2 * math.cos(angle), width / 2 * math.sin(angle))
    down = (-height / 2 * math.sin(angle), height / 2 * math.cos(angle))
    corners = ((-1, -1), (1, -1), (1, 1), (-1, 1))
    return [c + i * a + j * d for i, j in corners for c, a, d in zip((cx, cy), across, down, strict=True)]


def _number(element: etree._Element, tag: str) -> float:
    child = element.find(tag)
    if child is None:
        raise ValueError(f"no <{tag}> in its <{element.tag}>")
    return _value(tag, text_of(child))


def _value(tag: str, text: str) -> float:
    if not NUMBER.fullmatch(text):
        raise ValueError(f"<{tag}> is {text[:40]!r}, not a number" if text else f"<{tag}> is empty")
    value = float(text)
    if abs(value) > LIMIT:
        raise ValueError(f"<{tag}> is {text[:40]}, beyond any image")
    return value


def text_of(element: etree._Element) -> str:
    """The element's text without white space around it."""
    return ("".join(map(str, element.itertext())) if len(element) else element.text or "").strip()


def raw_of(element: etree._Element) -> bytes:
    """The element as UTF-8, without the white space of indentation."""
    return tidy(etree.tostring(element, encoding="utf-8", with_tail=False))


def tidy(data: bytes) -> bytes:
    """The same elements without white space between them, empty ones as `<tag/>`."""
    data = _GAPS.sub(b"><", data.strip())
    return _HOLLOW.sub(rb"<\1\2/>", data) if b"></" in data else data
