"""Errors of reconstructed tokens and how they are reduced; visible tokens are left out before anything is computed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional

from crossmod.objectives.local.shapes import require_shape
from crossmod.objectives.pairs.precision import widened

Reduction = Literal["token", "sample", "row", "sum"]
TokenError = Callable[[Tensor, Tensor], Tensor]


def squared_error(
    prediction: Float[Tensor, "tokens values"], target: Float[Tensor, "tokens values"]
) -> Float[Tensor, "tokens"]:
    """The mean over a token's values of (prediction - target)^2 (MAE, arXiv:2111.06377)."""
    require_shape(prediction.shape, target=target)
    return (prediction - target).square().mean(-1)


def absolute_error(
    prediction: Float[Tensor, "tokens values"], target: Float[Tensor, "tokens values"]
) -> Float[Tensor, "tokens"]:
    """The mean over a token's values of |prediction - target| (MultiMAE's depth, arXiv:2204.01678)."""
    require_shape(prediction.shape, target=target)
    return (prediction - target).abs().mean(-1)


def code_error(prediction: Float[Tensor, "tokens codes"], target: Int64[Tensor, "tokens"]) -> Float[Tensor, "tokens"]:
    """-log softmax(prediction)[target]: the error of a discrete token."""
    return functional.cross_entropy(prediction, target, reduction="none")


def masked_cross_entropy(
    logits: Float[Tensor, "hidden vocabulary"], targets: Int64[Tensor, "hidden"]
) -> Float[Tensor, ""]:
    """Mean over all hidden tokens of -log p(target), at least in float32; a zero with gradient when none is hidden."""
    wide = widened(logits)
    return code_error(wide, targets).mean() if len(targets) else wide.sum()


def chamfer_error(
    prediction: Float[Tensor, "tokens points axes"], target: Float[Tensor, "tokens others axes"]
) -> Float[Tensor, "tokens"]:
    """mean_p min_q |p - q|^2 + mean_q min_p |p - q|^2: "cdl2" of Point-MAE (arXiv:2203.06604), squared, not halved.

    Shape:
        prediction: [tokens, points, axes]; target: [tokens, points of the target, axes]; both relative to the
            token's centre.
    """
    require_shape((len(prediction), target.shape[1], prediction.shape[2]), target=target)
    squared = (prediction[:, :, None] - target[:, None]).square().sum(-1)
    return squared.amin(2).mean(1) + squared.amin(1).mean(1)


def quantile_error(levels: Sequence[float]) -> TokenError:
    """The pinball error: mean over levels q and values of max(q e, (q - 1) e), e = target - prediction.

    Quantile heads of VisionTS++ (arXiv:2508.04379). At q = 0.5 it is half the absolute error; nothing keeps the
    predicted quantiles from crossing (sort them at inference).

    Returns:
        A function of prediction [tokens, values, levels] and target [tokens, values], giving [tokens].

    Raises:
        ValueError: There is no level, or one does not lie between 0 and 1.
    """
    if not levels or not all(0 < level < 1 for level in levels):
        raise ValueError(f"the quantile levels are {list(levels)}; give at least one, each between 0 and 1")

    def error(
        prediction: Float[Tensor, "tokens values levels"], target: Float[Tensor, "tokens values"]
    ) -> Float[Tensor, "tokens"]:
        require_shape((*target.shape, len(levels)), prediction=prediction)
        q = prediction.new_tensor(levels)
        e = target[..., None] - prediction
        return torch.maximum(q * e, (q - 1) * e).mean((1, 2))

    return error


def masked_reconstruction_loss(
    prediction: Float[Tensor, "batch length *predicted"],
    target: Tensor,
    hidden: Bool[Tensor, "batch length"],
    error: TokenError = squared_error,
    reduction: Reduction = "token",
) -> Float[Tensor, ""]:
    """Score the hidden tokens only; nothing at a visible token, not even NaN, reaches the loss or its gradient.

    Args:
        error: One number a token, of the hidden tokens' predictions and targets.
        reduction: "token" is one mean over all hidden tokens of the batch (MAE); "sample" the mean over each
            sample's hidden tokens, then over the samples that have any (MultiMAE); "row" the same over all samples,
            so that parts of a batch, weighed by their rows, add up to it exactly [ours]; "sum" the sum over tokens.

    Shape:
        prediction: [batch, length, ...]; half precision is scored in float32.
        target: [batch, length, ...]; detached.
        hidden: [batch, length]; true = to be reconstructed.

    Returns:
        The loss; zero, with gradient to the prediction, when nothing is hidden.

    Raises:
        ValueError: The leading shapes of prediction, target and hidden differ.
    """
    if not prediction.shape[:2] == target.shape[:2] == hidden.shape:
        raise ValueError(
            f"predictions of {list(prediction.shape[:2])}, targets of {list(target.shape[:2])} and a mask of "
            f"{list(hidden.shape)} do not describe the same tokens; give all of them as [batch, length]"
        )
    chosen = prediction[hidden]
    chosen = widened(chosen)
    wanted = target.detach()[hidden]
    if not len(chosen):
        return chosen.sum()
    errors = error(chosen, wanted.to(chosen.dtype) if wanted.is_floating_point() else wanted)
    return reduce_tokens(errors, hidden, reduction)


def reduce_tokens(
    errors: Float[Tensor, "tokens"], hidden: Bool[Tensor, "batch length"], reduction: Reduction
) -> Float[Tensor, ""]:
    """One number of the hidden tokens' errors, which stand in the order of the batch.

    Shape:
        errors: [tokens], one for every true entry of `hidden`.
        hidden: [batch, length].

    Raises:
        ValueError: The reduction has another name.
    """
    if reduction == "token":
        return errors.sum() / max(1, len(errors))
    if reduction == "sum":
        return errors.sum()
    if reduction in ("sample", "row"):
        row = hidden.nonzero()[:, 0]
        count = hidden.sum(1)
        summed = errors.new_zeros(len(hidden)).index_add(0, row, errors)
        rows = (count > 0).sum().clamp(min=1) if reduction == "sample" else max(1, len(hidden))
        return (summed / count.clamp(min=1)).sum() / rows
    raise ValueError(f"the reduction is {reduction!r}; take 'token', 'sample', 'row' or 'sum'")


def share_of_rows(found: int, rows: int, reduction: Reduction) -> float:
    """The factor of a loss over `found` rows in a batch of `rows`, of which the others lack the modality.

    It makes "row" a mean over all rows of the batch; the other reductions do not count rows.
    """
    return found / max(1, rows) if reduction == "row" else 1.0
