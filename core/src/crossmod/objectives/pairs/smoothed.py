"""Symmetric InfoNCE with smoothed labels, for pairs of which some are wrong."""

from __future__ import annotations

from jaxtyping import Float, Int64
from torch import Tensor, nn

from crossmod.objectives.info_nce import InfoNCELoss, PairTerms
from crossmod.objectives.pairs.gathering import every_group, every_row
from crossmod.objectives.pairs.lead import lead_over_batch
from crossmod.objectives.pairs.precision import unit
from crossmod.state.logit_scale import LogitScale


class SmoothedInfoNCELoss(nn.Module):
    """Soft-target InfoNCE on (1 - amount) * [groups' shares] + amount / batch, over the rows of all processes.

    It is InfoNCE plus amount times `lead_over_batch`, so no batch x batch matrix is kept in memory.

    Args:
        scale: The temperature; checkpointed with this module.
        amount: Weight of the uniform part, in [0, 1] (0.1 in arXiv:1512.00567).

    Raises:
        ValueError: The amount is outside [0, 1].
    """

    def __init__(self, scale: LogitScale | None = None, amount: float = 0.1) -> None:
        super().__init__()
        if not 0 <= amount <= 1:
            raise ValueError(f"label smoothing is {amount}; pass a number from 0 to 1")
        self.contrast = InfoNCELoss(scale)
        self.amount = amount

    def forward(
        self, a: Float[Tensor, "batch dim"], b: Float[Tensor, "batch dim"], group: Int64[Tensor, "batch"] | None = None
    ) -> PairTerms:
        """Contrast the pairs of one batch."""
        a, b = unit(a), unit(b)
        hard = self.contrast(a, b, group)
        groups = None if group is None else every_group(group, len(a), a.device)
        # The lead of a's rows and that of b's are one number in the mean over the batch.
        lead = lead_over_batch(every_row(a), every_row(b), self.contrast.scale(), groups).lead.mean()
        loss = hard.loss + self.amount * lead
        return PairTerms(loss, {**hard.terms, "loss": loss.detach(), "lead": lead.detach()})
