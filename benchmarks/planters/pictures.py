"""Faults of pictures: damaged files, odd modes, darkness, glare, blur, nothing to see, odd shapes and sizes."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFilter

from benchmarks.planters.files import is_jpeg
from benchmarks.planters.trees import FilePlanter, Seeded, Tree, images

#: one picture made into another, with random numbers at hand
Change = Callable[[Image.Image, np.random.Generator], Image.Image]


def cut(data: bytes, rng: np.random.Generator) -> bytes:
    """A JPEG that ends early, lost a piece, or has zeros in place of one; all in its second to ninth tenth."""
    at = int(len(data) * rng.uniform(0.2, 0.9))
    ways = (
        data[:at],
        data[:at] + bytes(len(data) - at),
        data[:at] + b"\xff\xd9",
        data[: at // 2] + bytes(len(data) // 10 + 600) + data[at // 2 + len(data) // 10 + 600 :],
    )
    return ways[int(rng.integers(len(ways)))]


def damaged(tree: Tree, faulty: bool) -> Seeded:
    """Baseline JPEG cut or overwritten within the pixels; as look-alikes progressive ones and bytes after the end."""
    faults, decoys = tree.draw_images(suffix=".jpg")
    faults = [image for image in faults if is_jpeg(tree.read(image))]
    for image in faults:
        tree.write(image, cut(redraw(tree.read(image), same, tree.rng), tree.rng))
    for number, image in enumerate(decoys):
        data = redraw(tree.read(image), same, tree.rng, progressive=number % 2 == 0)
        tree.write(image, data + bytes(1000 * (number % 3)))
    return Seeded(images(faults), len(decoys))


def redraw(data: bytes, change: Change, rng: np.random.Generator, **options: object) -> bytes:
    """An image changed and saved as JPEG."""
    stream = io.BytesIO()
    with Image.open(io.BytesIO(data)) as image:
        change(image.convert("RGB"), rng).save(stream, "JPEG", **{"quality": 90, **options})
    return stream.getvalue()


def same(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    return image


def gain(image: Image.Image, factor: float) -> Image.Image:
    """As if exposed `factor` times as long."""
    levels = np.asarray(image, np.float32) * factor
    return Image.fromarray(np.clip(levels, 0, 255).round().astype(np.uint8))


def darkened(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    return gain(image, float(rng.uniform(0.08, 0.2)))


def dimmed(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    return gain(image, float(rng.uniform(0.6, 0.9)))


def overexposed(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """So long that three quarters of the picture are burnt out."""
    level = float(np.quantile(np.asarray(image.convert("L")), 0.25))
    return gain(image, 255 / max(level, 8))


def lit(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    return gain(image, float(rng.uniform(1.1, 1.3)))


def blurred(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(min(image.size) * float(rng.uniform(0.01, 0.02))))


def slightly_blurred(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(min(image.size) * 0.005))


def moved(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Moved along an axis by 4 to 8 % of the short side while it was taken."""
    levels = np.asarray(image, np.float32)
    length = max(round(min(image.size) * float(rng.uniform(0.04, 0.08))), 3)
    axis = int(rng.integers(2))
    total = sum((np.roll(levels, shift - length // 2, axis) for shift in range(length)), np.zeros_like(levels))
    return Image.fromarray((total / length).round().astype(np.uint8))


def softened(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(min(image.size) * 0.001))


def flat(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """One colour."""
    return Image.new("RGB", image.size, tuple(int(value) for value in rng.integers(0, 256, 3)))


def faded(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Half the contrast."""
    return Image.fromarray((np.asarray(image, np.float32) * 0.5 + 64).round().astype(np.uint8))


def stripped(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A strip of it."""
    width, height = image.size
    if rng.random() < 0.5:
        return image.crop((0, height // 2, width, height // 2 + max(width // 6, 4)))
    return image.crop((width // 2, 0, width // 2 + max(height // 6, 4), height))


def halved(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    width, height = image.size
    side = min(width, height)
    return image.crop((0, 0, side, side // 2))


def shrunk(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    width, height = image.size
    return image.resize((max(width // 6, 12), max(height // 6, 12)))


def reduced(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    width, height = image.size
    return image.resize((max(width * 4 // 5, 12), max(height * 4 // 5, 12)))


def planted(change: Change, alike: Change, share: float = 0.1) -> Callable[[Tree, bool], Seeded]:
    """A planter that changes some pictures and, harmlessly, as many others."""

    def plant(tree: Tree, faulty: bool) -> Seeded:
        faults, decoys = tree.draw_images(share=share)
        for chosen, made in ((faults, change), (decoys, alike)):
            for image in chosen:
                tree.write(image, redraw(tree.read(image), made, tree.rng))
        return Seeded(images(faults), len(decoys))

    return plant


def odd_modes(tree: Tree, faulty: bool) -> Seeded:
    """CMYK, 16-bit, palette, transparent, grey and animated files; as look-alikes progressive RGB."""
    faults, decoys = tree.draw_images(share=0.05)
    for number, image in enumerate(faults):
        stream = io.BytesIO()
        with Image.open(io.BytesIO(tree.read(image))) as picture:
            plain = picture.convert("RGB")
        plain.thumbnail((400, 400))
        if number % 6 == 0:
            plain.convert("CMYK").save(stream, "JPEG")
        elif number % 6 == 1:
            deep = np.asarray(plain.convert("L")).astype(np.uint16) * 16
            Image.fromarray(deep).save(stream, "PNG")
        elif number % 6 == 2:
            plain.quantize(64).save(stream, "PNG")
        elif number % 6 == 3:
            plain.convert("RGBA").save(stream, "PNG")
        elif number % 6 == 4:
            plain.convert("L").save(stream, "JPEG")
        else:
            plain.save(stream, "GIF", save_all=True, append_images=[plain.rotate(5)])
        tree.write(image, stream.getvalue())
    for image in decoys:
        tree.write(image, redraw(tree.read(image), same, tree.rng, progressive=True))
    return Seeded(images(faults), len(decoys))


#: how the pixels of an upright picture are stored under an EXIF orientation
STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def turned_away(tree: Tree, faulty: bool) -> Seeded:
    """Pictures stored turned with the tag that sets them upright, while boxes are those of the upright picture; as
    look-alikes the tag alone, in another trial. Where a size is declared only turns that keep it.
    """
    faults, _ = tree.draw_images(share=0.3)
    for image in faults:
        exif = Image.Exif()
        turn = exif[0x0112] = int(tree.rng.integers(2, 9 if tree.format == "yolo" else 5))
        with Image.open(io.BytesIO(tree.read(image))) as picture:
            plain = picture.convert("RGB")
        stream = io.BytesIO()
        (plain.transpose(STORED[turn]) if faulty else plain).save(stream, "JPEG", quality=90, exif=exif.tobytes())
        tree.write(image, stream.getvalue())
    return Seeded(images(faults), 0) if faulty else Seeded([], len(faults))


PLANTERS = [
    FilePlanter("exif-rotated", "stored turned, boxes upright; the tag alone", turned_away, trials=2, beside=True),
    FilePlanter("truncated-image", "JPEG cut, zeroed; progressive, bytes after the end", damaged),
    FilePlanter("odd-mode", "CMYK, 16 bits, palette, alpha, grey, animated; progressive", odd_modes, beside=True),
    FilePlanter("dark-image", "light × .08–.2; × .6–.9", planted(darkened, dimmed)),
    FilePlanter("bright-image", "three quarters burnt out; light × 1.1–1.3", planted(overexposed, lit)),
    FilePlanter("blurry-image", "blur of 1–2 % of the short side; of .1 %", planted(blurred, softened)),
    FilePlanter("blurry-image", "moved by 4–8 %; blur of .1 %", planted(moved, softened)),
    FilePlanter("blurry-image", "blur of .5 %; of .1 %", planted(slightly_blurred, softened)),
    FilePlanter("low-information-image", "one colour; half the contrast", planted(flat, faded)),
    FilePlanter("odd-aspect-image", "strips of 6 : 1; halves of a square", planted(stripped, halved, 0.05)),
    FilePlanter("odd-size-image", "a sixth as wide; four fifths", planted(shrunk, reduced, 0.05)),
]
