"""Masked regions: features and labels of hidden regions, recovered from the rest and the other modality (LXMERT).

A region is any item of a set with a place: an organ, an object of a scene, a superpoint. Its label, where it has one,
comes with the confidence of whatever named it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, smooth_l1_loss

from crossmod.objectives.local.corruption import draw_fates, swap_values
from crossmod.objectives.local.shapes import require_shape
from crossmod.objectives.pairs.precision import widened

SHARE = 0.15
"""Of the regions, how many are hidden. (LXMERT, as BERT.)"""


class HiddenRegions(NamedTuple):
    """Regions as the encoder sees them, and which of them are to be recovered.

    Shape:
        features: [batch, regions, width].
        chosen: [batch, regions].
    """

    features: Float[Tensor, "batch regions width"]
    chosen: Bool[Tensor, "batch regions"]


def hide_regions(
    features: Float[Tensor, "batch regions width"],
    mask: Bool[Tensor, "batch regions"],
    share: float = SHARE,
    generator: torch.Generator | None = None,
) -> HiddenRegions:
    """Choose every real region with probability `share`; 80% of the chosen become zero, 10% another region, 10% stay.

    The other region is drawn from the batch, where the released code draws it from the whole data [ours].

    Shape:
        features: [batch, regions, width]; left as they are, so they serve as the target.
        mask: [batch, regions]; true = real region.

    Raises:
        ValueError: The share is no share, or the mask is of other regions.
    """
    if not 0 < share <= 1:
        raise ValueError(f"a share of {share} regions cannot be hidden; pass a number above 0 and up to 1")
    require_shape(features.shape[:2], mask=mask)
    chosen = mask & (torch.rand(mask.shape, generator=generator, device=mask.device) < share)
    fate = draw_fates(chosen, generator=generator)
    swapped = swap_values(features, fate, mask, generator)
    return HiddenRegions(swapped.masked_fill(fate.masked[..., None], 0.0), chosen)


def region_feature_loss(
    prediction: Float[Tensor, "batch regions width"],
    target: Float[Tensor, "batch regions width"],
    chosen: Bool[Tensor, "batch regions"],
    mask: Bool[Tensor, "batch regions"],
    share: float = SHARE,
) -> Float[Tensor, ""]:
    """Mean over real regions of chosen * mean_d smooth_l1(prediction, target), over the share (LXMERT's L_feat).

    With every real region chosen and a share of 1 it is the plain smooth L1; with none chosen it is 0, with gradient.

    Shape:
        prediction, target: [batch, regions, width]; the target is a constant. Half precision is scored in float32.
        chosen: [batch, regions]; the regions that were hidden.
        mask: [batch, regions]; true = real region.

    Raises:
        ValueError: Shapes differ.
    """
    require_shape(prediction.shape, target=target)
    require_shape(prediction.shape[:2], chosen=chosen, mask=mask)
    scored = chosen & mask
    wide = widened(prediction[scored])
    errors = smooth_l1_loss(wide, target.detach()[scored].to(wide.dtype), reduction="none").mean(-1)
    return _over_regions(errors, mask, share)


def region_label_loss(
    logits: Float[Tensor, "batch regions classes"],
    label: Int64[Tensor, "batch regions"],
    confidence: Float[Tensor, "batch regions"],
    mask: Bool[Tensor, "batch regions"],
    chosen: Bool[Tensor, "batch regions"] | None = None,
    share: float = SHARE,
) -> Float[Tensor, ""]:
    """Mean over real regions of confidence * cross-entropy, over the share (LXMERT's L_obj and L_attr).

    Args:
        chosen: The hidden regions, which alone count in the paper; None counts every region, as the released code.

    Shape:
        logits: [batch, regions, classes]; label, confidence: [batch, regions]; what stands at a region that does not
            count, or whose confidence is 0, is not read.
        mask: [batch, regions]; true = real region.

    Raises:
        ValueError: Shapes differ, a confidence is negative or not finite, or a label is no class.
    """
    require_shape(logits.shape[:2], label=label, confidence=confidence, mask=mask, chosen=chosen)
    weights = confidence.detach()[mask]
    if not bool((torch.isfinite(weights) & (weights >= 0)).all()):
        raise ValueError("a confidence is negative or not finite; pass a number from 0 for every region")
    scored = (mask if chosen is None else mask & chosen) & (confidence > 0)
    wide, wanted = widened(logits[scored]), label[scored]
    if len(wanted) and not 0 <= int(wanted.min()) <= int(wanted.max()) < logits.shape[2]:
        raise ValueError(
            f"labels of {int(wanted.min())} to {int(wanted.max())} are no classes of a head of {logits.shape[2]}; "
            "give the confidence 0 to a region without a label"
        )
    errors = cross_entropy(wide, wanted, reduction="none") * confidence.detach()[scored].to(wide.dtype)
    return _over_regions(errors, mask, share)


class MaskedRegionLoss(nn.Module):
    """Heads on region states and the sum of what they miss: features, and any number of kinds of labels.

    Each head reads Linear, GELU, LayerNorm of the states (LXMERT's code).

    Args:
        width: Width of the states.
        feature_width: Width of the regions' own features.
        classes: By kind of label (object, attribute), how many classes there are; empty leaves labels out.
        share: Of the regions, how many are hidden.
        feature_weight: Of the features' term.
        label_weight: Of every kind's term.
        every_region: Count labels of regions that were not hidden too, as the released code does and the paper not.
    """

    def __init__(
        self,
        width: int,
        feature_width: int,
        classes: Mapping[str, int] | None = None,
        *,
        share: float = SHARE,
        feature_weight: float = 1.0,
        label_weight: float = 1.0,
        every_region: bool = False,
    ) -> None:
        super().__init__()
        self.share, self.every_region = share, every_region
        self.feature_weight, self.label_weight = feature_weight, label_weight
        self.transform = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.LayerNorm(width))
        self.features = nn.Linear(width, feature_width)
        self.labels = nn.ModuleDict({kind: nn.Linear(width, count) for kind, count in (classes or {}).items()})

    def forward(
        self,
        states: Float[Tensor, "batch regions width"],
        target: Float[Tensor, "batch regions feature_width"],
        chosen: Bool[Tensor, "batch regions"],
        mask: Bool[Tensor, "batch regions"],
        labels: Mapping[str, tuple[Int64[Tensor, "batch regions"], Float[Tensor, "batch regions"]]] | None = None,
    ) -> Float[Tensor, ""]:
        """The weighted sum of the terms.

        Args:
            labels: By kind, (label, confidence) of every region.

        Shape:
            states: [batch, regions, width]; of the regions after `hide_regions`, fused with the other modality.
            target: [batch, regions, feature_width]; the features before.
            chosen, mask: [batch, regions].

        Raises:
            ValueError: Labels of other kinds than the heads; see `region_feature_loss` and `region_label_loss`.
        """
        given = labels or {}
        if set(given) != set(self.labels):
            raise ValueError(
                f"labels of {', '.join(given) or 'no kind'} were given to heads of "
                f"{', '.join(self.labels) or 'no kind'}; give one a head"
            )
        read = self.transform(states)
        total = self.feature_weight * region_feature_loss(self.features(read), target, chosen, mask, self.share)
        for kind, (label, confidence) in given.items():
            counted = None if self.every_region else chosen
            term = region_label_loss(self.labels[kind](read), label, confidence, mask, counted, self.share)
            total = total + self.label_weight * term
        return total


def _over_regions(errors: Float[Tensor, "scored"], mask: Bool[Tensor, "batch regions"], share: float) -> Tensor:
    # Padding is no region: the original has none, and its mean runs over all.
    return errors.sum() / (mask.sum().clamp(min=1) * share)
