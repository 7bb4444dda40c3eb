"""What a writer does to the pixels of an image: turn it upright, resize it, pad it.

`images.pixel_ops` holds the steps as JSON: an object, or a list of objects that follow each other. The keys of
one object are applied in this order, each optional: `orient` (EXIF orientation 2 to 8, baked in), `resize`
([width, height] in pixels, after the turn), `pad` ([left, top, right, bottom] pixels of `fill`, [r, g, b]).
Other keys (`mode`) are for the reader's information.
"""

from __future__ import annotations

import io
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import msgspec

from dsq.errors import ReadError
from dsq.model import Table
from dsq.source import open_source

if TYPE_CHECKING:
    from PIL import Image

#: grey of the padding, as trainers use it
FILL = (114, 114, 114)
QUALITY = 95
MOST_PIXELS = 1 << 28  # of an image that is changed: it is held in memory twice, as a whole
_ORIENTATION = 0x0112
#: Pillow's name of the turn that an EXIF orientation asks for
_TURNS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}
_BACK = {6: 8, 8: 6}
_SAVED_AS = {"MPO": "JPEG", "DIB": "BMP"}
_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "JPEG": {"quality": QUALITY},
    "WEBP": {"quality": QUALITY},
    "AVIF": {"quality": QUALITY},
    "TIFF": {"compression": "tiff_lzw"},
}


def decode_ops(ops: str | None) -> list[dict[str, Any]]:
    """The steps of `images.pixel_ops`; none for None."""
    if not isinstance(ops, str):
        return []
    steps = msgspec.json.decode(ops)
    return steps if isinstance(steps, list) else [steps]


def encode_ops(steps: Sequence[Mapping[str, Any]]) -> str:
    """Steps as the text of `images.pixel_ops`."""
    return msgspec.json.encode(list(steps)).decode()


def apply_pixel_ops(data: bytes, ops: str, *, name: str | None = None) -> bytes:
    """The image file `data` after the steps `ops`, in the same format; lossy formats at quality 95.

    The same input gives the same bytes. EXIF and the colour profile are kept (the orientation is taken out when
    it was baked in); of an animation the first frame stays. ReadError (`name` says of which file) where the
    image cannot be decoded or its format cannot be written.
    """
    from PIL import Image

    steps = decode_ops(ops)
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(data)) as image:
                if image.width * image.height > MOST_PIXELS:
                    raise ReadError(
                        f"this image is too large to be changed: {image.width:,} x {image.height:,} pixels, over "
                        f"the {MOST_PIXELS:,} that are decoded.",
                        where=name,
                        hint="Tile it before.",
                    )
                form = _SAVED_AS.get(image.format or "", image.format or "")
                turned = _orientation_of_tiff(image) if form == "TIFF" else 1
                upright = any(step.get("orient", 1) > 1 for step in steps)
                options = _keep(image, form, turned, upright=upright)
                image.load()
                stored = image.transpose(Image.Transpose[_TURNS[_BACK.get(turned, turned)]]) if turned > 1 else image
                out = io.BytesIO()
                _change(stored, steps).save(out, format=form, **options)
        except ReadError:
            raise
        except Exception as error:  # a broken file may break a decoder in any way
            raise ReadError(
                f"this image cannot be changed: {error}.", where=name, hint="Repair it or leave it out."
            ) from error
        finally:
            Image.MAX_IMAGE_PIXELS = limit
    return out.getvalue()


class Changed:
    """Image files after their steps, kept in a nameless file in `folder` until they are written; None: not kept."""

    def __init__(self, folder: Path | None) -> None:
        self._file = None if folder is None else tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed on exit
        self._places: dict[tuple[str, str, str], tuple[int, int]] = {}
        self._end = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._file is not None:
            self._file.close()

    def __contains__(self, key: object) -> bool:
        return key in self._places

    def keep(self, key: tuple[str, str, str], data: bytes) -> None:
        """Keep the file that the key (root, member, steps) names."""
        self._places[key] = self._end, len(data)
        if self._file is not None:
            self._file.write(data)
            self._end += len(data)

    def read(self, key: tuple[str, str, str]) -> bytes:
        """What was kept; empty where nothing is."""
        if self._file is None:
            return b""
        start, length = self._places[key]
        self._file.seek(start)
        return self._file.read(length)


