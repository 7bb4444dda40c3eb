"""A copy of a set's files that a planter may change: hard links until a file is written anew."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.planters.base import Array, Fault, Token
from dsq.model import Dataset


@dataclass(frozen=True)
class Tree:
    """A folder to plant in. dataset: what was read from it untouched; its file names are those in the folder."""

    root: Path
    dataset: Dataset
    rng: np.random.Generator

    @property
    def format(self) -> str:
        return self.dataset.about.format

    def draw(self, able: Array, share: float = 0.1) -> tuple[Array, Array]:
        """Random positions for faults, a `share` of all and at least one, and as many others for look-alikes."""
        order = self.rng.permutation(np.flatnonzero(able))
        count = int(np.clip(round(share * len(able)), 1, 60))
        return order[:count], order[count : 2 * count]

    def draw_images(self, share: float = 0.1, suffix: str = "") -> tuple[list[str], list[str]]:
        """Image files that have boxes, an annotation and this suffix: for faults and for look-alikes."""
        images = self.dataset.images
        able = images["member"].notna() & (images["label_state"] == "labelled") & ~images["file"].duplicated(False)
        if suffix:
            able &= images["file"].str.lower().str.endswith(suffix)
        faults, decoys = self.draw(able.to_numpy(bool), share)
        files = images["file"].to_numpy()
        return files[faults].tolist(), files[decoys].tolist()

    def label(self, image: str) -> str:
        """The annotation file of an image."""
        images = self.dataset.images
        return str(images.loc[images["file"] == image, "origin_file"].iloc[0])

    def path(self, file: str) -> Path:
        """Where a file of the tree lies. ValueError for a name that leads out of it."""
        path = self.root / file
        if not path.resolve().is_relative_to(self.root.resolve()):
            raise ValueError(f"{file} leads out of the tree")
        return path

    def read(self, file: str) -> bytes:
        return self.path(file).read_bytes()

    def write(self, file: str, data: bytes | str) -> None:
        """Write a file anew; the copies that share it keep theirs."""
        path = self.path(file)
        path.unlink(missing_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)

    def remove(self, file: str) -> None:
        self.path(file).unlink()

    def move(self, file: str, name: str) -> None:
        self.write(name, self.read(file))
        self.remove(file)

    def documents(self) -> dict[str, Any]:
        """The COCO files that were read, decoded, by name."""
        names = sorted(set(self.dataset.images["origin_file"].dropna().astype(str)))
        return {name: json.loads(self.read(name)) for name in names if name.endswith(".json")}

    def write_documents(self, documents: dict[str, Any]) -> None:
        for name, document in documents.items():
            self.write(name, json.dumps(document))


@dataclass(frozen=True)
class Seeded:
    """Faults planted in a tree, and the number of look-alikes."""

    faults: list[Fault]
    decoys: int = 0


@dataclass(frozen=True)
class FilePlanter:
    """Plants one kind of fault into a Tree; returns None where the set cannot hold it. See Planter for the rest."""

    rule: str
    what: str
    plant: Callable[[Tree, bool], Seeded | None]
    trials: int = 1
    whole: bool = False
    each_image: bool = False
    beside: bool = False


def at(*tokens: Token) -> Fault:
    return frozenset(tokens)


def images(files: list[str]) -> list[Fault]:
    return [at(("image", file)) for file in files]


def unpack(source: Path, target: Path) -> Path:
    """A plain copy of a folder, or of a zip's files."""
    if source.is_file():
        with zipfile.ZipFile(source) as archive:
            archive.extractall(target)
        return target
    for path in source.rglob("*"):
        if path.is_file():
            name = target / path.relative_to(source)
            name.parent.mkdir(parents=True, exist_ok=True)
            name.write_bytes(path.read_bytes())
    return target


@contextmanager
def linked(base: Path) -> Iterator[Path]:
    """A folder beside `base` with hard links to its files, gone afterwards."""
    with TemporaryDirectory(dir=base.parent) as folder:
        for parent, _, names in os.walk(base):
            inside = Path(folder) / Path(parent).relative_to(base)
            inside.mkdir(parents=True, exist_ok=True)
            for name in names:
                os.link(Path(parent) / name, inside / name)
        yield Path(folder)
