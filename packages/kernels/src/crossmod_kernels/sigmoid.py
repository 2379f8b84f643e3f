"""The pairwise sigmoid loss behind SigLIP, without a matrix of logits in memory."""

from __future__ import annotations

from typing import Literal

from jaxtyping import Float, Int64
from torch import Tensor

from crossmod_kernels.group_targets import GroupTargets
from crossmod_kernels.pair_targets import PairTargets
from crossmod_kernels.positives import group_pairs, identity_pairs
from crossmod_kernels.sigmoid_contrast import SigmoidOptions, sigmoid_contrast
from crossmod_kernels.unit_rows import compute_dtype
from crossmod_kernels.validation import check_choices, check_embeddings, check_groups, check_scalar


def sigmoid_pairs(
    a: Float[Tensor, "batch dim"],
    b: Float[Tensor, "keys dim"],
    scale: Float[Tensor, ""],
    bias: Float[Tensor, ""],
    *,
    group_a: Int64[Tensor, "batch"] | None = None,
    group_b: Int64[Tensor, "keys"] | None = None,
    negative_only: bool = False,
    normalise: bool = True,
    tile: tuple[int, int] | None = None,
    backend: Literal["auto", "torch", "triton"] = "auto",
) -> Float[Tensor, ""]:
    """Pairwise sigmoid loss (arXiv 2303.15343): -1/batch sum_ij log sigmoid(y_ij Z_ij), Z = scale * a b' + bias.

    The sum runs over keys, the mean over rows. y_ij is 1 where the groups are equal (row i and key i without groups),
    else -1; with `negative_only` every pair is a negative, as for keys of another block. Gradients are formed in the
    forward pass (3 products); there is no double backward. Logits are fp32 for half-precision inputs, and gradients
    come back in the inputs' type. Not-a-number in an input gives a not-a-number loss.

    Shape: a (batch, dim); b (keys, dim); scale, bias (); group_a (batch,); group_b (keys,), by default group_a.

    Raises:
        ValueError: for shapes, types or devices that do not fit, a scale not above 0, or groups beside
            `negative_only`.
    """
    check_embeddings(a, b, paired=group_a is None and not negative_only)
    check_scalar("scale", scale, positive=True)
    check_scalar("bias", bias, positive=False)
    check_groups(a, b, group_a, group_b)
    check_choices("auto", backend, tile)
    if negative_only and group_a is not None:
        raise ValueError("negative_only=True makes every pair a negative, so groups say nothing: drop one of the two")
    positives: PairTargets | GroupTargets | None = None
    like = a.new_empty(0, dtype=compute_dtype(a, b))
    if group_a is not None:
        positives = group_pairs(group_a, group_a if group_b is None else group_b, like)
    elif not negative_only:
        positives = identity_pairs(len(a), like, columns=len(b))
    options = SigmoidOptions(factor=1 / len(a), normalise=normalise, tile=tile, backend=backend)
    return sigmoid_contrast(a, b, scale, bias, positives, options)
