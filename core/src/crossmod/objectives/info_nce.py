"""Symmetric InfoNCE with a learned temperature (CLIP, arXiv:2103.00020)."""

from __future__ import annotations

from typing import NamedTuple

from jaxtyping import Float, Int64
from torch import Tensor, nn

from crossmod.distributed.world import world_size
from crossmod.state.logit_scale import LogitScale
from crossmod_kernels import infonce, infonce_distributed


class PairTerms(NamedTuple):
    """A pairwise loss and the terms to log, detached."""

    loss: Float[Tensor, ""]
    terms: dict[str, Float[Tensor, ""]]


class InfoNCELoss(nn.Module):
    """L = (L_ab + L_ba)/2 with L_ab = -(1/B) sum_i sum_j T_ij log softmax_j(scale <a_i, b_j>).

    T_ij = [g_i = g_j] / sum_k [g_i = g_k]: rows of one group share the target, and none of them is a negative.
    No B x B matrix is kept in memory. Under torch.distributed the rows of every process are contrasted with
    those of all, and the mean of the gradients over processes is that of one process with the whole batch.

    Args:
        scale: The temperature; checkpointed with this module.

    Shape:
        a, b: [batch, dim], L2-normalised; pair i is positive.
        group_a, group_b: [batch] int64 or None for "all different".
    """

    def __init__(self, scale: LogitScale | None = None) -> None:
        super().__init__()
        self.scale = scale if scale is not None else LogitScale()

    def forward(
        self,
        a: Float[Tensor, "batch dim"],
        b: Float[Tensor, "batch dim"],
        group: Int64[Tensor, "batch"] | None = None,
    ) -> PairTerms:
        """Contrast the pairs of one batch."""
        scale = self.scale()
        if world_size() > 1:
            loss = infonce_distributed(a, b, scale, group_a=group, group_b=group, normalise=False)
        else:
            loss = infonce(a, b, scale, group_a=group, group_b=group, normalise=False)
        return PairTerms(loss, {"loss": loss.detach(), "scale": scale.detach()})
