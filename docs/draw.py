"""Draw the README's picture: one wrong box of the sample set, on its image, beside what the audit says of it.

python docs/draw.py            writes docs/images/wrong-box.png
"""

from __future__ import annotations

import io
from pathlib import Path

import msgspec
from PIL import Image, ImageDraw, ImageFont

import dsq
from dsq.source import open_source

HERE = Path(__file__).resolve().parent
SCALE = 3
RED, GREEN, WHITE = (255, 66, 66), (64, 220, 120), (255, 255, 255)


def main() -> None:
    """Find the first box that is not the frame of its mask and draw both."""
    path = HERE.parent / "sample_datasets" / "potholes-coco.zip"
    dataset = dsq.read(path)
    found = dsq.audit(dataset, select=["box-polygon-mismatch"]).findings.iloc[0]
    row = dataset.boxes[dataset.boxes["box_id"] == found["box_id"]].iloc[0]
    image_row = dataset.images[dataset.images["image_id"] == row["image_id"]].iloc[0]
    with open_source(path) as source:
        picture = Image.open(io.BytesIO(source.read(image_row["member"]))).convert("RGB")
    picture = picture.resize((picture.width * SCALE, picture.height * SCALE), Image.Resampling.LANCZOS)
    draw = ImageDraw.Draw(picture, "RGBA")
    for part in msgspec.json.decode(bytes(row["segmentation"])):
        points = [value * SCALE for value in part]
        draw.polygon(points, fill=(*GREEN, 60))
        draw.line([*points, *points[:2]], fill=GREEN, width=4)
    x, y, width, height = (value * SCALE for value in found["bbox"])
    draw.rectangle([x, y, x + width, y + height], outline=RED, width=5)
    font = ImageFont.load_default(26)
    for text, colour, corner in (
        (f"{found['category']}: the box as labelled", RED, (x, y - 38)),
        ("its mask", GREEN, (points[0], max(points[1::2]) + 10)),
    ):
        left, top, right, bottom = draw.textbbox(corner, text, font=font)
        draw.rectangle([left - 8, top - 5, right + 8, bottom + 5], fill=(0, 0, 0, 190))
        draw.text(corner, text, fill=colour, font=font)
    band = Image.new("RGB", (picture.width, picture.height + 64), (24, 26, 30))
    band.paste(picture, (0, 0))
    words = ImageDraw.Draw(band)
    words.text(
        (18, picture.height + 16), f"{found['rule']}: {found['message']}", fill=WHITE, font=ImageFont.load_default(28)
    )
    band.save(HERE / "images" / "wrong-box.png", optimize=True)


if __name__ == "__main__":
    main()
