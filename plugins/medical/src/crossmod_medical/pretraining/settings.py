"""Settings of this domain's own pre-training objectives (torch-free)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossmod.errors import UserError
from crossmod.objectives.settings import require_modalities
from crossmod.recipe import ObjectiveSettings

if TYPE_CHECKING:
    from crossmod.contracts.objective import Objective
    from crossmod.contracts.tower import Tower


@dataclass(frozen=True, kw_only=True)
class VolumeSelfSupervision(ObjectiveSettings):
    """Fill in cubes, tell turns about z, and match two crops of one volume (Swin UNETR's tasks; in VELVET-Med [C]).

    Args:
        modality: The modality of the volumes; its tower is VolumeSwin.
        crop: Voxels of a crop to the right, to the front and to the head; multiples of 32, the first two equal. (96.)
        cube: Voxels of a hidden cube along every axis; divides the crop. (Our choice.)
        least_hidden: Least share of a crop that is hidden. (0.3.)
        most_hidden: Largest. (0.6.)
        width: Width of the contrasted vectors. (Our choice.)
        temperature: Divisor of the cosines of two crops. (0.5.)
        inpainting: Weight of filling in. (1.)
        rotation: Weight of telling turns. (1.)
        contrast: Weight of matching crops. (1.)
    """

    modality: str = "image"
    crop: tuple[int, int, int] = (96, 96, 96)
    cube: int = 8
    least_hidden: float = 0.3
    most_hidden: float = 0.6
    width: int = 128
    temperature: float = 0.5
    inpainting: float = 1.0
    rotation: float = 1.0
    contrast: float = 1.0

    def __post_init__(self) -> None:
        if min(self.crop) < 32 or any(extent % 32 for extent in self.crop) or self.crop[0] != self.crop[1]:
            raise UserError(f"crop is {list(self.crop)}; take multiples of 32, the first two equal, as slices turn.")
        if self.cube < 1 or any(extent % self.cube for extent in self.crop) or self.cube == max(self.crop):
            raise UserError(f"cubes of {self.cube} do not part crops of {list(self.crop)}; take a divisor below them.")
        if not 0 < self.least_hidden <= self.most_hidden < 1 or not self.temperature > 0 or self.width < 1:
            raise UserError(
                f"{self.least_hidden} to {self.most_hidden} is hidden at temperature {self.temperature} and width "
                f"{self.width}; shares lie between 0 and 1 in their order, the others are positive."
            )

    def build(self, towers: Mapping[str, Tower]) -> Objective:
        """Make the objective.

        Raises:
            UserError: The tower is no SwinUNETR encoder, or its volumes are smaller than the crops.
        """
        from crossmod_medical.encoders.convolution import SwinTower
        from crossmod_medical.pretraining.self_supervision import CropPlan, VolumeSelfSupervisionObjective
        from crossmod_medical.processors import VolumeProcessor

        require_modalities(towers, self.modality)
        tower = towers[self.modality]
        if not isinstance(tower, SwinTower) or not isinstance(tower.processor, VolumeProcessor):
            raise UserError(
                f"VolumeSelfSupervision needs the maps of VolumeSwin, but {self.modality!r} has the tower "
                f"{type(tower).__name__}."
            )
        size = tower.processor.grid.size
        if any(step > extent for step, extent in zip(self.crop, size, strict=True)):
            raise UserError(f"crops of {list(self.crop)} do not fit a grid.size of {list(size)}; take smaller ones.")
        right, front, head = self.crop
        return VolumeSelfSupervisionObjective(
            self.modality,
            tower,
            CropPlan((head, front, right), self.cube, (self.least_hidden, self.most_hidden)),
            width=self.width,
            temperature=self.temperature,
            inpainting=self.inpainting,
            rotation=self.rotation,
            contrast=self.contrast,
        )


@dataclass(frozen=True, kw_only=True)
class WordRegions(ObjectiveSettings):
    """Late interaction of a report's content words with places of a volume (VELVET-Med's word level, by ours [C]).

    Args:
        image: The modality of the volumes.
        text: The modality of the reports; its tower is ReportLevels or ReportTransformer.
        stage: Which of the maps of the volumes' tower, from 0 at the finest; -1 takes its tokens. (2 of SwinUNETR.)
        most: Places of a volume at most, drawn at random. (1,024.)
        width: Width that words and places are compared in. (256 in FILIP.)
        scale: Logit scale to start at, 1/temperature. (1/0.07 in FILIP.)
        largest_scale: Clamp of the logit scale after each step. (100 in CLIP.)
    """

    image: str = "image"
    text: str = "text"
    stage: int = -1
    most: int = 1024
    width: int = 256
    scale: float = 1 / 0.07
    largest_scale: float = 100.0

    def __post_init__(self) -> None:
        if self.stage < -1 or min(self.most, self.width) < 1:
            raise UserError(f"stage is {self.stage}, -1 or more; most {self.most} and width {self.width} at least 1.")

    def build(self, towers: Mapping[str, Tower]) -> Objective:
        """Make the objective.

        Raises:
            UserError: The text tower does not know words.
        """
        from crossmod.objectives.pairs.local_settings import stage_width
        from crossmod.objectives.pairs.token_contrast import LateInteractionLoss
        from crossmod.state.logit_scale import LogitScale
        from crossmod_medical.encoders.sentence_tower import SentenceTower
        from crossmod_medical.pretraining.word_regions import WordRegionsObjective

        require_modalities(towers, self.image, self.text)
        text = towers[self.text]
        if not isinstance(text, SentenceTower):
            raise UserError(
                f"WordRegions reads words of {self.text!r}, but its tower {type(text).__name__} is none of reports; "
                "choose ReportLevels or ReportTransformer."
            )
        return WordRegionsObjective(
            self.image,
            self.text,
            text,
            (stage_width(towers, self.image, self.stage), text.width),
            self.width,
            LateInteractionLoss(LogitScale(self.scale, largest=self.largest_scale)),
            stage=self.stage,
            most=self.most,
        )
