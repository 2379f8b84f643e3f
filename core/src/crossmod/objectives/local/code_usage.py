"""How much of a codebook is used: counts over many batches, used codes, perplexity, and the diversity loss."""

from __future__ import annotations

import torch
import torch.distributed as dist
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from crossmod.distributed.world import world_size
from crossmod.objectives.pairs.precision import widened


def code_perplexity(counts: Float[Tensor, "*groups codes"]) -> Float[Tensor, "*groups"]:
    """exp(-sum_k p_k log p_k), p = counts / sum: the number of codes for uniform use, 1 for a single one.

    Shape:
        counts: [..., codes], not negative; all zero gives 1.
    """
    wide = counts.double()
    p = wide / wide.sum(-1, keepdim=True).clamp(min=torch.finfo(torch.float64).tiny)
    perplexity: Tensor = torch.special.entr(p).sum(-1).exp()
    return perplexity


def code_diversity_loss(probabilities: Float[Tensor, "groups codes"]) -> Float[Tensor, ""]:
    """(G V - sum_g exp(H(p_g))) / (G V): 0 for uniform mean probabilities, (V - 1)/V for one code a group.

    The form of wav2vec 2.0 (arXiv:2006.11477), which SpeechT5's released code uses.

    Shape:
        probabilities: [groups, codes]; mean softmax over tokens, each row sums to 1.
    """
    wide = widened(probabilities)
    # A floor on the logarithm keeps the gradient finite where a probability is zero.
    entropy = -(wide * wide.clamp(min=torch.finfo(wide.dtype).tiny).log()).sum(-1)
    return 1 - entropy.exp().sum() / wide.numel()


class CodeUsage(nn.Module):
    """Counts of the codes of everything seen since the last reset; checkpointed.

    Args:
        codes: Number of codes.
        groups: Number of codebooks.
    """

    counts: Int64[Tensor, "groups codes"]

    def __init__(self, codes: int, groups: int = 1) -> None:
        super().__init__()
        self.register_buffer("counts", torch.zeros(groups, codes, dtype=torch.int64))

    @torch.no_grad()
    def update(self, codes: Int64[Tensor, "*tokens groups"], mask: Bool[Tensor, "*tokens"] | None = None) -> None:
        """Add one batch, of all processes.

        Shape:
            codes: [..., groups].
            mask: [...]; true = counted.
        """
        chosen = codes.flatten(0, -2) if mask is None else codes[mask]
        added = torch.stack([torch.bincount(column, minlength=self.counts.shape[1]) for column in chosen.unbind(-1)])
        if world_size() > 1:
            dist.all_reduce(added)
        self.counts += added

    def used(self) -> Int64[Tensor, "groups"]:
        """The number of distinct codes seen."""
        return (self.counts > 0).sum(1)

    def perplexity(self) -> Float[Tensor, "groups"]:
        """The effective number of codes."""
        return code_perplexity(self.counts)

    def reset(self) -> None:
        """Forget what was seen."""
        self.counts.zero_()
