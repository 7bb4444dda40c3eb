"""What image headers say: unreadable files, wrong sizes, wrong extensions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dsq.geometry import group_extents
from dsq.model import text_or_none
from dsq.rule import Severity, rule
from dsq.scan import Scan, Table, rows_of

Array = NDArray[Any]

#: suffix -> formats that may bear it, as Pillow names them
_SUFFIXES = {
    **dict.fromkeys(("jpg", "jpeg", "jpe", "jfif", "mpo"), ("JPEG", "MPO")),
    **dict.fromkeys(("tif", "tiff", "dng"), ("TIFF",)),
    **dict.fromkeys(("bmp", "dib"), ("BMP", "DIB")),
    **dict.fromkeys(("heic", "heif"), ("HEIF",)),
    "png": ("PNG",),
    "webp": ("WEBP",),
    "gif": ("GIF",),
    "avif": ("AVIF",),
    "jp2": ("JPEG2000",),
}
_SPOKEN = {"WEBP": "WebP", "JPEG2000": "JPEG 2000", "HEIF": "HEIC"}
#: kinds that the trainer may read although Pillow alone does not
_FOREIGN = ("heic", "heif", "avif", "dng", "pfm")


def _suffix(files: Array) -> Array:
    """Lower-case suffixes of file names, without the dot."""
    return np.array([name.rpartition(".")[2].lower() for name in files], object)


def readable_headers(scan: Scan) -> tuple[Table, Array]:
    """Headers that could be read, and the position in `images` of each."""
    headers = scan.headers
    headers = headers[(headers["error"] == "").to_numpy() & (headers["width"] > 0).to_numpy()]
    return headers, rows_of(scan.images["image_id"].to_numpy(), headers["image_id"].to_numpy())


@rule(Severity.ERROR, message="{error}", needs=("headers",))
def unreadable_image(scan: Scan) -> Table | None:
    """An image file whose header cannot be read.

    Empty, cut off while copying, a web page saved as `.jpg`, or no image at all. A trainer drops the image
    with its boxes, or stops in the middle of an epoch. Only the header is read here: the pixels behind it
    may still be damaged. HEIC, AVIF, DNG and PFM files that the installed Pillow cannot read are warnings,
    as a trainer may have a decoder for them.

    **Do:** copy the file again from where it came, otherwise delete it together with its record.

    >>> import dsq
    >>> data = dsq.build_dataset(images=["a.jpg"], headers={"a.jpg": {"error": "empty file"}})
    >>> dsq.audit(data, select=["unreadable-image"]).messages()
    ['empty file']
    """
    bad = scan.headers[(scan.headers["error"] != "").to_numpy()]
    if bad.empty:
        return None
    rows = rows_of(scan.images["image_id"].to_numpy(), bad["image_id"].to_numpy())
    foreign = np.isin(_suffix(text_or_none(scan.images["file"])[rows]).astype(str), _FOREIGN)
    foreign |= bad["format"].isin(("HEIF", "AVIF")).to_numpy()
    return pd.DataFrame(
        {
            "image_id": bad["image_id"].to_numpy(),
            "error": bad["error"].to_numpy(),
            "severity": np.where(foreign, "warning", "error").astype(object),
        }
    )


@rule(Severity.WARNING, message="{kind} file named .{suffix}", needs=("headers",))
def wrong_extension(scan: Scan) -> Table | None:
    """An image file whose name states another format than its bytes.

    Most often a WebP saved as `.jpg` by a browser. Many loaders go by the content and do not mind; tools
    that go by the name (a JPEG decoder on a GPU, TensorFlow's `decode_jpeg`, an upload form) fail on it or
    refuse it. Upper and lower case, `.jpg` and `.jpeg`, `.tif` and `.tiff` are all fine.

    **Do:** rename the file and its record, or convert the file to what its name says.

    >>> import dsq
    >>> header = {"format": "WEBP", "width": 640, "height": 480}
    >>> data = dsq.build_dataset(images=["a.jpg"], headers={"a.jpg": header})
    >>> dsq.audit(data, select=["wrong-extension"]).messages()
    ['WebP file named .jpg']
    """
    headers, rows = readable_headers(scan)
    if headers.empty:
        return None
    suffixes = _suffix(text_or_none(scan.images["member"])[rows])
    formats = headers["format"].to_numpy(object)
    pairs = pd.DataFrame({"suffix": suffixes, "format": formats})
    wrong = {
        (suffix, found)
        for suffix, found in pairs.drop_duplicates().itertuples(index=False)
        if suffix in _SUFFIXES and found and found not in _SUFFIXES[suffix]
    }
    if not wrong:
        return None
    hit = np.array([pair in wrong for pair in zip(suffixes, formats, strict=True)])
    kinds = [_SPOKEN.get(name, name) for name in formats[hit]]
    return pd.DataFrame({"image_id": headers["image_id"].to_numpy()[hit], "kind": kinds, "suffix": suffixes[hit]})


@rule(
    Severity.WARNING,
    message="declared {declared_width}×{declared_height}, file is {real_width}×{real_height}{fit}",
    needs=("headers",),
)
def size_mismatch(scan: Scan, *, tolerance: float = 1.0) -> Table | None:
    """A declared image size that is not the size of the file.

    The image was resized after it was annotated, or the record is wrong. What matters is which size the
    boxes were drawn on, so it is judged which of the two they stay inside of, give or take `tolerance`
    pixels (1: VOC's last pixel counts as inside, and tools round). If they fit the declared size only, or
    neither, every box sits in the wrong place on the file: an error. If they fit the file only, the
    declared size alone is wrong: a warning, though a converter to YOLO would divide by it. Small boxes may
    fit both and then say nothing. A width and height that are swapped on a picture with an EXIF turn are
    told by `exif-rotated`.

    **Do:** if the boxes fit the file, correct the declared size; otherwise scale the boxes, or bring back
    the original image.

    >>> import dsq
    >>> data = dsq.build_dataset(
    ...     [("a.jpg", "cat", 800, 600, 100, 100)], headers={"a.jpg": {"width": 1280, "height": 960}}
    ... )
    >>> dsq.audit(data, select=["size-mismatch"]).messages()
    ['declared 640×480, file is 1280×960; the boxes fit the file']
    """
    headers, rows = readable_headers(scan)
    declared = scan.image_sizes[rows]
    real = headers[["width", "height"]].to_numpy(float)
    differ = np.isfinite(declared).all(1) & (declared > 0).all(1) & (declared != real).any(1)
    differ &= ~((headers["orientation"] >= 5).to_numpy() & (declared == real[:, ::-1]).all(1))
    if not differ.any():
        return None
    declared, real, rows = declared[differ], real[differ], rows[differ]
    extents = box_extents(scan, rows)
    fits = np.stack([lie_inside(extents, real, tolerance), lie_inside(extents, declared, tolerance)], 1)
    case = np.where(np.isnan(extents[:, 0]), 4, fits @ (1, 2))
    words = np.array(["neither", "the file", "the declared size", "both", ""], object)
    evidence = np.array(
        [
            "boxes fit neither",
            "boxes fit the real size",
            "boxes fit the declared size",
            "boxes fit both",
            "no boxes",
        ],
        object,
    )
    fit = np.array([f"; the boxes fit {word}" if word else "" for word in words], object)
    return pd.DataFrame(
        {
            "image_id": scan.images["image_id"].to_numpy()[rows],
            "declared_width": declared[:, 0].astype(int),
            "declared_height": declared[:, 1].astype(int),
            "real_width": real[:, 0].astype(int),
            "real_height": real[:, 1].astype(int),
            "fit": fit[case],
            "evidence": evidence[case],
            "severity": np.where((case == 0) | (case == 2), "error", "warning").astype(object),
        }
    )


def box_extents(scan: Scan, rows: Array) -> Array:
    """(n, 4) corners of what the boxes of the images at `rows` cover together, NaN where one has none."""
    return group_extents(scan.geometry.corners, scan.image_row, len(scan.images))[rows]


def lie_inside(extents: Array, sizes: Array, tolerance: float) -> Array:
    """(n,) whether extents stay inside of frames (n, 2) width, height."""
    low, high = extents[:, :2] >= -tolerance, extents[:, 2:] <= sizes + tolerance
    return np.asarray(low.all(1) & high.all(1))
