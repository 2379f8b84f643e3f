"""The sigmoid pair loss with learned temperature and bias (SigLIP, arXiv:2303.15343)."""

from __future__ import annotations

from jaxtyping import Float, Int64
from torch import Tensor, nn

from crossmod.distributed.world import world_size
from crossmod.objectives.info_nce import PairTerms
from crossmod.state.logit_scale import LogitScale
from crossmod_kernels import sigmoid_pairs, sigmoid_pairs_distributed


class SigmoidPairLoss(nn.Module):
    """L = -(1/B) sum_i sum_j log sigmoid(y_ij (scale <a_i, b_j> + bias)), y = +1 for positives and -1 otherwise.

    The sum runs over j and the mean over i, as in the paper. Positives are the pairs themselves and, with
    groups, every pair of one group.

    Args:
        scale: Temperature and bias; checkpointed with this module. Starts at 10 and -10 when not given.

    Shape:
        a, b: [batch, dim], L2-normalised; pair i is positive.
        group: [batch] int64 or None for "all different".
    """

    def __init__(self, scale: LogitScale | None = None) -> None:
        super().__init__()
        if scale is None:
            scale = LogitScale(10.0, largest=float("inf"), smallest=1e-6, bias=-10.0)
        if scale.bias is None:
            raise ValueError("the sigmoid loss needs a logit bias; give LogitScale(..., bias=-10.0)")
        self.scale = scale

    def forward(
        self,
        a: Float[Tensor, "batch dim"],
        b: Float[Tensor, "batch dim"],
        group: Int64[Tensor, "batch"] | None = None,
    ) -> PairTerms:
        """Score every pair of one batch."""
        scale, bias = self.scale(), self.scale.bias
        assert bias is not None
        score = sigmoid_pairs_distributed if world_size() > 1 else sigmoid_pairs
        loss = score(a, b, scale, bias, group_a=group, group_b=group, normalise=False)
        return PairTerms(loss, {"loss": loss.detach(), "scale": scale.detach(), "bias": bias.detach()})
