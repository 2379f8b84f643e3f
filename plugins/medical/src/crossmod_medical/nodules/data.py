"""Settings of the corpus of lung nodules (torch-free)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from crossmod.errors import UserError
from crossmod_medical.data import MedicalData
from crossmod_medical.grid import VolumeGrid

if TYPE_CHECKING:
    from crossmod.contracts.corpus import Corpus


@dataclass(frozen=True, kw_only=True)
class LidcNodules(MedicalData):
    """Crops around lung nodules of LIDC-IDRI (doi:10.1118/1.3528204) with captions from radiologists' ratings.

    Captions are put together from the rated terms and the diameter; no radiologist wrote them. They tell malignancy
    too, so that prompts about it ask for what training texts said in other words. Nodules of which equal things are
    said share a group. The table's `val` split tests; patients of its `train` split part into train and validation.

    Args:
        root: Folder with `nodules.csv` and `train/image`, `val/image`.
        held_back: Share of the training patients that validate.
        split_seed: Draws them.
        captions: Wordings of every training nodule; validation and test take the canonical one alone.
        slices: Axial slices of every nodule as 2-D images (RadCLIP's first stage); 0 gives volumes.
        grid: Grid that slices are taken from; its height, width and windows are those of the 2-D tower.
    """

    root: str
    held_back: float = 0.15
    split_seed: int = 0
    captions: int = 6
    slices: int = 0
    grid: VolumeGrid = field(default_factory=VolumeGrid)

    def __post_init__(self) -> None:
        if not 0 <= self.held_back < 1:
            raise UserError(f"data.held_back is {self.held_back}; it is a share of the training patients, below 1.")
        if self.captions < 1 or self.slices < 0:
            raise UserError("data.captions is at least 1, and data.slices at least 0.")

    def build(self) -> Corpus:
        """Read the table."""
        from crossmod_medical.nodules.lidc import read_lidc_nodules

        return read_lidc_nodules(self)
