"""A text tower of the tiny domain that tells phrases and words: what stands between two commas, and pairs of tokens."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Int64
from torch import Tensor

from crossmod.contracts.processor import Processor
from crossmod.contracts.tower import Features, Tokens
from crossmod.objectives.pairs.phrases import Phrases
from crossmod.text.byte_pair import BytePairProcessor
from crossmod.text.inputs import TextInputs
from crossmod.text.settings import TextTransformer
from crossmod.text.transformer import TextTransformerTower


@dataclass(frozen=True, kw_only=True)
class PhraseEncoder(TextTransformer):
    """The text transformer, its sentences in phrases."""

    vocabulary: int = 300
    length: int = 24
    width: int = 16
    depth: int = 1
    heads: int = 2
    dropout: float = 0.0

    def build(self, processor: Processor) -> PhraseTextTower:
        assert isinstance(processor, BytePairProcessor)
        return PhraseTextTower(processor, width=self.width, depth=self.depth, heads=self.heads, dropout=self.dropout)


class PhraseTextTower(TextTransformerTower):
    """Phrases are means of what stands between commas; their identity is a sum over tokens and their order."""

    def phrases(self, inputs: TextInputs, features: Features, /) -> Phrases:
        ids, real = inputs.padded(0)
        comma = self.processor(["a, b"]).ids[2]
        number = (ids == comma).cumsum(1).masked_fill(~real, -1)
        count = int(number.max()) + 1 if number.numel() else 1
        member = (number[:, None] == torch.arange(count)[:, None]).to(features.pooled.dtype)
        assert features.tokens is not None
        size = member.sum(2, keepdim=True)
        means = member @ features.tokens / size.clamp(min=1)
        order = member.cumsum(2) * member
        identity = ((ids + 7)[:, None] ** 2 * order).sum(2).long()
        return Phrases(means, size[..., 0] > 0, identity)

    def word_groups(self, tokens: Tokens, /) -> Int64[Tensor, "batch length"]:
        return (torch.arange(tokens.mask.shape[1]) // 2).expand(tokens.mask.shape).masked_fill(~tokens.mask, -1)
