"""Faults of single boxes and of pairs of boxes, planted into the tables."""

from __future__ import annotations

import numpy as np

from benchmarks.planters.base import Array, Fault, Field, Planted, Planter, add_boxes, add_classes, change
from dsq.geometry import box_iou


def corners(xywh: Array) -> Array:
    """(n, 4) x0 y0 x1 y1."""
    return np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], 1)


def place_inside(field: Field, rows: Array, sides: Array, margin: float = 3) -> Array:
    """(n, 4) boxes of `sides` (n, 2) around the middle of the boxes at `rows`, `margin` px off the image's edges."""
    middle = field.xywh[rows, :2] + field.xywh[rows, 2:] / 2
    highest = np.maximum(field.sizes[rows] - margin - sides, margin)
    return np.concatenate([np.clip(middle - sides / 2, margin, highest), sides], 1)


def degenerate(field: Field) -> Planted:
    rng, boxes = field.rng, field.xywh.copy()
    faults, decoys = field.take(field.plain)
    for row in faults:
        axis = rng.integers(2)
        kind = rng.integers(3)
        if kind == 2:
            boxes[row, axis] += boxes[row, 2 + axis]
            boxes[row, 2 + axis] *= -1
        else:
            boxes[row, [2 + axis] if kind else [2, 3]] = 0
    boxes[decoys, 2] = rng.uniform(0.3, 1.5, len(decoys))
    rows = np.r_[faults, decoys]
    return Planted(field.set_boxes(rows, boxes[rows]), field.box_faults(faults), field.dataset, len(decoys))


def _outside(field: Field, slip: bool) -> Planted:
    rng, boxes = field.rng, field.xywh.copy()
    faults, decoys = field.take(field.plain)
    rows = np.r_[faults, decoys]
    side = boxes[rows, 2:]
    axis = rng.integers(2, size=len(rows))
    each = np.arange(len(rows))
    length, frame = side[each, axis], field.sizes[rows][each, axis]
    if slip:
        over = rng.uniform(0.02, 1, len(rows))
    else:
        over = rng.uniform(2, np.maximum(0.6 * length, 4))
        over = np.where(rng.random(len(rows)) < 0.15, length + rng.uniform(0, 40, len(rows)), over)
    over[len(faults) :] = 0
    low = rng.random(len(rows)) < 0.5
    boxes[rows, axis] = np.where(low, -over, frame - length + over)
    return Planted(field.set_boxes(rows, boxes[rows]), field.box_faults(faults), field.dataset, len(decoys))


def outside_by_a_slip(field: Field) -> Planted:
    return _outside(field, slip=True)


def outside_by_far(field: Field) -> Planted:
    return _outside(field, slip=False)


def jitter(field: Field, rows: Array, least: float) -> Array:
    """(n, 4) boxes at `rows` with every edge moved by 1 to 2 pixels, by less where the IoU would be under `least`."""
    old = corners(field.xywh[rows])
    move = field.rng.uniform(1, 2, old.shape) * field.rng.choice([-1, 1], old.shape)
    new = old + move
    for _ in range(6):
        wide = box_iou(old, new) < least
        move[wide] *= 0.7
        new = old + move
    return np.concatenate([new[:, :2], new[:, 2:] - new[:, :2]], 1)


def neighbours(field: Field, rows: Array) -> Array:
    """(n, 4) boxes of the same size that overlap those at `rows` by an IoU of 0.35 to 0.7."""
    iou = field.rng.uniform(0.35, 0.7, len(rows))
    shift = (1 - iou) / (1 + iou)
    boxes = field.xywh[rows].copy()
    axis = field.rng.integers(2, size=len(rows))
    each = np.arange(len(rows))
    boxes[each, axis] += shift * boxes[each, 2 + axis] * field.rng.choice([-1, 1], len(rows))
    return boxes


def _pairs(field: Field, faults: Array, drawn: Array, decoys: Array, **columns: Array) -> Planted:
    """Copies of the boxes at `faults`, drawn as `drawn`, and neighbours of those at `decoys`."""
    rows = np.r_[faults, decoys]
    boxes = np.concatenate([drawn, neighbours(field, decoys)])
    values = dict(zip(("x", "y", "width", "height"), boxes.T, strict=True))
    faulty, ids = add_boxes(field.dataset, rows, **values, **columns)
    found: list[Fault] = [frozenset([("box", box)]) for box in ids[: len(faults)]]
    return Planted(faulty, found, field.dataset, len(decoys))


