"""Small sets whose flaw belongs to one format: box conventions, class lists, crowds, predictions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from layouts import Coco, Members, Picture, Voc, Yolo
from planting import Flaw, picture
from scenes import Point, Thing, seeded
from sets import FEW, FEW_TINY, QUALITY, SMALL, Album, Pictures, classes_of
from streets import REPERTOIRE, Spot, spotted

Made = dict[str, tuple[Members, list[Flaw]]]
OUT = f"box-outside-image {FEW_TINY}"


def quirks() -> Made:
    """Every small set of one format: name to members and rows."""
    return _conventions() | _coco_quirks() | _yolo_quirks() | _lists()


def _wide_open(width: int, height: int) -> Pictures:
    """Twelve pictures with two large things each, all over the frame, so that a wrong convention shows."""
    pictures = []
    for k in range(12):
        rng = seeded(f"convention/{width}/{k}")
        left, right = rng.uniform(0.2, 0.34), rng.uniform(0.68, 0.8)
        rows = rng.permutation([rng.uniform(0.28, 0.4), rng.uniform(0.62, 0.72)])
        half = 0.17 if width < 2 * height else 0.12
        spots: tuple[Spot, ...] = (
            ("pothole", left, rows[0], half * rng.uniform(0.8, 1.1)),
            ("manhole", right, rows[1], half * rng.uniform(0.8, 1.0)),
        )
        scene = spotted(f"small_wide_{width}_{k}", spots, width=width, height=height)
        pictures.append(picture(f"road_{k + 1:03d}", "val" if k > 8 else "train", scene, QUALITY))
    return pictures


def _conventions() -> Made:
    usual, broad = _wide_open(*SMALL), _wide_open(128, 48)
    classes = classes_of(usual)

    def coco(pictures: Pictures, numbers: Any) -> Members:
        def edit(record: dict[str, Any], thing: Thing, _: Picture) -> None:
            record["bbox"] = list(numbers(*thing.box))
            del record["area"]

        return Coco(pictures, classes=classes, outlines=False, edit=edit).members()

    def yolo(numbers: Any) -> Members:
        def row(number: int, thing: Thing, p: Picture) -> str:
            return " ".join([str(number), *(f"{v:.6g}" for v in numbers(*thing.box, p.width, p.height))])

        return Yolo(usual, classes=classes, row=row).members()

    def voc(pictures: Pictures, numbers: Any) -> Members:
        return Voc(pictures, corners=lambda thing: numbers(*thing.box)).members()

    sets = {
        "corners-as-size-coco": (
            coco(usual, lambda x0, y0, x1, y1: (x0, y0, x1, y1)),
            "bbox holds x0, y0, x1, y1 instead of x, y, width, height.",
            OUT,
        ),
        "swapped-axes-coco": (
            coco(broad, lambda x0, y0, x1, y1: (y0, x0, y1 - y0, x1 - x0)),
            "bbox holds y, x, height, width.",
            OUT,
        ),
        "other-resolution-coco": (
            coco(usual, lambda x0, y0, x1, y1: (x0 * 2, y0 * 2, (x1 - x0) * 2, (y1 - y0) * 2)),
            "The boxes were drawn on pictures twice as large.",
            OUT,
        ),
        "size-as-corners-voc": (
            voc(usual, lambda x0, y0, x1, y1: (x0 + 1, y0 + 1, x1 - x0, y1 - y0)),
            "xmax and ymax hold width and height.",
            f"degenerate-box {FEW_TINY}",
        ),
        "swapped-axes-voc": (
            voc(broad, lambda x0, y0, x1, y1: (y0 + 1, x0 + 1, y1, x1)),
            "xmin and xmax hold rows, ymin and ymax columns.",
            OUT,
        ),
        "other-resolution-voc": (
            voc(usual, lambda x0, y0, x1, y1: (x0 * 2 + 1, y0 * 2 + 1, x1 * 2, y1 * 2)),
            "The boxes were drawn on pictures twice as large.",
            OUT,
        ),
        "corner-as-centre-yolo": (
            yolo(lambda x0, y0, x1, y1, w, h: (x0 / w, y0 / h, (x1 - x0) / w, (y1 - y0) / h)),
            "The rows hold the top left corner where the centre belongs.",
            OUT,
        ),
        "corners-as-size-yolo": (
            yolo(lambda x0, y0, x1, y1, w, h: (x0 / w, y0 / h, x1 / w, y1 / h)),
            "The rows hold x0, y0, x1, y1 as fractions.",
            OUT,
        ),
        "pixels-yolo": (
            yolo(lambda x0, y0, x1, y1, w, h: ((x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0)),
            "The rows hold pixels where fractions belong.",
            f"malformed-record {OUT}",
        ),
    }
    made: Made = {}
    for name, (members, what, also) in sets.items():
        dataset = f"{name}.zip"
        made[dataset] = members, [Flaw(dataset, "box-convention", "", "", what, also)]
    return made


def _mixed() -> Pictures:
    album = Album()
    for k, kinds in enumerate(REPERTOIRE[:9] + REPERTOIRE[6:9]):
        album.add("val" if k > 8 else "train", *kinds)
    return album.pictures


def _valid(pictures: Pictures) -> Pictures:
    """The pictures with their splits named as Roboflow names them."""
    return [replace(p, split="valid" if p.split == "val" else "train") for p in pictures]


def _row(dataset: str, rule: str, what: str, also: str = FEW_TINY) -> tuple[str, Flaw]:
    return dataset, Flaw(dataset, rule, "", "", what, also)


def _rle(outline: tuple[Point, ...], width: int, height: int) -> tuple[dict[str, Any], list[int], float]:
    """Run lengths of an outline's pixels (column by column), their tight box and their number."""
    y, x = np.mgrid[0:height, 0:width] + 0.5
    mask = np.zeros((height, width), bool)
    for (ax, ay), (bx, by) in zip(outline, (*outline[1:], outline[0]), strict=True):
        if ay != by:
            mask ^= ((ay <= y) != (by <= y)) & (x < ax + (y - ay) * (bx - ax) / (by - ay))
    flat = mask.ravel(order="F").astype(np.int8)
    turns = np.flatnonzero(np.diff(flat, prepend=0))
    counts = np.diff(turns, prepend=0, append=flat.size).tolist()
    ys, xs = np.nonzero(mask)
    x, y = int(xs.min()), int(ys.min())
    box = [x, y, int(xs.max()) + 1 - x, int(ys.max()) + 1 - y]
    return {"counts": counts, "size": [height, width]}, box, float(mask.sum())


