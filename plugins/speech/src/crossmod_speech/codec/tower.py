"""The codec as a tower: spectrogram, latent frames, codes, and the waveform that codes stand for."""

from __future__ import annotations

from typing import final

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from crossmod.contracts.tower import Features, Tower
from crossmod.text.block import masked_mean
from crossmod_speech.codec.bottleneck import Bottleneck, Coded
from crossmod_speech.codec.convnext import ConvNextEncoder
from crossmod_speech.codec.generator import Generator
from crossmod_speech.frontends.settings import LogMel
from crossmod_speech.processors import WaveformProcessor
from crossmod_speech.waveforms import WaveformInputs


@final
class DistilCodecTower(Tower):
    """Recordings to codes and back; as a tower of features it gives the quantised frames and their mean.

    Args:
        processor: What makes its waveforms; its front end is the spectrogram that is encoded.
        encoder: Spectrogram to latent frames.
        bottleneck: Latent frames to codes.
        generator: Quantised frames to samples.
        width: Width of the latent frames.
    """

    def __init__(
        self,
        processor: WaveformProcessor,
        encoder: ConvNextEncoder,
        bottleneck: Bottleneck,
        generator: Generator,
        *,
        width: int,
    ) -> None:
        super().__init__()
        self.processor, self.width = processor, width
        self.front_end = processor.front_end.build()
        self.encoder, self.bottleneck, self.generator = encoder, bottleneck, generator

    @property
    def spectrogram(self) -> LogMel:
        """What is encoded."""
        front_end = getattr(self.processor, "front_end", None)
        assert isinstance(front_end, LogMel)
        return front_end

    @property
    def samples_a_step(self) -> int:
        """Samples that one step of codes stands for."""
        samples: int = self.generator.hop * self.bottleneck.downsampling
        return samples

    @property
    def codebooks(self) -> int:
        """Codes a step."""
        return self.bottleneck.quantiser.groups * self.bottleneck.quantiser.stages

    def forward(self, inputs: WaveformInputs, /) -> Features:
        """Quantised frames of utterances, and their mean."""
        if not len(inputs):
            nothing = self.encoder.last_norm.weight.new_zeros(0, self.width)
            return Features(nothing, nothing[:, None], torch.zeros(0, 1, dtype=torch.bool, device=nothing.device))
        latents, mask = self.latents(inputs.padded(), inputs.lengths)
        values = self.bottleneck(latents, mask).values
        return Features(masked_mean(values, mask), values, mask)

    def latents(
        self, samples: Float[Tensor, "batch samples"], lengths: Int64[Tensor, "batch"]
    ) -> tuple[Float[Tensor, "batch frames width"], Bool[Tensor, "batch frames"]]:
        """Latent frames before they are quantised, and which are of the utterance.

        Shape:
            samples: [batch, samples] amplitudes from -1 to 1; lengths: [batch].
        """
        spectrogram = self.front_end(samples, lengths)
        return self.encoder(spectrogram.values, spectrogram.mask), spectrogram.mask

    def codes(self, inputs: WaveformInputs) -> Coded:
        """Codes of utterances, and what the generator would read."""
        coded: Coded = self.bottleneck(*self.latents(inputs.padded(), inputs.lengths))
        return coded

    def decode(self, codes: Int64[Tensor, "batch steps codebooks"]) -> Float[Tensor, "batch samples"]:
        """The waveforms of codes; what stands beside a code sounds in it, so utterances are decoded without padding.

        Shape:
            codes: [batch, steps, codebooks] -> [batch, steps * samples_a_step].

        Raises:
            ValueError: There are not as many codes a step, or one lies outside of its codebook.
        """
        self._require(codes)
        waveform: Tensor = self.generator(self.bottleneck.look_up(codes))
        return waveform

    @torch.no_grad()
    def reconstruct(self, inputs: WaveformInputs) -> list[Float[Tensor, "samples"]]:
        """What is left of utterances once they are codes, one by one; each a whole number of frames long."""
        heard = []
        for row in range(len(inputs)):
            found = self.codes(inputs.take(torch.tensor([row], device=inputs.offsets.device)))
            heard.append(self.generator(found.values)[0])
        return heard

    def _require(self, codes: Tensor) -> None:
        known = self.bottleneck.quantiser.codes
        if codes.shape[-1] != self.codebooks:
            raise ValueError(f"codes of {codes.shape[-1]} codebooks were given; this codec has {self.codebooks}.")
        if codes.numel() and not 0 <= int(codes.min()) <= int(codes.max()) < known:
            raise ValueError(
                f"codes from {int(codes.min())} to {int(codes.max())} were given; this codec has 0 to {known - 1}."
            )