def drawn_twice(field: Field) -> Planted:
    faults, decoys = field.take(field.plain)
    return _pairs(field, faults, field.xywh[faults], decoys)


def drawn_again(field: Field) -> Planted:
    faults, decoys = field.take(field.plain & (field.xywh[:, 2:].min(1) >= 12))
    return _pairs(field, faults, jitter(field, faults, 0.81), decoys)


def _two_classes(field: Field, exact: bool) -> Planted | None:
    """Boxes copied under another class; of every pair of classes too few to look like a habit of the set."""
    category = field.dataset.boxes["category_id"].to_numpy()
    ids, counts = np.unique(category[field.plain], return_counts=True)
    if len(ids) < 2:
        return None
    number = dict(zip(ids.tolist(), counts.tolist(), strict=True))
    faults, decoys = field.take(field.plain & (field.xywh[:, 2:].min(1) >= 12))
    used: dict[tuple[int, int], int] = {}
    kept, others = [], []
    for row in faults.tolist():
        share = np.where(ids == category[row], 0, counts) / counts[ids != category[row]].sum()
        other = int(field.rng.choice(ids, p=share))
        pair = (min(other, int(category[row])), max(other, int(category[row])))
        used[pair] = used.get(pair, 0) + 1
        if used[pair] <= max(4, 0.2 * min(number[pair[0]], number[pair[1]])):
            kept.append(row)
            others.append(other)
    faults, decoys = np.array(kept, np.int64), decoys[: len(kept)]
    drawn = field.xywh[faults] if exact else jitter(field, faults, 0.905)
    turned = [int(field.rng.choice(ids[ids != category[row]])) for row in decoys]
    return _pairs(field, faults, drawn, decoys, category_id=np.array(others + turned, np.int64))


def two_classes_exactly(field: Field) -> Planted | None:
    return _two_classes(field, exact=True)


def two_classes_nearly(field: Field) -> Planted | None:
    return _two_classes(field, exact=False)


def tiny(field: Field) -> Planted:
    rng = field.rng
    able = field.plain & (field.sizes.min(1) >= 60) & (field.xywh[:, 2:].min(1) >= 9)
    faults, decoys = field.take(able)
    rows = np.r_[faults, decoys]
    short = np.r_[rng.uniform(0.5, 3.9, len(faults)), rng.uniform(4.2, 8, len(decoys))]
    sides = field.xywh[rows, 2:].copy()
    both, axis = rng.random(len(rows)) < 0.5, rng.integers(2, size=len(rows))
    for side in (0, 1):
        hit = both | (axis == side)
        sides[hit, side] = (short * np.where(both, rng.uniform(1, 1.5, len(rows)), 1))[hit]
    sides[both, 0] = short[both]
    drawn = place_inside(field, rows, sides)
    return Planted(field.set_boxes(rows, drawn), field.box_faults(faults), field.dataset, len(decoys))


def whole_image(field: Field) -> Planted:
    rng = field.rng
    faults, decoys = field.take(field.plain, of_images=0.08, one=True)
    rows = np.r_[faults, decoys]
    left = rng.uniform(0, 0.004, (len(rows), 4))
    left[len(faults) :] = rng.uniform(0.006, 0.1, (len(decoys), 4))
    start = left[:, :2] * field.sizes[rows]
    drawn = np.concatenate([start, (1 - left[:, 2:]) * field.sizes[rows] - start], 1)
    return Planted(field.set_boxes(rows, drawn), field.box_faults(faults), field.dataset, len(decoys))


def _shapes(field: Field) -> tuple[Array, Array, Array, Array]:
    """Aspect (log) of each box, and of its class the 10th and 90th percentile and the number of boxes."""
    category = field.dataset.boxes["category_id"].to_numpy()
    usable = (field.xywh[:, 2:] >= 4).all(1) & ~field.dataset.boxes["crowd"].to_numpy()
    aspect = np.log(np.maximum(field.xywh[:, 2], 1e-9) / np.maximum(field.xywh[:, 3], 1e-9))
    low, high, many = (np.full(len(aspect), np.nan) for _ in range(3))
    for number in np.unique(category):
        chosen = category == number
        values = np.sort(aspect[chosen & usable])
        if len(values):
            low[chosen], high[chosen] = np.quantile(values, [0.1, 0.9])
            many[chosen] = len(values)
    return aspect, low, high, many


