"""Faults of records: what the annotation files say, planted into a copy of the set's folder."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from benchmarks.planters.base import WHOLE, Fault
from benchmarks.planters.trees import FilePlanter, Seeded, Tree, at, images


def malformed(tree: Tree, faulty: bool) -> Seeded | None:
    """Records that lack a number, hold none, or break off; beside them records that are only written oddly."""
    rng = tree.rng
    if tree.format == "coco":
        return malformed_coco(tree)
    faults, decoys = tree.draw_images()
    found: list[Fault] = []
    for image in faults:
        file = tree.label(image)
        text = tree.read(file).decode()
        kind = int(rng.integers(4))
        if tree.format == "voc":
            text = (
                text[: int(len(text) * rng.uniform(0.3, 0.9))],
                re.sub(r"<bndbox>.*?</bndbox>", "", text, count=1, flags=re.DOTALL),
                re.sub(r"<xmin>.*?</xmin>", "<xmin>left</xmin>", text, count=1),
                re.sub(r"<ymax>.*?</ymax>", "", text, count=1),
            )[kind]
            found.append(at(("file", file)))
        else:
            lines = text.splitlines()
            row = int(rng.integers(len(lines)))
            cells = lines[row].split()
            cells = (
                cells[:4],
                ["ship", *cells[1:]],
                [*cells[:2], "nan", *cells[3:]],
                [*cells[:3], "1e999", *cells[4:]],
            )[kind]
            lines[row] = " ".join(cells)
            text = "\n".join(lines)
            found.append(at(("place", file, row + 1)))
        tree.write(file, text)
    for image in decoys:
        file = tree.label(image)
        text = tree.read(file).decode()
        if tree.format == "voc":
            text = text.replace("</object>", "<weather>fog</weather></object>").replace("<xmin>", "<xmin> ")
        else:
            text = "\r\n".join(line + " " for line in text.splitlines()) + "\r\n\r\n"
        tree.write(file, ("\ufeff" if rng.random() < 0.5 else "") + text)
    return Seeded(found, len(decoys))


def malformed_coco(tree: Tree) -> Seeded:
    rng, found, decoys = tree.rng, [], 0
    documents = tree.documents()
    for name, document in documents.items():
        records = document["annotations"]
        order = rng.permutation(len(records))
        for row in order[: max(len(order) // 20, 1)]:
            record: dict[str, Any] = records[row]
            kind = int(rng.integers(5))
            if kind == 0:
                record["bbox"] = record["bbox"][:3]
            elif kind == 1:
                record["bbox"][int(rng.integers(4))] = float("nan")
            elif kind == 2:
                record["bbox"][int(rng.integers(4))] = "wide"
            elif kind == 3:
                del record["category_id"]
            else:
                record["image_id"] = None
            found.append(at(("place", name, record["id"])))
        for row in order[-20:]:
            records[row] |= {"note": "seen twice", "attributes": {"occluded": True}}
            decoys += 1
    tree.write_documents(documents)
    return Seeded(found, decoys)


def coco(plant: Callable[[Tree, dict[str, Any]], Seeded | None]) -> Callable[[Tree, bool], Seeded | None]:
    """A planter that changes the decoded documents of a COCO set."""

    def planted(tree: Tree, faulty: bool) -> Seeded | None:
        if tree.format != "coco":
            return None
        documents = tree.documents()
        seeded = plant(tree, documents)
        tree.write_documents(documents)
        return seeded

    return planted


def doubled_ids(tree: Tree, documents: dict[str, Any]) -> Seeded:
    """Ids given twice within a file; those that another file gives as well are no fault."""
    found: list[Fault] = []
    decoys = 0
    taken: list[int] = []
    for name, document in documents.items():
        records = document["annotations"]
        order = tree.rng.permutation(len(records))
        count = max(len(records) // 25, 1)
        for first, second in zip(order[:count], order[count : 2 * count], strict=False):
            records[second]["id"] = records[first]["id"]
            found.append(at(("place", name, records[first]["id"])))
        own = {record["id"] for record in records}
        for row, number in zip(order[2 * count : 3 * count], taken, strict=False):
            if number not in own:
                records[row]["id"] = number
                decoys += 1
        taken = [records[row]["id"] for row in order[3 * count :]]
    return Seeded(found, decoys)


def image_twice(tree: Tree, documents: dict[str, Any]) -> Seeded:
    """A second record for a file, with some of its annotations."""
    chosen = set(tree.draw_images()[0])
    names = {file.rpartition("/")[2]: file for file in chosen}
    found: list[Fault] = []
    for document in documents.values():
        number = max(record["id"] for record in document["images"]) + 1
        for record in list(document["images"]):
            if record["file_name"].rpartition("/")[2] not in names:
                continue
            document["images"].append({**record, "id": number})
            for annotation in document["annotations"]:
                if annotation["image_id"] == record["id"] and tree.rng.random() < 0.5:
                    annotation["image_id"] = number
            found.append(at(("image", names[record["file_name"].rpartition("/")[2]])))
            number += 1
    return Seeded(found)


def lost_image_ids(tree: Tree, documents: dict[str, Any]) -> Seeded:
    found: list[Fault] = []
    for name, document in documents.items():
        records = document["annotations"]
        beyond = max(record["id"] for record in document["images"]) + 1000
        for row in tree.rng.permutation(len(records))[: max(len(records) // 20, 1)]:
            records[row]["image_id"] = beyond + int(tree.rng.integers(9))
            found.append(at(("place", name, records[row]["id"])))
    return Seeded(found)


def lost_records(tree: Tree, documents: dict[str, Any]) -> Seeded:
    """Records and their annotations deleted; in look-alikes the annotations alone."""
    faults, decoys = tree.draw_images()
    names, emptied = ({file.rpartition("/")[2] for file in files} for files in (faults, decoys))
    for document in documents.values():
        by_name = {record["file_name"].rpartition("/")[2]: record["id"] for record in document["images"]}
        gone = {number for name, number in by_name.items() if name in names}
        bare = gone | {number for name, number in by_name.items() if name in emptied}
        document["images"] = [record for record in document["images"] if record["id"] not in gone]
        document["annotations"] = [note for note in document["annotations"] if note["image_id"] not in bare]
    return Seeded(images(faults), len(decoys))


def rename(tree: Tree, chosen: dict[str, str]) -> None:
    """Other names in the records of images: image file -> the name that its record is to state."""
    if tree.format == "voc":
        for image, name in chosen.items():
            file = tree.label(image)
            before, _, rest = tree.read(file).decode().partition("<filename>")
            tree.write(file, f"{before}<filename>{name}</filename>{rest.partition('</filename>')[2]}")
        return
    documents = tree.documents()
    by_base = {base(image): name for image, name in chosen.items()}
    for document in documents.values():
        for record in document["images"]:
            record["file_name"] = by_base.get(base(record["file_name"]), record["file_name"])
    tree.write_documents(documents)


def base(name: str) -> str:
    return name.rpartition("/")[2]


def outside(tree: Tree, faulty: bool) -> Seeded | None:
    """Names that climb out of the dataset, told once an annotation file; look-alikes begin with ./"""
    if tree.format == "yolo":
        return None
    faults, decoys = tree.draw_images(share=0.05)
    rename(
        tree, {image: f"../../../{base(image)}" for image in faults} | {image: f"./{base(image)}" for image in decoys}
    )
    return Seeded([at(("file", file)) for file in sorted({tree.label(image) for image in faults})], len(decoys))


def unportable(tree: Tree, faulty: bool) -> Seeded | None:
    """Names with backslashes or in another case; look-alikes with ./ before them. Told once for a file or the set."""
    if tree.format == "yolo":
        return None
    chosen, _ = tree.draw_images(share=0.05)
    before = "photos\\" if tree.rng.random() < 0.5 else ""
    new = {image: before + base(image) if before else base(image).swapcase() for image in chosen}
    rename(tree, new if faulty else {image: f"./{base(image)}" for image in chosen})
    return Seeded([WHOLE] if faulty else [], int(not faulty))


def other_names(tree: Tree, faulty: bool) -> Seeded | None:
    """VOC: another image's name, or one that is nowhere; look-alikes in a foreign folder. COCO: another extension."""
    if tree.format == "yolo":
        return None
    faults, decoys = tree.draw_images(share=0.05)
    others = tree.dataset.images["file"].tolist()
    new: dict[str, str] = {}
    for number, image in enumerate(faults):
        if tree.format == "coco":
            new[image] = base(image).rpartition(".")[0] + ".png"
        elif tree.rng.random() < 0.5:
            new[image] = base(others[(others.index(image) + 1) % len(others)])
        else:
            new[image] = f"DSC_{number:05d}.jpg"
    rename(tree, new | {image: f"photos/{base(image)}" for image in decoys if tree.format == "voc"})
    return Seeded(images(faults), len(decoys) if tree.format == "voc" else 0)


