#!/usr/bin/env python3
"""Draws the data set of the quickstart: ten kinds of shapes, 32x32 RGB u8, labelled.

Everything comes from a seed; there is nothing to download. Image i of a split depends only on (seed, i), so a split
can be made longer without changing the images it already has.

    make_data.py                 writes calib.npz (256 images) and test.npz (1000) beside this file
    make_data.py --sheet s.png   also draws one contact sheet to look at, a row for each class

Arrays of a file: x u8 [n, 32, 32, 3] (rows, columns, red-green-blue), y i64 [n] in 0..9.
"""
import argparse
import math
import pathlib

import numpy as np
from PIL import Image, ImageDraw

CLASSES = ["circle", "ring", "square", "triangle", "star", "cross", "arrow", "heart", "crescent", "hexagon"]
SIZE = 32
SUPER = 4  # masks are drawn this many times larger, then averaged down

# Splits have seeds of their own, so none shares an image with another.
SEED_TRAIN, SEED_CALIB, SEED_TEST = 20240101, 20240102, 20240103


def arc(radius, start, stop, n=48, centre=(0.0, 0.0)):
    a = np.linspace(start, stop, n)
    return np.stack([centre[0] + radius * np.cos(a), centre[1] + radius * np.sin(a)], axis=1)


def regular(n):
    a = np.arange(n) * (2 * math.pi / n)
    return np.stack([np.cos(a), np.sin(a)], axis=1)


def outline(kind, rng):
    """Returns (outer, inner): polygons inside the unit circle; `inner` is a hole, or None."""
    if kind == "circle":
        return arc(1.0, 0, 2 * math.pi), None
    if kind == "ring":
        return arc(1.0, 0, 2 * math.pi), arc(rng.uniform(0.40, 0.68), 0, 2 * math.pi)
    if kind == "square":
        return regular(4), None
    if kind == "triangle":
        return regular(3), None
    if kind == "hexagon":
        return regular(6), None
    if kind == "star":
        depth = rng.uniform(0.38, 0.58)
        points = regular(10)
        points[1::2] *= depth
        return points, None
    if kind == "cross":
        t = rng.uniform(0.22, 0.38)
        return np.array([(-t, -1), (t, -1), (t, -t), (1, -t), (1, t), (t, t),
                         (t, 1), (-t, 1), (-t, t), (-1, t), (-1, -t), (-t, -t)]) * 0.95, None
    if kind == "arrow":
        shaft, neck, wing = rng.uniform(0.14, 0.28), rng.uniform(-0.1, 0.25), rng.uniform(0.6, 0.8)
        return np.array([(-0.95, -shaft), (neck, -shaft), (neck, -wing), (1, 0),
                         (neck, wing), (neck, shaft), (-0.95, shaft)]), None
    if kind == "heart":
        t = np.linspace(0, 2 * math.pi, 64)
        x = 16 * np.sin(t) ** 3
        y = -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t))
        return np.stack([x, y - 2], axis=1) / 16.5, None
    if kind == "crescent":
        half = rng.uniform(0.30, 0.42) * math.pi  # where the two arcs meet
        tip_x, tip_y = math.cos(half), math.sin(half)
        bulge = rng.uniform(0.15, 0.55)           # the inner arc passes through (-bulge, 0)
        r = ((tip_x + bulge) ** 2 + tip_y ** 2) / (2 * (tip_x + bulge))
        c = r - bulge
        a = math.atan2(tip_y, tip_x - c)
        outer = arc(1.0, half, 2 * math.pi - half)
        return np.concatenate([outer, arc(r, 2 * math.pi - a, a, centre=(c, 0.0))]), None
    raise ValueError(kind)


def subdivide(points, parts=4):
    """Straight edges need points between their ends to be able to bend."""
    ends = np.roll(points, -1, axis=0)
    t = np.arange(parts)[None, :, None] / parts
    return (points[:, None] + (ends - points)[:, None] * t).reshape(-1, 2)


def placement(rng):
    """Rotation, two scales, shear, position and a smooth distortion: unit circle -> pixels of the large mask."""
    angle, scale = rng.uniform(0, 2 * math.pi), rng.uniform(4.8, 11.5)
    stretch, shear = rng.uniform(0.80, 1.24), rng.uniform(-0.24, 0.24)
    rotate = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    matrix = scale * np.array([[stretch, shear], [0, 1 / stretch]]) @ rotate
    room = max(0.0, SIZE / 2 - 0.85 * scale)
    centre = SIZE / 2 + rng.uniform(-room, room, size=2)
    wave = rng.uniform(0, 0.8, size=2), rng.uniform(0.15, 0.4, size=2), rng.uniform(0, 2 * math.pi, size=2)

    def apply(points):
        p = points @ matrix.T
        amplitude, frequency, phase = wave
        bend = amplitude * np.sin(p[:, ::-1] * frequency + phase)
        return (p + bend + centre) * SUPER

    return apply


