"""The main set's flaws that belong to one format: planted into its text, records or rows."""

from __future__ import annotations

from dataclasses import replace

from layouts import CLASSES, Coco, Members, Picture, Voc, Yolo
from planting import Field, Flaw, Mark
from scenes import Thing

PATCH = "patch"
HALVED = "The picture was halved later: boxes and stated size fit 640x480, the file is 320x240."
SMALLER = "Stated as 160x120; the file is 320x240, and the boxes fit the file."


def flawed_voc(ground: Field, dataset: str) -> tuple[Members, list[Flaw]]:
    """The main set as Pascal VOC: members and rows."""
    here = ground.copy()
    _mis_state_sizes(here)
    missing = here.take("crack")
    missing.shipped = False
    outside = here.take("pothole")
    outside.told_name = f"../../uploads/{outside.stem}.jpg"
    shared, letter, cut = here.take("pothole", "crack"), here.take("pothole", "crack"), here.take("pothole")
    second = replace(shared, stem=f"{shared.stem}_b", things=shared.things[1:], shipped=False)
    second.told_name = f"{shared.stem}.jpg"
    shared.things = shared.things[:1]
    here.pictures.append(second)
    twice = here.take("crack", "manhole")
    swapped, shouted = here.take("crack"), here.take("pothole", "manhole")
    swapped.told_name, shouted.told_name = f"{here.free[0].stem}.jpg", f"{shouted.stem}.JPG"
    here.marks += [
        Mark("filename-mismatch", swapped, None, f"<filename> names another picture, {swapped.told_name}."),
        Mark("unportable-path", shouted, None, "<filename> ends in .JPG, the file in .jpg."),
        Mark("missing-image", missing, None, "The XML names a picture that is not there.", "orphan-annotation"),
        Mark("path-outside-dataset", outside, None, "<filename> leads out of the dataset."),
        Mark(
            "duplicate-image-record",
            shared,
            None,
            f"Two XML files speak of this picture: its own and {second.stem}.xml.",
            "missing-image orphan-annotation",
        ),
        Mark("malformed-record", letter, 1, "The crack's <xmin> holds the letter O instead of a zero."),
        Mark("malformed-record", cut, None, "The XML file breaks off in the middle.", "unlabelled-image"),
        Mark("same-source-in-two-splits", twice, None, "Listed in train.txt and in val.txt."),
    ]
    layout = Voc(here.pictures)
    before, middle, after = layout.xml[layout.label(letter)].rpartition("<xmin>")
    layout.xml[layout.label(letter)] = before + middle + "1O" + after[after.index("</xmin>") :]
    text = layout.xml[layout.label(cut)]
    layout.xml[layout.label(cut)] = text[: text.index("<bndbox>") + 20]
    layout.lists["val"].append(twice.stem)
    return _finish(layout, here, dataset, [])


def flawed_coco(ground: Field, dataset: str) -> tuple[Members, list[Flaw]]:
    """The main set as COCO: members and rows."""
    here = ground.copy()
    _mis_state_sizes(here)
    missing, outside = here.take("crack"), here.take("pothole")
    missing.shipped = outside.shipped = False
    outside.told_name = f"../../uploads/{outside.stem}.jpg"
    twice = _same_in_two_splits(here)
    shared, doubled = here.take("pothole", "crack"), here.take("pothole", "crack")
    short, worded = here.take("pothole"), here.take("crack", "manhole")
    askew, wide, alien = here.take("pothole"), here.take("manhole"), here.take("pothole", "manhole")
    slashed, longer = here.take("pothole", "manhole"), here.take("crack")
    slashed.told_name, longer.told_name = f"train\\{slashed.stem}.jpg", f"{longer.stem}.jpeg"
    here.marks += [
        Mark("missing-image", missing, None, "The record names a picture that is not there."),
        Mark(
            "leakage",
            twice,
            None,
            "The same picture under the same name in train and in val.",
        ),
        Mark("duplicate-image-record", shared, None, "Two records for one file, with an annotation each."),
        Mark("unportable-path", slashed, None, "file_name has a backslash, which is a folder's end on Windows only."),
        Mark("filename-mismatch", longer, None, "file_name ends in .jpeg, the file in .jpg."),
        Mark("malformed-record", short, 0, "bbox has three numbers."),
        Mark("malformed-record", worded, 1, "bbox holds a word."),
        Mark("box-polygon-mismatch", askew, 0, "The box lies 40 pixels to the left of its polygon."),
        Mark("area-mismatch", wide, 0, "area is that of the whole picture, not of the object."),
        Mark("undeclared-class", alien, 1, "category_id 99 is in no category list."),
    ]
    layout = Coco(here.pictures, classes=(*CLASSES, PATCH))
    train = layout.docs["train"]
    ids = [record["id"] for doc in layout.docs.values() for record in doc["images"]]
    train["images"].append(layout.record(shared) | {"id": max(ids) + 1})
    layout.annotation(shared, 1)["image_id"] = max(ids) + 1
    layout.annotation(short, 0)["bbox"].pop()
    layout.annotation(worded, 1)["bbox"][2] = "wide"
    layout.annotation(askew, 0)["bbox"][0] -= 40
    layout.annotation(wide, 0)["area"] = wide.width * wide.height
    layout.annotation(alien, 1)["category_id"] = 99
    first = _holder(here)
    zero, copied, same = (
        layout.annotation(first, 0),
        layout.annotation(doubled, 0),
        layout.annotation(doubled, 1),
    )
    lost = max(record["id"] for doc in layout.docs.values() for record in doc["annotations"]) + 1
    train["annotations"].append(zero | {"id": lost, "image_id": 990001})
    zero["id"], same["id"] = 0, copied["id"]
    far = f"uploads/{outside.stem}.jpg"
    rows = [
        _unused(dataset),
        Flaw(dataset, "orphan-annotation", "", str(lost), "image_id 990001 belongs to no image.", ""),
        Flaw(dataset, "path-outside-dataset", far, "", "file_name leads out of the dataset.", "missing-image"),
        Flaw(
            dataset,
            "annotation-id-zero",
            layout.image(first),
            "0",
            "Id 0, which pycocotools scores wrongly.",
            "",
        ),
        Flaw(
            dataset,
            "duplicate-id",
            layout.image(doubled),
            str(same["id"]),
            "Two annotations have this id.",
            "",
        ),
    ]
    return _finish(layout, here, dataset, rows)


