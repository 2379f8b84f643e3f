"""Settings of what a codec is trained by (torch-free)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from crossmod.errors import UserError
from crossmod.recipe import ObjectiveSettings
from crossmod.settings import Settings
from crossmod_speech.codec.settings import codec_tower

if TYPE_CHECKING:
    from crossmod.contracts.objective import Objective
    from crossmod.contracts.tower import Tower
    from crossmod_speech.codec.discriminators import Discriminators as DiscriminatorsModule
    from crossmod_speech.codec.training import CodecTrainingObjective


@dataclass(frozen=True, kw_only=True)
class Discriminators(Settings):
    """What tells recordings from the codec's, in training alone.

    Args:
        periods: Every so-manieth sample is seen. (5, 8, 13, 19, 30.)
        scales: Means of so many samples are seen. (Not stated; 1, 2, 4 in MelGAN.)
        spectra: Transforms whose complex spectrograms are seen. (128 to 2048.)
        channels: Of first layers. (32.)
    """

    periods: tuple[int, ...] = (5, 13)
    scales: tuple[int, ...] = (2,)
    spectra: tuple[int, ...] = (256, 1024)
    channels: int = 8

    def __post_init__(self) -> None:
        if not (*self.periods, *self.scales, *self.spectra):
            raise UserError("there is no discriminator; name one, or train without with `discriminators: null`.")
        if min(*self.periods, *self.scales, *self.spectra, self.channels) < 1 or self.channels % 4:
            raise UserError("discriminators take positive sizes, and channels that are a multiple of 4.")

    def build(self) -> DiscriminatorsModule:
        """Make them."""
        from crossmod_speech.codec.discriminators import Discriminators as Module

        return Module(self.periods, self.scales, self.spectra, self.channels)


@dataclass(frozen=True, kw_only=True)
class CodecTraining(ObjectiveSettings):
    """Rebuild segments of recordings from their codes (arXiv:2505.17426; weights as published).

    Args:
        modality: The modality of the recordings; its tower is a DistilCodec.
        segment_frames: Frames of a segment. (3 seconds as published.)
        mel: Weight of the mean error of the front end's spectrogram. (45.)
        further_mel: Weight of the same at twice and at half the resolution. (1; the sizes are not stated.)
        matching: Weight of the mean difference of the discriminators' layers. (2.)
        adversarial: Weight of taking the discriminators in. (1.)
        commitment: Weight of the distance to the codes. (10.)
        discriminators: Null trains on spectra alone, a third of the time a step.
    """

    modality: str = "speech"
    segment_frames: int = 48
    mel: float = 45.0
    further_mel: float = 1.0
    matching: float = 2.0
    adversarial: float = 1.0
    commitment: float = 10.0
    discriminators: Discriminators | None = field(default_factory=Discriminators)

    def __post_init__(self) -> None:
        if self.segment_frames < 8:
            raise UserError(f"segment_frames is {self.segment_frames}; take 8 or more, so that spectra have room.")
        if min(self.mel, self.further_mel, self.matching, self.adversarial, self.commitment) < 0:
            raise UserError("the weights of a codec's terms are 0 or more.")

    def build(self, towers: Mapping[str, Tower]) -> Objective:
        """Make the objective.

        Raises:
            UserError: The modality's tower is no codec.
        """
        from crossmod_speech.codec.spectrogram import DifferentiableLogMel, resolutions
        from crossmod_speech.codec.training import CodecTrainingObjective, CodecWeights

        tower = codec_tower(towers, self.modality, "CodecTraining")
        own = tower.spectrogram
        scales = [own, *(resolutions(own, (2.0, 0.5)) if self.further_mel else ())]
        weights = CodecWeights(self.mel, self.further_mel, self.matching, self.adversarial, self.commitment)
        objective: CodecTrainingObjective = CodecTrainingObjective(
            self.modality,
            tower,
            [DifferentiableLogMel(each) for each in scales],
            None if self.discriminators is None else self.discriminators.build(),
            weights,
            segment_frames=self.segment_frames,
        )
        return objective
