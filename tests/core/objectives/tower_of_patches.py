"""A tower of the tiny domain for objectives that hide patches or colours: it can leave parts of a point out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor, nn

from crossmod.contracts.processor import Processor
from crossmod.contracts.tower import Features, Tokens, Tower
from crossmod.objectives.local.visible_tokens import VisibleTokens, gather_visible
from crossmod.recipe import TowerSettings
from crossmod.vectors.inputs import VectorInputs
from crossmod.vectors.processor import VectorProcessor


@dataclass(frozen=True, kw_only=True)
class CoordinateEncoder(TowerSettings):
    """A point's coordinates, each a patch of one number."""

    width: int = 8

    def fit_processor(self, items: Sequence[Any]) -> VectorProcessor:
        return VectorProcessor.fit(items)

    def load_processor(self, spec: Mapping[str, Any], files: Mapping[str, bytes]) -> VectorProcessor:
        return VectorProcessor.load(spec)

    def build(self, processor: Processor) -> CoordinateTower:
        assert isinstance(processor, VectorProcessor)
        return CoordinateTower(processor, self.width)


class CoordinateTower(Tower):
    """Embeds each coordinate and mixes the visible ones by their mean; as a picture, a point is one pixel."""

    patch_values, patch_axes = 1, 1

    def __init__(self, processor: VectorProcessor, width: int) -> None:
        super().__init__()
        self.processor, self.width = processor, width
        self.embed, self.mix = nn.Linear(1, width), nn.Linear(width, width)
        self.colours, self.stage_channels = len(processor.mean), (width,)
        self.stage = nn.Conv2d(self.colours, width, 1)
        self.places = nn.Parameter(torch.randn(len(processor.mean), width))

    def forward(self, inputs: VectorInputs, /) -> Features:
        tokens = self.tokenise(inputs)
        states = self.encode_visible(tokens, tokens.mask)
        return Features(states.values.mean(1), states.values, states.mask)

    def tokenise(self, inputs: VectorInputs, /) -> Tokens:
        values = inputs.values[..., None]
        mask = torch.ones(values.shape[:2], dtype=torch.bool)
        return Tokens(self.embed(values), torch.zeros_like(mask, dtype=torch.int64), mask, values)

    def encode_visible(self, tokens: Tokens, visible: Bool[Tensor, "batch length"], /) -> VisibleTokens:
        seen = gather_visible(tokens.values + self.places, visible)
        return seen._replace(values=seen.values + self.mix(seen.values.mean(1, keepdim=True)))

    def patches(self, tokens: Tokens, /) -> Tensor:
        assert isinstance(tokens.context, Tensor)
        return tokens.context

    def coordinates(self, tokens: Tokens, /) -> Tensor:
        return torch.arange(tokens.mask.shape[1]).float().expand(tokens.mask.shape)[..., None]

    def picture(self, inputs: VectorInputs, /) -> Tensor:
        return inputs.values[..., None, None]

    def stages(self, picture: Tensor, /) -> list[Tensor]:
        return [self.stage(picture)]