def _coco_quirks() -> Made:
    pictures = _mixed()
    classes = classes_of(pictures)
    made: Made = {}

    def crowd(record: dict[str, Any], thing: Thing, p: Picture) -> None:
        record["segmentation"], record["bbox"], record["area"] = _rle(thing.outline, p.width, p.height)
        record["iscrowd"] = 1

    def guess(record: dict[str, Any], thing: Thing, p: Picture) -> None:
        record["score"] = round(float(seeded(f"{p.stem}/{thing.box}").uniform(0.3, 0.99)), 4)

    dataset, flaw = _row("crowd-everywhere-coco.zip", "crowd-everywhere", "iscrowd is 1 on every mask.")
    made[dataset] = Coco(pictures, classes=classes, edit=crowd).members(), [flaw]
    dataset, flaw = _row("predictions-as-labels-coco.zip", "predictions-as-labels", "Every annotation has a score.")
    made[dataset] = Coco(pictures, classes=classes, edit=guess).members(), [flaw]

    dataset, flaw = _row(
        "placeholder-root-class-coco.zip",
        "placeholder-root-class",
        "Category 0, supercategory none, no boxes: Roboflow's root.",
        f"unused-class {FEW_TINY}",
    )
    rooted = Coco(_valid(pictures), "roboflow", classes)
    for doc in rooted.docs.values():
        for category in doc["categories"]:
            category["supercategory"] = "road-damage"
        doc["categories"].insert(0, {"id": 0, "name": "road-damage", "supercategory": "none"})
    made[dataset] = rooted.members(), [flaw]

    dataset, flaw = _row(
        "class-list-disagreement-coco.zip",
        "class-list-disagreement",
        "The two files number the classes differently.",
    )
    torn = Coco(pictures, classes=classes)
    doc, order = torn.docs["val"], dict(zip((1, 2, 3), (2, 3, 1), strict=True))
    for category in doc["categories"]:
        category["id"] = order[category["id"]]
    doc["categories"].sort(key=lambda category: category["id"])
    for annotation in doc["annotations"]:
        annotation["category_id"] = order[annotation["category_id"]]
    made[dataset] = torn.members(), [flaw]
    return made