def _stretch(field: Field, faults: Array, wanted: Array, decoys: Array, usual: Array) -> Planted:
    """Boxes at `faults` with the aspects `wanted` (log) and at `decoys` with `usual` ones, where they have room."""
    rows = np.r_[faults, decoys]
    ratio = np.exp(np.r_[wanted, usual])
    area = field.xywh[rows, 2] * field.xywh[rows, 3]
    sides = np.stack([np.sqrt(area * ratio), np.sqrt(area / ratio)], 1)
    room = (sides.min(1) >= 4.5) & (sides <= field.sizes[rows] - 6).all(1)
    drawn = place_inside(field, rows, sides)[room]
    planted = faults[room[: len(faults)]]
    faulty = field.set_boxes(rows[room], drawn)
    return Planted(faulty, field.box_faults(planted), field.dataset, int(room[len(faults) :].sum()))


def odd_for_its_class(field: Field) -> Planted | None:
    _, low, high, many = _shapes(field)
    faults, decoys = field.take(field.plain & (many >= 25), share=0.05)
    if len(faults) == 0:
        return None
    gap = np.maximum(np.log(2), (high - low)[faults])
    beyond = gap * field.rng.uniform(1.15, 1.8, len(faults))
    up = field.rng.random(len(faults)) < 0.5
    wanted = np.where(up, high[faults] + beyond, low[faults] - beyond)
    usual = field.rng.uniform(low[decoys], high[decoys])
    return _stretch(field, faults, wanted, decoys, usual)


def stretched(field: Field) -> Planted | None:
    aspect, _, _, many = _shapes(field)
    faults, decoys = field.take(field.plain & (many >= 25), share=0.05)
    if len(faults) == 0:
        return None
    factor = np.log(field.rng.uniform(2, 5, len(faults))) * field.rng.choice([-1, 1], len(faults))
    return _stretch(field, faults, aspect[faults] + factor, decoys, aspect[decoys])


def slivers(field: Field) -> Planted | None:
    rng, boxes = field.rng, field.xywh.copy()
    category = field.dataset.boxes["category_id"].to_numpy()
    faults, decoys = field.take(field.plain)
    usual = np.full((len(boxes), 2), np.nan)
    for number in np.unique(category):
        chosen = category == number
        usual[chosen] = np.median(boxes[chosen if chosen.sum() >= 5 else slice(None), 2:], axis=0)
    kept = []
    for row in np.r_[faults, decoys]:
        axis = rng.integers(2)
        frame, across = field.sizes[row], 1 - axis
        most = min(0.15 * usual[row, axis], 0.03 * frame[axis])
        thick = rng.uniform(0.1, 0.9) * most if row in faults else rng.uniform(0.35, 0.7) * usual[row, axis]
        long = min(max(boxes[row, 2 + across], 4.5 * thick if row in faults else 0), frame[across] - 8)
        if row in faults and (thick < 0.2 or long < 4.2 * thick):
            continue
        kept.append(row)
        off = rng.uniform(0, 0.5)
        boxes[row, axis] = off if rng.random() < 0.5 else frame[axis] - thick - off
        boxes[row, across] = np.clip(boxes[row, across], 4, max(frame[across] - long - 4, 4))
        boxes[row, 2 + axis], boxes[row, 2 + across] = thick, long
    rows = np.array(kept, np.int64)
    faults = faults[np.isin(faults, rows)]
    return Planted(field.set_boxes(rows, boxes[rows]), field.box_faults(faults), field.dataset, len(decoys))


def moved_off_mask(field: Field) -> Planted | None:
    rng = field.rng
    masked = np.array([blob is not None and len(blob) > 4 for blob in field.dataset.boxes["segmentation"]])
    if not (masked & field.plain).any():
        return None
    faults, decoys = field.take(field.plain & masked, share=0.1 * float(masked.mean()))
    rows = np.r_[faults, decoys]
    boxes = field.xywh[rows].copy()
    longer = boxes[:, 2:].max(1)
    axis, each = rng.integers(2, size=len(rows)), np.arange(len(rows))
    far = np.maximum(3.2, longer * rng.uniform(0.07, 0.4, len(rows)))
    near = np.minimum(0.8, 0.01 * longer)
    move = np.where(each < len(faults), far, near) * rng.choice([-1, 1], len(rows))
    grown = rng.random(len(rows)) < 0.5
    boxes[each, axis] += np.where(grown, np.minimum(move, 0), move)
    boxes[each, 2 + axis] += np.where(grown, np.abs(move), 0)
    return Planted(field.set_boxes(rows, boxes), field.box_faults(faults), field.dataset, len(decoys))