def flawed_yolo(ground: Field, dataset: str) -> tuple[Members, list[Flaw]]:
    """The main set as YOLO: members and rows."""
    here = ground.copy()
    lost = here.take("crack")
    lost.shipped = False
    twice = _same_in_two_splits(here)
    short, worded = here.take("pothole", "crack"), here.take("pothole", "crack")
    beside, alien = here.take("pothole"), here.take("pothole", "manhole")
    here.marks += [
        Mark(
            "leakage",
            twice,
            None,
            "The same picture under the same name in train and in val.",
        ),
        Mark("malformed-record", short, 1, "The row has four columns."),
        Mark("malformed-record", worded, 1, "The row begins with the class's name instead of its number."),
        Mark(
            "label-beside-image",
            beside,
            None,
            "The label lies in images/, where no trainer looks.",
            "unlabelled-image",
        ),
        Mark(
            "undeclared-class",
            alien,
            1,
            "Class 7, but data.yaml declares four: the trainer drops the picture.",
        ),
    ]
    layout = Yolo(here.pictures, classes=(*CLASSES, PATCH))
    rows = layout.rows
    rows[layout.label(short)][1] = rows[layout.label(short)][1].rpartition(" ")[0]
    rows[layout.label(worded)][1] = f"crack {rows[layout.label(worded)][1].partition(' ')[2]}"
    rows[layout.label(alien)][1] = f"7 {rows[layout.label(alien)][1].partition(' ')[2]}"
    rows[layout.image(beside).replace(".jpg", ".txt")] = rows.pop(layout.label(beside))
    what = "A label file without a picture."
    more = [
        Flaw(dataset, "orphan-annotation", layout.label(lost), "", what, "missing-image"),
        _unused(dataset),
    ]
    return _finish(layout, here, dataset, more)


def _mis_state_sizes(here: Field) -> None:
    told, halved = here.take("pothole"), here.take("crack", "manhole")
    told.told_size = (told.width // 2, told.height // 2)
    halved.told_size = (halved.width * 2, halved.height * 2)
    halved.things = [_doubled(thing) for thing in halved.things]
    here.marks += [
        Mark("size-mismatch", told, None, SMALLER),
        Mark("size-mismatch", halved, None, HALVED, "box-outside-image"),
    ]


def _doubled(thing: Thing) -> Thing:
    x0, y0, x1, y1 = thing.box
    outline = tuple((x * 2, y * 2) for x, y in thing.outline)
    return replace(thing, box=(x0 * 2, y0 * 2, x1 * 2, y1 * 2), outline=outline)


def _same_in_two_splits(here: Field) -> Picture:
    spot = here.take("crack", "manhole")
    spot.stem = "dashcam_20240307_142251"
    here.pictures.append(replace(spot, split="val"))
    return spot


def _holder(here: Field) -> Picture:
    """The first untouched training picture with something on it."""
    return next(p for p in here.free if p.split == "train" and p.things)


def _unused(dataset: str) -> Flaw:
    return Flaw(dataset, "unused-class", "", "", f"{PATCH} is declared, and no box has it.", "")


def _finish(layout: Voc | Coco | Yolo, here: Field, dataset: str, rows: list[Flaw]) -> tuple[Members, list[Flaw]]:
    """Add the junk files, the stray picture and the advice that any set so small gets; collect the rows."""
    kind = type(layout).__name__.lower()
    marked = [mark.row(dataset, layout) for mark in here.marks if kind in mark.formats]
    image = layout.image(here.free[0])
    folder, _, name = image.rpartition("/")
    stray = f"unsorted/{here.stray.stem}.jpg"
    junk = {
        ".DS_Store": b"\x00\x00\x00\x01Bud1" + bytes(24),
        f"__MACOSX/{folder}/._{name}": b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        " + bytes(24),
        f"{folder}/Thumbs.db": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(24),
    }
    left = "Left behind by operating systems: .DS_Store, Thumbs.db and a file in __MACOSX/."
    rows.append(Flaw(dataset, "junk-file", "", "", left, ""))
    what = "A picture in a folder that no part of the set speaks of."
    told = ("orphan-image", "unlabelled-image")
    rule, also = reversed(told) if kind == "voc" else told
    rows.append(Flaw(dataset, rule, stray, "", what, also))
    few = "Natural: any set of this size gets this advice."
    rows += [Flaw(dataset, f"too-few-{of}-per-class", "", "", few, "") for of in ("images", "instances")]
    return layout.members() | junk | {stray: here.stray.data}, marked + rows
