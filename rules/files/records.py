"""Records that are broken, doubled or belong to nothing, and records that are no annotations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from dsq.model import text_or_none
from dsq.rule import Severity, rule
from dsq.scan import Scan, Table


def problems_of(scan: Scan, kind: str) -> Table | None:
    """Rows of `problems` of one kind as findings, with the image that they speak of."""
    rows = scan.problems[(scan.problems["kind"] == kind).to_numpy()]
    if rows.empty:
        return None
    found = pd.DataFrame({name: text_or_none(rows[name]) for name in ("file", "place", "what")})
    found["image_id"] = images_of(scan, found["file"], found["place"])
    return found


def images_of(scan: Scan, files: pd.Series[str], places: pd.Series[str]) -> pd.Series[Any]:
    """image_id for names of files: the image itself, or the one image that an annotation file speaks of.

    Within a JSON a place like "image id 7" tells the image, "images[6]" one without an id. NA where none is told.
    """
    images = scan.images
    found = pd.Series(pd.NA, index=files.index, dtype="Int64")
    ids = images["image_id"].to_numpy()
    wanted = set(files)
    by_name = [
        pd.Series(ids[hit], index=text_or_none(column)[hit])
        for column in (images["file"], images["origin_file"])
        if (hit := column.isin(wanted).to_numpy()).any()
    ]
    if not by_name:
        return found
    known = pd.concat(by_name)
    known = known[~known.index.duplicated(keep=False)]
    json = files.str.lower().str.endswith(".json")
    found[~json] = known.reindex(files[~json]).astype("Int64").array
    nameless = images["source_id"].isna().to_numpy()
    for pattern, able in ((r"^image id (-?\d{1,18})$", ~nameless), (r"^images\[(\d{1,18})\]$", nameless)):
        numbers = places[json].str.extract(pattern, expand=False).dropna().astype("int64")
        for file, group in numbers.groupby(files[numbers.index]):
            hit = (images["origin_file"] == file).to_numpy() & able
            stated = pd.Series(ids[hit], index=images["origin_place"].to_numpy()[hit])
            stated = stated[~stated.index.duplicated(keep=False)]
            found[group.index] = stated.reindex(group).astype("Int64").array
    return found


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
    exist, or it is another one; in a zip from a stranger it is an attack. Such a file is never opened. Where an
    image in the dataset ends like the path it was taken instead, and that is a warning. Told once for an
    annotation file; where most XML files of a VOC set do so, once for the set.

    **Do:** write paths relative to the dataset's root and put the file there.

    >>> import dsq
    >>> data = dsq.build_dataset(
    ...     problems=[("path-outside-dataset", "a.json", "image id 7", "../../x.jpg leads out of the set")]
    ... )
    >>> dsq.audit(data, select=["path-outside-dataset"]).messages()
    ['../../x.jpg leads out of the set']
    """
    found = problems_of(scan, "path-outside-dataset")
    if found is None:
        return None
    there = found["image_id"].isin(scan.images["image_id"][scan.present])
    found["severity"] = np.where(there, "warning", "error").astype(object)
    by = found["file"].copy()
    if by[there].is_unique and there.sum() * 2 > scan.images["origin_file"].notna().sum():
        by[there] = "set"
    rows = []
    for (subject, level), group in found.groupby([by, "severity"]):
        first = group.iloc[0]
        row = {"file": first["file"], "what": first["what"], "severity": level}
        if len(group) == 1:
            rows.append(row | {"place": first["place"], "image_id": first["image_id"]})
        else:
            told = f"{len(group):,} names like this: {first['what']}"
            rows.append(row | {"subject": f"{subject}: {level}", "what": told, "value": len(group)})
    return pd.DataFrame(rows).assign(image_id=pd.array([row.get("image_id") for row in rows], "Int64"))


