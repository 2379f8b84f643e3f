"""Settings of what answering is trained by (torch-free)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from crossmod.errors import UserError
from crossmod.objectives.settings import require_modalities
from crossmod.recipe import ObjectiveSettings

if TYPE_CHECKING:
    from crossmod.contracts.objective import Objective
    from crossmod.contracts.tower import Tower
    from crossmod_medical.vqa.answering_tower import AnsweringTower


@dataclass(frozen=True, kw_only=True)
class Answering(ObjectiveSettings):
    """Find the right answer among all that training knows.

    Args:
        question: The modality of the questions.
        answer: The modality of the answers; its tower is AnswerTable.
        loss: "softmax"; "binary-sum" over rows and answers (MEVF); "binary-mean" over both (QCR); "binary-answers", the
            sum over answers and the mean over rows (M3AE). The sum is rows times answers as large as the mean.
        by_kind: Average open and closed questions apart and add both, as QCR does.
        scale: Factor on the cosines to start at, learned (1/0.07 in CLIP).
    """

    question: str = "image"
    answer: str = "text"
    loss: Literal["softmax", "binary-sum", "binary-mean", "binary-answers"] = "softmax"
    by_kind: bool = False
    scale: float = 1 / 0.07

    def build(self, towers: Mapping[str, Tower]) -> Objective:
        """Make the objective.

        Raises:
            UserError: There is no such modality, or its tower holds no answers.
        """
        from crossmod.state.logit_scale import LogitScale
        from crossmod_medical.vqa.answer_tower import AnswerTower
        from crossmod_medical.vqa.answering import AnsweringObjective

        require_modalities(towers, self.question, self.answer)
        tower = towers[self.answer]
        if not isinstance(tower, AnswerTower):
            raise UserError(
                f"Answering scores all answers of {self.answer!r}, but its tower {type(tower).__name__} holds none; "
                "choose AnswerTable."
            )
        # Binary losses start where one answer of all is likely.
        bias = None if self.loss == "softmax" else -math.log(max(1, len(tower.known()) - 1))
        scale = LogitScale(self.scale, bias=bias)
        return AnsweringObjective(self.question, self.answer, self.loss, scale, by_kind=self.by_kind)


@dataclass(frozen=True, kw_only=True)
class DenoisedImages(ObjectiveSettings):
    """Rebuild the grey image from the autoencoder's bottleneck (MEVF; weight 0.001 in PubMedCLIP).

    Args:
        modality: The modality of the questions; its tower is MixedFeatures with an autoencoder.
    """

    modality: str = "image"

    def build(self, towers: Mapping[str, Tower]) -> Objective:
        """Make the objective.

        Raises:
            UserError: The tower has no autoencoder.
        """
        from crossmod_medical.vqa.answering import DenoisingObjective

        if _answering_tower(towers, self.modality, "DenoisedImages").autoencoder is None:
            raise UserError(f"DenoisedImages needs an autoencoder; set towers.{self.modality}.autoencoder above 0.")
        return DenoisingObjective(self.modality)


@dataclass(frozen=True, kw_only=True)
class QuestionKind(ObjectiveSettings):
    """Tell open from closed questions by their words, for the routed head (QCR).

    Args:
        modality: The modality of the questions; its tower is MixedFeatures with the routed head.
    """

    modality: str = "image"

    def build(self, towers: Mapping[str, Tower]) -> Objective:
        """Make the objective.

        Raises:
            UserError: The tower does not route.
        """
        from crossmod_medical.vqa.answering import QuestionKindObjective

        if _answering_tower(towers, self.modality, "QuestionKind").kind is None:
            raise UserError(f"QuestionKind trains the routed head; set towers.{self.modality}.head to routed.")
        return QuestionKindObjective(self.modality)


def _answering_tower(towers: Mapping[str, Tower], modality: str, objective: str) -> AnsweringTower:
    from crossmod_medical.vqa.answering_tower import AnsweringTower

    require_modalities(towers, modality)
    tower = towers[modality]
    if not isinstance(tower, AnsweringTower):
        raise UserError(
            f"{objective} trains a part of MixedFeatures, but {modality!r} has the tower {type(tower).__name__}."
        )
    return tower
