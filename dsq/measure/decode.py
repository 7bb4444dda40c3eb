"""The pixels of an image file, small and comparable: 8-bit luma and chroma with a short side of 56 to 111 pixels."""

from __future__ import annotations

import io
import logging
import struct
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from dsq.headers import Header, parse_header

Array = NDArray[Any]
T = TypeVar("T")

LEAST_SIDE = 56  # px: what the measures need; the short side of an image is not made smaller
MAX_DECODED = 1 << 27  # pixels that are decoded at once; JPEGs, which come out reduced, may hold MAX_PIXELS
_HEADER = 1 << 20  # bytes in which a JPEG says how it is coded
TOGETHER = 16  # pictures of one size that are treated at once: they fit into the processor's cache
_SCALES = (8, 4, 2)  # what a JPEG decoder reduces by for nothing
_BROKEN = (OSError, ValueError, SyntaxError, EOFError, IndexError, KeyError, TypeError, OverflowError, struct.error)
_SILENCE = logging.NullHandler()  # else what Pillow logs of a broken file lands on stderr
#: EXIF orientation -> how arrays (height, width, …) that Pillow turned are turned back
_BACK = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a.swapaxes(0, 1)[::-1],
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: a.swapaxes(0, 1)[:, ::-1],
}


class DecodeError(Exception):
    """The pixels cannot be decoded; `args[0]` says why: "truncated …", "broken …", "too large …", "empty …"."""


class Small(NamedTuple):
    """y, cb, cr: (height, width) uint8 each, contiguous. scale: stored pixels a pixel, along each axis about."""

    y: Array
    cb: Array
    cr: Array
    scale: int


def decoder() -> str:
    """The decoder's name and release: what was measured with another one is measured anew."""
    import PIL

    return f"pillow-{PIL.__version__}"


def decode_small(data: bytes, header: Header | None = None) -> Small:
    """Decode an image file from memory, in the frame of its stored pixels; the first frame of an animation.

    header: what `parse_header(data)` gives, if known. Reduced by a whole number so far that the short side is
    still LEAST_SIDE. Alpha lies over white, more than 8 bits are scaled by their real range. Raises DecodeError.
    """
    found = decode_all([data], [parse_header(data) if header is None else header])[0]
    if isinstance(found, DecodeError):
        raise found
    return found


