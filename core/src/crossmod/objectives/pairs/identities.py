"""Identity-level contrast: all pairs of one identity are positives, by reverse KL (PLIP, arXiv:2305.08386)."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from crossmod.objectives.info_nce import PairTerms
from crossmod.objectives.pairs.gathering import every_group, every_row
from crossmod.objectives.pairs.precision import unit, widened, without_autocast
from crossmod.objectives.pairs.soft_targets import PairLoss, soft_cross_entropy
from crossmod.objectives.pairs.targets import from_groups
from crossmod.state.logit_scale import LogitScale
from crossmod_kernels.validation import check_embeddings

Divergence = Literal["reverse", "cross-entropy"]


def reverse_divergence(
    logits: Float[Tensor, "rows columns"], targets: Float[Tensor, "rows columns"], *, epsilon: float = 1e-8
) -> Float[Tensor, ""]:
    """mean_i sum_j p_ij log(p_ij / (q_ij + epsilon)), p the softmax of a row: KL with the prediction first.

    Mass on a pair that does not match costs about log(1/epsilon). Not below -epsilon * columns where rows of q sum to
    one; for the released code's L2-normalised targets it may be negative.

    Shape:
        logits, targets: [rows, columns].

    Raises:
        ValueError: Shapes differ or are empty.
    """
    if logits.shape != targets.shape or not logits.numel():
        raise ValueError(f"logits of shape {tuple(logits.shape)} meet targets of {tuple(targets.shape)}; pass one pair")
    logits = widened(logits)
    log_prediction = logits.log_softmax(1)
    log_target = (targets.detach().to(logits.dtype) + epsilon).log()
    return (log_prediction.exp() * (log_prediction - log_target)).sum(1).mean()


def projected_logits(rows: Float[Tensor, "batch dim"], keys: Float[Tensor, "keys dim"]) -> Float[Tensor, "batch keys"]:
    """<v_i, t_j / ||t_j||>: only the target side is normalised, and a row's length is its inverse temperature (CMPM).

    Shape:
        rows: [batch, dim]; keys: [keys, dim].
    """
    check_embeddings(rows, keys, paired=False)
    with without_autocast(rows):
        return widened(rows) @ unit(keys).to(widened(rows).dtype).t()


def identity_contrast(
    a: Float[Tensor, "batch dim"],
    b: Float[Tensor, "keys dim"],
    group_a: Int64[Tensor, "batch"],
    group_b: Int64[Tensor, "keys"] | None = None,
    *,
    scale: Float[Tensor, ""] | None = None,
    divergence: Divergence = "reverse",
    target_norm: Literal["sum", "l2"] = "sum",
) -> PairLoss:
    """L_ab + L_ba between softmaxes of similarities and shares of identities (PLIP's IVLC).

    Without a scale the similarity is CMPM's, `projected_logits` in each direction; with one it is scale times the
    cosine. `divergence="cross-entropy"` is the shared multi-positive InfoNCE, the sum of its directions.
    `target_norm="l2"` is the released code's: targets are 1/sqrt(k) for k matches, and only reverse KL takes them.

    Shape:
        a: [batch, dim]; b: [keys, dim]; group_a: [batch]; group_b: [keys], by default `group_a`; scale: [].

    Raises:
        ValueError: Shapes do not fit, or a row or key has no match.
    """
    groups_b = group_a if group_b is None else group_b
    if len(group_a) != len(a) or len(groups_b) != len(b):
        raise ValueError(
            f"{len(group_a)} and {len(groups_b)} identities name {len(a)} rows and {len(b)} keys; pass one id each"
        )
    row_a, row_b = (a, b) if scale is None else (scale * unit(a), scale * unit(b))
    losses = []
    for direction, rows, keys, own, others in (
        ("a -> b", row_a, b, group_a, groups_b),
        ("b -> a", row_b, a, groups_b, group_a),
    ):
        logits = projected_logits(rows, keys)
        targets = from_groups(own, others, like=logits, norm=target_norm)
        if divergence == "reverse":
            losses.append(reverse_divergence(logits, targets))
        else:
            losses.append(soft_cross_entropy(logits, targets, direction=direction))
    return PairLoss(losses[0] + losses[1], *losses)


class IdentityContrastLoss(nn.Module):
    """`identity_contrast` of scaled cosines over the rows of all processes; groups are the identities.

    Args:
        scale: The temperature; checkpointed with this module.
        divergence: "reverse" KL (PLIP) or "cross-entropy".
    """

    def __init__(self, scale: LogitScale | None = None, divergence: Divergence = "reverse") -> None:
        super().__init__()
        self.scale = scale if scale is not None else LogitScale()
        self.divergence: Divergence = divergence

    def forward(
        self, a: Float[Tensor, "batch dim"], b: Float[Tensor, "batch dim"], group: Int64[Tensor, "batch"] | None = None
    ) -> PairTerms:
        """Contrast the identities of one batch."""
        scale = self.scale()
        groups = every_group(group, len(a), a.device)
        parts = identity_contrast(every_row(a), every_row(b), groups, scale=scale, divergence=self.divergence)
        terms: dict[str, torch.Tensor] = {**parts._asdict(), "scale": scale}
        return PairTerms(parts.loss, {name: value.detach() for name, value in terms.items()})
