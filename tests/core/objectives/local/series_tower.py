"""Towers and batches of small series for the tests of local objectives, patches of four numbers each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from crossmod.contracts.batch import Batch
from crossmod.contracts.tower import Features, Tokens, Tower
from crossmod.objectives.local.token_transformer import TokenTransformer
from crossmod.objectives.local.visible_tokens import VisibleTokens, gather_visible
from crossmod.vectors.inputs import VectorInputs

VOCABULARY = 5


class Series(Tower):
    """Vectors cut into patches; a patch's code says how large its mean is, its place is (time, track)."""

    patch_values, patch_axes, vocabulary = 4, 2, VOCABULARY

    def __init__(self, width: int = 16, tracks: int = 4) -> None:
        super().__init__()
        self.width, self.tracks = width, tracks
        self.embed, self.transformer = nn.Linear(4, width), TokenTransformer(width, 1, 2)
        self.places = nn.Parameter(torch.randn(32, width) * 0.1)

    def forward(self, inputs: VectorInputs, /) -> Features:
        tokens = self.tokenise(inputs)
        states = self.encode_visible(tokens, tokens.mask)
        return Features(states.values.mean(1), states.values, states.mask)

    def tokenise(self, inputs: VectorInputs, /) -> Tokens:
        patches = inputs.values.unflatten(1, (-1, 4)).to(self.places.dtype)
        mask = torch.ones(patches.shape[:2], dtype=torch.bool)
        codes = ((patches.mean(-1) + 1) / 2 * VOCABULARY).long().clamp(0, VOCABULARY - 1)
        return Tokens(self.embed(patches), codes, mask, patches)

    def encode_visible(self, tokens: Tokens, visible: Tensor, /) -> VisibleTokens:
        kept = gather_visible(tokens.values + self.places[: tokens.values.shape[1]], visible)
        return kept._replace(values=self.transformer(kept.values, kept.mask))

    def patches(self, tokens: Tokens, /) -> Tensor:
        return tokens.context

    def coordinates(self, tokens: Tokens, /) -> Tensor:
        place = torch.arange(tokens.mask.shape[1])
        both = torch.stack([place // self.tracks, place % self.tracks], -1).float()
        return both.expand(len(tokens.mask), -1, -1)


class Pictures(Tower):
    """Vectors of 48 numbers as 3 x 4 x 4 pictures, and two stages of maps."""

    stage_channels, colours = (8, 12), 3

    def __init__(self, width: int = 12) -> None:
        super().__init__()
        self.width = width
        self.fine, self.coarse = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 12, 2, stride=2)

    def forward(self, inputs: VectorInputs, /) -> Features:
        return Features(self.stages(self.picture(inputs))[-1].mean((2, 3)))

    def picture(self, inputs: VectorInputs, /) -> Tensor:
        return inputs.values.unflatten(1, (3, 4, 4)).to(self.fine.weight.dtype)

    def stages(self, picture: Tensor, /) -> Sequence[Tensor]:
        fine = self.fine(picture).relu()
        return fine, self.coarse(fine).relu()


def waves(rows: int, length: int = 64, first: int = 0) -> VectorInputs:
    time = torch.linspace(0, 12, length)
    phase = torch.arange(first, first + rows)[:, None] * 1.1
    return VectorInputs((time + phase).sin())


def batch_of(rows: int, lacking: dict[str, Sequence[int]], **inputs: Any) -> Batch:
    """A batch in which some rows lack a modality."""
    present = {name: torch.ones(rows, dtype=torch.bool) for name in inputs}
    for name, missing in lacking.items():
        present[name][list(missing)] = False
    taken = {name: each.take(present[name].nonzero()[:, 0]) for name, each in inputs.items()}
    return Batch(taken, present, torch.arange(rows), torch.arange(rows))
