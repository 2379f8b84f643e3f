"""The tower of answers: one learned row a class."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from crossmod.contracts.tower import Features, Tower
from crossmod_medical.vqa.answers import AnswerProcessor


@dataclass(frozen=True, eq=False)
class AnswerInputs:
    """Classes of answers.

    Shape:
        answer: [samples] int64; 0 for answers outside the vocabulary.
    """

    answer: Int64[Tensor, "samples"]

    def __len__(self) -> int:
        return len(self.answer)

    def take(self, index: Int64[Tensor, "chosen"]) -> AnswerInputs:
        """The answers at `index`, in that order; an index may repeat."""
        return AnswerInputs(self.answer[index])

    def to(self, device: torch.device | str) -> AnswerInputs:
        """The same answers on another device."""
        return AnswerInputs(self.answer.to(device))


class AnswerTower(Tower):
    """Answers to rows of a table; those outside the vocabulary share one row, which no question is scored against.

    A question's embedding times the rows' are the logits of a linear classifier with normalised weights: published
    heads are linear, unnormalised, and their own; here answers are a modality, embedded and retrieved like any other.

    Args:
        processor: The processor that numbers answers.
        width: Width of a row.
    """

    processor: AnswerProcessor

    def __init__(self, processor: AnswerProcessor, width: int) -> None:
        super().__init__()
        self.processor, self.width = processor, width
        self.rows = nn.Embedding(len(processor.answers) + 1, width)

    def forward(self, inputs: AnswerInputs, /) -> Features:
        """Look answers up."""
        return Features(self.rows(inputs.answer))

    def known(self) -> Float[Tensor, "answers width"]:
        """The rows of the vocabulary, in the order of `processor.answers`."""
        return self.rows.weight[1:]
