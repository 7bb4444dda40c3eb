"""Scan: a dataset with what was derived from its tables and read from its files; all that a rule may look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dsq.analyse.couples import Labels
from dsq.analyse.domains.comparison import Domains, compare_domains, state_domains
from dsq.analyse.looks import Looks
from dsq.analyse.sequences import find_sequences
from dsq.geometry import Geometry, box_area
from dsq.masks import mask_extents
from dsq.measure.focus import read_focus
from dsq.measure.frames import Stated, read_frames
from dsq.measure.images import Measured, header_table, measure_images, read_header_table
from dsq.measure.stated import state_pairs, state_pixels
from dsq.measure.store import Cache
from dsq.model import About, Dataset, text_or_none
from dsq.names import name_facts, name_parts, stated_name
from dsq.overlaps import Overlaps

Table: TypeAlias = pd.DataFrame
Array = NDArray[Any]
Progress = Callable[[str, int, int], None]


class Scan:
    """A dataset as the rules see it; everything is computed once, when first asked for."""

    def __init__(
        self,
        dataset: Dataset,
        *,
        tables_only: bool = False,
        workers: int | None = None,
        rehash: bool = False,
        cache: Cache = True,
        progress: Progress | None = None,
        pixels: Mapping[str, Mapping[str, Any]] | None = None,
        duplicates: Sequence[Sequence[Any]] | None = None,
        production: Dataset | None = None,
        domains: Mapping[str, Any] | None = None,
    ) -> None:
        """workers, rehash, cache: see `dsq.measure.images.measure_images`. pixels, duplicates: stated instead of
        measured, see `dsq.measure.stated`; with `duplicates` alone the pixels are those of ordinary pictures.
        production: a sample of the images that a model will meet. domains: fields of `Domains`, stated instead of
        measured.
        """
        self.dataset = dataset
        if pixels is not None or duplicates is not None:
            self._measured = state_pixels(dataset, pixels or {})
            self.duplicates = state_pairs(dataset, duplicates or ())
        self.tables_only = tables_only
        self.workers, self.rehash, self.cache = workers, rehash, cache
        self._progress = progress
        self.production = production
        if domains is not None:
            self.domains = state_domains(domains)

    @property
    def images(self) -> Table:
        return self.dataset.images

    @property
    def boxes(self) -> Table:
        return self.dataset.boxes

    @property
    def categories(self) -> Table:
        return self.dataset.categories

    @property
    def problems(self) -> Table:
        return self.dataset.problems

    @property
    def files(self) -> Table:
        return self.dataset.files

    @property
    def about(self) -> About:
        return self.dataset.about

    def lacks(self, need: str) -> str | None:
        """Why the evidence `need` is not at hand, and how to supply it; None where it is."""
        if need == "files":
            if not self.about.listed:
                return "give the folder or zip instead of the annotation file alone"
        elif need == "headers":
            if self.dataset.headers is not None:
                return None
            if self.tables_only:
                return "left out by --tables-only"
            if not self._readable.any():
                return "no image file was found; add --image-root DIR"
        elif need == "pixels":
            if "_measured" in self.__dict__:
                return None
            if self.tables_only:
                return "left out by --tables-only"
            if not self._readable.any():
                return "no image file was found; add --image-root DIR"
        elif need == "production":
            if "domains" in self.__dict__:
                return None
            if self.production is None:
                return "add --production SAMPLE: images, a video or a labelled set"
            if self.tables_only:
                return "left out by --tables-only"
        else:
            raise KeyError(f"no evidence is called {need!r}")
        return None

    @cached_property
    def present(self) -> Array:
        """(images,) bool: whether the image file was found."""
        found: Array = self.images["member"].notna().to_numpy()
        return found

    @cached_property
    def _readable(self) -> Array:
        """(images,) bool: whether an image file was found, and the folder or zip that holds it is known."""
        known: Array = self.present & self.images["root"].notna().to_numpy()
        return known

    @cached_property
    def names(self) -> dict[int, str]:
        """Class name by category_id."""
        return dict(zip(self.categories["category_id"].tolist(), self.categories["name"].tolist(), strict=True))

    @cached_property
    def stated_names(self) -> list[str | None]:
        """The file name that the annotation states for each image; None: none, or the one in `images`."""
        return [stated_name(extras) for extras in text_or_none(self.images["extras"]).tolist()]

    @cached_property
    def stems(self) -> Table:
        """What file names say about their sources, a row an image in the order of `images`: `source`, `stem`,
        `roboflow`, `augmented`, `base`, `distinctive` (see `dsq.names.name_facts`).
        """
        return name_facts(self.images["file"].tolist())

    def parts(self, most: int) -> tuple[Array, list[str]] | None:
        """Where the images come from: a code for each, and the parts' names; None where the set has no parts.

        The parts are the sources of a merge, else the first folders by which the files differ if these are `most` or
        fewer and none is named after a class (see `dsq.names.name_parts`).
        """
        source = self.images["source"].astype(object)
        if source.nunique() > 1:
            codes, names = pd.factorize(source.fillna("(no source)"), sort=True)
            return codes, [str(name) for name in names]
        return name_parts(self.image_files, set(self.categories["name"].str.casefold()), most)

    @cached_property
    def classes_by_image(self) -> Table:
        """Which class occurs in which image, a row a pair: `image_row`, `category_row` (positions in `images` and
        `categories`), `boxes` (their number).
        """
        classes = max(len(self.categories), 1)
        rows = rows_of(self.categories["category_id"].to_numpy(), self.boxes["category_id"].to_numpy())
        codes, pairs = pd.factorize(self.image_row * classes + rows)
        counts = np.bincount(codes, minlength=len(pairs))
        return pd.DataFrame({"image_row": pairs // classes, "category_row": pairs % classes, "boxes": counts})

    @cached_property
    def image_index(self) -> pd.Index[Any]:
        """image_id -> position in `images`."""
        index: pd.Index[Any] = pd.Index(self.images["image_id"])
        return index

    @cached_property
    def box_index(self) -> pd.Index[Any]:
        """box_id -> position in `boxes`."""
        index: pd.Index[Any] = pd.Index(self.boxes["box_id"])
        return index

    @cached_property
    def image_files(self) -> list[str]:
        """File name of each image."""
        return self.images["file"].tolist()

    @cached_property
    def image_origins(self) -> list[str | None]:
        """Annotation file of each image; None: none speaks of it."""
        return [name if isinstance(name, str) else None for name in self.images["origin_file"].tolist()]

    @cached_property
    def relative(self) -> Array:
        """(images,) bool: boxes are in fractions because the image's size is unknown."""
        flags: Array = (self.images["unit"] == "relative").to_numpy()
        return flags

    @cached_property
    def image_row(self) -> Array:
        """(boxes,) position in `images` of each box's image."""
        return rows_of(self.images["image_id"].to_numpy(), self.boxes["image_id"].to_numpy())

    @cached_property
    def image_sizes(self) -> Array:
        """(images, 2) width and height in pixels, NaN where unknown."""
        width, height = self.images["width"], self.images["height"]
        return np.stack([width.to_numpy(float, na_value=np.nan), height.to_numpy(float, na_value=np.nan)], 1)

    @cached_property
    def geometry(self) -> Geometry:
        """The boxes as arrays in pixels."""
        boxes, row = self.boxes, self.image_row
        x, y = boxes["x"].to_numpy(), boxes["y"].to_numpy()
        width, height = boxes["width"].to_numpy(), boxes["height"].to_numpy()
        with np.errstate(over="ignore", invalid="ignore"):
            corners = np.stack([x, y, x + width, y + height], 1)
        if self.relative.any():
            unknown = self.relative[row]
            corners[unknown] = np.nan
            width, height = np.where(unknown, np.nan, width), np.where(unknown, np.nan, height)
        sizes = self.image_sizes
        return Geometry(corners, width, height, sizes[row, 0], sizes[row, 1], row)

    @cached_property
    def overlaps(self) -> Table:
        """Pairs of boxes in one image that overlap: `first`, `second` (positions in `boxes`, first < second),
        `iou`, `inside` (share of the smaller box inside the larger). Crowd and empty boxes take no part.

        Of boxes that are exactly alike, in images with more than CROWDED, the first alone is paired with others.
        """
        return self._overlaps[0]

    @cached_property
    def uncompared(self) -> Array:
        """Positions in `images` of those with so many boxes on each other that `overlaps` lacks pairs of theirs."""
        return self._overlaps[1]

    @cached_property
    def _overlaps(self) -> tuple[Table, Array]:
        boxes = self.boxes
        area = box_area(self.geometry.corners)
        usable = np.flatnonzero((area > 0) & np.isfinite(area) & ~boxes["crowd"].to_numpy())
        found = Overlaps(
            self.geometry.corners, area, self.image_row, boxes["category_id"].to_numpy(), boxes["box_id"].to_numpy()
        )
        found.compare(usable)
        first, second, iou, inside = found.pairs()
        table = pd.DataFrame({"first": first, "second": second, "iou": iou, "inside": inside})
        return table, np.array(sorted(found.left_out), np.int64)

    @cached_property
    def masks(self) -> Table:
        """What polygons and RLE masks cover, a row a box that has one: `row` (position in `boxes`), `rle` (bool),
        `area` (px²), `x0 y0 x1 y1` (px), `error` ("" or why it cannot be decoded).
        """
        return mask_extents(self.boxes["segmentation"].to_numpy())

    @cached_property
    def headers(self) -> Table:
        """What the image files' headers say, a row an image whose file was found (see HEADERS)."""
        if self.dataset.headers is not None:
            return self.dataset.headers
        if "_measured" in self.__dict__:
            return self._measured_headers()
        return read_header_table(self.images[self._readable], self._progress)

    def _measured_headers(self) -> Table:
        """The headers that were read along with the pixels; those of files whose rest cannot be read, by themselves."""
        table = header_table(self._measured)
        lost = self.pixels["row"].to_numpy()[self.pixels["content"].isna().to_numpy()]
        lost = lost[self._readable[lost]]
        if not len(lost):
            return table
        again = read_header_table(self.images.iloc[lost])
        kept = table[~table["image_id"].isin(again["image_id"])]
        return pd.concat([kept, again], ignore_index=True).sort_values("image_id", ignore_index=True)

    @cached_property
    def _measured(self) -> Measured:
        return measure_images(
            self.dataset, workers=self.workers, rehash=self.rehash, cache=self.cache, progress=self._progress
        )

    @property
    def pixels(self) -> Table:
        """What the image files themselves tell, a row an image whose file was found, in the order of `images`.

        `image_id`, `row` (position in `images`), `content` (SHA-256 in hex; None where the file cannot be read),
        `error` ("" or why the pixels cannot be decoded), `header_error`, the columns of HEADERS, the fields of
        `dsq.measure.basics.Basics` (NaN where there is an error), `camera`, `taken` (EXIF texts or None).
        """
        return self._measured.table

    @property
    def probes(self) -> Array:
        """(len(pixels), PROBES) uint64: perceptual hashes, see `dsq.measure.probes`; zeros where there is an error."""
        return self._measured.probes

    def measure_focus(self, rows: Array) -> Array:
        """(rows,) how sharp the images at `rows` (positions in `images`) are at the size that a detector sees (see
        `dsq.measure.focus`); NaN where one cannot be decoded.
        """
        return read_focus(
            self.dataset,
            rows.tolist(),
            contents=self._contents(rows),
            workers=self.workers,
            cache=self.cache,
            progress=self._progress,
        )

    def measure_frames(self, rows: Array, boxes: Sequence[tuple[Array, Array, int]]) -> Array:
        """(rows,) how much better boxes fit the stored pictures at `rows` than those that EXIF turns; NaN where the
        pixels do not tell, or are not to be looked at. boxes: what `dsq.measure.frames.Stated` holds, an image each.
        """
        if self.tables_only:
            return np.full(len(rows), np.nan)
        stated = [Stated(*part) for part in boxes]
        return read_frames(self.dataset, rows.tolist(), stated, cache=self.cache, progress=self._progress)

    def _contents(self, rows: Array) -> list[bytes | None]:
        """SHA-256 of the image files at `rows`, as far as they could be read."""
        known = dict(zip(self.pixels["row"].tolist(), text_or_none(self.pixels["content"]).tolist(), strict=True))
        return [None if (content := known.get(row)) is None else bytes.fromhex(content) for row in rows.tolist()]

    @cached_property
    def duplicates(self) -> Table:
        """Pairs of images that show the same, a row a pair, sorted: `first`, `second` (positions in `images`),
        `kind` ("exact", "near", "same-scene"), `agreement` (0 to 1), `orientation` (0 to 7), `m00` to `m12` (see
        `dsq.analyse.duplicates`).
        """
        from dsq.analyse.duplicates import find_pairs

        return find_pairs(
            self.dataset, self.pixels, self.probes, workers=self.workers, cache=self.cache, progress=self._progress
        )

    @cached_property
    def domains(self) -> Domains:
        """How the sample of production differs from this dataset (see `dsq.analyse.domains.comparison`)."""
        if self.production is None:
            raise ValueError("no sample of production was given")
        return compare_domains(
            self.dataset, self.production, workers=self.workers, cache=self.cache, progress=self._progress
        )

    @cached_property
    def labels(self) -> Labels:
        """The boxes in fractions of their images, to be laid on those of other images."""
        return Labels(self.dataset, self.image_row)

    @cached_property
    def sequences(self) -> Array:
        """(images,) int64: run of frames that each image belongs to, -1: none (see `dsq.analyse.sequences`)."""
        rows = self.pixels["row"].to_numpy()[(self.pixels["error"] == "").to_numpy()]
        hashes = np.zeros((len(self.images), self.probes.shape[1]), np.uint64)
        hashes[self.pixels["row"].to_numpy()] = self.probes
        return find_sequences(
            self.image_files,
            self.stems["stem"].tolist(),
            [name or "" for name in text_or_none(self.images["source"])],
            hashes,
            np.isin(np.arange(len(self.images)), rows),
            self.duplicate_groups("same-scene"),
        )

    @cached_property
    def looks(self) -> Looks:
        """What the pixels inside boxes look like."""
        return Looks(self.dataset, self.image_row, self.pixels, cache=self.cache, progress=self._progress)

    def duplicate_groups(self, kind: str) -> Array:
        """(images,) int64: group of each image, joined by pairs up to `kind` ("exact" < "near" < "same-scene");
        -1: alone.
        """
        from dsq.analyse.duplicates import group_pairs

        return group_pairs(self.duplicates, len(self.images), kind)


def rows_of(keys: Array, wanted: Array) -> Array:
    """Positions in `keys` (unique) of `wanted` values; KeyError where one is missing."""
    if len(wanted) == 0:
        return np.empty(0, np.int64)
    order = np.argsort(keys, kind="stable")
    position = np.searchsorted(keys[order], wanted)
    position = np.minimum(position, len(keys) - 1)
    rows = order[position]
    if len(keys) == 0 or (keys[rows] != wanted).any():
        raise KeyError("a row refers to an id that does not exist")
    found: Array = rows
    return found
