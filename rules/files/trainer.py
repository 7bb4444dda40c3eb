"""Labels that are understood here and that the trainer drops or does not find, and labels that are predictions."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dsq.model import text_or_none
from dsq.rule import Severity, rule
from dsq.scan import Scan, Table

from .records import problems_of


@rule(Severity.ERROR, message="{what}", collapse=True)
def unreadable_label_file(scan: Scan) -> Table | None:
    """A YOLO label file whose text the trainer cannot read.

    Ultralytics opens labels as UTF-8 and splits their rows at white space. A byte order mark (Notepad and
    PowerShell write one), UTF-16, `0,5` for `0.5`, or commas between the numbers are understood here, so the boxes
    of such a file are in this audit; the trainer takes the file for corrupt and drops the image with one line
    in its log.

    **Do:** write the files anew as plain UTF-8 with spaces and decimal points.

    >>> import dsq
    >>> data = dsq.build_dataset(
    ...     images=[{"file": "a.jpg", "origin_file": "a.txt"}],
    ...     problems=[("unreadable-label-file", "a.txt", "", "it is written in UTF-16: the trainer cannot read it")],
    ... )
    >>> dsq.audit(data, select=["unreadable-label-file"]).messages()
    ['it is written in UTF-16: the trainer cannot read it']
    """
    return problems_of(scan, "unreadable-label-file")


@rule(Severity.ERROR, message="{what}", collapse=True)
def misplaced_label(scan: Scan) -> Table | None:
    """A YOLO label file where the trainer does not look.

    Ultralytics replaces the last `/images/` of an image's path with `/labels/`, else it looks beside the image, and
    in both cases for a name in `.txt`. Labels in `annotations/`, in `Labels/` or called `a.TXT` are found here by the
    image's name; the trainer takes the image for background without a word. Windows and macOS do not tell
    `Labels` from `labels`, Linux does. A label beside its image below `images/` is told by `label-beside-image`.
    Labels of images that `--image-root` supplied are left alone.

    **Do:** move or rename the label files as the message says.

    >>> import dsq
    >>> told = "it lies in annotations: the trainer looks in labels"
    >>> data = dsq.build_dataset(
    ...     images=[{"file": "images/a.jpg", "origin_file": "annotations/a.txt"}],
    ...     problems=[("misplaced-label", "annotations/a.txt", "", told)],
    ... )
    >>> dsq.audit(data, select=["misplaced-label"]).messages()
    ['it lies in annotations: the trainer looks in labels']
    """
    return problems_of(scan, "misplaced-label")


@rule(
    Severity.WARNING,
    confidence="medium",
    message="{value:.0%} of the boxes have a confidence, {low:.2f} to {high:.2f}: predictions, not labels?",
)
def predictions_as_labels(scan: Scan) -> Table | None:
    """Predictions that are used as ground truth.

    A sixth YOLO column or a COCO `score` is what a detector writes with its boxes. A model that is trained
    or evaluated on them learns the other model's mistakes and is praised for repeating them. In YOLO each image
    with such a row is an error whatever the number is, as Ultralytics asks for five columns and drops the image. In
    COCO, scores that are all the same number (a tool that writes 1.0 everywhere) are left alone.

    **Do:** if the boxes were never looked at by a person, don't call them labels. If they were, remove the
    confidence column.

    >>> import dsq
    >>> box = {"file": "a.jpg", "category": "cat", "x": 5, "y": 5, "width": 20, "height": 20}
    >>> data = dsq.build_dataset([{**box, "score": 0.7}, {**box, "score": 0.9}])
    >>> dsq.audit(data, select=["predictions-as-labels"]).messages()
    ['100% of the boxes have a confidence, 0.70 to 0.90: predictions, not labels?']
    """
    if scan.about.format == "yolo":
        return _six_columns(scan)
    score = scan.boxes["score"].to_numpy()
    known = score[np.isfinite(score)]
    if not len(known) or known.min() == known.max():
        return None
    return pd.DataFrame(
        {"subject": ["set"], "value": [len(known) / len(score)], "low": [known.min()], "high": [known.max()]}
    )


def _six_columns(scan: Scan) -> Table | None:
    """A row an image of a YOLO set with rows of six columns: its file, the first such line, how many there are."""
    scored = np.flatnonzero(scan.boxes["score"].notna().to_numpy())
    if not len(scored):
        return None
    boxes = scan.boxes.take(scored)
    table = pd.DataFrame(
        {
            "image_id": boxes["image_id"].to_numpy(),
            "file": text_or_none(boxes["origin_file"]),
            "line": boxes["origin_place"].to_numpy(),
            "score": boxes["score"].to_numpy(),
        }
    ).sort_values(["image_id", "line", "score"])
    found = table.groupby("image_id", sort=True, as_index=False).agg(
        file=("file", "first"),
        line=("line", "min"),
        value=("line", "size"),
        low=("score", "min"),
        high=("score", "max"),
    )
    low, high = found["low"].map("{:.2f}".format), found["high"].map("{:.2f}".format)
    span = low.where(low == high, low + " to " + high)
    rows = found["value"].map(lambda count: "1 row has" if count == 1 else f"{count:,} rows have")
    told = rows + " a sixth column (" + span + "), as predictions do: the trainer drops the image"
    found = found.assign(place="line " + found["line"].astype(str), message=told, severity="error", confidence="high")
    return found.drop(columns=["line", "low", "high"])
