"""Street scenes drawn from noise: asphalt, lane marks, potholes, cracks, manhole lids, with exact outlines.

A camera looks down on a road. The same name of a scene gives the same pixels.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Field = NDArray[np.float64]
Box = tuple[int, int, int, int]
Point = tuple[int, int]


@dataclass(frozen=True)
class Thing:
    """One object: class name, half-open box x0 y0 x1 y1 in pixels, and its outline (empty: none)."""

    name: str
    box: Box
    outline: tuple[Point, ...] = ()


@dataclass(frozen=True)
class Scene:
    """A drawn picture and the things on it, in the frame of its pixels."""

    image: Image.Image
    things: tuple[Thing, ...]


def seeded(name: str) -> np.random.RandomState:
    """A generator whose stream numpy keeps frozen, seeded by a name."""
    return np.random.RandomState(zlib.crc32(name.encode()))


def ramp(value: Field, low: float, high: float) -> Field:
    """A smooth step from 0 at `low` to 1 at `high` (which may be the smaller one)."""
    t: Field = np.clip((value - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def noise(rng: np.random.RandomState, u: Field, v: Field) -> Field:
    """Smooth value noise in -1..1 with one bump a unit, at the places (u, v)."""
    lattice = rng.random_sample((64, 64)) * 2.0 - 1.0
    left, top = np.floor(u), np.floor(v)
    s, t = ramp(u - left, 0.0, 1.0), ramp(v - top, 0.0, 1.0)
    i, j = left.astype(np.int64) & 63, top.astype(np.int64) & 63
    k, m = (i + 1) & 63, (j + 1) & 63
    upper = lattice[j, i] * (1 - s) + lattice[j, k] * s
    lower = lattice[m, i] * (1 - s) + lattice[m, k] * s
    blended: Field = upper * (1 - t) + lower * t
    return blended


@dataclass
class Road:
    """A road being drawn: the canvas (height, width, 3; 0..255) and the camera over it."""

    width: int
    height: int
    rng: np.random.RandomState
    overhead: bool = False
    canvas: Field = field(init=False)

    def __post_init__(self) -> None:
        rng, height = self.rng, self.height
        self.y, self.x = np.mgrid[0 : self.height, 0 : self.width].astype(np.float64) + 0.5
        self.horizon = -height * 9.0 if self.overhead else -height * rng.uniform(0.12, 0.5)
        self.pitch = 1.0 if self.overhead else rng.uniform(0.66, 0.9)
        reach = height - self.horizon
        self.far = reach / (self.y - self.horizon)
        self.gx = (self.x - self.width / 2) * self.far / height
        self.gy = self.far * reach / (self.pitch * height)
        self.grain = self._grain()
        self.light = rng.uniform(0, 2 * np.pi)
        self.canvas = self._asphalt()

    def squash(self, y: float) -> float:
        """Height over width of a circle that lies on the road at row `y`."""
        return self.pitch * (y - self.horizon) / (self.height - self.horizon)

    def _grain(self) -> Field:
        fine = noise(self.rng, self.gx * 95, self.gy * 95) / self.far
        middle = noise(self.rng, self.gx * 38, self.gy * 38)
        grain: Field = 0.65 * fine + 0.35 * middle
        return grain

    def _asphalt(self) -> Field:
        rng = self.rng
        broad = noise(rng, self.gx * 2.2 + 9, self.gy * 2.2) + 0.6 * noise(rng, self.gx * 6, self.gy * 6)
        base = rng.uniform(96, 132) * (1 + 0.07 * broad + 0.10 * self.grain)
        tint = np.array([1.0 + rng.uniform(-0.015, 0.035), 1.0, 1.0 + rng.uniform(-0.04, 0.04)])
        asphalt: Field = base[..., None] * tint
        return asphalt

    def blend(self, colour: Field, mask: Field) -> None:
        """Lay a colour (3 values, or a whole canvas) over the picture where the mask is 1."""
        self.canvas += (colour - self.canvas) * mask[..., None]

    def shade(self, factor: Field) -> None:
        """Multiply the brightness of each pixel."""
        self.canvas *= factor[..., None]

    def stripe(self, centre: float, width: float, dashed: bool, yellow: bool) -> None:
        """A worn lane mark along the road, `centre` and `width` in road units (1 = picture height)."""
        tilt = self.rng.uniform(-0.12, 0.12)
        across = np.abs(self.gx - centre - tilt * (self.gy - self.gy.min()))
        mask = ramp(across, width / 2 + 0.008, width / 2 - 0.004)
        if dashed:
            mask *= ramp(np.sin(self.gy * 4.2 + self.rng.uniform(0, 6)), -0.25, -0.15)
        worn = noise(self.rng, self.gx * 24, self.gy * 24) + noise(self.rng, self.gx * 7, self.gy * 7)
        mask *= 0.9 * ramp(worn, 1.0, 0.35)
        paint = np.array([214.0, 170.0, 70.0]) if yellow else np.array([222.0, 222.0, 216.0])
        self.blend(paint * (1 + 0.06 * self.grain[..., None]), mask)

    def seam(self) -> None:
        """A tar-filled joint across the road."""
        place = np.quantile(self.gy, self.rng.uniform(0.2, 0.8))
        wave = 0.02 * noise(self.rng, self.gx * 5, self.gy * 0)
        mask = 0.55 * ramp(np.abs(self.gy - place + wave), 0.018, 0.008)
        self.blend(np.array([46.0, 46.0, 50.0]), mask)

    def patch(self) -> None:
        """A rectangle of newer, darker asphalt."""
        left, top = self.rng.uniform(-0.7, 0.2), np.quantile(self.gy, self.rng.uniform(0.3, 0.9))
        wide, deep = self.rng.uniform(0.4, 0.8), self.rng.uniform(0.35, 0.7)
        inside = np.minimum.reduce([self.gx - left, left + wide - self.gx, top - self.gy, self.gy - top + deep])
        self.shade(1 - 0.2 * ramp(inside, 0.0, 0.015))

    def pothole(self, cx: float, cy: float, half: float, depth: float = 0.14) -> tuple[Point, ...]:
        """A hole of about `half` pixels to each side: broken rim, far wall, rubble or water on its floor."""
        rng, high = self.rng, half * self.squash(cy)
        turn = np.linspace(0, 2 * np.pi, 28, endpoint=False)
        radius = 1 + 0.05 * rng.uniform(-1, 1, turn.size)
        for k, size in ((2, 0.10), (3, 0.08), (5, 0.05)):
            radius = radius + rng.uniform(0.4, 1) * size * np.cos(k * turn + rng.uniform(0, 6.3))
        reach = self._reach(cx, cy, half, high, turn, radius)
        drop = max(1.5, depth * high * 2)
        floor = self._reach(cx, cy + drop, half, high, turn, radius)
        edge = 1.6 / half
        ragged = noise(rng, self.x / 5, self.y / 4)
        crumbs = ramp(reach + 0.05 * ragged, 1.16, 1.04)
        self.blend(self.canvas * 0.8 + 34 + 20 * ragged[..., None], 0.55 * crumbs)
        hole = ramp(reach, 1 + edge, 1 - edge)
        strata = np.array([62.0, 54.0, 46.0]) * (1 + 0.25 * noise(rng, self.x / 3, self.y / 9))[..., None]
        lit = 1 + 0.5 * np.sin(self.light)
        self.blend(strata * lit, hole)
        rubble = 0.5 * noise(rng, self.x / 4, self.y / 3) + 0.5 * noise(rng, self.x / 9, self.y / 7)
        aside = ((self.x - cx) * np.cos(self.light) + (self.y - cy) * 1.6 * np.sin(self.light)) / half
        ground = np.array([70.0, 65.0, 59.0]) * (0.8 + 0.32 * rubble + 0.28 * aside)[..., None]
        self.blend(ground, hole * ramp(floor, 1 + 2 * edge, 1 - 2 * edge))
        if rng.uniform() < 0.35:
            water = ramp(floor + 0.06 * ragged, 0.80, 0.74)
            sky = np.array([120.0, 132.0, 146.0]) * (0.55 + 0.55 * (cy + high - self.y) / (2 * high))[..., None]
            self.blend(sky, 0.85 * hole * water)
        lip = ramp(np.abs(reach - 1.03), 0.035 + edge, 0.0) * ramp(self.y, cy - 0.2 * high, cy + high)
        self.blend(np.array([168.0, 164.0, 156.0]), 0.5 * lip * ramp(ragged, -0.6, 0.3))
        return self._outline(cx + half * radius * np.cos(turn), cy + high * radius * np.sin(turn))

    def manhole(self, cx: float, cy: float, half: float) -> tuple[Point, ...]:
        """A round cast-iron lid in a concrete collar."""
        rng, high = self.rng, half * self.squash(cy)
        u, v = (self.x - cx) / half, (self.y - cy) / high
        r, edge = np.hypot(u, v), 1.3 / half
        collar = np.array([138.0, 134.0, 126.0]) * (1 + 0.12 * self.grain)[..., None]
        self.blend(collar, 0.8 * ramp(r, 1.24, 1.2))
        iron = np.array([rng.uniform(84, 104), rng.uniform(76, 84), rng.uniform(66, 76)])
        kind, count = rng.randint(3), rng.uniform(7, 10)

        def relief(du: float) -> Field:
            a, b = u + du * np.cos(self.light), v + du * np.sin(self.light)
            if kind == 0:
                return ramp(np.cos(count * a * 1.6) * np.cos(count * b * 1.6), 0.0, 0.3)
            if kind == 1:
                return ramp(np.abs(np.cos(count * (a + b))) + np.abs(np.cos(count * (a - b))), 0.9, 1.3)
            spokes = ramp(np.cos(np.arctan2(b, a) * 12), -0.1, 0.3) * ramp(np.hypot(a, b), 0.3, 0.36)
            return np.maximum(spokes * ramp(np.abs(np.hypot(a, b) - 0.62), 0.04, 0.08), ramp(np.hypot(a, b), 0.24, 0.2))

        bump = relief(0.03) - relief(-0.03)
        body = (0.72 + 0.34 * relief(0) * ramp(r, 0.9, 0.84) + 0.3 * bump)[..., None] * iron
        body = body * (1 + 0.1 * noise(rng, self.x / 6, self.y / 4))[..., None]
        self.blend(body, ramp(r, 1 + edge, 1 - edge))
        ring = ramp(np.abs(r - 0.94), 0.03 + edge, edge / 2)
        self.blend(np.array([30.0, 28.0, 27.0]), 0.85 * ring)
        turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        return self._outline(cx + half * np.cos(turn), cy + high * np.sin(turn))

    def crack(self, cx: float, cy: float, half_x: float, half_y: float, thick: float) -> tuple[Point, ...]:
        """A crooked dark line from one corner of the given rectangle to the other, with hairline branches."""
        rng, count = self.rng, 11
        t = np.linspace(-1, 1, count)
        sway = rng.uniform(-1, 1, count) * np.sin(np.pi * (t + 1) / 2) * 0.16
        side = 1.0 if rng.uniform() < 0.5 else -1.0
        span = min(half_x, half_y)
        x, y = cx + half_x * t + sway * span, cy + side * half_y * t - side * sway * span
        dx, dy = np.gradient(x), np.gradient(y)
        length = np.hypot(dx, dy)
        w = thick * rng.uniform(0.7, 1.2, count) * ramp(np.abs(t), 1.5, 0.5) / 2
        nx, ny = -dy / length * w, dx / length * w
        outline = self._outline(np.concatenate([x + nx, (x - nx)[::-1]]), np.concatenate([y + ny, (y - ny)[::-1]]))
        sheet = Image.new("L", (self.width * 3, self.height * 3))
        pen = ImageDraw.Draw(sheet)
        for k in range(2, count - 2, 3):
            end = k + 2 if rng.uniform() < 0.5 else k - 2
            off = rng.uniform(-0.3, 0.3) * span
            tip = (np.clip(x[end] + off, x.min(), x.max()), np.clip(y[end] + side * off, y.min(), y.max()))
            pen.line([(x[k] * 3, y[k] * 3), (tip[0] * 3, tip[1] * 3)], fill=120, width=2)
        pen.polygon([(px * 3, py * 3) for px, py in outline], fill=255)
        mask = np.asarray(sheet.resize((self.width, self.height), Image.Resampling.BOX), np.float64) / 255
        pale = np.roll(mask, (1, 1), (0, 1))
        self.blend(self.canvas * 1.22, 0.7 * pale)
        self.blend(np.array([27.0, 25.0, 24.0]), np.minimum(mask * 1.25, 0.9))
        return outline

    def _reach(self, cx: float, cy: float, half: float, high: float, turn: Field, radius: Field) -> Field:
        """How far out each pixel lies: 1 on the outline, less inside."""
        u, v = (self.x - cx) / half, (self.y - cy) / high
        reach: Field = np.hypot(u, v) / np.interp(np.arctan2(v, u), turn, radius, period=2 * np.pi)
        return reach

    def _outline(self, x: Field, y: Field) -> tuple[Point, ...]:
        points = zip(
            np.clip(np.rint(x), 0, self.width).astype(int).tolist(),
            np.clip(np.rint(y), 0, self.height).astype(int).tolist(),
            strict=True,
        )
        return tuple(dict.fromkeys(points))

    def finish(self, exposure: float) -> Image.Image:
        """Light the scene (slope, shadow of trees, vignette) and make it a picture."""
        rng = self.rng
        slope = (self.x / self.width - 0.5) * rng.uniform(-0.3, 0.3) + (self.y / self.height - 0.5) * 0.22
        corner = np.hypot(self.x / self.width - 0.5, self.y / self.height - 0.5)
        self.shade(exposure * (1 + slope) * (1 - 0.35 * corner * corner))
        if rng.uniform() < 0.3:
            leaves = noise(rng, self.gx * 1.7 + 3, self.gy * 1.1) + 0.35 * noise(rng, self.gx * 5, self.gy * 3)
            self.shade(1 - 0.34 * ramp(leaves, -0.1, 0.45))
        warm = rng.uniform(-0.05, 0.06)
        self.canvas *= np.array([1 + warm, 1.0, 1 - warm])
        pixels = np.clip(np.rint(self.canvas), 0, 255).astype(np.uint8)
        return Image.fromarray(pixels).filter(ImageFilter.UnsharpMask(1, 40, 2))


def bounds(outline: tuple[Point, ...]) -> Box:
    """The tight half-open box of an outline."""
    xs, ys = [x for x, _ in outline], [y for _, y in outline]
    return min(xs), min(ys), max(xs), max(ys)
