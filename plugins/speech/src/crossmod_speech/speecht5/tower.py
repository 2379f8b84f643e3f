"""The tower of utterances: SpeechT5's shared encoder-decoder with the pre- and post-nets of speech."""

from __future__ import annotations

from typing import NamedTuple, final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from crossmod.contracts.tower import Features, Tower
from crossmod.objectives.local.gumbel_quantiser import GumbelQuantiser
from crossmod.objectives.local.spectrogram import previous_frames
from crossmod_speech.frontends.features import SpeechFeatures
from crossmod_speech.speecht5.cepstra import Cepstra
from crossmod_speech.speecht5.convolutions import ConvolutionStack
from crossmod_speech.speecht5.decoder import SharedDecoder
from crossmod_speech.speecht5.encoder import SharedEncoder
from crossmod_speech.speecht5.filter_bank_stack import FilterBankStack
from crossmod_speech.speecht5.frame_nets import FramePostNet, FramePreNet, SpokenFrames
from crossmod_speech.speecht5.inputs import UtteranceInputs
from crossmod_speech.speecht5.k_means import nearest_centroids
from crossmod_speech.speecht5.positions import ConvolutionalPositions, waves
from crossmod_speech.speecht5.processor import SpeechT5Processor
from crossmod_speech.speecht5.target_settings import CepstralClusters
from crossmod_speech.speecht5.voices import voice_of


class States(NamedTuple):
    """What the encoder makes of a minibatch.

    Shape:
        values: [batch, length, width]; zero where `mask` is false.
        mask: [batch, length]; true = real token.
    """

    values: Float[Tensor, "batch length width"]
    mask: Bool[Tensor, "batch length"]


class SpeechEncoderPreNet(nn.Module):
    """Convolutions, a norm, a projection, hidden frames, and places.

    Args:
        convolutions: Read the waveform, or its filter bank.
        width: Of the tokens.
        kernel, groups: Of the convolution that places tokens.
        dropout: Probability of dropping a component of the projected features.
    """

    def __init__(
        self, convolutions: ConvolutionStack | FilterBankStack, width: int, *, kernel: int, groups: int, dropout: float
    ) -> None:
        super().__init__()
        self.convolutions = convolutions
        self.norm = nn.LayerNorm(convolutions.channels)
        self.project = nn.Linear(convolutions.channels, width)
        self.dropout = nn.Dropout(dropout)
        self.hidden = nn.Parameter(torch.rand(width))
        self.positions = ConvolutionalPositions(width, kernel, groups)

    def place(
        self,
        features: Float[Tensor, "batch length channels"],
        mask: Bool[Tensor, "batch length"],
        hidden: Bool[Tensor, "batch length"] | None = None,
        channels: Bool[Tensor, "batch width"] | None = None,
    ) -> Float[Tensor, "batch length width"]:
        """Tokens of convolved features; hidden frames become one learned vector, hidden channels zero.

        Shape:
            mask, hidden: [batch, length]; true = real, and to be hidden. channels: [batch, width]; true = hidden.
        """
        tokens = self.dropout(self.project(self.norm(features)))
        if hidden is not None:
            tokens = torch.where(hidden[..., None], self.hidden.to(tokens.dtype), tokens)
        if channels is not None:
            tokens = tokens.masked_fill(channels[:, None], 0.0)
        placed: Tensor = self.positions(tokens, mask) + waves(tokens)
        return placed


