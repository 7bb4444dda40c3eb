"""Class numbers that mean another class in one part of the set."""

from __future__ import annotations

from collections import Counter

import pandas as pd

from dsq.rule import Severity, list_some, rule
from dsq.scan import Scan, Table


@rule(
    Severity.WARNING,
    message="{what}: numbered in another order in {suspect}?",
    confidence="medium",
    needs=("pixels",),
    collapse=False,
)
def class_order_mismatch(
    scan: Scan,
    *,
    min_gain: float = 0.6,
    min_weakest: float = 0.15,
    min_separation: float = 0.6,
    max_chance: float = 0.005,
    min_crops: int = 12,
    min_images: int = 6,
    max_folders: int = 8,
) -> Table | None:
    """What one delivery calls car looks like what the other calls person, and the other way round.

    YOLO labels hold numbers; the names stand in another file. Where that file was lost, or another tool wrote its
    own, the numbers get the wrong names, and after a merge one class holds the objects of another. Nothing in the
    tables shows it; the pictures do. The parts compared are the sources of a merge, or the first folders by which the
    files differ (`max_folders`, 8, or fewer; see `class-coverage`).

    Small crops of boxes (up to 60 of a class and part) are described by their edges, colours and form, and each part
    learns to tell its classes apart. Then each judges the crops of the other, and the exchange of names is sought
    that explains them best. It is told if it explains them at least `min_gain` (0.6) times as well as the names of a
    part explain its own crops, each single class `min_weakest` (0.15) times; if both parts tell these classes apart
    by themselves (area under the curve of `min_separation`, 0.6, or more: where classes look alike, nothing is
    said); if at most `max_chance` (0.005) of random renamings, image by image, explain them as well; and if no kind of
    feature speaks against it. Classes with fewer than `min_crops` (12) boxes or `min_images` (6) images in a part are
    left out, and so are pictures that EXIF turns by a quarter.

    The numbers were set on halves of the sets bccd, coco-tiny and traffic-ground, with classes exchanged in one of
    them and without; `docs/benchmarks.md` has the figures.

    **Do:** look at a few images of each part. If it is so, give that part its right names with `dsq remap`, or its
    right `data.yaml`, and merge again.

    >>> import dsq, tempfile
    >>> from PIL import Image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     boxes = []
    ...     for n in range(24):
    ...         picture = Image.new("RGB", (64, 64), (90, 90, 90))
    ...         picture.paste((200, 30 + n, 30), (5, 5, 35, 20))
    ...         picture.paste((30, 40 + n, 200), (40, 20, 55, 60))
    ...         file = f"{'north' if n % 2 else 'south'}{n}.png"
    ...         picture.save(f"{folder}/{file}")
    ...         names = ("car", "person") if n % 2 else ("person", "car")
    ...         boxes += [(file, names[0], 5, 5, 30, 15), (file, names[1], 40, 20, 15, 40)]
    ...     images = [{"file": f, "root": folder, "source": f[:5]} for f in dict.fromkeys(box[0] for box in boxes)]
    ...     data = dsq.build_dataset(boxes, images=images, size=(64, 64))
    ...     dsq.audit(data, select=["class-order-mismatch"]).messages()
    ['car in south looks like person in north, person like car: numbered in another order in one of the two?']
    """
    found = scan.parts(max_folders)
    if found is None or len(scan.boxes) == 0:
        return None
    part, names = found
    exchanges = [
        exchange
        for exchange in scan.looks.exchanges(part, least=min_crops, images=min_images)
        if exchange.gain >= min_gain
        and exchange.weakest >= min_weakest
        and exchange.separation >= min_separation
        and exchange.chance <= max_chance
        and exchange.agreed
    ]
    if not exchanges:
        return None
    blamed = Counter(side for exchange in exchanges for side in (exchange.first, exchange.second))
    rows = []
    for exchange in exchanges:
        classes = [scan.names[number] for number in exchange.classes]
        looks = [f"{one} like {other}" for one, other in zip(classes, [*classes[1:], classes[0]], strict=True)]
        one, other = names[exchange.first], names[exchange.second]
        looks[0] = f"{classes[0]} in {other} looks like {classes[1]} in {one}"
        odd = blamed[exchange.first] - blamed[exchange.second]
        rows.append(
            {
                "subject": f"{one}, {other}: {', '.join(sorted(classes))}",
                "what": list_some(looks, 3),
                "suspect": "one of the two" if odd == 0 else one if odd > 0 else other,
                "value": round(exchange.gain, 3),
                "threshold": min_gain,
                "evidence": "crops",
            }
        )
    return pd.DataFrame(rows).sort_values("subject")
