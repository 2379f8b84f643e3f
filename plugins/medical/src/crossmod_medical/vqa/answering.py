"""What answering is trained by: the answer, the image again, and the kind of question."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional

from crossmod.contracts.batch import Batch
from crossmod.contracts.objective import Forwards, Objective, Outcome
from crossmod.state.logit_scale import LogitScale
from crossmod_medical.pairs.inputs import CLOSED, UNKNOWN, PairInputs
from crossmod_medical.vqa.answer_tower import AnswerInputs, AnswerTower
from crossmod_medical.vqa.answering_tower import AnsweringTower
from crossmod_medical.vqa.autoencoder import grey_images

AnswerLoss = Literal["softmax", "binary-sum", "binary-mean", "binary-answers"]


def answer_loss(
    logits: Float[Tensor, "batch answers"], target: Int64[Tensor, "batch"], kind: AnswerLoss
) -> Float[Tensor, ""]:
    """The loss of logits over a vocabulary of answers, one of which is right.

    "softmax" is cross-entropy; "binary-sum" sums the binary cross-entropies of all answers and rows (PubMedCLIP's
    MEVF), "binary-mean" averages them (its QCR), "binary-answers" sums over answers and averages over rows (M3AE).
    A batch of none gives zero.

    Shape:
        target: [batch] int64, the right answer's column.
    """
    if not len(logits):
        return logits.sum()
    scored = logits if logits.dtype == torch.float64 else logits.float()
    if kind == "softmax":
        return functional.cross_entropy(scored, target)
    right = functional.one_hot(target, scored.shape[1]).to(scored.dtype)
    total = functional.binary_cross_entropy_with_logits(scored, right, reduction="sum")
    if kind == "binary-sum":
        return total
    return total / len(scored) if kind == "binary-answers" else total / scored.numel()


class AnsweringObjective(Objective):
    """Score every question against every known answer; logits are scaled cosines of embeddings, plus one bias.

    Questions whose answer is not in the vocabulary are left out. `by_kind` adds the losses of open and of closed
    questions, each a mean of its own as QCR's two branches have (a batch of one kind alone adds zero for the other).

    Args:
        question, answer: Their modalities.
        loss: See `answer_loss`.
        by_kind: Whether open and closed questions are averaged apart.
        scale: Factor on the cosines, learned.
    """

    couples_batch = True

    def __init__(
        self, question: str, answer: str, loss: AnswerLoss, scale: LogitScale, *, by_kind: bool = False
    ) -> None:
        super().__init__()
        self.question, self.answer, self.loss, self.by_kind, self.scale = question, answer, loss, by_kind, scale

    def forward(self, forwards: Forwards, batch: Batch) -> Outcome:
        """Score the rows that have a question and a known answer."""
        tower, answers = forwards.tower(self.answer), batch.inputs[self.answer]
        assert isinstance(tower, AnswerTower) and isinstance(answers, AnswerInputs)
        asked, answered, _ = batch.common(self.question, self.answer)
        target = answers.answer[answered] - 1
        known = target >= 0
        asked, target = asked[known], target[known]
        table = forwards.project(self.answer, tower.known())
        logits = self.scale() * forwards.embedding(self.question)[asked] @ table.T
        logits = logits if self.scale.bias is None else logits + self.scale.bias
        loss = self._reduced(logits, target, batch.inputs[self.question], asked)
        right = (logits.detach().argmax(1) == target).sum() / max(1, len(target))
        return Outcome(loss, {"loss": loss.detach(), "accuracy": right})

    def _reduced(self, logits: Tensor, target: Tensor, inputs: object, asked: Tensor) -> Float[Tensor, ""]:
        if not self.by_kind:
            return answer_loss(logits, target, self.loss)
        assert isinstance(inputs, PairInputs)
        kind = inputs.kind[asked]
        parts = [kind == CLOSED, kind != CLOSED]
        return answer_loss(logits[parts[0]], target[parts[0]], self.loss) + answer_loss(
            logits[parts[1]], target[parts[1]], self.loss
        )

    def after_step(self) -> None:
        """Clamp the scale."""
        self.scale.clamp_()


class PartObjective(Objective, ABC):
    """A term that trains a part of the answering tower on the batch's own images or questions.

    Args:
        modality: The modality of the questions.
    """

    couples_batch = False

    def __init__(self, modality: str) -> None:
        super().__init__()
        self.modality = modality

    def forward(self, forwards: Forwards, batch: Batch) -> Outcome:
        """Score the batch."""
        tower, inputs = forwards.tower(self.modality), batch.inputs[self.modality]
        assert isinstance(tower, AnsweringTower) and isinstance(inputs, PairInputs)
        return self.score(tower, inputs)

    @abstractmethod
    def score(self, tower: AnsweringTower, inputs: PairInputs) -> Outcome:
        """Score the questions of a batch."""


class DenoisingObjective(PartObjective):
    """Mean squared error of the autoencoder's grey images, each distinct image once (0.001 of it in PubMedCLIP)."""

    def score(self, tower: AnsweringTower, inputs: PairInputs) -> Outcome:
        """Score the batch's distinct images."""
        assert tower.autoencoder is not None
        grey = grey_images(inputs.images.x) if len(inputs.images) else torch.zeros(0, 1, 128, 128)
        rebuilt = tower.autoencoder.reconstruct(grey.to(inputs.picture.device))
        loss = functional.mse_loss(rebuilt, grey) if len(inputs.images) else rebuilt.sum()
        return Outcome(loss, {"loss": loss.detach()})


class QuestionKindObjective(PartObjective):
    """Cross-entropy of open against closed, for the questions whose kind is known."""

    def score(self, tower: AnsweringTower, inputs: PairInputs) -> Outcome:
        """Score the batch's questions."""
        known: Bool[Tensor, "samples"] = inputs.kind != UNKNOWN
        logits, kind = tower.kind_logits(inputs)[known], inputs.kind[known].long()
        loss = functional.cross_entropy(logits.float(), kind) if len(kind) else logits.sum()
        right = (logits.detach().argmax(1) == kind).sum() / max(1, len(kind))
        return Outcome(loss, {"loss": loss.detach(), "accuracy": right})
