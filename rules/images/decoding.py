"""Files whose pixels are damaged, or of a kind that a trainer changes as it reads them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dsq.model import text_or_none
from dsq.rule import Severity, rule
from dsq.scan import Scan, Table

from .crowd import Array, is_common

#: error texts of a picture that is whole, of one that is merely not decoded here, and of one that Pillow refuses
_WHOLE, _LARGE, _TEXT = "only the end mark is missing", "too large: ", "text chunk"
_REFUSED = "whole, but Pillow refuses the file: it holds more text than pictures do; OpenCV reads it"

_DEEP = "more than 8 bits"
_CMYK = "CMYK"
_MOVING = "several frames"
_ALPHA = "transparency"
_PALETTE = "a palette"
_GREY = "greyscale"
_MEANS = {
    _DEEP: "OpenCV cuts it to the upper 8, Pillow clips at 255",
    _CMYK: "decoders differ in its colours, some show them inverted",
    _MOVING: "one of them is trained on, or the file is refused",
    _ALPHA: "loaders drop it, and what lies beneath shows, often black",
    _PALETTE: "a loader that does not expand it sees the numbers of the colours",
    _GREY: "the others are in colour",
}
_WRONG = (_DEEP, _CMYK, _MOVING)


@rule(Severity.ERROR, message="{what}", needs=("pixels",))
def truncated_image(scan: Scan) -> Table | None:
    """An image file that ends early or is damaged inside.

    Its header is fine, so size and format are known, and many tools count it as good. Training on it stops with an
    error, drops the picture, or learns that the lower part of the world is grey. Every file is decoded whole for
    this, a JPEG at reduced size, which reads all of its data. Decoders pass over some damage in silence; that is
    looked for as well: zeros in place of data, converted line ends, a grey rest that was never painted. In a zip the
    file's checksum has to be right too.

    A JPEG that lacks nothing but its end mark shows the whole picture; Pillow refuses it all the same: a warning.
    So is a PNG that carries more text beside the picture than Pillow takes. Files whose header cannot be read are
    told by `unreadable-image`. What is too large to be decoded here is a note.

    **Do:** copy the file again from where it came, otherwise delete it together with its record.

    >>> import dsq
    >>> from dsq.scan import Scan
    >>> data = dsq.build_dataset([("a.jpg", "cat", 20, 10, 80, 60)])
    >>> scan = Scan(data, pixels={"a.jpg": {"error": "truncated: the lower 26 % is missing"}})
    >>> dsq.audit(scan, select=["truncated-image"]).messages()
    ['truncated: the lower 26 % is missing']
    """
    errors = text_or_none(scan.pixels["error"]).astype(str)
    hits = errors != ""
    if not hits.any():
        return None
    ids, headers = scan.pixels["image_id"].to_numpy(), scan.headers
    hits &= ~np.isin(ids, headers["image_id"].to_numpy()[(headers["error"] != "").to_numpy()])
    told = [_word(text) for text in errors[hits]]
    columns = {"what": [what for what, _ in told], "severity": [severity for _, severity in told]}
    return pd.DataFrame({"image_id": ids[hits], **columns}) if told else None


def _word(error: str) -> tuple[str, str]:
    """What to say of a decoder's error, and how grave it is."""
    if error.startswith(_LARGE):
        return f"not looked at, and maybe whole: {error.removeprefix(_LARGE)}", "info"
    if _TEXT in error.lower().replace("_", " "):
        return _REFUSED, "warning"
    return error, "warning" if _WHOLE in error else "error"


def _kinds(mode: Array, frames: Array) -> Array:
    """(n,) what is odd about each picture; "" where nothing is."""
    kinds: Array = np.full(len(mode), "", object)
    kinds[np.isin(mode, ("L", "1"))] = _GREY
    kinds[np.isin(mode, ("P",))] = _PALETTE
    kinds[np.isin(mode, ("RGBA", "RGBa", "LA", "La", "PA"))] = _ALPHA
    kinds[frames > 1] = _MOVING
    kinds[mode == "CMYK"] = _CMYK
    kinds[[text.startswith(("I", "F")) for text in mode]] = _DEEP
    return kinds


@rule(Severity.INFO, message="{what}: {means}", needs=("headers",))
def odd_mode(scan: Scan, *, most_share: float = 0.15) -> Table | None:
    """A picture that is stored in another way than 8-bit colour.

    A trainer takes three channels of 8 bits. What is stored otherwise is converted on the way, and each loader
    converts in its own way:

    - more than 8 bits, or floating point (PNG, TIFF): cut or clipped, often to black. A warning.
    - CMYK: colours differ between decoders. A warning.
    - several frames (GIF, APNG, WebP, TIFF): one of them is used. A warning.
    - transparency: dropped; a cut-out on a clear ground gets a ground of any colour.
    - a palette: expanded by most loaders, and a mask rather than a photograph.
    - greyscale in a set of colour pictures: three equal channels; by night and in colour a thing looks different.

    Kinds that more than `most_share` (15 %) of the set share are how the set is: one note a kind.

    **Do:** convert to 8-bit RGB, with one mapping of the grey levels for all deep pictures.

    >>> import dsq
    >>> header = {"width": 640, "height": 480, "format": "PNG", "mode": "I;16"}
    >>> data = dsq.build_dataset(images=["a.png"], headers={"a.png": header})
    >>> dsq.audit(data, select=["odd-mode"]).messages()
    ['more than 8 bits (I;16): OpenCV cuts it to the upper 8, Pillow clips at 255']
    """
    headers = scan.headers[(scan.headers["error"] == "").to_numpy()]
    mode, frames = text_or_none(headers["mode"]).astype(str).astype(object), headers["frames"].to_numpy()
    kinds = _kinds(mode, frames)
    parts = []
    for kind, means in _MEANS.items():
        hits = kinds == kind
        if not hits.any():
            continue
        severity = "warning" if kind in _WRONG else "info"
        if not is_common(hits, most_share):
            shown = frames[hits].astype(str) if kind == _MOVING else mode[hits]
            what = [kind if kind == _CMYK else f"{kind} ({fact})" for fact in shown]
            told = {"image_id": headers["image_id"].to_numpy()[hits], "what": what, "means": means}
            parts.append(pd.DataFrame({**told, "severity": severity}))
        elif kind != _GREY or 2 * hits.sum() <= len(hits):
            parts.append(_tell_kind(kind, int(hits.sum()), len(hits), severity))
    return pd.concat(parts, ignore_index=True) if parts else None


def _tell_kind(kind: str, count: int, total: int, severity: str) -> Table:
    """One finding about all pictures of a kind."""
    text = f"{count:,} of {total:,} images ({count / total:.0%}) have {kind}: {_MEANS[kind]}"
    return pd.DataFrame(
        {"subject": [kind], "value": [round(count / total, 4)], "severity": [severity], "message": [text]}
    )
