"""CWCL: soft targets from the similarities inside a strong, frozen modality (arXiv:2309.14580)."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from crossmod.contracts.batch import Batch
from crossmod.contracts.objective import Forwards, Objective, Outcome
from crossmod.distributed.world import world_size
from crossmod.objectives.info_nce import PairTerms
from crossmod.objectives.pairs.gathering import every_constant, every_row
from crossmod.objectives.pairs.logits import cosine_logits
from crossmod.objectives.pairs.precision import unit, without_autocast
from crossmod.objectives.pairs.soft_targets import soft_cross_entropy
from crossmod.objectives.pairs.targets import identity, target_entropy
from crossmod.state.logit_scale import LogitScale
from crossmod_kernels import cwcl

Weighted = Literal["ab", "ba", "both"]

# Rows whose target entropy is logged: enough for a mean, and no batch x batch matrix in a large batch.
LOGGED_ROWS = 256


@torch.no_grad()
def continuous_targets(
    source: Float[Tensor, "batch dim"] | Float[Tensor, "batch channels dim"],
    source_keys: Float[Tensor, "keys dim"] | Float[Tensor, "keys channels dim"] | None = None,
    *,
    power: float = 1.0,
    sharpen: float = 0.0,
) -> Float[Tensor, "batch keys"]:
    """T_ij = w_ij / sum_k w_ik, w_ij = ((1 + cos(u_i, u_j)) / 2)^power; with channels, cos is their mean.

    `sharpen` above 0 gives softmax_j(cos / sharpen) instead. Both are crossmod's options, off by default: most encoders
    have cosines above 0, so that the paper's weights are nearly uniform over a large batch.

    Shape:
        source: [batch, dim] or [batch, channels, dim]; source_keys: the same over keys, by default `source`.

    Raises:
        ValueError: Shapes do not fit, power is not above 0, sharpen is negative, or both are set.
    """
    keys = source if source_keys is None else source_keys
    _check_options(power, sharpen)
    if source.ndim not in (2, 3) or source.shape[1:] != keys.shape[1:] or not source.numel() or not keys.numel():
        raise ValueError(
            f"sources have shapes {tuple(source.shape)} and {tuple(keys.shape)}; pass [items, dim] or "
            "[items, channels, dim] of one width for both"
        )
    channels = source.shape[1] if source.ndim == 3 else 1
    with without_autocast(source):
        cosines = unit(source).flatten(1) @ unit(keys).flatten(1).t() / channels
    if sharpen > 0:
        return (cosines / sharpen).softmax(1)
    weights = (0.5 + 0.5 * cosines).clamp(0.0, 1.0) ** power
    return weights / weights.sum(1, keepdim=True)


class ContinuousContrastLoss(nn.Module):
    """L = L_ab + L_ba, of which the weighted directions have continuous targets and the other is plain InfoNCE.

    Plain weights and their powers cost no batch x batch matrix (`crossmod_kernels.cwcl`); `sharpen` is dense.

    Args:
        scale: The temperature; checkpointed with this module.
        power: Exponent of the weights (1).
        sharpen: Temperature of softmax weights; 0 takes the paper's weights.
        reduction: "sum" of the directions (the paper) or their "average".
    """

    def __init__(
        self,
        scale: LogitScale | None = None,
        *,
        power: float = 1.0,
        sharpen: float = 0.0,
        reduction: Literal["sum", "average"] = "sum",
    ) -> None:
        super().__init__()
        _check_options(power, sharpen)
        self.scale = scale if scale is not None else LogitScale()
        self.power, self.sharpen = power, sharpen
        self.reduction: Literal["sum", "average"] = reduction

    def forward(
        self,
        a: Float[Tensor, "batch dim"],
        b: Float[Tensor, "batch dim"],
        source_ab: Float[Tensor, "batch source_dim"] | None = None,
        source_ba: Float[Tensor, "batch other_source_dim"] | None = None,
    ) -> PairTerms:
        """Contrast the pairs of one batch, of all processes together.

        Shape:
            a, b: [batch, dim]; source_ab, source_ba: [batch, any width], which weigh a -> b and b -> a.

        Raises:
            ValueError: There is no source, or shapes do not fit.
        """
        given = [None if source is None else every_constant(source.detach()) for source in (source_ab, source_ba)]
        a, b, scale = every_row(a), every_row(b), self.scale()
        if self.sharpen > 0:
            loss = self._sharpened(a, b, scale, given)
        else:
            loss = cwcl(a, b, scale, source_ab=given[0], source_ba=given[1], power=self.power, reduction=self.reduction)
        entropy = self._logged_entropy([source for source in given if source is not None])
        terms = {"loss": loss, "scale": scale, "target_entropy": entropy, "effective_positives": entropy.exp()}
        return PairTerms(loss, {name: value.detach() for name, value in terms.items()})

    def _sharpened(self, a: Tensor, b: Tensor, scale: Tensor, sources: list[Tensor | None]) -> Tensor:
        if all(source is None for source in sources):
            raise ValueError("the contrast was given no source of weights; pass source_ab or source_ba")
        logits = cosine_logits(a, b, scale)
        total = logits.new_zeros(())
        for direction, values, source in zip(("a -> b", "b -> a"), (logits, logits.t()), sources, strict=True):
            if source is None:
                targets = identity(len(values), like=values)
            else:
                targets = continuous_targets(source, sharpen=self.sharpen)
            total = total + soft_cross_entropy(values, targets, direction=direction)
        return total if self.reduction == "sum" else total / 2

    def _logged_entropy(self, sources: list[Tensor]) -> Tensor:
        entropies = [
            target_entropy(
                continuous_targets(source[:LOGGED_ROWS], source, power=self.power, sharpen=self.sharpen).double()
            )
            for source in sources
        ]
        return torch.stack(entropies).mean().float()


class ContinuousObjective(Objective):
    """CWCL between two modalities, weighted by what the towers make of their inputs.

    Args:
        a: The modality that is trained.
        b: The modality with the trustworthy geometry, usually frozen.
        loss: The loss.
        weighted: "ab": softmax over b's items, weighted by b's similarities (the paper); "ba": softmax over a's
            items, weighted by b's similarities; "both": each direction by the similarities of what it runs over.
        source: "features" weighs by the towers' pooled features, "embedding" by their projections.
    """

    couples_batch = True

    def __init__(
        self,
        a: str,
        b: str,
        loss: ContinuousContrastLoss,
        *,
        weighted: Weighted = "ab",
        source: Literal["features", "embedding"] = "features",
    ) -> None:
        super().__init__()
        self.a, self.b, self.loss, self.weighted, self.source = a, b, loss, weighted, source

    def forward(self, forwards: Forwards, batch: Batch) -> Outcome:
        """Score the rows that have both modalities; none at all is an attached zero."""
        position_a, position_b, _ = batch.common(self.a, self.b)
        a, b = forwards.embedding(self.a)[position_a], forwards.embedding(self.b)[position_b]
        if not len(a) and world_size() == 1:
            nothing = a.sum() + b.sum()
            return Outcome(nothing, {"loss": nothing.detach()})
        of_b = self._source(forwards, self.b)[position_b]
        source_ab = of_b if self.weighted in ("ab", "both") else None
        source_ba = of_b if self.weighted == "ba" else None
        if self.weighted == "both":
            source_ba = self._source(forwards, self.a)[position_a]
        outcome = self.loss(a, b, source_ab, source_ba)
        return Outcome(outcome.loss, outcome.terms)

    def after_step(self) -> None:
        """Clamp the scale."""
        self.loss.scale.clamp_()

    def _source(self, forwards: Forwards, modality: str) -> Tensor:
        pooled = forwards.features(modality).pooled if self.source == "features" else forwards.embedding(modality)
        return pooled.detach()


def _check_options(power: float, sharpen: float) -> None:
    if not power > 0 or not sharpen >= 0 or (sharpen > 0 and power != 1):
        raise ValueError(
            f"continuous weights have power {power} and sharpen {sharpen}; take a power above 0 with "
            "sharpen 0, or power 1 with a sharpening temperature above 0"
        )
