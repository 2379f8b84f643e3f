import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmod.fusion.boxes import Box, box_from_text, box_to_text


def test_both_published_formats_say_what_they_mean():
    assert Box.from_xywh(10, 20, 30, 40) == Box.from_corners(10, 20, 40, 60) == Box((20, 10), (60, 40))
    with pytest.raises(ValueError, match="sizes taken for corners"):
        Box.from_corners(10, 20, 5, 40)
    with pytest.raises(ValueError, match="1 lower and 2 upper"):
        Box((1,), (2, 3))


def test_the_block_of_corners_borders_and_the_far_edge():
    def block(y, x):
        return Box((y, x), (y, x)).moved([[1, 0, 0], [0, 1, 0]])

    def around(y, x):
        return Box((y - 0.1, x - 0.1), (y + 0.1, x + 0.1)).block((90, 60), (3, 3))

    assert block(1, 2) == Box((1, 2), (1, 2))
    assert around(0.2, 0.2) == 0 and around(89, 59) == 8
    third = 60 / 3
    assert around(10, third) == 1 and around(10, third - 1e-3) == 0
    assert Box((0, 0), (180, 120)).block((90, 60), (3, 3)) == 4
    assert Box((89.999999999999, 59.999999999999), (91, 61)).block((90, 60), (3, 3)) == 8


def test_lost_and_clipped_boxes():
    assert Box((-20, 5), (-1, 9)).block((90, 60), (3, 3)) is None
    assert Box((90, 5), (95, 9)).clipped((90, 60)) is None
    # The whole box is centred in column 1; what is left of it after clipping lies in column 0.
    box = Box((0, -50), (10, 10))
    assert box.clipped((90, 60)) == Box((0, 0), (10, 10)) and box.block((90, 60), (3, 3)) == 0
    with pytest.raises(ValueError, match="does not divide a box of 2 axes"):
        box.block((90, 60), (3,))


@given(st.lists(st.floats(0.01, 0.99), min_size=2, max_size=2), st.integers(1, 5))
def test_flips_and_quarter_turns_move_blocks_as_they_move_the_field(place, blocks):
    side = 120.0
    y, x = (p * side for p in place)
    if any(abs(v * blocks / side - round(v * blocks / side)) < 1e-6 for v in (x, y)):
        return
    box = Box((y, x), (y + 1e-9, x + 1e-9))
    row, column = divmod(box.block((side, side), (blocks, blocks)), blocks)
    flipped = box.moved([[1, 0, 0], [0, -1, side]])
    assert divmod(flipped.block((side, side), (blocks, blocks)), blocks) == (row, blocks - 1 - column)
    # Clockwise: what was up is right, so the new row is the old column.
    turned = box.moved([[0, 1, 0], [-1, 0, side]])
    assert divmod(turned.block((side, side), (blocks, blocks)), blocks) == (column, blocks - 1 - row)


def augment(draw, height, width):
    """A random chain of flip, quarter turn and crop on a field, as a function and as the map of its boxes."""
    steps, matrix, size = [], np.eye(3), (height, width)
    for kind in draw.choices(["flip", "turn", "crop"], k=3):
        if kind == "flip":
            steps.append(lambda field: field[:, ::-1])
            step = [[1, 0, 0], [0, -1, size[1]], [0, 0, 1]]
        elif kind == "turn":
            steps.append(lambda field: np.rot90(field, -1))
            step = [[0, 1, 0], [-1, 0, size[0]], [0, 0, 1]]
            size = size[::-1]
        else:
            top, left = draw.randrange(size[0] // 3), draw.randrange(size[1] // 3)
            tall, wide = size[0] - top - draw.randrange(3), size[1] - left - draw.randrange(3)
            steps.append(lambda field, y=top, x=left, h=tall, w=wide: field[y : y + h, x : x + w])
            step, size = [[1, 0, -top], [0, 1, -left], [0, 0, 1]], (tall, wide)
        matrix = np.array(step, dtype=float) @ matrix
    return steps, matrix[:2].tolist(), size


def test_moving_a_box_finds_what_rendering_it_finds():
    draw = random.Random(0)
    for _ in range(1000):
        top, left = draw.randrange(20), draw.randrange(30)
        bottom, right = draw.randrange(top + 1, 21), draw.randrange(left + 1, 31)
        steps, matrix, size = augment(draw, 20, 30)
        field = np.zeros((20, 30), dtype=bool)
        field[top:bottom, left:right] = True
        for step in steps:
            field = step(field)
        assert field.shape == size
        moved = Box((top, left), (bottom, right)).moved(matrix).clipped(size)
        rows, columns = np.nonzero(field)
        if moved is None:
            assert not len(rows)
        else:
            assert moved == Box((rows.min(), columns.min()), (rows.max() + 1, columns.max() + 1))


def test_a_flipped_affine_leaves_the_patient_block_unchanged():
    # The same lesion in a volume stored right-to-left (RAS) and in its mirror image (LAS); axis 0 runs along x.
    size, spacing = (100, 80, 60), 2.0
    to_patient = {
        "RAS": [[spacing, 0, 0, 0], [0, spacing, 0, 0], [0, 0, spacing, 0]],
        "LAS": [[-spacing, 0, 0, spacing * 100], [0, spacing, 0, 0], [0, 0, spacing, 0]],
    }
    stored = {"RAS": Box((10, 20, 40), (20, 30, 50)), "LAS": Box((80, 20, 40), (90, 30, 50))}
    extent = tuple(spacing * edge for edge in size)
    blocks = {name: box.moved(to_patient[name]).block(extent, (2, 2, 2)) for name, box in stored.items()}
    assert blocks["RAS"] == blocks["LAS"] == 1
    assert stored["RAS"].block(size, (2, 2, 2)) != stored["LAS"].block(size, (2, 2, 2))


@given(st.lists(st.floats(0, 1), min_size=6, max_size=6), st.sampled_from([7, 100, 1000]))
def test_text_round_trips_within_half_a_bin(shares, bins):
    size = (640.0, 480.0, 32.0)
    ends = [sorted((shares[i] * size[i], shares[i + 3] * size[i])) for i in range(3)]
    box = Box(tuple(low for low, _ in ends), tuple(high for _, high in ends))
    back = box_from_text(box_to_text(box, size, bins=bins), size, bins=bins)
    for got, given_, edge in zip((*back.low, *back.high), (*box.low, *box.high), (*size, *size), strict=True):
        assert abs(got - given_) <= 0.5 * edge / bins * (1 + 1e-9)


def test_text_out_of_range_is_refused():
    assert box_to_text(Box((0, 0), (480, 640)), (480, 640)) == "0,0,999,999"
    with pytest.raises(ValueError, match="reaches out"):
        box_to_text(Box((0, 0), (481, 640)), (480, 640))
    for text in ("1,2,3", "1,2,3,1000", "1,2,3,-4", "a,b,c,d", ""):
        with pytest.raises(ValueError, match="is no box of 2 axes"):
            box_from_text(text, (480, 640))
    with pytest.raises(ValueError, match="cannot hold"):
        Box((0,), (1,)).clipped((math.inf, 1.0))