@rule(Severity.ERROR, message="no such image file", needs=("files",))
def missing_image(scan: Scan) -> Table | None:
    """A record whose image file is not there.

    A trainer stops here, or it skips the image and its boxes. Images are looked for by their path, by the end
    of their path, and by their stem with another extension, so a record that comes up here has no image at
    all. Where not a single image is found, the set is an export without images or its images lie elsewhere:
    that is one warning about the set. A list file that names images in vain is one warning, too. A YOLO label
    file without an image is told by `orphan-annotation`, a name that leads out of the dataset by
    `path-outside-dataset`.

    **Do:** copy the file into the dataset, point `--image-root` to its folder, or delete the record.

    >>> import dsq
    >>> data = dsq.build_dataset(images=["a.jpg", {"file": "b.jpg", "member": None}])
    >>> dsq.audit(data, select=["missing-image"]).messages()
    ['no such image file']
    """
    absent = ~scan.present
    outside = problems_of(scan, "path-outside-dataset")
    if outside is not None:
        absent &= ~scan.images["image_id"].isin(outside["image_id"].dropna()).to_numpy()
    listed = problems_of(scan, "missing-image")
    if listed is not None:
        listed = listed.rename(columns={"what": "message"}).assign(severity="warning", subject=listed["file"])
    if scan.about.format == "yolo" or not absent.any():
        return listed
    if not scan.present.any():
        count = int(absent.sum())
        files = f"none of the {count:,} image files" if count > 1 else "not even the one image file"
        message = f"{files} is here: add --image-root DIR"
        return pd.DataFrame({"subject": ["set"], "message": [message], "value": [count], "severity": ["warning"]})
    alone = pd.DataFrame({"image_id": scan.images["image_id"].to_numpy()[absent]})
    return alone if listed is None else pd.concat([alone, listed], ignore_index=True)


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
            f"a label-only export: none of the {len(counts):,} label files has its image here; add --image-root DIR"
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
    `same-source-in-two-splits`. A list file that names an image twice is a warning: the trainer sees it twice.

    **Do:** join the records: keep one and move the annotations of the others to it.

    >>> import dsq
    >>> data = dsq.build_dataset([("a.jpg", "cat", 5, 5, 20, 20)], images=["a.jpg", "a.jpg"])
    >>> dsq.audit(data, select=["duplicate-image-record"]).messages()
    ['2 records name this file, with 1 box between them']
    """
    images = scan.images
    listed = problems_of(scan, "duplicate-image-record")
    if listed is not None:
        listed = listed.rename(columns={"what": "message"}).assign(severity="warning", subject=listed["file"])
    double = np.flatnonzero(images["file"].duplicated(keep=False))
    if not len(double):
        return listed
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
        image_id=("image_id", "first"), records=("image_id", "size"), count=("boxes", "sum")
    )
    found = found[found["records"] > 1].reset_index(drop=True)
    found["noun"] = np.where(found["count"] == 1, "box", "boxes")
    found["value"] = found["records"]
    return found if listed is None else pd.concat([found, listed], ignore_index=True)


@rule(Severity.WARNING, message="annotation id 0: pycocotools scores its match as a miss")
def annotation_id_zero(scan: Scan) -> Table | None:
    """A COCO annotation with the id 0.

    pycocotools notes a match by writing the annotation's id into a table where 0 means "no match". A
    detection that finds the object with id 0 is therefore counted as a false positive, and the object as
    missed: mAP comes out too low, most visibly on small validation sets and rare classes. The source:
    cocoapi issue 507, torchvision issue 1530. In a training split, which nobody evaluates, it is a note, told
    once (exports of Roboflow and Label Studio begin with 0).

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
    training = (scan.images["split"] == "train").to_numpy(bool, na_value=False)[scan.image_row[rows]]
    found = pd.DataFrame({"box_id": boxes["box_id"].to_numpy()[rows], "place": "annotation id 0"})
    if not training.any():
        return found
    file = min(text_or_none(boxes["origin_file"])[rows[training]], key=lambda name: name or "")
    message = "annotation id 0 in the training split: harmless until it is evaluated with pycocotools"
    note = {"subject": "train", "file": file, "place": "annotation id 0", "message": message, "severity": "info"}
    return pd.concat([found[~training], pd.DataFrame([note])], ignore_index=True)
