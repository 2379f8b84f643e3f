"""Axis-parallel boxes in any number of dimensions: overlap, generalised overlap and the loss on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor


class BoxTerms(NamedTuple):
    """A box loss and its two parts, unweighted.

    Shape:
        loss, l1, giou: []; `giou` is the mean of 1 - GIoU.
    """

    loss: Float[Tensor, ""]
    l1: Float[Tensor, ""]
    giou: Float[Tensor, ""]


def corners(boxes: Float[Tensor, "*boxes twice"]) -> Float[Tensor, "*boxes twice"]:
    """(centre, size) to (low, high): low = centre - size / 2 on each of the n axes.

    Shape:
        boxes: [..., 2 n]; n centre coordinates, then n sizes.

    Raises:
        ValueError: The last axis is odd.
    """
    centre, size = _halves(boxes)
    return torch.cat([centre - size / 2, centre + size / 2], dim=-1)


def iou(a: Float[Tensor, "*boxes twice"], b: Float[Tensor, "*boxes twice"]) -> Float[Tensor, "*boxes"]:
    """Volume of the intersection over that of the union, box by box; 0 where both are empty.

    Shape:
        a, b: [..., 2 n], n low coordinates, then n high ones.

    Raises:
        ValueError: Shapes do not fit, or a box has a high coordinate below its low one.
    """
    overlap, union, _ = _volumes(a, b)
    return _ratio(overlap, union)


def generalised_iou(a: Float[Tensor, "*boxes twice"], b: Float[Tensor, "*boxes twice"]) -> Float[Tensor, "*boxes"]:
    """IoU - (volume of the hull outside the union) / (volume of the hull), in [-1, 1] (arXiv:1902.09630).

    It still falls with distance where boxes do not meet. A hull without volume subtracts nothing.

    Shape:
        a, b: [..., 2 n], n low coordinates, then n high ones.

    Raises:
        ValueError: As `iou`.
    """
    overlap, union, hull = _volumes(a, b)
    return _ratio(overlap, union) - _ratio(hull - union, hull)


def box_loss(
    predicted: Float[Tensor, "boxes twice"],
    target: Float[Tensor, "boxes twice"],
    *,
    l1_weight: float = 2.0,
    giou_weight: float = 2.0,
) -> BoxTerms:
    """Mean over boxes of l1_weight * sum |difference| + giou_weight * (1 - GIoU), on (centre, size) boxes.

    HiVG weighs 2 and 2 (arXiv:2404.13400), RLIPv2 2.5 and 1 (arXiv:2308.09351). No box costs a zero with gradient.

    Shape:
        predicted, target: [boxes, 2 n], centres and sizes, in shares of the image.

    Raises:
        ValueError: Shapes do not fit, or a size is negative.
    """
    if predicted.dtype in (torch.float16, torch.bfloat16):
        predicted = predicted.float()
    target = target.detach().to(predicted.dtype)
    overlap = generalised_iou(corners(predicted), corners(target))
    if not len(predicted):
        nothing = predicted.sum()
        return BoxTerms(nothing, nothing.detach(), nothing.detach())
    l1, giou = (predicted - target).abs().sum(-1).mean(), (1 - overlap).mean()
    return BoxTerms(l1_weight * l1 + giou_weight * giou, l1.detach(), giou.detach())


@torch.no_grad()
def overlap_quality(
    labels: Float[Tensor, "pairs labels"],
    giou_subject: Float[Tensor, "pairs"],
    giou_object: Float[Tensor, "pairs"],
    has_object: Bool[Tensor, "pairs"] | None = None,
) -> Float[Tensor, "pairs labels"]:
    """Soft targets y = label * (g + 1) / 2 with g = min of both boxes' GIoU (RLIPv2, read in the released matcher).

    Where there is no object box, the subject's alone counts. They are what `quality_focal_loss` takes.

    Shape:
        labels: [pairs, labels], 0 or 1; giou_subject, giou_object, has_object: [pairs].

    Raises:
        ValueError: Shapes do not fit.
    """
    if not labels.shape[:1] == giou_subject.shape == giou_object.shape:
        raise ValueError(
            f"labels of shape {list(labels.shape)} with overlaps of shapes {list(giou_subject.shape)} and "
            f"{list(giou_object.shape)}; give one overlap of each kind a pair."
        )
    worse = torch.minimum(giou_subject, giou_object)
    quality = worse if has_object is None else torch.where(has_object, worse, giou_subject)
    return labels * ((quality + 1) / 2)[:, None]


@torch.no_grad()
def box_mask(boxes: Float[Tensor, "boxes twice"], grid: Sequence[int]) -> Bool[Tensor, "boxes places"]:
    """[ours] Which patches of a grid have their centre inside a box: targets for the scores of patches against a text.

    HiVG (arXiv:2404.13400) compares them by 20 focal + 2 dice; how it draws the mask is not verified.

    Args:
        boxes: Centres and sizes, in shares of the image; half-open at their high sides.
        grid: Patches along each axis, in the order of the boxes' coordinates (x, y: columns before rows).

    Shape:
        boxes: [boxes, 2 n] -> [boxes, product of grid], the last axis of the grid fastest.

    Raises:
        ValueError: The grid has another number of axes than the boxes, or an axis without patches.
    """
    low, high = _halves(corners(boxes))
    if low.shape[-1] != len(grid) or min(grid) < 1:
        raise ValueError(f"boxes of shape {list(boxes.shape)} do not lie on a grid of {list(grid)} patches.")
    axes = [(torch.arange(count, device=boxes.device) + 0.5) / count for count in grid]
    centre = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).reshape(-1, len(grid)).to(boxes.dtype)
    return ((centre[None] >= low[:, None]) & (centre[None] < high[:, None])).all(-1)


def _halves(boxes: Tensor) -> tuple[Tensor, Tensor]:
    if not boxes.ndim or boxes.shape[-1] % 2 or not boxes.shape[-1]:
        raise ValueError(f"boxes have shape {list(boxes.shape)}; the last axis holds two numbers a dimension.")
    half = boxes.shape[-1] // 2
    return boxes[..., :half], boxes[..., half:]


def _volumes(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Volumes of intersection, union and hull."""
    if a.shape != b.shape:
        raise ValueError(
            f"boxes of shape {list(a.shape)} cannot be compared with {list(b.shape)}; give pairs of boxes."
        )
    (low_a, high_a), (low_b, high_b) = _halves(a), _halves(b)
    if bool((high_a < low_a).any()) or bool((high_b < low_b).any()):
        raise ValueError("a box has a high coordinate below its low one; give corners, or convert with `corners`.")
    overlap = (torch.minimum(high_a, high_b) - torch.maximum(low_a, low_b)).clamp(min=0).prod(-1)
    union = (high_a - low_a).prod(-1) + (high_b - low_b).prod(-1) - overlap
    hull = (torch.maximum(high_a, high_b) - torch.minimum(low_a, low_b)).prod(-1)
    return overlap, union, hull


def _ratio(part: Tensor, whole: Tensor) -> Tensor:
    # Divide by 1 where there is nothing, or the gradient of the branch not taken would be NaN.
    some = whole > 0
    return torch.where(some, part, 0.0) / torch.where(some, whole, 1.0)
