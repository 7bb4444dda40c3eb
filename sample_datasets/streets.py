"""What lies where: composes the street-level scenes, their small cousins, and the views from above."""

from __future__ import annotations

import numpy as np
from scenes import Box, Point, Road, Scene, Thing, bounds, noise, ramp, seeded

WIDTH, HEIGHT = 320, 240
Spot = tuple[str, float, float, float]
"""Class, centre x and y, half width: all as a share of the picture's width and height."""

REPERTOIRE: tuple[tuple[str, ...], ...] = (
    ("pothole",),
    ("pothole", "crack"),
    ("manhole",),
    ("pothole", "pothole"),
    ("crack",),
    ("pothole",),
    ("pothole", "manhole"),
    ("pothole", "pothole", "crack"),
    ("crack", "manhole"),
    ("pothole",),
)


def street(name: str, kinds: tuple[str, ...], *, width: int = WIDTH, height: int = HEIGHT) -> Scene:
    """A close-up of a road with the given kinds of things on it, well apart, the first near the middle."""
    rng = seeded(f"{name}/places")
    road = _dressed_road(name, width, height)
    things: list[Thing] = []
    shrink = (1.0, 0.86, 0.7)[min(len(kinds), 3) - 1]
    taken: list[Box] = []
    for number, kind in enumerate(kinds):
        for attempt in range(400):
            near = 0.09 if number == 0 else 0.36
            cx = width * (0.5 + rng.uniform(-near, near))
            cy = height * (0.55 + rng.uniform(-near, near))
            room = shrink * (1 - attempt / 800)
            half_x, half_y, thick = _size(kind, rng, road, cy, room)
            reach = (1.0 if kind == "crack" else 1.3) if len(kinds) > 1 else 1.1
            box = (
                int(cx - reach * half_x),
                int(cy - reach * half_y),
                int(cx + reach * half_x),
                int(cy + reach * half_y),
            )
            inside = box[0] > 3 and box[1] > 3 and box[2] < width - 3 and box[3] < height - 3
            if inside and half_y > height * 0.055 and not any(_touch(box, other) for other in taken):
                break
        else:
            raise ValueError(f"{name}: no room for {kinds}")
        taken.append(box)
        outline = _draw(road, kind, cx, cy, half_x, half_y, thick)
        things.append(Thing(kind, bounds(outline), outline))
    return Scene(road.finish(seeded(f"{name}/light").uniform(0.72, 1.3)), tuple(things))


def spotted(name: str, spots: tuple[Spot, ...], *, width: int, height: int) -> Scene:
    """A road with things at stated places; a thing may run over the border and is then cut there."""
    road = _dressed_road(name, width, height)
    things = []
    for kind, cx, cy, half in spots:
        half_x = half * width
        half_y = half_x * (0.7 if kind == "crack" else road.squash(cy * height))
        outline = _draw(road, kind, cx * width, cy * height, half_x, half_y, max(2.0, width / 70))
        things.append(Thing(kind, bounds(outline), outline))
    return Scene(road.finish(seeded(f"{name}/light").uniform(0.8, 1.25)), tuple(things))


def overhead(name: str) -> Scene:
    """A street from above at dusk: about nine small potholes, anywhere on the road, now and then a lid."""
    rng = seeded(f"{name}/places")
    road = Road(WIDTH, HEIGHT, seeded(name), overhead=True)
    bend, phase, half_road = rng.uniform(-0.05, 0.05), rng.uniform(0, 6.3), rng.uniform(0.34, 0.46)
    axis = bend * np.sin(road.y / HEIGHT * 3 + phase)
    road.gx = road.gx - axis
    for side in (-half_road + 0.03, half_road - 0.03):
        road.stripe(side, 0.012, dashed=False, yellow=False)
    road.gy = road.gy * 2.5
    road.stripe(0.0, 0.014, dashed=True, yellow=rng.uniform() < 0.4)
    out = np.abs(road.gx)
    kerb = np.array([120.0, 118.0, 114.0]) * (1 + 0.1 * road.grain)[..., None]
    slabs = ramp(np.abs(np.sin(road.gy * 9)), 0.06, 0.02) * 0.25
    tufts = noise(rng, road.x / 6, road.y / 6) + 0.6 * noise(rng, road.x / 15, road.y / 15)
    grass = np.array([62.0, 78.0, 44.0]) * (1 + 0.2 * tufts)[..., None]
    road.blend(kerb * (1 - slabs)[..., None], ramp(out, half_road, half_road + 0.008))
    road.blend(grass, ramp(out, half_road + 0.1, half_road + 0.115))
    things: list[Thing] = []
    count = 7 + int(rng.randint(5))
    lid = int(rng.randint(4)) == 0
    while len(things) < count + lid:
        kind = "manhole" if len(things) == count else "pothole"
        half = rng.uniform(8.5, 14.5) if kind == "pothole" else 10.0
        row = rng.uniform(18, HEIGHT - 18)
        lane = rng.uniform(-1, 1) * (half_road - 0.09)
        column = WIDTH / 2 + HEIGHT * (lane + bend * np.sin(row / HEIGHT * 3 + phase))
        reach = 1.35 * half
        box = (int(column - reach), int(row - reach), int(column + reach), int(row + reach))
        if any(_touch(box, thing.box) for thing in things):
            continue
        outline = _draw(road, kind, column, row, half, half, 2.0)
        things.append(Thing(kind, bounds(outline), outline))
    return Scene(road.finish(rng.uniform(0.42, 0.62)), tuple(things))


def _dressed_road(name: str, width: int, height: int) -> Road:
    rng = seeded(f"{name}/dress")
    road = Road(width, height, seeded(name))
    if rng.uniform() < 0.3:
        road.patch()
    if rng.uniform() < 0.35:
        road.seam()
    if rng.uniform() < 0.55:
        side = 1 if rng.uniform() < 0.5 else -1
        road.stripe(side * rng.uniform(0.3, 0.6), rng.uniform(0.06, 0.11), rng.uniform() < 0.5, rng.uniform() < 0.3)
    return road


def _size(kind: str, rng: np.random.RandomState, road: Road, cy: float, room: float) -> tuple[float, float, float]:
    """Half width, half height and line thickness in pixels."""
    if kind == "crack":
        half = road.width * rng.uniform(0.13, 0.22) * room
        half_x, half_y = half * rng.uniform(0.6, 1.1), half * rng.uniform(0.5, 1.0)
        return half_x, half_y, road.width / 80 * rng.uniform(1.0, 1.4)
    half = road.width * (rng.uniform(0.15, 0.26) if kind == "pothole" else rng.uniform(0.14, 0.22)) * room
    return half, half * road.squash(cy), 0.0


def _draw(road: Road, kind: str, cx: float, cy: float, half_x: float, half_y: float, thick: float) -> tuple[Point, ...]:
    if kind == "pothole":
        return road.pothole(cx, cy, half_x, 0.06 if road.overhead else 0.14)
    if kind == "manhole":
        return road.manhole(cx, cy, half_x)
    return road.crack(cx, cy, half_x, half_y, thick)


def _touch(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