def _yolo_quirks() -> Made:
    pictures = _mixed()
    classes = classes_of(pictures)
    plain = Yolo(pictures, classes=classes)
    made: Made = {}

    dataset, flaw = _row(
        "class-list-disagreement-yolo.zip",
        "class-list-disagreement",
        "classes.txt and data.yaml list the classes in different orders.",
    )
    listing = "".join(f"{name}\n" for name in sorted(classes)).encode()
    made[dataset] = plain.members() | {"classes.txt": listing}, [flaw]

    dataset, flaw = _row(
        "predictions-as-labels-yolo.zip",
        "predictions-as-labels",
        "Every row has a sixth column, a confidence.",
    )
    guessed = Yolo(pictures, classes=classes)
    for label, rows in guessed.rows.items():
        sure = seeded(label)
        guessed.rows[label] = [f"{row} {sure.uniform(0.3, 0.99):.4f}" for row in rows]
    made[dataset] = guessed.members(), [flaw]

    made["trainer-yolo.zip"] = _unread(pictures, classes, "trainer-yolo.zip")

    dataset, flaw = _row(
        "yaml-booleans-yolo.zip",
        "class-name-variants",
        "names: yes and no without quotes, which YAML reads as true and false.",
    )
    album = Album()
    for k in range(12):
        album.add("val" if k > 8 else "train", "pothole", "manhole")
    answered = Yolo(album.pictures, classes=classes_of(album.pictures))
    answered.yaml = "path: .\ntrain: images/train\nval: images/val\nnc: 2\nnames: [yes, no]\n"
    made[dataset] = answered.members(), [flaw]

    nowhere = Yolo(_valid(pictures), "roboflow", classes)
    nowhere.yaml = nowhere.yaml.replace("../", "../data/").replace("valid/", "validation/")
    made["yaml-nowhere-yolo.zip"] = nowhere.members(), []
    return made


def _unread(pictures: Pictures, classes: tuple[str, ...], dataset: str) -> tuple[Members, list[Flaw]]:
    """A set that a lenient reader understands wholly, while the trainer drops or misses some of its labels."""
    layout = Yolo(pictures, classes=classes)
    layout.yaml = layout.yaml.replace(f"nc: {len(classes)}", f"nc: {len(classes) + 1}")
    labelled = [p for p in pictures if len(p.things) > 1]
    marked, wide, comma, six, shouted, moved = labelled[:6]
    layout.rows[layout.label(six)][1] += " 1.0"
    members = layout.members()
    names = {p.stem: layout.label(p) for p in labelled}
    members[names[marked.stem]] = b"\xef\xbb\xbf" + members[names[marked.stem]]
    members[names[wide.stem]] = members[names[wide.stem]].decode().encode("utf-16")
    members[names[comma.stem]] = members[names[comma.stem]].replace(b".", b",")
    members[names[shouted.stem].replace(".txt", ".TXT")] = members.pop(names[shouted.stem])
    members[names[moved.stem].replace("labels/", "annotations/")] = members.pop(names[moved.stem])
    told = (
        ("unreadable-label-file", marked, "A byte order mark stands before the first row."),
        ("unreadable-label-file", wide, "The label file is written in UTF-16."),
        ("unreadable-label-file", comma, "The numbers have decimal commas."),
        ("predictions-as-labels", six, "The second row has a sixth column."),
        ("misplaced-label", shouted, "The label file is called .TXT."),
        ("misplaced-label", moved, "The label file lies in annotations/."),
    )
    rows = [Flaw(dataset, rule, layout.image(p), "2" if p is six else "", what, "") for rule, p, what in told]
    rows.append(Flaw(dataset, "class-list-disagreement", "", "", "nc says one class more than names has.", FEW_TINY))
    return members, rows


def _lists() -> Made:
    """A set told by list files, which can name what is not there, name it twice, or forget it."""
    layout = Yolo(_mixed(), "lists", classes_of(_mixed()))
    dataset = "image-lists-yolo.zip"
    train, valid = layout.lists["train"], layout.lists["val"]
    twice, both, forgotten = train[0], train[1], train.pop(2)
    gone, far = "./images/road_404.jpg", "../../uploads/road_405.jpg"
    train += [twice, gone, far]
    valid.append(both)

    def tell(rule: str, image: str, what: str, also: str = "") -> Flaw:
        return Flaw(dataset, rule, image, "", what, also)

    rows = [
        tell("missing-image", gone[2:], "train.txt names a picture that is not there."),
        tell("path-outside-dataset", far[6:], "train.txt leads out of the dataset.", "missing-image"),
        tell("duplicate-image-record", twice[2:], "train.txt names the picture twice."),
        tell("same-source-in-two-splits", both[2:], "Named in train.txt and in val.txt."),
        tell("orphan-image", forgotten[2:], "No list names this picture."),
        Flaw(dataset, "tiny-validation-split", "", "", "Four pictures to validate on.", FEW),
    ]
    return {dataset: (layout.members(), rows)}
