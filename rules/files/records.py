"""Records that are broken, doubled or belong to nothing, and records that are no annotations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from dsq.model import ClassList, text_or_none
from dsq.rule import Severity, rule
from dsq.scan import Scan, Table


def problems_of(scan: Scan, kind: str) -> Table | None:
    """Rows of `problems` of one kind as findings, with the image that their file speaks of."""
    rows = scan.problems[(scan.problems["kind"] == kind).to_numpy()]
    if rows.empty:
        return None
    files = text_or_none(rows["file"])
    return pd.DataFrame(
        {
            "image_id": images_of(scan, files),
            "file": files,
            "place": text_or_none(rows["place"]),
            "what": text_or_none(rows["what"]),
        }
    )


def images_of(scan: Scan, files: np.ndarray[Any, Any]) -> Any:
    """The image that each of `files` is or alone speaks of, as nullable ids; a JSON speaks of many."""
    wanted = {name for name in files if isinstance(name, str) and not name.lower().endswith(".json")}
    images = scan.images
    named = [
        pd.Series(images["image_id"].to_numpy()[hit], index=text_or_none(column)[hit])
        for column in (images["file"], images["origin_file"])
        if (hit := column.isin(wanted).to_numpy()).any()
    ]
    if not named:
        return pd.array([None] * len(files), dtype="Int64")
    found = pd.concat(named)
    found = found[~found.index.duplicated(keep=False)]
    return found.reindex(files).astype("Int64").array


@rule(Severity.ERROR, message="{what}")
def malformed_record(scan: Scan) -> Table | None:
    """A record or an annotation file that cannot be read, in whole or in part.

    What cannot be read is not in the dataset: its objects are missing from this audit, and every trainer
    deals with it in its own way. Ultralytics drops the *whole image* for one bad row; others stop, or skip
    the record without a word. Reading goes on behind a bad record, so all of them are listed at once, with
    file and place.

    **Do:** correct the record at the place named, or delete it. If all files show the same fault, the
    format was read wrongly: `--format` forces another one.

    >>> import dsq
    >>> data = dsq.build_dataset(
    ...     images=[{"file": "a.jpg", "origin_file": "a.txt"}],
    ...     problems=[("malformed-record", "a.txt", "line 3", "4 columns, a box has 5")],
    ... )
    >>> dsq.audit(data, select=["malformed-record"]).messages()
    ['4 columns, a box has 5']
    """
    return problems_of(scan, "malformed-record")


@rule(Severity.ERROR, message="{what}")
def duplicate_id(scan: Scan) -> Table | None:
    """An id that stands for two records of one file.

    COCO ids are keys. A loader puts them into a dictionary and the last record wins: the other box, image
    or category is gone, and annotations change their class or their image without a message. Ids are
    compared within one file only; the splits of a Roboflow export each start again, which is fine.

    **Do:** number the records anew. Where a category id is defined twice, decide which name its boxes mean.

    >>> import dsq
    >>> data = dsq.build_dataset(
    ...     problems=[("duplicate-id", "a.json", "category id 2", "id 2 is person and pedestrian")]
    ... )
    >>> dsq.audit(data, select=["duplicate-id"]).messages()
    ['id 2 is person and pedestrian']
    """
    return problems_of(scan, "duplicate-id")


@rule(Severity.ERROR, message="{what}")
def path_outside_dataset(scan: Scan) -> Table | None:
    """A file name that leads out of the dataset.

    `../../x.jpg`, `/home/me/x.jpg` or a link that leaves the folder: on another machine the file does not
    exist, or it is another one; in a zip from a stranger it is an attack. Such a file is never opened.

    **Do:** write paths relative to the dataset's root and put the file there.

    >>> import dsq
    >>> data = dsq.build_dataset(
    ...     problems=[("path-outside-dataset", "a.json", "image id 7", "../../x.jpg leads out of the set")]
    ... )
    >>> dsq.audit(data, select=["path-outside-dataset"]).messages()
    ['../../x.jpg leads out of the set']
    """
    return problems_of(scan, "path-outside-dataset")


@rule(Severity.WARNING, message="label file without its image: {lost}")
def orphan_annotation(scan: Scan) -> Table | None:
    """An annotation of an image that does not exist.

    In COCO an `image_id` that no image has: the reference is broken and some loaders stop with a `KeyError`
    (error). In YOLO a label file without an image of its name: the trainer never opens it and its labels
    are lost (warning). Often the image was renamed, sits in another split or was deleted on purpose, so
    look for it first. Where not one image is here the set is a label-only export, and that is said once.

    **Do:** bring the image back (or give `--image-root DIR`), otherwise delete the annotation.

    >>> import dsq
    >>> from dsq.model import About
    >>> data = dsq.build_dataset(
    ...     [("b.jpg", "cat", 1, 1, 9, 9)],
    ...     images=["a.jpg", {"file": "b.jpg", "member": None, "origin_file": "b.txt"}],
    ...     about=About(format="yolo"),
    ... )
    >>> dsq.audit(data, select=["orphan-annotation"]).messages()
    ['label file without its image: 1 box lost']
    """
    stated = problems_of(scan, "orphan-annotation")
    if stated is not None:
        stated = stated.rename(columns={"what": "message"})
        stated["severity"] = str(Severity.ERROR)
    orphans = ~scan.present
    if scan.about.format != "yolo" or not orphans.any():
        return stated
    counts = np.bincount(scan.image_row, minlength=len(scan.images))[orphans]
    if orphans.all():
        message = (
            f"a label-only export: none of the {len(counts):,} label files has its image here; "
            "add --image-root DIR"
        )
        found = pd.DataFrame({"subject": ["set"], "message": [message], "value": [len(counts)]})
    else:
        images = scan.images[orphans]
        found = pd.DataFrame(
            {
                "image_id": images["image_id"].to_numpy(),
                "lost": [_lost(count) for count in counts.tolist()],
                "value": counts,
            }
        )
    return found if stated is None else pd.concat([stated, found], ignore_index=True)


def _lost(boxes: int) -> str:
    if not boxes:
        return "it is empty"
    return "1 box lost" if boxes == 1 else f"{boxes:,} boxes lost"


@rule(Severity.ERROR, message="{records} records name this file, with {count:,} {noun} between them")
def duplicate_image_record(scan: Scan) -> Table | None:
    """Two image records for one file.

    A trainer takes them for two images, and each shows only its own boxes: the objects of the other record
    are taught to be background. Records of one file in different splits are told by
    `same-source-in-two-splits`.

    **Do:** join the records: keep one and move the annotations of the others to it.

    >>> import dsq
    >>> data = dsq.build_dataset([("a.jpg", "cat", 5, 5, 20, 20)], images=["a.jpg", "a.jpg"])
    >>> dsq.audit(data, select=["duplicate-image-record"]).messages()
    ['2 records name this file, with 1 box between them']
    """
    images = scan.images
    double = np.flatnonzero(images["file"].duplicated(keep=False))
    if not len(double):
        return None
    rows = images.take(double)
    table = pd.DataFrame(
        {
            "image_id": rows["image_id"].to_numpy(),
            "name": text_or_none(rows["file"]),
            "split": rows["split"].astype(object).fillna("").to_numpy(),
            "boxes": np.bincount(scan.image_row, minlength=len(images))[double],
        }
    ).sort_values("image_id")
    found = table.groupby(["name", "split"], sort=True).agg(
        image_id=("image_id", "first"), images=("image_id", list), count=("boxes", "sum")
    )
    found["records"] = found["images"].map(len)
    found = found[found["records"] > 1].reset_index(drop=True)
    found["noun"] = np.where(found["count"] == 1, "box", "boxes")
    found["value"] = found["records"]
    return found


@rule(Severity.WARNING, message="annotation id 0: pycocotools scores its match as a miss")
def annotation_id_zero(scan: Scan) -> Table | None:
    """A COCO annotation with the id 0.

    pycocotools notes a match by writing the annotation's id into a table where 0 means "no match". A
    detection that finds the object with id 0 is therefore counted as a false positive, and the object as
    missed: mAP comes out too low, most visibly on small validation sets and rare classes. The source:
    cocoapi issue 507, torchvision issue 1530.

    **Do:** number annotations from 1.

    >>> import dsq
    >>> data = dsq.build_dataset(
    ...     [{"file": "a.jpg", "category": "cat", "x": 5, "y": 5, "width": 20, "height": 20, "source_id": 0}]
    ... )
    >>> dsq.audit(data, select=["annotation-id-zero"]).messages()
    ['annotation id 0: pycocotools scores its match as a miss']
    """
    boxes = scan.boxes
    rows = np.flatnonzero((boxes["source_id"] == 0).to_numpy(bool, na_value=False))
    if not len(rows):
        return None
    return pd.DataFrame({"box_id": boxes["box_id"].to_numpy()[rows], "place": "annotation id 0"})


@rule(
    Severity.WARNING,
    confidence="medium",
    message="{value:.0%} of the boxes have a confidence, {low:.2f} to {high:.2f}: predictions, not labels?",
)
def predictions_as_labels(scan: Scan) -> Table | None:
    """Predictions that are used as ground truth.

    A sixth YOLO column or a COCO `score` is what a detector writes with its boxes. A model that is trained
    or evaluated on them learns the other model's mistakes and is praised for repeating them, and
    Ultralytics drops every image with a six-column row. Scores that are all the same number (a tool that
    writes 1.0 everywhere) are left alone.

    **Do:** if the boxes were never looked at by a person, don't call them labels. If they were, remove the
    confidence column.

    >>> import dsq
    >>> box = {"file": "a.jpg", "category": "cat", "x": 5, "y": 5, "width": 20, "height": 20}
    >>> data = dsq.build_dataset([{**box, "score": 0.7}, {**box, "score": 0.9}])
    >>> dsq.audit(data, select=["predictions-as-labels"]).messages()
    ['100% of the boxes have a confidence, 0.70 to 0.90: predictions, not labels?']
    """
    score = scan.boxes["score"].to_numpy()
    known = score[np.isfinite(score)]
    if not len(known) or known.min() == known.max():
        return None
    return pd.DataFrame(
        {"subject": ["set"], "value": [len(known) / len(score)], "low": [known.min()], "high": [known.max()]}
    )


@rule(Severity.ERROR, message="{what}")
def class_list_disagreement(scan: Scan) -> Table | None:
    """Two class lists of one dataset that do not say the same.

    A YOLO label holds a number, and the list gives it its name. Where `data.yaml`, `classes.txt` or
    `obj.names` differ in names or order, one of them turns every cat into a dog. Label Studio and labelImg
    both write lists in an order of their own (LS issue 3324).

    **Do:** look at a few boxes, keep the list that fits, delete the other or make it equal.

    >>> import dsq
    >>> from dsq.model import About, ClassList
    >>> lists = ClassList("data.yaml", ("cat", "dog")), ClassList("classes.txt", ("dog", "cat"))
    >>> data = dsq.build_dataset(about=About(format="yolo", class_lists=lists))
    >>> dsq.audit(data, select=["class-list-disagreement"]).messages()
    ['the names of data.yaml in another order: id 0 is dog here, cat there']
    """
    lists = scan.about.class_lists
    rows = [
        {"subject": other.file, "file": other.file, "what": text}
        for other in lists[1:]
        if (text := difference(lists[0], other))
    ]
    return pd.DataFrame(rows) if rows else None


def difference(used: ClassList, other: ClassList) -> str:
    """How a class list differs from the one in use, in words; "" where it does not."""
    a, b = used.names, other.names
    if a == b:
        return ""
    first = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), None)
    if first is None:
        more, fewer = b[len(a) :], a[len(b) :]
        return _some(more, f"more than {used.file}") if more else _some(fewer, f"fewer than {used.file}")
    where = f"id {first} is {b[first]} here, {a[first]} there"
    if sorted(a) == sorted(b):
        return f"the names of {used.file} in another order: {where}"
    return f"not the names of {used.file}: {where}"


def _some(names: tuple[str, ...], what: str) -> str:
    """A count and the first names: "2 names more than data.yaml: bus, van"."""
    noun = "name" if len(names) == 1 else "names"
    return f"{len(names):,} {noun} {what}: {', '.join(names[:3])}{', …' if len(names) > 3 else ''}"
