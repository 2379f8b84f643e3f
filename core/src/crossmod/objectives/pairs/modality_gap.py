"""The gap between the means of two modalities, as a term of a loss."""

from __future__ import annotations

from jaxtyping import Float, Int64
from torch import Tensor, nn

from crossmod.objectives.info_nce import PairTerms
from crossmod.objectives.pairs.gathering import every_row
from crossmod.objectives.pairs.precision import unit
from crossmod_kernels.validation import check_embeddings


def modality_gap_penalty(a: Float[Tensor, "batch dim"], b: Float[Tensor, "keys dim"]) -> Float[Tensor, ""]:
    """|| mean_i a_i - mean_j b_j ||^2 of L2-normalised rows, from 0 to 4.

    Cross the Gap reports the root of it (`crossmod_metrics.modality_gap`) and closes it through training at a high
    temperature; descending the squared distance itself is crossmod's own [ours].

    Shape:
        a: [batch, dim]; b: [keys, dim]; the sides need not be paired.

    Raises:
        ValueError: A side is empty, or widths differ.
    """
    check_embeddings(a, b, paired=False)
    return (unit(a).mean(0) - unit(b).mean(0)).square().sum()


class ModalityGapPenalty(nn.Module):
    """`modality_gap_penalty` of the rows of all processes; add it to a contrast, alone it collapses the space."""

    def forward(
        self, a: Float[Tensor, "batch dim"], b: Float[Tensor, "batch dim"], group: Int64[Tensor, "batch"] | None = None
    ) -> PairTerms:
        """Score one batch; groups do not matter to means."""
        loss = modality_gap_penalty(every_row(a), every_row(b))
        return PairTerms(loss, {"loss": loss.detach(), "gap": loss.detach().sqrt()})