def to_mask(draw_fn):
    image = Image.new("L", (SIZE * SUPER, SIZE * SUPER), 0)
    draw_fn(ImageDraw.Draw(image))
    big = np.asarray(image, dtype=np.float64).reshape(SIZE, SUPER, SIZE, SUPER)
    return big.mean(axis=(1, 3))[..., None] / 255.0


def smooth_field(rng, cells):
    """A random field that changes over about SIZE / cells pixels: bilinear between a coarse grid of values."""
    grid = rng.normal(size=(cells + 1, cells + 1, 3))
    at = np.linspace(0, cells, SIZE, endpoint=False)
    i = at.astype(int)
    f = (at - i)[:, None, None]
    rows = grid[i] * (1 - f) + grid[i + 1] * f
    f = (at - i)[None, :, None]
    return rows[:, i] * (1 - f) + rows[:, i + 1] * f


def background(rng):
    base = rng.uniform(20, 235, size=3)
    y, x = np.mgrid[0:SIZE, 0:SIZE] / SIZE - 0.5
    angle = rng.uniform(0, 2 * math.pi)
    ramp = (math.cos(angle) * x + math.sin(angle) * y)[..., None] * rng.normal(0, 40, size=3)
    image = base + ramp + smooth_field(rng, int(rng.integers(2, 7))) * rng.uniform(0, 16)
    if rng.random() < 0.25:  # stripes
        period, phase = rng.uniform(3, 9), rng.uniform(0, 2 * math.pi)
        stripes = np.sin((math.cos(angle) * x - math.sin(angle) * y) * SIZE * 2 * math.pi / period + phase)
        image = image + stripes[..., None] * rng.normal(0, 14, size=3)
    return image, base


def colour_away_from(base, distance, rng):
    while True:
        colour = rng.uniform(0, 255, size=3)
        if np.linalg.norm(colour - base) >= distance:
            return colour


def blend(image, mask, colour):
    return image * (1 - mask) + colour * mask


def patch(rng):
    centre, n = rng.uniform(0, SIZE, size=2) * SUPER, int(rng.integers(3, 7))
    a = np.sort(rng.uniform(0, 2 * math.pi, size=n))
    r = rng.uniform(1.2, 4.5, size=n) * SUPER
    points = np.stack([centre[0] + r * np.cos(a), centre[1] + r * np.sin(a)], axis=1)
    return to_mask(lambda d: d.polygon([tuple(p) for p in points], fill=255))


def line(rng):
    ends = rng.uniform(-4, SIZE + 4, size=4) * SUPER
    width = int(rng.integers(2, 6))
    return to_mask(lambda d: d.line([tuple(ends[:2]), tuple(ends[2:])], fill=255, width=width))


def draw(seed, index):
    """Image `index` of the split that `seed` names: (u8 [32, 32, 3], class)."""
    rng = np.random.default_rng([seed, index])
    label = int(rng.integers(len(CLASSES)))
    image, base = background(rng)
    for _ in range(int(rng.integers(0, 5))):
        image = blend(image, patch(rng), rng.uniform(0, 255, size=3))

    place = placement(rng)
    outer, inner = outline(CLASSES[label], rng)
    outer = place(subdivide(outer))
    inner = None if inner is None else place(subdivide(inner))

    def shape(d):
        d.polygon([tuple(p) for p in outer], fill=255)
        if inner is not None:
            d.polygon([tuple(p) for p in inner], fill=0)

    texture = smooth_field(rng, 4) * rng.uniform(0, 18)
    image = blend(image, to_mask(shape) * rng.uniform(0.6, 1.0), colour_away_from(base, 60, rng) + texture)
    for _ in range(int(rng.integers(0, 3))):
        image = blend(image, line(rng) * rng.uniform(0.5, 1.0), rng.uniform(0, 255, size=3))
    image = (image - 128) * rng.uniform(0.7, 1.15) + 128 + rng.normal(0, 10)
    image = image + rng.normal(size=image.shape) * rng.uniform(2, 22)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8), label


def make(seed, count):
    x = np.empty((count, SIZE, SIZE, 3), dtype=np.uint8)
    y = np.empty(count, dtype=np.int64)
    for i in range(count):
        x[i], y[i] = draw(seed, i)
    return x, y


def sheet(x, y, path, columns=20, zoom=2):
    rows = [np.concatenate(list(x[y == k][:columns]), axis=1) for k in range(len(CLASSES))]
    image = Image.fromarray(np.concatenate(rows, axis=0))
    image.resize((image.width * zoom, image.height * zoom), Image.NEAREST).save(path)


def main():
    here = pathlib.Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, default=here, help="folder to write to")
    parser.add_argument("--sheet", help="also draw a contact sheet of the test images to this file")
    args = parser.parse_args()
    for name, seed, count in [("calib", SEED_CALIB, 256), ("test", SEED_TEST, 1000)]:
        x, y = make(seed, count)
        np.savez_compressed(args.out / f"{name}.npz", x=x, y=y)
        print(f"{name}.npz: {count} images, per class {np.bincount(y, minlength=len(CLASSES)).tolist()}")
        if name == "test" and args.sheet:
            sheet(x, y, args.sheet)


if __name__ == "__main__":
    main()
