"""Settings of the codec: what a user types after `--towers.speech` (torch-free)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING

from crossmod.contracts.processor import Processor
from crossmod.errors import UserError
from crossmod.objectives.settings import require_modalities
from crossmod.settings import Settings
from crossmod_speech.encoders.settings import SpeechTower
from crossmod_speech.frontends.contract import FrontEnd
from crossmod_speech.frontends.settings import DistilCodecLogMel, LogMel

if TYPE_CHECKING:
    from crossmod.contracts.tower import Tower
    from crossmod_speech.codec.tower import DistilCodecTower


@dataclass(frozen=True, kw_only=True)
class CodecGenerator(Settings):
    """HiFi-GAN's generator, latent frames to samples.

    Args:
        channels: Channels before the first transposed convolution; each halves them. (1024 in DistilCodec.)
        upsampling: Factors; their product is the front end's hop. (8, 4, 2, 2, 2.)
        upsampling_kernels: Kernels of these, each its factor or more, both even or both odd. (16, 12, 4, 4, 4.)
        field_kernels: Kernels whose receptive fields are averaged; odd. (3, 7, 11.)
        dilations: Dilations of each of them. (1, 3, 5.)
        outer_kernel: Kernel of the first and of the last convolution; odd. (13.)
    """

    channels: int = 128
    upsampling: tuple[int, ...] = (8, 4, 2, 2, 2)
    upsampling_kernels: tuple[int, ...] = (16, 12, 4, 4, 4)
    field_kernels: tuple[int, ...] = (3, 7)
    dilations: tuple[int, ...] = (1, 3)
    outer_kernel: int = 13

    def __post_init__(self) -> None:
        if self.channels < 1 or self.channels % 2 ** len(self.upsampling):
            raise UserError(
                f"{self.channels} channels cannot be halved {len(self.upsampling)} times; take a multiple of "
                f"{2 ** len(self.upsampling)}."
            )
        pairs = list(zip(self.upsampling, self.upsampling_kernels, strict=False))
        uneven = [kernel for factor, kernel in pairs if kernel < factor or (kernel - factor) % 2]
        if len(self.upsampling) != len(self.upsampling_kernels) or min(self.upsampling, default=0) < 1 or uneven:
            raise UserError(
                f"kernels {list(self.upsampling_kernels)} do not fit the factors {list(self.upsampling)}; give one a "
                "factor, at least as large, both even or both odd."
            )
        odd = (*self.field_kernels, self.outer_kernel)
        if not self.field_kernels or not self.dilations or any(size < 1 or size % 2 == 0 for size in odd):
            raise UserError(f"field_kernels and outer_kernel are {list(odd)}; take odd numbers, and a dilation.")

    def build(self) -> CodecGenerator:
        """The generator is made with the tower whose latent frames it reads."""
        return self


@dataclass(frozen=True, kw_only=True)
class DistilCodec(SpeechTower):
    """A codec with one code a frame, or several (DistilCodec, arXiv:2505.17426; neural parts at sizes for two cores).

    Args:
        front_end: The spectrogram that is encoded; see DistilCodecLogMel.
        encoder_widths: Channels of each stage of the encoder. (256, 512, 768, 1024.)
        encoder_depths: Blocks of each stage. (3, 3, 9, 3.)
        drop_path: Greatest probability of leaving out an encoder's branch in training. (0.2.)
        codes: Codes of each codebook. (32,768 in the student, 1024 in the teacher.)
        code_width: Width of the codebooks. (3584 in the student, as wide as the language model; 512 in the teacher.)
        groups: Groups of channels, each with codebooks of its own. (1; 4 in the teacher.)
        stages: Residual codebooks of each group. (1; 8 in the teacher.)
        downsampling: Frames that share their codes. (1.)
        decay: Of the moving averages that codebooks are. (0.8.)
        dead_below: Average frames a batch below which a code is put on a frame of the batch. (Not stated.)
        generator: The decoder.
    """

    front_end: FrontEnd = field(default_factory=DistilCodecLogMel)
    encoder_widths: tuple[int, ...] = (96, 128, 160, 192)
    encoder_depths: tuple[int, ...] = (1, 1, 2, 1)
    drop_path: float = 0.0
    codes: int = 512
    code_width: int = 64
    groups: int = 1
    stages: int = 1
    downsampling: int = 1
    decay: float = 0.8
    dead_below: float = 0.03
    generator: CodecGenerator = field(default_factory=CodecGenerator)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.front_end, LogMel):
            raise UserError(f"the codec reads a LogMel, not a {type(self.front_end).__name__}; take DistilCodecLogMel.")
        hop, made = self.front_end.hop_length, prod(self.generator.upsampling)
        if made != hop:
            raise UserError(
                f"the generator makes {made} samples a frame, and the front end's hop is {hop}; match them."
            )
        sizes = (*self.encoder_widths, *self.encoder_depths, self.code_width, self.groups, self.stages)
        if len(self.encoder_widths) != len(self.encoder_depths) or min(*sizes, self.downsampling) < 1:
            raise UserError("the encoder takes as many widths as depths, and all sizes of a codec are 1 or more.")
        if self.codes < 2 or not 0 <= self.decay < 1 or self.dead_below < 0 or not 0 <= self.drop_path < 1:
            raise UserError("a codec takes 2 codes or more, 0 <= decay < 1, dead_below >= 0 and 0 <= drop_path < 1.")
        if self.encoder_widths[-1] % self.groups:
            raise UserError(f"{self.groups} groups do not divide the encoder's last width {self.encoder_widths[-1]}.")

    def build(self, processor: Processor) -> DistilCodecTower:
        """Make the codec, freshly initialised."""
        from crossmod.objectives.local.residual_quantiser import GroupedQuantiser
        from crossmod_speech.codec.bottleneck import Bottleneck
        from crossmod_speech.codec.convnext import ConvNextEncoder
        from crossmod_speech.codec.generator import Generator
        from crossmod_speech.codec.spectrogram import require_invertible
        from crossmod_speech.codec.tower import DistilCodecTower
        from crossmod_speech.processors import WaveformProcessor

        assert isinstance(processor, WaveformProcessor) and isinstance(processor.front_end, LogMel)
        require_invertible(processor.front_end)
        width, made = self.encoder_widths[-1], self.generator
        quantiser = GroupedQuantiser(
            width,
            self.code_width,
            self.codes,
            groups=self.groups,
            stages=self.stages,
            decay=self.decay,
            dead_below=self.dead_below,
        )
        return DistilCodecTower(
            processor,
            ConvNextEncoder(
                processor.front_end.bins, self.encoder_widths, self.encoder_depths, drop_path=self.drop_path
            ),
            Bottleneck(width, quantiser, self.downsampling),
            Generator(
                width,
                made.channels,
                made.upsampling,
                made.upsampling_kernels,
                made.field_kernels,
                made.dilations,
                made.outer_kernel,
            ),
            width=width,
        )


def codec_tower(towers: Mapping[str, Tower], modality: str, asker: str) -> DistilCodecTower:
    """The codec of a modality.

    Raises:
        UserError: There is no such modality, or its tower is no codec.
    """
    from crossmod_speech.codec.tower import DistilCodecTower

    require_modalities(towers, modality)
    tower = towers[modality]
    if not isinstance(tower, DistilCodecTower):
        raise UserError(
            f"{asker} needs a codec as the tower of {modality!r}, not {type(tower).__name__}; take DistilCodec."
        )
    return tower
