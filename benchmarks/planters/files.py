"""Faults of image files and of where files lie, planted into a copy of the set's folder."""

from __future__ import annotations

import io
import re
from typing import Any

from PIL import Image

from benchmarks.planters.base import WHOLE
from benchmarks.planters.trees import FilePlanter, Seeded, Tree, at, images


def lost_images(tree: Tree, faulty: bool) -> Seeded | None:
    """YOLO images deleted; in look-alikes the label goes with the image."""
    if tree.format != "yolo":
        return None
    faults, decoys = tree.draw_images()
    found = [at(("file", tree.label(image))) for image in faults]
    for image in decoys:
        tree.remove(tree.label(image))
    for image in [*faults, *decoys]:
        tree.remove(image)
    return Seeded(found, len(decoys))


def missing(tree: Tree, faulty: bool) -> Seeded | None:
    """Image files deleted; in look-alikes the suffix is another one than the record says."""
    if tree.format == "yolo":
        return None
    faults, decoys = tree.draw_images(suffix=".jpg")
    for image in faults:
        tree.remove(image)
    for image in decoys:
        tree.move(image, image[:-4] + ".jpeg")
    return Seeded(images(faults), len(decoys))


def strays(tree: Tree, faulty: bool) -> Seeded | None:
    """Pictures in a folder that nothing speaks of; as look-alikes masks of pictures."""
    faults, decoys = tree.draw_images(share=0.05, suffix=".jpg")
    folder = str(tree.rng.choice(["demo", "unsorted", "runs/detect/exp"]))
    for number, image in enumerate(faults):
        tree.write(f"{folder}/sight{number}.jpg", tree.read(image))
    for image in decoys:
        tree.write(f"masks/{image.rpartition('/')[2][:-4]}.png", encode(tree.read(image), "PNG"))
    return Seeded([at(("folder", folder))], len(decoys))


def strays_beside_splits(tree: Tree, faulty: bool) -> Seeded | None:
    """The same in a YOLO set whose images are in splits: nobody trains on them."""
    within = tree.dataset.images["split"].notna().mean()
    return strays(tree, faulty) if tree.format == "yolo" and within > 0.6 else None


def strays_without_label(tree: Tree, faulty: bool) -> Seeded | None:
    """The same where such pictures are taken for images of the set."""
    splits = tree.dataset.images["split"].notna().any()
    return strays(tree, faulty) if tree.format == "voc" or (tree.format == "yolo" and not splits) else None


def unlabelled(tree: Tree, faulty: bool) -> Seeded | None:
    """Label files or XML deleted; in look-alikes they stay and say that there is nothing."""
    if tree.format == "coco":
        return None
    faults, decoys = tree.draw_images()
    for image in faults:
        tree.remove(tree.label(image))
    for image in decoys:
        file = tree.label(image)
        text = re.sub(r"<object>.*</object>", "", tree.read(file).decode(), flags=re.DOTALL)
        tree.write(file, text if tree.format == "voc" else "")
    return Seeded(images(faults), len(decoys))


def is_jpeg(data: bytes) -> bool:
    return data[:2] == b"\xff\xd8"


def encode(data: bytes, kind: str, **options: Any) -> bytes:
    """An image in another format or with other options."""
    stream = io.BytesIO()
    with Image.open(io.BytesIO(data)) as image:
        image.convert("RGB").save(stream, kind, **options)
    return stream.getvalue()


def wrong_suffixes(tree: Tree, faulty: bool) -> Seeded:
    """WebP, PNG, BMP and GIF under a JPEG's name; as look-alikes progressive JPEG."""
    faults, decoys = tree.draw_images(share=0.05, suffix=".jpg")
    faults = [image for image in faults if is_jpeg(tree.read(image))]
    for image in faults:
        tree.write(image, encode(tree.read(image), str(tree.rng.choice(["WEBP", "PNG", "BMP", "GIF"]))))
    for image in decoys:
        tree.write(image, encode(tree.read(image), "JPEG", progressive=True, quality=70))
    return Seeded(images(faults), len(decoys))


def unreadable(tree: Tree, faulty: bool) -> Seeded:
    """Nothing, some first bytes, a web page or zeros; as look-alikes JPEG files cut within their pixels."""
    faults, decoys = tree.draw_images()
    for image in faults:
        data = tree.read(image)
        ways = (b"", data[: int(tree.rng.integers(2, 20))], b"<!DOCTYPE html><html>404</html>", bytes(len(data)))
        tree.write(image, ways[int(tree.rng.integers(4))])
    decoys = [image for image in decoys if is_jpeg(tree.read(image))]
    for image in decoys:
        data = tree.read(image)
        tree.write(image, data[: int(len(data) * 0.7)])
    return Seeded(images(faults), len(decoys))


def turned(tree: Tree, faulty: bool) -> Seeded:
    """JPEG files with an EXIF orientation of 2 to 8; as look-alikes of 1."""
    faults, decoys = tree.draw_images(share=0.05, suffix=".jpg")
    for image in [*faults, *decoys]:
        exif = Image.Exif()
        exif[0x0112] = int(tree.rng.integers(2, 9)) if image in faults else 1
        tree.write(image, encode(tree.read(image), "JPEG", exif=exif.tobytes()))
    return Seeded(images(faults), len(decoys))


