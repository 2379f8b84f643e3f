"""Which pairs were given another pair's image?"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import torch
from jaxtyping import Bool, Int64
from torch import Tensor, nn

from crossmod.contracts.batch import Batch
from crossmod.contracts.objective import Forwards, Objective, Outcome
from crossmod.objectives.matching.pair_matching import matching_cross_entropy
from crossmod_medical.pairs.inputs import PairInputs


class Swapped(NamedTuple):
    """The image of every row after the swap, and whether it is still its own.

    Shape:
        picture: [batch] int64; matched: [batch] bool.
    """

    picture: Int64[Tensor, "batch"]
    matched: Bool[Tensor, "batch"]


def swap_images(picture: Int64[Tensor, "batch"], generator: torch.Generator | None = None) -> Swapped:
    """Give half of the rows (rounded down) an image drawn from the batch's other images; the rest keep theirs.

    Negatives are random, not hard, as in M3AE. A batch of one image has no other, and keeps it everywhere.
    """
    images = torch.unique(picture)
    if len(images) < 2:
        return Swapped(picture, torch.ones_like(picture, dtype=torch.bool))
    swapped = torch.randperm(len(picture), generator=generator)[: len(picture) // 2].to(picture.device)
    own = torch.searchsorted(images, picture[swapped])
    step = torch.randint(1, len(images), (len(swapped),), generator=generator).to(picture.device)
    other = picture.clone()
    other[swapped] = images[(own + step) % len(images)]
    return Swapped(other, other == picture)


class PairSwappingObjective(Objective):
    """Two-way cross-entropy of a linear head on the fused vector; labels are balanced to one row.

    It needs the whole batch's images, so chunked backward refuses it.

    Args:
        modality: The modality of the pairs.
        width: Width of a pair's vector.
    """

    couples_batch = True

    def __init__(self, modality: str, width: int) -> None:
        super().__init__()
        self.modality = modality
        self.head = nn.Linear(width, 2)

    def forward(self, forwards: Forwards, batch: Batch) -> Outcome:
        """Score the pairs that have both sides; a batch of one image contributes a zero."""
        tower, inputs = forwards.tower(self.modality), batch.inputs[self.modality]
        assert isinstance(inputs, PairInputs)
        pairs = inputs.take(inputs.complete.nonzero()[:, 0])
        drawn = swap_images(pairs.picture)
        logits = self.head(tower(replace(pairs, picture=drawn.picture)).pooled)
        if bool(drawn.matched.all()):
            logits, drawn = logits[:0], Swapped(drawn.picture[:0], drawn.matched[:0])
        loss = matching_cross_entropy(logits, drawn.matched)
        right = (logits.detach().argmax(1) == drawn.matched.long()).sum() / max(1, len(logits))
        return Outcome(loss, {"loss": loss.detach(), "accuracy": right})
