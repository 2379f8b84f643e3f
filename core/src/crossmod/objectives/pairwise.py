"""A pairwise loss as a term of a recipe: it takes the embeddings of the rows that have both modalities."""

from __future__ import annotations

from torch import nn

from crossmod.contracts.batch import Batch
from crossmod.contracts.objective import Forwards, Objective, Outcome
from crossmod.state.logit_scale import LogitScale


class PairwiseObjective(Objective):
    """Apply `loss(a, b, group)` to the embeddings of two modalities.

    Args:
        a: One modality.
        b: The other.
        loss: A module that returns a loss and named terms, such as `InfoNCELoss`.
        groups: Whether the loss is told which rows describe the same thing.
    """

    couples_batch = True

    def __init__(self, a: str, b: str, loss: nn.Module, *, groups: bool = True) -> None:
        super().__init__()
        self.a, self.b, self.loss, self.groups = a, b, loss, groups

    def forward(self, forwards: Forwards, batch: Batch) -> Outcome:
        """Score the rows that have both modalities.

        A batch without any such row contributes a zero that is still attached to the embeddings.
        """
        position_a, position_b, group = batch.common(self.a, self.b)
        a = forwards.embedding(self.a)[position_a]
        b = forwards.embedding(self.b)[position_b]
        if not len(position_a):
            nothing = a.sum() + b.sum()
            return Outcome(nothing, {"loss": nothing.detach()})
        outcome = self.loss(a, b, group if self.groups else None)
        return Outcome(outcome.loss, outcome.terms)

    def after_step(self) -> None:
        """Clamp the logit scales of the loss."""
        for module in self.loss.modules():
            if isinstance(module, LogitScale):
                module.clamp_()