def decode_all(files: Sequence[bytes], headers: Sequence[Header]) -> list[Small | DecodeError]:
    """`decode_small` of some files, step by step for all of them, which is faster than one after the other."""
    scales = [max(1, min(header.width, header.height) // LEAST_SIDE) for header in headers]
    steps = [next((step for step in _SCALES if step <= scale), 1) for scale in scales]
    drafts = [
        _draft_jpeg(data, header, step) if _is_plain(header) and not _is_too_large(data, header) else None
        for data, header, step in zip(files, headers, steps, strict=True)
    ]
    found: list[Small | DecodeError] = []
    for small, data, header, scale in zip(_split(drafts, steps), files, headers, scales, strict=True):
        try:
            if small is not None:
                found.append(small)
            elif header.error:
                found.append(DecodeError(header.error))
            else:
                found.append(_decode_any(data, header, scale))
        except DecodeError as error:
            found.append(error)
    return found


def decode_large(data: bytes, scale: int = 1, header: Header | None = None) -> Array:
    """Decode an image file at full size, or a JPEG reduced by 2, 4 or 8 where that is at most `scale`: (height, width,
    3) uint8 luma and chroma, otherwise as `decode_small` does. Raises DecodeError.
    """
    header = parse_header(data) if header is None else header
    if header.error:
        raise DecodeError(header.error)
    drafted = next((step for step in _SCALES if step <= scale), 1)
    if _is_plain(header) and header.width * header.height <= MAX_DECODED:
        image = _draft_jpeg(data, header, drafted)
        if image is not None:
            return np.asarray(image)
    planes: Array = _open(data, header, drafted, _stack_planes)
    if header.format == "TIFF" and header.orientation in _BACK:
        planes = _BACK[header.orientation](planes)
    return planes


def _stack_planes(image: Any) -> Array:
    """Any mode as (height, width, 3) 8-bit luma and chroma."""
    if image.mode.startswith(("I", "F")):
        return np.stack(_scale_deep(image, 1)[:3], 2)
    plain = _make_plain(image)
    return np.asarray((plain.convert("RGB") if plain.mode == "L" else plain).convert("YCbCr"))


def _is_plain(header: Header) -> bool:
    return header.format == "JPEG" and header.mode == "RGB" and not header.error


def _is_too_large(data: bytes, header: Header) -> bool:
    """Whether the image needs more memory than it gets; a progressive JPEG is held as a whole while it is decoded."""
    if header.width * header.height <= MAX_DECODED:
        return False
    return header.format != "JPEG" or b"\xff\xc2" in data[:_HEADER]


def _draft_jpeg(data: bytes, header: Header, drafted: int) -> Any:
    """The fast way: libjpeg reduces as it decodes, no second look at the header; None where that fails."""
    from PIL import Image

    size = -(-header.width // drafted), -(-header.height // drafted)
    try:
        return Image.frombytes("YCbCr", size, data, "jpeg", "YCbCr", "", drafted, True)
    except _BROKEN:
        return None


def _split(images: Sequence[Any], scales: Sequence[int]) -> list[Small | None]:
    """The planes of YCbCr images that were reduced by `scales`, reduced further where they are still large; those of
    one size are taken apart together.
    """
    found: list[Small | None] = [None] * len(images)
    sizes: dict[tuple[int, int], list[tuple[int, bytes, int]]] = {}
    for number, (image, scale) in enumerate(zip(images, scales, strict=True)):
        if image is not None:
            rest = max(1, min(image.size) // LEAST_SIDE)
            small = image.reduce(rest) if rest > 1 else image
            sizes.setdefault(small.size, []).append((number, small.tobytes(), scale * rest))
    for (width, height), parts in sizes.items():
        for start in range(0, len(parts), TOGETHER):
            part = parts[start : start + TOGETHER]
            joined = np.frombuffer(b"".join([data for _, data, _ in part]), np.uint8)
            planes = np.ascontiguousarray(joined.reshape(len(part), height, width, 3).transpose(3, 0, 1, 2))
            for (number, _, scale), y, cb, cr in zip(part, *planes, strict=True):
                found[number] = Small(y, cb, cr, scale)
    return found


def _decode_any(data: bytes, header: Header, scale: int) -> Small:
    """Whatever Pillow can read."""
    planes = _open(data, header, scale, _make_comparable)
    if header.format == "TIFF" and header.orientation in _BACK:
        y, cb, cr = (np.ascontiguousarray(_BACK[header.orientation](plane)) for plane in planes[:3])
        planes = Small(y, cb, cr, planes.scale)
    return planes._replace(scale=max(1, round(min(header.width, header.height) / min(planes.y.shape))))


def _open(data: bytes, header: Header, scale: int, make: Callable[[Any], T]) -> T:
    """What `make` makes of the loaded image."""
    from PIL import Image

    logging.getLogger("PIL").addHandler(_SILENCE)
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            Image.init()
            formats = ("JPEG", "MPO") if header.format == "JPEG" else (header.format,)
            with Image.open(io.BytesIO(data), formats=formats) as image:
                if header.format == "JPEG":
                    image.draft("YCbCr", (header.width // scale, header.height // scale))
                if _is_too_large(data, header) or image.size[0] * image.size[1] > MAX_DECODED:
                    raise DecodeError(f"too large: {header.width:,} x {header.height:,} pixels are not decoded")
                image.load()
                return make(image)
    except DecodeError:
        raise
    except MemoryError as error:
        raise DecodeError(f"too large: no memory for {header.width:,} x {header.height:,} pixels") from error
    except Exception as error:  # a broken file may break a decoder in any way; the reason goes into the row
        raise DecodeError(_reason(header, error)) from error
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _make_comparable(image: Any) -> Small:
    """Any mode as 8-bit luma and chroma."""
    if image.mode.startswith(("I", "F")):
        return _scale_deep(image, min(image.size) // LEAST_SIDE)
    image = _make_plain(image)
    rest = min(image.size) // LEAST_SIDE
    if rest > 1:
        image = image.reduce(rest)
    image = image.convert("YCbCr") if image.mode != "L" else image.convert("RGB").convert("YCbCr")
    small = _split([image], [1])[0]
    assert small is not None
    return small


def _make_plain(image: Any) -> Any:
    """Any mode of 8 bits as L, RGB or YCbCr."""
    from PIL import Image

    if image.mode in ("P", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
    if image.mode in ("RGBa", "La"):
        image = image.convert({"RGBa": "RGBA", "La": "LA"}[image.mode])
    if image.mode in ("RGBA", "LA"):
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, image).convert("RGB")
    if image.mode not in ("YCbCr", "RGB"):
        image = image.convert("L") if image.mode in ("1", "L") else image.convert("RGB")
    return image


def _scale_deep(image: Any, rest: int) -> Small:
    """Grey levels of more than 8 bits by their real range; reduced by means of `rest` a side."""
    levels = np.asarray(image).astype(np.float32)
    levels[~np.isfinite(levels)] = 0
    if rest > 1:
        height, width = levels.shape[0] // rest, levels.shape[1] // rest
        blocks = levels[: height * rest, : width * rest].reshape(height, rest, width, rest)
        levels = blocks.mean((1, 3))
    low, high = levels.min(), levels.max()
    y = np.round((levels - low) * (255.0 / (high - low) if high > low else 0.0)).astype(np.uint8)
    grey = np.full(y.shape, 128, np.uint8)
    return Small(y, grey, grey, 1)


def _reason(header: Header, error: Exception) -> str:
    text = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
    cut = "truncated" in text or "not enough" in text or "premature" in text.lower() or isinstance(error, EOFError)
    return f"truncated: {text}" if cut else f"broken {header.format}: {text}"