def other_sizes(tree: Tree, faulty: bool) -> Seeded | None:
    """Image files resized, or turned by a quarter, while the record stays; as look-alikes compressed anew."""
    if tree.format == "yolo":
        return None
    faults, decoys = tree.draw_images(share=0.05, suffix=".jpg")
    for image in faults:
        with Image.open(io.BytesIO(tree.read(image))) as picture:
            width, height = picture.size
            factor = float(tree.rng.choice([0.5, 0.8, 1.25, 2]) * tree.rng.uniform(0.95, 1.05))
            other = picture.convert("RGB")
            if tree.rng.random() < 0.3 and width != height:
                other = other.transpose(Image.Transpose.ROTATE_90)
            else:
                other = other.resize((max(round(width * factor), 8), max(round(height * factor), 8)))
            stream = io.BytesIO()
            other.save(stream, "JPEG")
        tree.write(image, stream.getvalue())
    for image in decoys:
        tree.write(image, encode(tree.read(image), "JPEG", quality=60))
    return Seeded(images(faults), len(decoys))


def junk(tree: Tree, faulty: bool) -> Seeded | None:
    """Leftovers beside the images; as look-alikes a licence and a list of ideas."""
    if (tree.dataset.files["role"] == "junk").any():
        return None
    before, slash, _ = tree.dataset.images["file"].iloc[0].rpartition("/")
    kinds = [".DS_Store", "Thumbs.db", "._photo.jpg", "labels.cache", "notes.txt~", "__MACOSX/._x.jpg", "desktop.ini"]
    if not faulty:
        tree.write("LICENSE.md", "free")
        tree.write("docs/ideas.md", "more pictures")
        return Seeded([], 1)
    for name in tree.rng.choice(kinds, int(tree.rng.integers(1, 4)), replace=False):
        tree.write(before + slash + name, b"\0\0\0\1")
    return Seeded([WHOLE])


def beside(tree: Tree, faulty: bool) -> Seeded | None:
    """YOLO label files moved to their images."""
    if tree.format != "yolo":
        return None
    faults, _ = tree.draw_images()
    if "/images/" not in f"/{faults[0]}":
        return None
    for image in faults:
        tree.move(tree.label(image), image.rpartition(".")[0] + ".txt")
    return Seeded(images(faults))


def misplaced(tree: Tree, faulty: bool) -> Seeded | None:
    """YOLO labels in a folder, or under a suffix, where no trainer looks; in look-alikes CRLF line ends."""
    if tree.format != "yolo":
        return None
    faults, decoys = tree.draw_images()
    for image in faults:
        label = tree.label(image)
        folder, _, name = label.rpartition("/")
        inside = "/labels" in f"/{folder}" and tree.rng.random() < 0.5
        other = f"/{folder}".replace("/labels", "/annotations")[1:] + f"/{name}" if inside else label[:-4] + ".TXT"
        tree.move(label, other)
    for image in decoys:
        label = tree.label(image)
        tree.write(label, tree.read(label).replace(b"\r", b"").replace(b"\n", b"\r\n"))
    return Seeded(images(faults), len(decoys))


def oddly_written(tree: Tree, faulty: bool) -> Seeded | None:
    """YOLO labels in UTF-16, behind a byte order mark, with decimal commas or commas between; look-alikes with tabs."""
    if tree.format != "yolo":
        return None
    faults, decoys = tree.draw_images()
    for image in faults:
        text = tree.read(tree.label(image)).decode()
        ways = (text.encode("utf-16"), text.encode("utf-8-sig"), text.replace(".", ","), text.replace(" ", ","))
        tree.write(tree.label(image), ways[int(tree.rng.integers(4))])
    for image in decoys:
        tree.write(tree.label(image), tree.read(tree.label(image)).replace(b" ", b"\t"))
    return Seeded(images(faults), len(decoys))


PLANTERS = [
    FilePlanter("orphan-annotation", "YOLO: images deleted", lost_images),
    FilePlanter("missing-image", "images deleted", missing),
    FilePlanter("orphan-image", "YOLO with splits: a folder of pictures; masks", strays_beside_splits, trials=4),
    FilePlanter("unlabelled-image", "label files deleted; label files without an object", unlabelled),
    FilePlanter("unlabelled-image", "VOC, YOLO: a folder of pictures; masks", strays_without_label, trials=4),
    FilePlanter("wrong-extension", "WebP, PNG, BMP, GIF named .jpg", wrong_suffixes),
    FilePlanter("unreadable-image", "empty, cut in the header, a web page, zeros", unreadable),
    FilePlanter("exif-rotated", "orientations 2–8", turned, each_image=True),
    FilePlanter("size-mismatch", "files resized or turned", other_sizes),
    FilePlanter("junk-file", "one to three leftovers; a licence", junk, trials=6, whole=True),
    FilePlanter("misplaced-label", "labels in annotations/ or named .TXT; CRLF", misplaced),
    FilePlanter("unreadable-label-file", "UTF-16, byte order marks, commas; tabs", oddly_written),
    FilePlanter("label-beside-image", "labels moved beside images", beside),
]
