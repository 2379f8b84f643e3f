"""The encoder's input of filter banks, for corpora that are too small to learn filters of a waveform."""

from __future__ import annotations

from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from crossmod_speech.frontends.features import SpeechFeatures

FRAMES_APART = 2
"""Frames of the filter bank from one frame of the encoder to the next."""


class FilterBankStack(nn.Module):
    """Two convolutions over frames of 10 ms, one frame every 20 ms, GELU behind each [ours].

    Frame j is centred where frame j of the convolutions on waveforms begins: at frame 2 j of the filter bank, so that
    masks, clusters and states are the same number in both.

    Args:
        bins: Of the filter bank.
        channels: Of both layers.
    """

    def __init__(self, bins: int, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.layers = nn.ModuleList(
            [
                nn.Conv1d(bins, channels, 3, stride=FRAMES_APART, padding=1),
                nn.Conv1d(channels, channels, 3, padding=1),
            ]
        )

    def forward(
        self, heard: SpeechFeatures
    ) -> tuple[Float[Tensor, "batch frames channels"], Bool[Tensor, "batch frames"]]:
        """Features and which of them belong to their utterance; the others are zero.

        Args:
            heard: Frames of the filter bank, zero behind an utterance.
        """
        first, second = self.layers
        mask = heard.mask[:, ::FRAMES_APART]
        behind = ~mask[:, None]
        values = functional.gelu(first(heard.values.transpose(1, 2))).masked_fill(behind, 0.0)
        values = functional.gelu(second(values)).masked_fill(behind, 0.0)
        return values.transpose(1, 2), mask