def wrong_areas(field: Field) -> Planted | None:
    rng, table = field.rng, field.dataset.boxes
    declared = table["area"].to_numpy()
    if field.format != "coco" or np.isnan(declared).all():
        return None
    boxed, slack = field.xywh[:, 2] * field.xywh[:, 3], field.xywh[:, 2:].sum(1)
    faults, decoys = field.take(field.plain & (declared > 0) & (boxed > 300))
    new = declared.copy()
    for row in faults:
        for _ in range(50):
            kind = rng.random()
            whole = field.sizes[row].prod()
            factor = rng.uniform(0.1, 0.6) if kind < 0.4 else rng.uniform(1.7, 4)
            value = whole if kind > 0.85 else declared[row] * factor
            clear = [abs(value - area) > 0.15 * area + 1.2 * slack[row] for area in (declared[row], boxed[row])]
            if all(clear):
                new[row] = value
                break
    new[decoys] *= rng.uniform(0.97, 1.03, len(decoys))
    faults = faults[new[faults] != declared[faults]]
    rows = np.r_[faults, decoys]
    return Planted(change(field.dataset, rows, area=new[rows]), field.box_faults(faults), field.dataset, len(decoys))


def id_zero(field: Field) -> Planted | None:
    """One annotation with the id 0; in a training split it is told once, for the set."""
    if field.format != "coco":
        return None
    dataset = change(field.dataset, np.flatnonzero((field.dataset.boxes["source_id"] == 0).to_numpy()), source_id=1)
    row = field.rng.integers(len(dataset.boxes), size=1)
    training = dataset.images["split"].to_numpy()[field.image_row[row[0]]] == "train"
    faults: list[Fault] = [frozenset([("subject", "train")])] if training else field.box_faults(row)
    return Planted(change(dataset, row, source_id=0), faults, dataset, 1)


def undeclared(field: Field) -> Planted | None:
    if field.format == "voc":
        return None
    listed = field.dataset.categories.loc[field.dataset.categories["declared"], "category_id"]
    able = field.plain & field.dataset.boxes["category_id"].isin(listed).to_numpy()
    faults, decoys = field.take(able, share=0.05)
    number = int(field.dataset.categories["category_id"].max()) + field.rng.integers(1, 50)
    dataset, (made, extra) = add_classes(field.dataset, [str(number), "extra"], declared=False)
    table = dataset.categories.copy()
    table.loc[table["name"] == "extra", "declared"] = True
    dataset = change(dataset.replace(categories=table), faults, category_id=made)
    dataset = change(dataset, decoys, category_id=extra)
    files = field.dataset.images["file"].to_numpy()[field.image_row[faults]]
    found: list[Fault] = [frozenset([("image", file), ("class", str(number))]) for file in sorted(set(files))]
    return Planted(dataset, found, field.dataset, len(decoys))


PLANTERS = [
    Planter("degenerate-box", "a side zero or negative", degenerate),
    Planter("box-outside-image", "0.02–1 px over an edge", outside_by_a_slip),
    Planter("box-outside-image", "2 px over an edge to wholly outside", outside_by_far),
    Planter("duplicate-box", "exact copies", drawn_twice),
    Planter("duplicate-box", "copies with edges off by 1–2 px, IoU ≥ 0.81", drawn_again),
    Planter("two-classes-one-object", "exact copies under another class", two_classes_exactly),
    Planter("two-classes-one-object", "copies off by 1–2 px, IoU ≥ 0.9, under another class", two_classes_nearly),
    Planter("tiny-box", "a side of 0.5–3.9 px", tiny, beside=True),
    Planter("whole-image-box", "margins of 0–0.4 %", whole_image),
    Planter("odd-aspect-box", "1.15–1.8 × the documented distance from the class", odd_for_its_class),
    Planter("odd-aspect-box", "any box stretched 2–5 times", stretched),
    Planter("border-sliver", "strips of 10–90 % of the documented thickness", slivers),
    Planter("box-polygon-mismatch", "an edge moved by 7–40 %, 3.2 px at least", moved_off_mask),
    Planter("area-mismatch", "× 0.1–0.6, × 1.7–4, or the whole image", wrong_areas),
    Planter("annotation-id-zero", "one annotation renumbered", id_zero, trials=6),
    Planter("undeclared-class", "boxes of an id beyond the list", undeclared),
]
