"""The tower of utterances that is trained from scratch: front end, subsampling, blocks, pooling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from crossmod.contracts.tower import Features, Tower
from crossmod.text.packed_tokens import Packing
from crossmod_speech.encoders.augmentation import SpeechAugmenter
from crossmod_speech.encoders.frame_pooling import FramePooling
from crossmod_speech.encoders.hearing import Hearing
from crossmod_speech.encoders.relative_attention import Positions, Rotation, rotation
from crossmod_speech.encoders.subsampling import ConvolutionalSubsampling
from crossmod_speech.processors import WaveformProcessor
from crossmod_speech.waveforms import WaveformInputs

Pooling = Literal["mean", "attention", "cls"]


class FrameEncoderTower(Tower):
    """Features of a front end, convolutional subsampling, blocks with relative positions, a norm, and pooling.

    Args:
        processor: What makes its waveforms; its front end says what is read of them.
        blocks: `RelativeBlock`s or `ConformerBlock`s.
        width: Width of tokens and of the pooled vector.
        heads: Attention heads of the blocks, and of pooling by attention.
        stride: Frames of the front end a token; a power of two.
        dropout: Probability of dropping a component of the tokens that enter the blocks.
        pooling: "mean" of the tokens, "attention" of a learned query, or a class token ("cls") before the first frame.
        positions: How the blocks know distances.
        packed: Whether the blocks see real tokens alone, end to end; rotary positions and transformer blocks only.
        augmentation: What is done to waveforms and features in training; None leaves them as they are.
    """

    def __init__(
        self,
        processor: WaveformProcessor,
        blocks: Sequence[nn.Module],
        *,
        width: int,
        heads: int,
        stride: int = 4,
        dropout: float = 0.0,
        pooling: Pooling = "mean",
        positions: Positions = "rotary",
        packed: bool = False,
        augmentation: SpeechAugmenter | None = None,
    ) -> None:
        super().__init__()
        self.processor, self.width, self.packed = processor, width, packed
        self.hearing = Hearing(processor.front_end.build(), augmentation)
        self.subsampling = ConvolutionalSubsampling(processor.front_end.bins, width, stride)
        self.dropout = nn.Dropout(dropout)
        self.first = nn.Parameter(torch.empty(width).normal_(std=0.02)) if pooling == "cls" else None
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(width)
        self.pool = None if pooling == "cls" else FramePooling(width, heads, pooling)
        self.head_size = width // heads if positions == "rotary" else 0

    def forward(self, inputs: WaveformInputs, /) -> Features:
        """Encode utterances; tokens are those of the frames, without the class token."""
        if not len(inputs):
            nothing = self.norm.weight.new_zeros(0, self.width)
            return Features(nothing, nothing[:, None], torch.zeros(0, 1, dtype=torch.bool, device=nothing.device))
        return self.encode(*self.subsampling(self.hearing(inputs)))

    def encode(self, tokens: Float[Tensor, "batch length width"], mask: Bool[Tensor, "batch length"]) -> Features:
        """Encode subsampled tokens.

        Shape:
            mask: [batch, length]; true = real token.
        """
        tokens = self.dropout(tokens)
        if self.first is None:
            states = self.transform(tokens, mask)
            assert self.pool is not None
            return Features(self.pool(states, mask), states, mask)
        first = self.first.to(tokens.dtype).expand(len(tokens), 1, -1)
        states = self.transform(torch.cat([first, tokens], 1), torch.cat([mask.new_ones(len(mask), 1), mask], 1))
        return Features(states[:, 0], states[:, 1:], mask)

    def transform(
        self, tokens: Float[Tensor, "batch length width"], mask: Bool[Tensor, "batch length"]
    ) -> Float[Tensor, "batch length width"]:
        """Tokens through the blocks and the final norm; zero where `mask` is false.

        Shape:
            mask: [batch, length]; true = real token.
        """
        if not self.packed:
            angles = self._angles(torch.arange(mask.shape[1], device=mask.device))
            for block in self.blocks:
                tokens = block(tokens, mask, angles)
            padded: Tensor = self.norm(tokens).masked_fill(~mask[..., None], 0.0)
            return padded
        packing = Packing.of(mask)
        angles = self._angles(packing.place % mask.shape[1])
        packed = packing.pack(tokens)
        for block in self.blocks:
            packed = block(packed, packing, angles)
        return packing.unpack(self.norm(packed))

    def _angles(self, places: Tensor) -> Rotation | None:
        return rotation(places, self.head_size) if self.head_size else None
