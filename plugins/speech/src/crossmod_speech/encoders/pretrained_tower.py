"""A Hugging Face speech encoder as a tower: Whisper, or one of the wav2vec2 kind."""

from __future__ import annotations

import warnings
from typing import Any, Literal, Self

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from crossmod.contracts.tower import Features, Tower
from crossmod_speech.encoders.augmentation import SpeechAugmenter
from crossmod_speech.encoders.frame_pooling import FramePooling, FramePoolingKind
from crossmod_speech.encoders.hearing import Hearing
from crossmod_speech.encoders.pretrained_folder import SPECTRUM_TYPES
from crossmod_speech.encoders.pretrained_processor import PretrainedSpeechProcessor
from crossmod_speech.encoders.pretrained_weights import MaskedChannelNorm, convolved_length, receptive_field
from crossmod_speech.encoders.subsampling import subsampled_length
from crossmod_speech.waveforms import WaveformInputs

Layers = Literal["last", "weighted"]

WHISPER_STRIDE = 2
"""Frames of the spectrogram a token of Whisper's encoder."""


class PretrainedSpeechTower(Tower):
    """A pretrained encoder, pooled over the real frames.

    Args:
        processor: What makes its waveforms; carries the encoder's configuration.
        encoder: The encoder, as `pretrained_encoder` or `untrained_encoder` makes it.
        layers: The "last" layer's states, or the sum of all layers' with learned "weighted" shares, which sum to 1
            (SUPERB, arXiv:2105.01051; SpeechCLIP, arXiv:2210.00705).
        pooling: "mean" of the frames, or "attention" of a learned query.
        frozen: Keep the encoder's weights as they are, and its dropout off.
        augmentation: What is done to waveforms and features in training.
    """

    def __init__(
        self,
        processor: PretrainedSpeechProcessor,
        encoder: Any,
        *,
        layers: Layers = "weighted",
        pooling: FramePoolingKind = "mean",
        frozen: bool = False,
        augmentation: SpeechAugmenter | None = None,
    ) -> None:
        super().__init__()
        config = encoder.config
        self.reads_spectra = config.model_type in SPECTRUM_TYPES
        self.processor, self.encoder, self.frozen = processor, encoder, frozen
        self.width = int(config.hidden_size)
        self.hearing = Hearing(processor.front_end.build(), augmentation, whole=self.reads_spectra)
        states = int(config.num_hidden_layers) + 1
        self.shares = nn.Parameter(torch.zeros(states)) if layers == "weighted" else None
        self.pool = FramePooling(self.width, int(config.num_attention_heads), pooling)
        if frozen:
            encoder.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """Set training mode; a frozen encoder stays in evaluation mode."""
        super().train(mode)
        if self.frozen:
            self.encoder.eval()
        return self

    def forward(self, inputs: WaveformInputs, /) -> Features:
        """Encode utterances."""
        if not len(inputs):
            nothing = next(self.encoder.parameters()).new_zeros(0, self.width)
            return Features(nothing, nothing[:, None], torch.zeros(0, 1, dtype=torch.bool, device=nothing.device))
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen), warnings.catch_warnings():
            # WavLM gives torch a bool mask of keys beside its float biases, which only a warning is made of.
            warnings.filterwarnings("ignore", message="Support for mismatched key_padding_mask")
            output, mask = self._spectra(inputs) if self.reads_spectra else self._waveforms(inputs)
        tokens = output.last_hidden_state if self.shares is None else self._weighted(output)
        tokens = tokens.masked_fill(~mask[..., None], 0.0)
        return Features(self.pool(tokens, mask), tokens, mask)

    def _weighted(self, output: Any) -> Float[Tensor, "batch frames width"]:
        # Some encoders record their last layer before the final norm, and some behind it.
        states = (*output.hidden_states[:-1], output.last_hidden_state)
        assert self.shares is not None and len(states) == len(self.shares)
        shares = self.shares.softmax(0)
        weighted: Tensor = torch.einsum("l...,l->...", torch.stack(states), shares.to(states[0].dtype))
        return weighted

    def _spectra(self, inputs: WaveformInputs) -> tuple[Any, Bool[Tensor, "batch frames"]]:
        features = self.hearing(inputs)
        output = self.encoder(
            features.values.transpose(1, 2), output_hidden_states=self.shares is not None, return_dict=True
        )
        length = output.last_hidden_state.shape[1]
        real = subsampled_length(features.mask.sum(1), WHISPER_STRIDE)
        return output, torch.arange(length, device=real.device) < real[:, None]

    def _waveforms(self, inputs: WaveformInputs) -> tuple[Any, Bool[Tensor, "batch frames"]]:
        features = self.hearing(inputs)
        kernels, strides = tuple(self.encoder.config.conv_kernel), tuple(self.encoder.config.conv_stride)
        shortest = receptive_field(kernels, strides)
        values = features.values[..., 0]
        # An utterance of less than one frame counts as followed by silence.
        values = nn.functional.pad(values, (0, max(0, shortest - values.shape[1])))
        lengths = features.mask.sum(1).clamp(min=shortest)
        first = self.encoder.feature_extractor.conv_layers[0].layer_norm if self._normalises_channels else None
        if first is not None:
            first.frames = convolved_length(lengths, kernels[:1], strides[:1])
        output = self.encoder(
            values,
            attention_mask=(torch.arange(values.shape[1], device=values.device) < lengths[:, None]).long(),
            output_hidden_states=self.shares is not None,
            return_dict=True,
        )
        frames = convolved_length(lengths, kernels, strides)
        count = output.last_hidden_state.shape[1]
        return output, torch.arange(count, device=frames.device) < frames[:, None]

    @property
    def _normalises_channels(self) -> bool:
        first = self.encoder.feature_extractor.conv_layers[0]
        return isinstance(getattr(first, "layer_norm", None), MaskedChannelNorm)
