"""Volumes of noise with a bright cube in one octant, and a report whose one sentence names the octant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from crossmod.contracts.batch import Batch
from crossmod.model import CrossModal
from crossmod.objectives.mixture import Mixture
from crossmod.recipe import EmbeddingSettings, ObjectiveSettings, TowerSettings
from crossmod.training.backward import backward
from crossmod_medical.encoders.report_settings import SentenceText
from crossmod_medical.grid import VolumeGrid
from crossmod_medical.volumes import VolumeInputs

NAMES = tuple(
    f"A bright cube in the {side} {face} {end} octant."
    for end in ("lower", "upper")
    for face in ("posterior", "anterior")
    for side in ("left", "right")
)
"""Octant 4 z + 2 y + x; x counts to the patient's right, y to the front, z to the head."""


class Task(NamedTuple):
    """A model with its objective, and volumes by octant."""

    model: CrossModal
    mixture: Mixture
    grid: VolumeGrid


def draw_octants(octants: Sequence[int], grid: VolumeGrid, seed: int) -> VolumeInputs:
    """A cube of a quarter to a half of an octant's edge, somewhere in it."""
    generator = torch.Generator().manual_seed(seed)
    voxels = torch.randint(-900, -500, (len(octants), *grid.shape), generator=generator, dtype=torch.int16)
    halves = [extent // 2 for extent in grid.shape]
    edge = 5 * halves[0] // 8
    for row, octant in enumerate(octants):
        places = []
        for axis, half in enumerate(halves):
            begin = half * (octant >> (2 - axis) & 1) + int(torch.randint(half - edge + 1, (1,), generator=generator))
            places.append(slice(begin, begin + edge))
        voxels[(row, *places)] = 800
    return VolumeInputs(voxels, grid)


def make_task(image: TowerSettings, text: SentenceText, objectives: Mapping[str, ObjectiveSettings]) -> Task:
    """Freshly initialised."""
    torch.manual_seed(0)
    grid = image.grid
    processor = text.fit_processor(NAMES)
    towers = {"image": image.build(grid.build()), "text": text.build(processor)}
    return Task(CrossModal(towers, EmbeddingSettings(width=32)), Mixture(objectives, towers), grid)


def train_task(task: Task, steps: int, rate: float, rows: int = 16) -> None:
    """Adam on volumes that are drawn anew for every step."""
    optimiser = torch.optim.AdamW([*task.model.parameters(), *task.mixture.parameters()], lr=rate)
    words = task.model.tower("text").processor(NAMES)
    for step in range(steps):
        torch.manual_seed(step)
        octants = torch.randint(8, (rows,))
        batch = batch_of(draw_octants(octants.tolist(), task.grid, step), words, octants)
        optimiser.zero_grad()
        backward(task.model, task.mixture, batch, step)
        torch.nn.utils.clip_grad_norm_([*task.model.parameters(), *task.mixture.parameters()], 1.0)
        optimiser.step()
        task.mixture.after_step()


def batch_of(volumes: VolumeInputs, words: object, octants: Tensor) -> Batch:
    """One report a volume; no two volumes share a group, though many share their sentence."""
    there = torch.ones(len(octants), dtype=torch.bool)
    number = torch.arange(len(octants))
    inputs = {"image": volumes, "text": words.take(octants)}
    return Batch(inputs, {"image": there, "text": there}, number, number)


def octant_of(place: Tensor, counts: Sequence[int]) -> Tensor:
    """The octant of a patch, counted row-major on a grid of so many patches along depth, height and width."""
    z, rest = place // (counts[1] * counts[2]), place % (counts[1] * counts[2])
    y, x = rest // counts[2], rest % counts[2]
    return 4 * (z >= counts[0] // 2).long() + 2 * (y >= counts[1] // 2).long() + (x >= counts[2] // 2).long()
