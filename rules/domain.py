"""How a sample of production differs from what a model would be trained on."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dsq.rule import Severity, rule
from dsq.scan import Scan, Table


def _shifted(scan: Scan, *names: str) -> Table | None:
    """One finding about the set for each of these numbers of the objects that shifted."""
    rows = [
        {"subject": name, "told": told, "value": round(float(change), 4)}
        for name, told, change in scan.domains.tell(*names)
    ]
    return pd.DataFrame(rows) if rows else None


@rule(Severity.WARNING, confidence="medium", message="{told}", needs=("production",))
def domain_gap(scan: Scan, *, most_words: int = 4) -> Table | None:
    """Pictures of production that do not look like those of training.

    A model that validates well on pictures like its training set can be blind in production: shot from above
    instead of the street, at night, by another camera. Three tests look at numbers and a descriptor of each
    picture: a kernel classifier that tries to tell the sets apart, a test of means, and one of each number. One of them
    has to be at p ≤ .0033, which together is a false alarm in about a hundred sets, and the gap has to be wider than
    those between stretches of the training set itself, so that the frames of a video fool nobody. What
    differs is told, up to `most_words` (4, our choice) of it, the clearest first. Where the sample has labels, the
    objects are compared, too: see `object-scale-gap` and its siblings. Fewer than 10 pictures tell nothing: that is
    said, too.

    **Do:** collect and label pictures like the sample's; `uncovered-production` says which have no like.

    >>> import dsq
    >>> from dsq.scan import Scan
    >>> data = dsq.build_dataset(images=["a.jpg"])
    >>> scan = Scan(data, domains={"gap": True, "auc": 0.97, "looks": ["production is darker: 61 against 118"]})
    >>> dsq.audit(scan, select=["domain-gap"]).messages()
    ['production is darker: 61 against 118 (a classifier tells the sets apart: AUC 0.97)']
    """
    found = scan.domains
    if not np.isfinite(found.auc):
        told = "; ".join(word for word in found.words if "too few" in word)
        return pd.DataFrame([{"subject": "set", "told": told, "severity": Severity.INFO}]) if told else None
    if not found.gap or not found.looks:
        return None
    told = "; ".join(found.looks[: int(most_words)])
    told += f" (a classifier tells the sets apart: AUC {found.auc:.2f})"
    return pd.DataFrame([{"subject": "set", "told": told, "value": round(found.auc, 4)}])


@rule(Severity.WARNING, confidence="high", message="{told}", needs=("production",))
def object_scale_gap(scan: Scan) -> Table | None:
    """Objects of another size in production.

    A detector hardly finds objects at a scale that it was not trained on. Compared is the share of the picture's
    side that the objects of a picture take in the median, and their size beside what is usual for their class, by a
    test of Kolmogorov and Smirnov with Holm's correction at p ≤ .01, and told where the medians lie half a standard
    deviation apart or one is 1.25 times the other. Needs labels for the sample.

    **Do:** add pictures at production's scale, train and predict at a larger `imgsz`, or cut production's pictures
    into tiles.

    >>> import dsq
    >>> from dsq.scan import Scan
    >>> near = dsq.build_dataset([(f"{n}.jpg", "car", 200, 200, 200 + n, 150) for n in range(30)])
    >>> far = dsq.build_dataset([(f"{n}.jpg", "car", 280, 220, 50 + n, 40) for n in range(30)])
    >>> dsq.audit(Scan(near, production=far), select=["object-scale-gap"]).messages()
    ["objects are 3.5 × smaller in production: 9.2% of the image's side against 32.4%"]
    """
    return _shifted(scan, "size", "class_size")


@rule(Severity.WARNING, confidence="high", message="{told}", needs=("production",))
def object_position_gap(scan: Scan) -> Table | None:
    """Objects that lie elsewhere in production's pictures.

    Pictures taken to show an object hold it in the middle; a camera on a pole does not aim. Compared are the distance
    of the objects from the middle, their height in the picture, and how many the rim cuts, as `object-scale-gap`
    compares sizes. Needs labels for the sample.

    **Do:** add pictures in which nobody aimed, or train with translation and mosaic, which trainers do unasked.

    >>> import dsq
    >>> from dsq.scan import Scan
    >>> aimed = dsq.build_dataset([(f"{n}.jpg", "car", 270 + n, 190, 100, 100) for n in range(30)])
    >>> watched = dsq.build_dataset([(f"{n}.jpg", "car", 5 + n, 190, 100, 100) for n in range(30)])
    >>> dsq.audit(Scan(aimed, production=watched), select=["object-position-gap"]).messages()
    ['objects lie farther from the middle in production: 39% of the side away against 2%']
    """
    return _shifted(scan, "off_centre", "height_in_image", "at_rim")


@rule(Severity.WARNING, confidence="high", message="{told}", needs=("production",))
def density_gap(scan: Scan) -> Table | None:
    """More or fewer objects in a picture of production.

    Trained on one object a picture, a model has never seen two that touch or hide each other, and its confidence is
    tuned to find one. Compared are the number of objects a picture and the distance between neighbours, as
    `object-scale-gap` compares sizes. Needs labels for the sample.

    **Do:** add pictures with as many objects as production has; look at the limit of detections (`max_det`) and at
    the threshold of NMS.

    >>> import dsq
    >>> from dsq.scan import Scan
    >>> single = dsq.build_dataset([(f"{n}.jpg", "car", 9, 9, 60, 40) for n in range(30)])
    >>> crowd = [(f"{n}.jpg", "car", 9 + 70 * k, 9, 60, 40) for n in range(30) for k in range(8)]
    >>> dsq.audit(Scan(single, production=dsq.build_dataset(crowd)), select=["density-gap"]).messages()
    ['production has more objects an image: 8 instead of 1']
    """
    return _shifted(scan, "count", "crowding")


@rule(Severity.WARNING, confidence="medium", message="{told}", needs=("production",))
def aspect_gap(scan: Scan) -> Table | None:
    """Objects of another shape in production.

    The same thing is wide from the side and square from above: another ratio of width to height mostly means another
    viewpoint. Compared as `object-scale-gap` compares sizes. Needs labels for the sample.

    **Do:** add pictures from production's viewpoint; no augmentation makes up for one.

    >>> import dsq
    >>> from dsq.scan import Scan
    >>> side = dsq.build_dataset([(f"{n}.jpg", "car", 9, 9, 90 + n, 40) for n in range(30)])
    >>> above = dsq.build_dataset([(f"{n}.jpg", "car", 9, 9, 40, 80 + n) for n in range(30)])
    >>> dsq.audit(Scan(side, production=above), select=["aspect-gap"]).messages()
    ['objects are narrower in production: width/height 0.42 against 2.61']
    """
    return _shifted(scan, "aspect")


@rule(Severity.WARNING, confidence="medium", message="{told}", needs=("production",))
def class_mix_gap(scan: Scan, *, most_classes: int = 3) -> Table | None:
    """Classes that are more, or less, frequent in production.

    A class that is rare in training and common in production is missed where it counts; a class that production never
    shows costs nothing but attention. Classes are matched by name, their shares of the boxes compared by a
    permutation of the images at p ≤ .01, and told from a tenth of the boxes on, at most `most_classes` (3, our
    choice) of them. Needs labels for the sample.

    **Do:** collect the classes that production shows, and judge the model on production's mix.

    >>> import dsq
    >>> from dsq.scan import Scan
    >>> cars = dsq.build_dataset([(f"{n}.jpg", "car" if n else "bus", 9, 9, 60, 40) for n in range(30)])
    >>> buses = dsq.build_dataset([(f"{n}.jpg", "bus" if n else "car", 9, 9, 60, 40) for n in range(30)])
    >>> dsq.audit(Scan(cars, production=buses), select=["class-mix-gap"]).messages()
    ['bus is 97% of the boxes in production against 3%, car 3% against 97%']
    """
    mix = scan.domains.mix
    if mix is None or not mix.classes:
        return None
    classes = mix.classes[: int(most_classes)]
    name, first, second = classes[0]
    told = f"{name} is {second:.0%} of the boxes in production against {first:.0%}"
    told += "".join(f", {name} {second:.0%} against {first:.0%}" for name, first, second in classes[1:])
    return pd.DataFrame([{"subject": "set", "told": told, "value": round(abs(second - first), 4)}])


@rule(Severity.INFO, confidence="high", message="{told}", needs=("production",))
def resolution_gap(scan: Scan, *, min_factor: float = 1.5) -> Table | None:
    """Pictures of another size in production.

    The trainer scales every picture to `imgsz`: from larger pictures the same object comes out smaller and sharper,
    from smaller ones blurred. Told where the medians of the longer side differ `min_factor` (1.5, our choice) times,
    and by more than the middle half of the training pictures does.

    **Do:** look at the objects' size at `imgsz` in both; scale or tile production's pictures as you train.

    >>> import dsq
    >>> from dsq.scan import Scan
    >>> small = dsq.build_dataset(images=["a.jpg", "b.jpg"], size=(640, 480))
    >>> large = dsq.build_dataset(images=["c.jpg", "d.jpg"], size=(1920, 1080))
    >>> dsq.audit(Scan(small, production=large), select=["resolution-gap"]).messages()
    ["production's pictures are 3.0 × larger: 1920 px on the longer side against 640"]
    """
    if scan.production is None:
        return None
    sides = []
    for images in (scan.images, scan.production.images):
        longer = images[["width", "height"]].to_numpy(float, na_value=np.nan).max(1)
        sides.append(longer[longer > 0])
    if not all(map(len, sides)):
        return None
    first, second = (float(np.median(part)) for part in sides)
    factor = max(first, second) / min(first, second)
    low, high = np.quantile(sides[0], [0.25, 0.75])
    if factor < min_factor or low <= second <= high:
        return None
    larger = "larger" if second > first else "smaller"
    told = f"production's pictures are {factor:.1f} × {larger}: {second:.0f} px on the longer side against {first:.0f}"
    return pd.DataFrame([{"subject": "set", "told": told, "value": round(factor, 3), "threshold": min_factor}])


@rule(Severity.WARNING, confidence="high", message="{told}", needs=("production",))
def uncovered_production(scan: Scan, *, min_share: float = 0.15) -> Table | None:
    """Production pictures that have no like in training.

    A picture is not covered when it is farther from the nearest training picture than 95 of 100 training pictures are
    from theirs. That catches a part of production that was never photographed, such as nights, even where
    most of it looks familiar. Told from `min_share` (0.15) of the sample on, where chance alone would hardly leave so
    many (binomial, p ≤ .01); at 15 % no set of 300 without a gap was told in our measurements.

    **Do:** label some of these first; `dsq pick` chooses them.

    >>> import dsq
    >>> import numpy as np
    >>> from dsq.scan import Scan
    >>> found = {"coverage": 0.5, "rows": np.arange(40), "uncovered": np.arange(40) < 20, "uncovered_p": 1e-9}
    >>> scan = Scan(dsq.build_dataset(images=["a.jpg"]), domains=found)
    >>> dsq.audit(scan, select=["uncovered-production"]).messages()
    ['20 of 40 production pictures (50%) have no near neighbour in training']
    """
    found = scan.domains
    if not found.coverage >= min_share or found.uncovered_p > 0.01:
        return None
    out, of = int(found.uncovered.sum()), len(found.rows)
    told = f"{out:,} of {of:,} production pictures ({found.coverage:.0%}) have no near neighbour in training"
    return pd.DataFrame([{"subject": "set", "told": told, "value": round(found.coverage, 4), "threshold": min_share}])
