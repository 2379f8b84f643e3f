"""Names for the segments of a picture: groups of patches matched with texts (GroupViT, arXiv:2202.11094)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

BACKGROUND = -1


@torch.no_grad()
def zero_shot_segmentation(
    shares: Float[Tensor, "groups rows columns"],
    groups: Float[Tensor, "groups dim"],
    classes: Float[Tensor, "classes dim"],
    picture: Float[Tensor, "dim"],
    size: Sequence[int],
    *,
    scale: float,
    threshold: float,
    kept_classes: int = 5,
) -> Int64[Tensor, "height width"]:
    """A class for every pixel of one picture, `BACKGROUND` where none is sure enough.

    Shares are brought to the size bilinearly and each pixel goes to its largest group. A group's class probabilities
    are P0 = softmax(scale <z_g, t_c>) times the softmax over the `kept_classes` classes most like the whole picture.
    Background is where the pixel's largest score lies below min(threshold, largest score of the picture).

    Shape:
        shares: [groups, rows, columns]; soft shares of the patches; of two blocks, `second @ first`.
        groups: [groups, dim]; classes: [classes, dim], mean over prompt templates; picture: [dim]; all L2-normalised.
        size: Height and width in pixels.

    Raises:
        ValueError: There is no group, no class, no class is kept, or shares and groups differ in number.
    """
    if not len(shares) == len(groups) or not len(groups) or not len(classes) or kept_classes < 1:
        raise ValueError(
            f"shares of {len(shares)} and vectors of {len(groups)} groups, and {len(classes)} classes of which "
            f"{kept_classes} are kept, name no segment; give the same groups to both and at least one of each"
        )
    pixels = functional.interpolate(shares[None], tuple(size), mode="bilinear", align_corners=False)[0]
    logits = scale * groups @ classes.T
    likely = (classes @ picture).topk(min(kept_classes, len(classes))).indices
    left = torch.full_like(logits, -torch.inf).index_copy(1, likely, logits[:, likely])
    score, named = (logits.softmax(1) * left.softmax(1)).max(1)
    group = pixels.argmax(0)
    sure = score[group]
    return torch.where(sure < min(threshold, float(sure.max())), BACKGROUND, named[group])
