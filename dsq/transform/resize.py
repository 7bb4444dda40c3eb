"""Images of another size, turned upright; boxes, polygons and keypoints follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dsq.errors import ConfigError
from dsq.geometry import group_extents
from dsq.model import Dataset, Table
from dsq.pixels import decode_ops, encode_ops
from dsq.transform.affine import Moves, move_boxes
from dsq.transform.extras import without_elements, without_keys
from dsq.transform.outlines import move_keypoints, move_masks
from dsq.transform.parts import keep_images

Array = NDArray[Any]

MODES = ("stretch", "fit", "letterbox")
FRAMES = ("auto", "stored", "upright")
MOST_SIDE = 65_000  # pixels; JPEG holds no longer side
_SIZE_KEYS = ("width", "height")
_BOX_KEYS = ("bbox", "area", "segmentation", "keypoints")
_BOX_ELEMENTS = ("part", "bndbox", "polygon", "robndbox")


class Resized(NamedTuple):
    """`dataset` resized; `images` whose size or orientation changed; `turned` upright; `tagged`: images that still have
    an EXIF orientation; `skipped`: files of unknown size, left as they are; `lost`: what could not follow, by name;
    `unproven`: images whose boxes were taken as drawn on the stored pixels though nothing told it.
    """

    dataset: Dataset
    images: int
    turned: int
    tagged: int
    skipped: list[str]
    lost: dict[str, int]
    unproven: int = 0


def resize(
    dataset: Dataset,
    size: int | tuple[int, int] | None = None,
    *,
    mode: str = "stretch",
    enlarge: bool = True,
    auto_orient: bool = False,
    box_frame: str = "auto",
    headers: Table | None = None,
    fill: Sequence[int] = (114, 114, 114),
) -> Resized:
    """Set the size of every image; the pixels are changed when the dataset is written.

    size: (width, height) in pixels, or one number for both. mode: "stretch" to exactly that, "fit" inside it with
    the shape kept, "letterbox" fit and padded with `fill` to exactly that, centred. enlarge: False leaves images
    that are smaller at their size ("stretch": each side on its own).
    auto_orient: bake the EXIF orientation that `headers` (or dataset.headers) state. box_frame: the frame that
    the boxes of such images are in: "stored" pixels, "upright" as shown, or "auto": by the declared size and by
    which frame the boxes fit, stored where nothing tells.
    Without auto_orient an image keeps its EXIF orientation, and boxes hold for the stored pixels as before: "stretch"
    and "fit" leave boxes where they are in fractions of the image, whichever frame they were drawn in; "letterbox" pads
    the stored frame. ConfigError for an option that does not fit.
    """
    table = headers if headers is not None else dataset.headers
    target = _checked(size, mode, box_frame, auto_orient, table)
    images, boxes = dataset.images, dataset.boxes
    known = _known(dataset)
    width, height = (images[name].to_numpy(np.int64, na_value=1) for name in ("width", "height"))
    image_row = pd.Index(images["image_id"]).get_indexer(pd.Index(boxes["image_id"]))
    frames = _frames(dataset, known, width, height, box_frame, auto_orient, image_row, table)
    orient, box_orient, width, height, scale, unproven = frames
    shown_width = np.where(orient >= 5, height, width)
    shown_height = np.where(orient >= 5, width, height)
    new_width, new_height = _new_sizes(shown_width, shown_height, target, mode, enlarge)
    full_width, full_height = new_width, new_height
    if target is not None and mode == "letterbox":
        full_width, full_height = np.full_like(new_width, target[0]), np.full_like(new_height, target[1])
    left, top = (full_width - new_width) // 2, (full_height - new_height) // 2
    upright = (box_orient == 1) & (orient > 1)
    moves = Moves(
        box_orient,
        np.where(upright, shown_width, width),
        np.where(upright, shown_height, height),
        new_width, new_height, left, top, full_width, full_height,
    )  # fmt: skip
    resized = (new_width != shown_width) | (new_height != shown_height)
    padded = (full_width != new_width) | (full_height != new_height)
    changed = known & (resized | padded | (orient > 1))
    moved, lost = _move(boxes, image_row, changed, moves, scale)
    steps = _steps(moves, changed, orient, resized, padded, {"mode": mode}, list(fill))
    resized_images = images.assign(
        width=_where(changed, full_width, images["width"]),
        height=_where(changed, full_height, images["height"]),
        pixel_ops=_added(images["pixel_ops"].to_numpy(object), steps),
        extras=without_keys(images["extras"].to_numpy(object), _SIZE_KEYS, np.flatnonzero(changed)),
    )
    heads = _headers(table, resized_images, changed, orient)
    tagged = 0 if heads is None else int(((heads["orientation"] >= 2) & (heads["orientation"] <= 8)).sum())
    return Resized(
        dataset.replace(images=resized_images, boxes=moved, headers=heads),
        int(changed.sum()),
        int((orient > 1).sum()),
        tagged,
        images.loc[~known, "file"].tolist(),
        {kind: count for kind, count in lost.items() if count},
        unproven,
    )


def count_unproven(dataset: Dataset, headers: Table) -> int:
    """Images with an EXIF orientation and boxes of which nothing but the pixels can tell whether they were drawn on
    the picture as it is stored or as it is shown. They are taken as drawn on the stored one.
    """
    turned = headers.loc[headers["orientation"].between(2, 8), "image_id"]
    if not len(turned):
        return 0
    dataset = keep_images(dataset, dataset.images["image_id"].isin(turned).to_numpy())
    return resize(dataset, auto_orient=True, headers=headers).unproven


def _steps(
    moves: Moves, changed: Array, orient: Array, resized: Array, padded: Array, mode: dict[str, Any], fill: list[int]
) -> dict[int, dict[str, Any]]:
    """What is done to the pixels of each changed image, by row; see `dsq.pixels`."""
    right = moves.full_width - moves.new_width - moves.left
    bottom = moves.full_height - moves.new_height - moves.top
    pads = np.stack([moves.left, moves.top, right, bottom], 1).tolist()
    sizes = np.stack([moves.new_width, moves.new_height], 1).tolist()
    steps = {}
    for row in np.flatnonzero(changed).tolist():
        step = dict(mode) if resized[row] or padded[row] else {}
        if orient[row] > 1:
            step["orient"] = int(orient[row])
        if resized[row]:
            step["resize"] = sizes[row]
        if padded[row]:
            step |= {"pad": pads[row], "fill": fill}
        steps[row] = step
    return steps


def _added(ops: Array, steps: Mapping[int, Mapping[str, Any]]) -> Array:
    """The column `pixel_ops` with one more step for some images."""
    found = ops.copy()
    for row, step in steps.items():
        found[row] = encode_ops([*decode_ops(ops[row]), step])
    return found


def _checked(size: Any, mode: str, box_frame: str, auto_orient: bool, headers: Table | None) -> tuple[int, int] | None:
    for name, value, choices in (("mode", mode, MODES), ("box_frame", box_frame, FRAMES)):
        if value not in choices:
            raise ConfigError(f"{name} is {value!r};", hint=f"it takes {', '.join(choices)}.")
    if auto_orient and headers is None:
        raise ConfigError(
            "auto_orient needs to know the EXIF orientations.", hint="Give headers=dsq.scan.Scan(dataset).headers."
        )
    if size is None:
        if not auto_orient:
            raise ConfigError("no size was given.", hint="Give a width and height in pixels, or auto_orient.")
        return None
    sides = (size, size) if isinstance(size, int) else tuple(size)
    if len(sides) != 2 or not all(isinstance(side, int) and 1 <= side <= MOST_SIDE for side in sides):
        raise ConfigError(f"size is {size!r};", hint=f"it takes a width and a height of 1 to {MOST_SIDE:,} pixels.")
    return int(sides[0]), int(sides[1])


def _known(dataset: Dataset) -> Array:
    """(images,) bool: the size is known, and the boxes are in pixels."""
    images = dataset.images
    found: Array = (images["unit"] == "px").to_numpy(bool)
    for name in ("width", "height"):
        found = found & (images[name].to_numpy(np.int64, na_value=0) > 0)
    return found


def _frames(
    dataset: Dataset,
    known: Array,
    width: Array,
    height: Array,
    box_frame: str,
    auto_orient: bool,
    image_row: Array,
    headers: Table | None,
) -> tuple[Array, Array, Array, Array, Array, int]:
    """The turn of each image and of its boxes (1: none), the stored width and height, the scale (n, 2) that brings
    boxes into their frame, and how many images were taken to have theirs on the stored pixels without a proof.

    Without auto_orient only images are turned whose declared size says that their boxes were drawn upright.
    """
    count = len(width)
    none = np.ones(count, np.int64)
    if headers is None or not len(headers) or not count:
        return none, none, width, height, np.ones((count, 2)), 0
    rows = pd.Index(headers["image_id"]).get_indexer(pd.Index(dataset.images["image_id"]))
    facts = {name: headers[name].to_numpy()[rows] for name in ("width", "height", "orientation")}
    usable = known & (rows >= 0) & (facts["width"] > 0) & (facts["height"] > 0)
    orient = np.where(usable & (facts["orientation"] >= 2) & (facts["orientation"] <= 8), facts["orientation"], 1)
    stored_width = np.where(orient > 1, facts["width"], width)
    stored_height = np.where(orient > 1, facts["height"], height)
    swaps = (orient >= 5) & (stored_width != stored_height)
    declared_upright = swaps & (width == stored_height) & (height == stored_width)
    if not auto_orient:
        orient = np.where(declared_upright, orient, 1)
        return (
            orient,
            none,
            np.where(orient > 1, stored_width, width),
            np.where(orient > 1, stored_height, height),
            np.ones((count, 2)),
            0,
        )
    yolo = dataset.about.format == "yolo"  # its sizes come from the file itself, and fractions fit any frame
    tells_upright = declared_upright | (swaps & _leaves(dataset.boxes, image_row, stored_width, stored_height))
    tells_stored = swaps & ~tells_upright & (width == stored_width) & (height == stored_height) & (not yolo)
    unproven = 0
    if box_frame == "auto":
        upright = np.where(tells_upright | tells_stored, tells_upright, tells_upright.sum() > tells_stored.sum())
        boxed = np.bincount(image_row, minlength=count) > 0
        unproven = int(((orient > 1) & boxed & ~(upright | tells_stored)).sum())
    else:
        upright = np.full(count, box_frame == "upright")
    upright = upright & (orient > 1)
    scale = np.ones((count, 2))
    if yolo:  # fractions of the upright frame were taken for fractions of the stored one
        turned = upright & (orient >= 5) & ~tells_upright
        scale[turned, 0] = stored_height[turned] / stored_width[turned]
        scale[turned, 1] = stored_width[turned] / stored_height[turned]
    return orient, np.where(upright, 1, orient), stored_width, stored_height, scale, unproven


def _leaves(boxes: Table, image_row: Array, width: Array, height: Array) -> Array:
    """(images,) bool: its boxes leave a frame of width × height, but fit one of height × width."""
    x, y = boxes["x"].to_numpy(), boxes["y"].to_numpy()
    corners = np.stack([x, y, x + boxes["width"].to_numpy(), y + boxes["height"].to_numpy()], 1)
    extents = group_extents(corners, image_row, len(width))
    right, bottom = extents[:, 2], extents[:, 3]
    with np.errstate(invalid="ignore"):
        beyond = (right > width + 1) | (bottom > height + 1)
        leaves: Array = beyond & (right <= height + 1) & (bottom <= width + 1)
    return leaves


def _new_sizes(
    width: Array, height: Array, target: tuple[int, int] | None, mode: str, enlarge: bool
) -> tuple[Array, Array]:
    """What the picture itself becomes, in pixels."""
    if target is None:
        return width, height
    if mode == "stretch":
        new_width, new_height = np.full_like(width, target[0]), np.full_like(height, target[1])
        if not enlarge:
            new_width, new_height = np.minimum(new_width, width), np.minimum(new_height, height)
        return new_width, new_height
    scale = np.minimum(target[0] / width, target[1] / height)
    if not enlarge:
        scale = np.minimum(scale, 1.0)
    sides = (np.clip(np.rint(side * scale), 1, most) for side, most in ((width, target[0]), (height, target[1])))
    new_width, new_height = (side.astype(np.int64) for side in sides)
    return new_width, new_height


def _move(
    boxes: Table, image_row: Array, changed: Array, moves: Moves, scale: Array
) -> tuple[Table, Mapping[str, int]]:
    """The boxes after the moves of their images, and what was lost."""
    rows = np.flatnonzero(changed[image_row])
    part = boxes.iloc[rows]
    image = image_row[rows]
    coefficients = moves.coefficients
    coefficients[:, [0, 3]] *= scale[:, :1]
    coefficients[:, [1, 4]] *= scale[:, 1:]
    columns = move_boxes(part, coefficients[image])
    table = boxes.copy()
    for name, values in columns.items():
        full = boxes[name].to_numpy().copy()
        full[rows] = values
        table[name] = full
    masks, no_mask = move_masks(part["segmentation"].to_numpy(object), image, moves, coefficients)
    points, no_points = move_keypoints(part["keypoints"].to_numpy(object), coefficients[image])
    extras, parts = without_elements(part["extras"].to_numpy(object), _BOX_ELEMENTS)
    for name, values in (
        ("segmentation", masks),
        ("keypoints", points),
        ("extras", without_keys(extras, _BOX_KEYS)),
    ):
        full = boxes[name].to_numpy(object).copy()
        full[rows] = values
        table[name] = full
    return table, {"masks": int(no_mask.sum()), "keypoints": int(no_points.sum()), "parts": parts}


def _where(changed: Array, values: Array, column: Any) -> Any:
    """An Int column with new values where `changed`."""
    old = column.array
    data = np.where(changed, values, old.to_numpy(np.int64, na_value=0))
    return pd.arrays.IntegerArray(data, np.asarray(old.isna()) & ~changed)


def _headers(headers: Table | None, images: Table, changed: Array, orient: Array) -> Table | None:
    """What the headers of the files will say once they are written."""
    if headers is None:
        return None
    rows = pd.Index(images["image_id"]).get_indexer(pd.Index(headers["image_id"]))
    hit = (rows >= 0) & changed[rows]
    columns = {}
    for name in ("width", "height"):
        columns[name] = np.where(hit, images[name].to_numpy(np.int64, na_value=0)[rows], headers[name].to_numpy())
    turned = hit & (orient[rows] > 1)
    columns["orientation"] = np.where(turned, 1, headers["orientation"].to_numpy())
    return headers.assign(**columns)
