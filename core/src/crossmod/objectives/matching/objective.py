"""Pair matching as a term of a recipe."""

from __future__ import annotations

import torch

from crossmod.contracts.batch import Batch
from crossmod.contracts.objective import Forwards, Objective, Outcome
from crossmod.objectives.matching.pair_fusion import take_features
from crossmod.objectives.matching.pair_matching import PairMatchingLoss
from crossmod.objectives.pairs.precision import widened, without_autocast


class MatchingObjective(Objective):
    """Apply a `PairMatchingLoss` to the rows that have both modalities.

    It couples the batch and needs tokens, so chunked backward refuses it: negatives from a chunk would be others than
    those from the batch.

    Args:
        a: One modality.
        b: The other.
        loss: The loss.
        scale: Factor on cosine similarities before hard negatives are drawn, 1/temperature.
        groups: False takes every other row as a negative, as the released codes do in pre-training.
    """

    couples_batch = True

    def __init__(self, a: str, b: str, loss: PairMatchingLoss, *, scale: float, groups: bool = True) -> None:
        super().__init__()
        self.a, self.b, self.loss, self.scale, self.groups = a, b, loss, scale, groups
        self.hidden = dict.fromkeys((a, b), loss.fusion.states)

    def forward(self, forwards: Forwards, batch: Batch) -> Outcome:
        """Score the rows that have both modalities; a batch without negatives contributes a zero."""
        position_a, position_b, group = batch.common(self.a, self.b)
        a = take_features(forwards.features(self.a), position_a)
        b = take_features(forwards.features(self.b), position_b)
        if not self.groups:
            group = torch.arange(len(group), device=group.device)
        logits = None
        if self.loss.negatives == "hard":
            rows = forwards.embedding(self.a).detach()[position_a]
            columns = forwards.embedding(self.b).detach()[position_b]
            # Half precision ties similarities at this scale, and a tie is drawn as if it were as hard.
            with without_autocast(rows):
                logits = self.scale * widened(rows) @ widened(columns).T
        outcome = self.loss(a, b, group, logits)
        return Outcome(outcome.loss, outcome.terms)
