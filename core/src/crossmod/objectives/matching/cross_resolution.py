"""One pair seen coarsely and finely has to mean the same (HiTeA's MTRE).

(spec) marks what is our exact definition: the full text of arXiv:2212.14546 was not available, only its abstract.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from crossmod.objectives.info_nce import PairTerms
from crossmod.objectives.matching.contrast_rows import first_row, row_contrast, same_group, share_of_mean
from crossmod.state.gathered_rows import gather_rows


def resolution_contrast(
    short: Float[Tensor, "batch dim"],
    long: Float[Tensor, "batch dim"],
    scale: Float[Tensor, ""],
    group: Int64[Tensor, "batch"] | None = None,
) -> Float[Tensor, ""]:
    """(spec) (InfoNCE(short -> sg(long)) + InfoNCE(long -> sg(short))) / 2, keys without gradient, from all processes.

    Rows of one group share the target. An empty batch costs a zero with gradient.

    Raises:
        ValueError: The two resolutions differ in shape.
    """
    if short.shape != long.shape:
        raise ValueError(
            f"{list(short.shape)} at one resolution and {list(long.shape)} at the other; give pairs of rows."
        )
    own = torch.arange(len(short), device=short.device) if group is None else group
    all_short, all_long, all_groups = gather_rows(short, long, own)
    start = first_row(len(short), short.device)
    if group is None:
        positive = torch.zeros(len(short), len(all_short), dtype=torch.bool, device=short.device)
        positive[own, start + own] = True
    else:
        positive = same_group(group, all_groups, start)
    there = share_of_mean(row_contrast(short, all_long, scale, positive))
    back = share_of_mean(row_contrast(long, all_short, scale, positive))
    return (there + back) / 2


def resolution_prediction(
    predicted: Float[Tensor, "batch dim"], target: Float[Tensor, "batch dim"]
) -> Float[Tensor, ""]:
    """(spec) Mean of 2 - 2 cos(predicted, sg(target)): BYOL's loss (arXiv:2006.07733), which needs no negatives.

    The mean runs over the rows of all processes; half precision is scored in float32.

    Raises:
        ValueError: The two differ in shape.
    """
    if predicted.shape != target.shape:
        raise ValueError(f"{list(predicted.shape)} predicted for {list(target.shape)}; give pairs of rows.")
    predicted, target = (
        rows.float() if rows.dtype in (torch.float16, torch.bfloat16) else rows for rows in (predicted, target)
    )
    return share_of_mean(2 - 2 * cosine_similarity(predicted, target.detach(), dim=-1))


class CrossResolutionConsistency(nn.Module):
    """(spec) Project the fused vectors of both resolutions by one MLP and make them agree.

    Args:
        width: Width of the fused vectors.
        projected: Width that they are compared in.
        scale: 1/temperature of the contrast.
        mode: "contrast" with in-batch negatives, or "predict" as BYOL does, with a predictor on the short side.
    """

    def __init__(
        self,
        width: int,
        *,
        projected: int = 256,
        scale: float = 1 / 0.07,
        mode: Literal["contrast", "predict"] = "contrast",
    ) -> None:
        super().__init__()
        if mode not in ("contrast", "predict"):
            raise ValueError(f"the mode is {mode!r}; take 'contrast' or 'predict'.")
        self.mode = mode
        self.project = nn.Sequential(nn.Linear(width, projected), nn.GELU(), nn.Linear(projected, projected))
        predictor = nn.Sequential(nn.Linear(projected, projected), nn.GELU(), nn.Linear(projected, projected))
        self.predictor = predictor if mode == "predict" else None
        self.register_buffer("scale", torch.tensor(scale))

    def forward(
        self,
        short: Float[Tensor, "batch width"],
        long: Float[Tensor, "batch width"],
        group: Int64[Tensor, "batch"] | None = None,
    ) -> PairTerms:
        """Compare row i of both resolutions."""
        a, b = self.project(short), self.project(long)
        if self.predictor is not None:
            loss = resolution_prediction(self.predictor(a), b)
        else:
            assert isinstance(self.scale, Tensor)
            loss = resolution_contrast(a, b, self.scale, group)
        return PairTerms(loss, {"loss": loss.detach()})