@final
class SpeechT5Tower(Tower):
    """Utterances to the states of the shared encoder; it owns everything but what knows the text's vocabulary.

    Args:
        processor: Makes its inputs.
        enter: The encoder's speech pre-net.
        encoder, decoder: Shared with the text.
        codebook: Shared with the text.
        read_frames, write_frames: The decoder's speech pre- and post-net.
        width: Of the states.
        standardised: Whether the decoder speaks bands of mean 0 and deviation 1 over the training recordings; the
            published one speaks log10 magnitudes as they are.
    """

    processor: SpeechT5Processor
    band_mean: Float[Tensor, "bins"]
    band_deviation: Float[Tensor, "bins"]
    cepstrum_mean: Float[Tensor, "coefficients"]
    cepstrum_deviation: Float[Tensor, "coefficients"]
    centroids: Float[Tensor, "clusters coefficients"]

    def __init__(
        self,
        processor: SpeechT5Processor,
        enter: SpeechEncoderPreNet,
        encoder: SharedEncoder,
        decoder: SharedDecoder,
        codebook: GumbelQuantiser,
        read_frames: FramePreNet,
        write_frames: FramePostNet,
        *,
        width: int,
        standardised: bool,
    ) -> None:
        super().__init__()
        self.processor, self.width = processor, width
        self.enter, self.encoder, self.decoder, self.codebook = enter, encoder, decoder, codebook
        self.read_frames, self.write_frames = read_frames, write_frames
        self._front_end = processor.waveforms.front_end.build()
        self._spectrogram = processor.spectrogram.build()
        held, targets = processor.statistics, processor.targets
        self._cepstra = (
            Cepstra(targets.coefficients, targets.bins, centred=targets.centred)
            if isinstance(targets, CepstralClusters)
            else None
        )
        mean, deviation = held.band_mean, held.band_deviation
        if not standardised:
            mean, deviation = np.zeros_like(mean), np.ones_like(deviation)
        # They belong to the processor, whose spec is part of every checkpoint.
        self.register_buffer("band_mean", torch.tensor(mean), persistent=False)
        self.register_buffer("band_deviation", torch.tensor(deviation), persistent=False)
        for name in ("cepstrum_mean", "cepstrum_deviation", "centroids"):
            self.register_buffer(name, torch.tensor(getattr(held, name)), persistent=False)

    def forward(self, inputs: UtteranceInputs, /) -> Features:
        """Encode utterances; the pooled vector is the mean of the states."""
        if not len(inputs):
            zero = 0 * next(self.encoder.parameters()).sum()
            nothing = zero.expand(0, self.width)
            return Features(nothing, nothing[:, None], torch.zeros(0, 1, dtype=torch.bool, device=zero.device))
        features, mask = self.convolved(inputs)
        states = self.encode(self.enter.place(features, mask), mask).values
        return Features(states.sum(1) / mask.sum(1, keepdim=True), states, mask)

    def convolved(
        self, inputs: UtteranceInputs
    ) -> tuple[Float[Tensor, "batch length channels"], Bool[Tensor, "batch length"]]:
        """Features of the utterances before they are projected, and which of them belong to their utterance."""
        with torch.autocast(self.band_mean.device.type, enabled=False):
            heard = self._front_end(inputs.waveforms.padded(), inputs.waveforms.lengths)
        features, mask = self.enter.convolutions(heard)
        return features, mask

    def encode(self, tokens: Float[Tensor, "batch length width"], mask: Bool[Tensor, "batch length"]) -> States:
        """Tokens of either modality through the shared encoder."""
        return States(self.encoder(tokens, mask), mask)

    @torch.no_grad()
    def spectrogram(self, inputs: UtteranceInputs) -> SpeechFeatures:
        """What the decoder speaks, in its own levels."""
        with torch.autocast(self.band_mean.device.type, enabled=False):
            values, mask = self._spectrogram(inputs.waveforms.padded(), inputs.waveforms.lengths)
        levelled = (values - self.band_mean) / self.band_deviation
        return SpeechFeatures(levelled.masked_fill(~mask[..., None], 0.0), mask)

    def log_magnitudes(self, spoken: Float[Tensor, "*frames bins"]) -> Float[Tensor, "*frames bins"]:
        """log10 magnitudes of frames in the decoder's levels."""
        return spoken * self.band_deviation + self.band_mean

    @torch.no_grad()
    def clusters(self, inputs: UtteranceInputs, frames: int) -> Int64[Tensor, "batch frames"]:
        """The cluster of every frame of the encoder; -1 behind an utterance, and where a file does not state any."""
        if self._cepstra is None:
            counts = inputs.offsets.diff()
            place = torch.arange(frames, device=counts.device) < counts[:, None]
            stated = torch.full(place.shape, -1, dtype=torch.int64, device=counts.device)
            return stated.masked_scatter(place, inputs.clusters.long())
        with torch.autocast(self.centroids.device.type, enabled=False):
            values, mask = self._cepstra(inputs.waveforms.padded(), inputs.waveforms.lengths)
            nearest = nearest_centroids((values - self.cepstrum_mean) / self.cepstrum_deviation, self.centroids)
        found = nearest.masked_fill(~mask, -1)[:, :frames]
        return functional.pad(found, (0, frames - found.shape[1]), value=-1)

    def speak(
        self, states: States, target: SpeechFeatures, voice: Float[Tensor, "batch voice"]
    ) -> tuple[SpokenFrames, SpeechFeatures]:
        """What the decoder says when it is told the frames before, and the target cut to whole steps."""
        reduction = self.write_frames.reduction
        kept = target.values.shape[1] // reduction * reduction
        cut = SpeechFeatures(target.values[:, :kept], target.mask[:, :kept])
        tokens = self.read_frames(previous_frames(target.values, reduction), voice)
        return self.write_frames(self.decoder(tokens, states.values, states.mask), cut.mask), cut

    def voices(self, inputs: UtteranceInputs) -> Float[Tensor, "batch voice"]:
        """The vector of each utterance's voice."""
        return voice_of(self.spectrogram(inputs))