def change_pixels(
    images: Table, changed: Changed, progress: Callable[[str, int, int], None] | None = None
) -> dict[int, str]:
    """Change every image file of the table that has `pixel_ops`; the positions of those that cannot be, and why.

    ReadError for a file that cannot be read.
    """
    ops = images["pixel_ops"].to_numpy(object)
    roots, members = images["root"].astype(object).to_numpy(), images["member"].to_numpy(object)
    rows = [row for row in range(len(ops)) if isinstance(ops[row], str) and isinstance(members[row], str)]
    faults: dict[int, str] = {}
    known: dict[tuple[str, str, str], str] = {}
    done = 0
    for root in dict.fromkeys(roots[rows]):
        with open_source(root) as source:
            for row in rows:
                if roots[row] != root:
                    continue
                key = root, members[row], ops[row]
                if key not in changed and key not in known:
                    data = source.read(members[row], follow=True)
                    try:
                        changed.keep(key, apply_pixel_ops(data, ops[row]))
                    except ReadError as error:
                        known[key] = error.what
                if key in known:
                    faults[row] = known[key]
                done += 1
                if progress is not None and (done % 100 == 0 or done == len(rows)):
                    progress("changing images", done, len(rows))
    return dict(sorted(faults.items()))


def _orientation_of_tiff(image: Any) -> int:
    """The turn that Pillow does of its own when it loads a TIFF."""
    value = image.tag_v2.get(_ORIENTATION, 1)
    return value if value in _TURNS else 1


def _keep(image: Image.Image, form: str, turned: int, *, upright: bool) -> dict[str, Any]:
    """Options of saving: the format's own, and what the file says about itself."""
    options = dict(_OPTIONS.get(form, {}))
    if form == "TIFF" and turned > 1 and not upright:
        options["tiffinfo"] = {_ORIENTATION: turned}
    if form in ("JPEG", "PNG", "WEBP", "AVIF"):
        exif = image.getexif()
        if upright and _ORIENTATION in exif:
            del exif[_ORIENTATION]
        if exif:
            options["exif"] = exif.tobytes()
    if form in ("JPEG", "PNG", "WEBP", "AVIF", "TIFF") and (profile := image.info.get("icc_profile")):
        options["icc_profile"] = profile
    return options


def _change(image: Image.Image, steps: Sequence[Mapping[str, Any]]) -> Image.Image:
    from PIL import Image

    stored, mode = image.mode, _working_mode(image)
    work = image if mode == stored else image.convert(mode)
    for step in steps:
        turn = step.get("orient", 1)
        if turn in _TURNS:
            work = work.transpose(Image.Transpose[_TURNS[turn]])
        if "resize" in step:
            width, height = step["resize"]
            smaller = width * height <= work.width * work.height
            method = Image.Resampling.LANCZOS if smaller else Image.Resampling.BICUBIC
            work = work.resize((width, height), method)
        if any(step.get("pad", ())):
            left, top, right, bottom = step["pad"]
            frame = (work.width + left + right, work.height + top + bottom)
            padded = Image.new(work.mode, frame, _fill(work.mode, step.get("fill", FILL)))
            padded.paste(work, (left, top))
            work = padded
    return work.convert("1") if stored == "1" else work


def _working_mode(image: Image.Image) -> str:
    """A mode whose pixels can be averaged."""
    if image.mode == "P":
        return "RGBA" if "transparency" in image.info else "RGB"
    return {"1": "L", "PA": "RGBA"}.get(image.mode, image.mode)


def _fill(mode: str, colour: Sequence[int]) -> Any:
    """The colour of the padding in a mode."""
    red, green, blue = colour
    grey = round(0.299 * red + 0.587 * green + 0.114 * blue)
    fills: dict[str, Any] = {
        "RGB": (red, green, blue),
        "RGBA": (red, green, blue, 255),
        "L": grey,
        "LA": (grey, 255),
        "CMYK": (255 - red, 255 - green, 255 - blue, 0),
        "F": float(grey),
        "I": grey,
    }
    return grey * 257 if mode.startswith("I;16") else fills.get(mode, grey)
