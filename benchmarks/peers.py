"""One conversion by another Python package, run by the interpreter that has it: peers.py PEER FROM TO SOURCE OUT.

FROM and TO are coco, yolo or voc; SOURCE is what benchmarks.convert makes of the format, OUT an empty folder. Nothing
but the package and the standard library is imported.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

#: package -> what it converts
TASKS = {
    "globox": {("coco", "yolo"), ("coco", "voc"), ("yolo", "coco"), ("voc", "coco")},
    "labelformat": {("coco", "yolo"), ("coco", "voc"), ("yolo", "coco"), ("voc", "coco")},
    "ultralytics": {("coco", "yolo")},
}


def class_names(source: Path) -> list[str]:
    """The classes of a VOC folder, by its labelmap.txt."""
    lines = (source / "labelmap.txt").read_text().splitlines()
    return [line.partition(":")[0] for line in lines if line and not line.startswith("#")]


def run_globox(kinds: tuple[str, str], source: Path, out: Path) -> None:
    """Its annotation sets; class ids of YOLO stay numbers."""
    sets = importlib.import_module("globox").AnnotationSet
    if kinds[0] == "coco":
        found = sets.from_coco(source)
    elif kinds[0] == "yolo":
        found = sets.from_yolo_v5(source / "labels", image_folder=source / "images")
    else:
        found = sets.from_pascal_voc(source / "Annotations")
    if kinds[1] == "coco":
        found.save_coco(out / "instances.json", auto_ids=True)
    elif kinds[1] == "yolo":
        ids = {name: number for number, name in enumerate(class_names(source.parent / "voc"))}
        found.save_yolo_v5(out / "labels", label_to_id=ids)
    else:
        found.save_pascal_voc(out / "Annotations")


def run_labelformat(kinds: tuple[str, str], source: Path, out: Path) -> None:
    """Its inputs and outputs for object detection."""
    formats = importlib.import_module("labelformat.formats")
    if kinds[0] == "coco":
        found = formats.COCOObjectDetectionInput(input_file=source)
    elif kinds[0] == "yolo":
        found = formats.YOLOv8ObjectDetectionInput(input_file=source / "data.yaml", input_split="train")
    else:
        names = ",".join(class_names(source))
        found = formats.PascalVOCObjectDetectionInput(input_folder=source / "Annotations", category_names=names)
    if kinds[1] == "coco":
        target = formats.COCOObjectDetectionOutput(output_file=out / "instances.json")
    elif kinds[1] == "yolo":
        target = formats.YOLOv8ObjectDetectionOutput(output_file=out / "data.yaml", output_split="train")
    else:
        target = formats.PascalVOCObjectDetectionOutput(output_folder=out / "Annotations")
    target.save(found)


def run_ultralytics(kinds: tuple[str, str], source: Path, out: Path) -> None:
    """Its convert_coco, which takes a folder of JSON files; its settings go to `out`."""
    os.environ.update(YOLO_CONFIG_DIR=str(out), YOLO_OFFLINE="1")
    folder = out / "source"
    folder.mkdir()
    (folder / "instances_train.json").symlink_to(source.resolve())
    converter = importlib.import_module("ultralytics.data.converter")
    converter.convert_coco(str(folder), str(out / "converted"), use_segments=False, cls91to80=False)


def main(peer: str, start: str, end: str, source: str, out: str) -> None:
    """Convert; any error of the peer ends the process."""
    place = Path(out)
    place.mkdir(parents=True)
    run = {"globox": run_globox, "labelformat": run_labelformat, "ultralytics": run_ultralytics}[peer]
    run((start, end), Path(source), place)


if __name__ == "__main__":
    main(*sys.argv[1:])