def class_lists(tree: Tree, faulty: bool) -> Seeded | None:
    """A second list of classes, in another order or with another name; as a look-alike the same list."""
    names = tree.dataset.categories.loc[tree.dataset.categories["declared"], "name"].tolist()
    if not tree.dataset.about.class_lists:
        return None
    if tree.format == "yolo":
        other = list(names)
        if faulty and len(names) > 1 and tree.rng.random() < 0.5:
            other[0], other[1] = other[1], other[0]
        elif faulty:
            other[int(tree.rng.integers(len(other)))] = "heron"
        tree.write("classes.txt", "\n".join(other) + "\n")
    elif tree.format == "coco":
        documents = tree.documents()
        if len(documents) < 2:
            return None
        document = documents[sorted(documents)[-1]]
        if faulty:
            one, two = tree.rng.permutation(len(document["categories"]))[:2]
            categories = document["categories"]
            categories[one]["id"], categories[two]["id"] = categories[two]["id"], categories[one]["id"]
        else:
            document["categories"].reverse()
        tree.write_documents(documents)
    else:
        return None
    return Seeded([WHOLE] if faulty else [], int(not faulty))


PLANTERS = [
    FilePlanter("malformed-record", "records cut, without a number, with a word or NaN", malformed),
    FilePlanter("duplicate-id", "annotations with another one's id", coco(doubled_ids)),
    FilePlanter("duplicate-image-record", "a second record for a file", coco(image_twice)),
    FilePlanter("orphan-annotation", "COCO: an image id that does not exist", coco(lost_image_ids)),
    FilePlanter("orphan-image", "COCO: records deleted", coco(lost_records)),
    FilePlanter("path-outside-dataset", "../../../ before the name; ./", outside),
    FilePlanter("unportable-path", "backslashes or another case; ./", unportable, trials=4, whole=True),
    FilePlanter("filename-mismatch", "another image's name, none's, another extension", other_names),
    FilePlanter("class-list-disagreement", "another order or name; the same list", class_lists, trials=4, whole=True),
]
