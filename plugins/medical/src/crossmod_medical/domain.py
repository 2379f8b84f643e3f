"""What this package hands to crossmod: the medical domain (torch-free)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import crossmod_medical.systems  # noqa: F401 - makes their settings known to the command line
from crossmod.domain import Domain
from crossmod.recipe import Recipe, TowerSettings, TowersSettings
from crossmod_medical.data import MedicalData
from crossmod_medical.encoders.settings import VolumeTransformer
from crossmod_medical.findings.settings import EVALUATIONS as FINDINGS
from crossmod_medical.nodules.settings import EVALUATIONS as NODULES
from crossmod_medical.pretraining.evaluation_settings import EVALUATIONS as SENTENCES
from crossmod_medical.vqa.settings import EVALUATIONS as QUESTIONS


@dataclass(frozen=True, kw_only=True)
class MedicalTowers(TowersSettings):
    """The encoders of images and of their texts.

    Args:
        image: The encoder of volumes or of 2-D images, given as paths.
        text: The encoder of reports, captions and prompts.
    """

    image: TowerSettings = field(default_factory=VolumeTransformer)
    text: TowerSettings


@dataclass(frozen=True, kw_only=True)
class MedicalRecipe(Recipe):
    """A run on studies and their reports.

    Args:
        data: The corpus of studies.
        towers: The encoders of both.
    """

    data: MedicalData
    towers: MedicalTowers


domain = Domain(
    name="medical",
    summary="CT volumes and radiology images with reports",
    recipe=MedicalRecipe,
    recipes=Path(__file__).parent / "recipes",
    evaluations={**QUESTIONS, **NODULES, **FINDINGS, **SENTENCES},
    drawings={"image": "crossmod_medical.drawing:draw_image"},
    finish=("zero-shot",),
    sheets=("crossmod_medical.heat.sheets:phrase_sheets",),
)
