"""Dense references: the definitions written out, with every matrix in memory. Slow, obvious, twice differentiable."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from crossmod_kernels.unit_rows import EPSILON

# Rows that a softmax in half precision produced still sum to one within this.
SUM_TOLERANCE = 1e-2


def soft_target_infonce_reference(
    logits_ab: Float[Tensor, "batch keys"],
    logits_ba: Float[Tensor, "keys batch"],
    targets_ab: Float[Tensor, "batch keys"],
    targets_ba: Float[Tensor, "keys batch"],
    mask: Bool[Tensor, "batch keys"] | None = None,
) -> Float[Tensor, ""]:
    """(L_ab + L_ba) / 2 with L = -mean_i sum_j T_ij log softmax_j(Z_ij) over the allowed pairs of each row.

    The two matrices of logits may differ, as in late interaction. A pair that `mask` forbids has the logit -inf in
    both directions; targets are constants.

    Shape: logits_ab, targets_ab, mask (batch, keys), true = allowed; logits_ba, targets_ba (keys, batch).

    Raises:
        ValueError: if shapes differ, the batch is empty, a row or a column has no allowed pair, targets do not sum
            to one, or put weight on a forbidden pair.
    """
    batch, keys = logits_ab.shape
    if batch == 0 or keys == 0:
        raise ValueError(f"logits_ab have shape {tuple(logits_ab.shape)}: a contrast needs at least one pair")
    shapes = {"targets_ab": (targets_ab, (batch, keys)), "logits_ba": (logits_ba, (keys, batch))}
    shapes["targets_ba"] = (targets_ba, (keys, batch))
    if mask is not None:
        shapes["mask"] = (mask, (batch, keys))
    for name, (tensor, expected) in shapes.items():
        if tuple(tensor.shape) != expected:
            raise ValueError(f"{name} has shape {tuple(tensor.shape)}, {expected} is needed beside logits_ab")
    forward = soft_cross_entropy_reference(logits_ab, targets_ab, mask, direction="a -> b")
    transposed = None if mask is None else mask.t()
    backward = soft_cross_entropy_reference(logits_ba, targets_ba, transposed, direction="b -> a")
    return (forward + backward) / 2


def soft_cross_entropy_reference(
    logits: Float[Tensor, "rows columns"],
    targets: Float[Tensor, "rows columns"],
    mask: Bool[Tensor, "rows columns"] | None = None,
    *,
    direction: str = "a -> b",
) -> Float[Tensor, ""]:
    """-mean_i sum_j T_ij log softmax_j(Z_ij), forbidden pairs at -inf; one direction of the symmetric loss.

    Shape: logits, targets, mask (rows, columns), mask true = allowed.

    Raises:
        ValueError: if a row has no allowed column, or targets do not sum to one, or weigh a forbidden pair.
    """
    targets = targets.detach()
    if mask is not None:
        if not bool(mask.any(1).all()):
            row = int((~mask.any(1)).nonzero()[0])
            raise ValueError(f"direction {direction}: the mask allows row {row} no pair; drop it from the batch")
        if bool((targets.masked_fill(mask, 0.0) != 0).any()):
            raise ValueError(f"direction {direction}: targets weigh a pair that the mask forbids; renormalise them")
        logits = logits.masked_fill(~mask, -torch.inf)
    sums = targets.sum(1)
    if bool(((sums - 1).abs() > SUM_TOLERANCE).any()) or bool((targets < 0).any()):
        row = int(((sums - 1).abs()).argmax())
        raise ValueError(
            f"direction {direction}: targets are no distribution (row {row} sums to {float(sums[row]):.4g}); "
            "divide each row by its sum"
        )
    log_probabilities = torch.log_softmax(logits, dim=1)
    if mask is not None:
        log_probabilities = log_probabilities.masked_fill(~mask, 0.0)
    return -(targets * log_probabilities).sum(1).mean()


def cosine_reference(
    a: Float[Tensor, "batch dim"], b: Float[Tensor, "keys dim"], *, normalise: bool = True
) -> Float[Tensor, "batch keys"]:
    """a b' of rows divided by max(norm, 1e-8) if `normalise`. Shape: a (batch, dim); b (keys, dim)."""
    if normalise:
        a, b = (rows / rows.norm(dim=1, keepdim=True).clamp(min=EPSILON) for rows in (a, b))
    return a @ b.t()


def infonce_reference(
    a: Float[Tensor, "batch dim"],
    b: Float[Tensor, "keys dim"],
    scale: Float[Tensor, ""],
    *,
    group_a: Int64[Tensor, "batch"] | None = None,
    group_b: Int64[Tensor, "keys"] | None = None,
    normalise: bool = True,
) -> Float[Tensor, ""]:
    """What `infonce` computes, from dense logits and dense targets.

    Shape: a (batch, dim); b (keys, dim); scale (); group_a (batch,); group_b (keys,).
    """
    logits = scale * cosine_reference(a, b, normalise=normalise)
    positive = positive_pairs_reference(len(a), len(b), group_a, group_b, a.device)
    anchors = positive.any(0)
    targets_ab = positive.to(logits.dtype) / positive.sum(1, keepdim=True)
    targets_ba = positive.t()[anchors].to(logits.dtype) / positive.t()[anchors].sum(1, keepdim=True)
    loss_ab = soft_cross_entropy_reference(logits, targets_ab)
    loss_ba = soft_cross_entropy_reference(logits.t()[anchors], targets_ba, direction="b -> a")
    return (loss_ab + loss_ba) / 2


def sigmoid_pairs_reference(
    a: Float[Tensor, "batch dim"],
    b: Float[Tensor, "keys dim"],
    scale: Float[Tensor, ""],
    bias: Float[Tensor, ""],
    *,
    group_a: Int64[Tensor, "batch"] | None = None,
    group_b: Int64[Tensor, "keys"] | None = None,
    negative_only: bool = False,
    normalise: bool = True,
) -> Float[Tensor, ""]:
    """What `sigmoid_pairs` computes: -1/B sum_ij log sigmoid(y_ij Z_ij).

    Shape: a (batch, dim); b (keys, dim); scale, bias (); group_a (batch,); group_b (keys,).
    """
    logits = scale * cosine_reference(a, b, normalise=normalise) + bias
    positive = positive_pairs_reference(len(a), len(b), group_a, group_b, a.device)
    sign = torch.where(positive & (not negative_only), 1.0, -1.0).to(logits.dtype)
    return -torch.nn.functional.logsigmoid(sign * logits).sum() / len(a)


def cwcl_reference(
    a: Float[Tensor, "batch dim"],
    b: Float[Tensor, "keys dim"],
    scale: Float[Tensor, ""],
    *,
    source_ab: Float[Tensor, "keys source_dim"] | None = None,
    source_ba: Float[Tensor, "keys source_dim"] | None = None,
    power: float = 1.0,
    threshold: float = 0.0,
    reduction: str = "sum",
    normalise: bool = True,
) -> Float[Tensor, ""]:
    """What `cwcl` computes, from dense weights; a direction without a source is plain InfoNCE.

    Shape: a (batch, dim); b (keys, dim); scale (); source_ab, source_ba (keys, source_dim).
    """
    batch = len(a)
    logits = scale * cosine_reference(a, b, normalise=normalise)
    total = logits.new_zeros(())
    for values, source in ((logits, source_ab), (logits[:, :batch].t(), source_ba)):
        if source is None:
            targets = torch.eye(*values.shape, dtype=values.dtype, device=values.device)
        else:
            own, others = source[:batch].to(values.dtype), source[: values.shape[1]].to(values.dtype)
            weights = (0.5 + 0.5 * cosine_reference(own, others)).clamp(0.0, 1.0)
            weights = torch.where(weights > threshold, weights, 0.0) ** power
            targets = weights / weights.sum(1, keepdim=True)
        total = total + soft_cross_entropy_reference(values, targets)
    return total if reduction == "sum" else total / 2


def distilled_infonce_reference(
    a: Float[Tensor, "batch dim"],
    b: Float[Tensor, "keys dim"],
    scale: Float[Tensor, ""],
    *,
    teacher_a: Float[Tensor, "batch teacher_dim"],
    teacher_b: Float[Tensor, "keys teacher_dim"],
    teacher_scale: float,
    share: float = 0.4,
    normalise: bool = True,
) -> Float[Tensor, ""]:
    """What `distilled_infonce` computes, from dense teacher probabilities. Shape: as there."""
    logits = scale * cosine_reference(a, b, normalise=normalise)
    teacher = teacher_scale * cosine_reference(teacher_a, teacher_b).detach()
    identity = torch.eye(*logits.shape, dtype=logits.dtype, device=logits.device)
    forward = soft_cross_entropy_reference(logits, share * teacher.softmax(1) + (1 - share) * identity)
    targets = share * teacher.t().softmax(1) + (1 - share) * identity.t()
    rows = slice(0, len(a))
    return (forward + soft_cross_entropy_reference(logits.t()[rows], targets[rows], direction="b -> a")) / 2


def positive_pairs_reference(
    batch: int, keys: int, group_a: Tensor | None, group_b: Tensor | None, device: torch.device
) -> Bool[Tensor, "batch keys"]:
    """Which pairs share a group; row i and key i without groups. Shape: group_a (batch,); group_b (keys,)."""
    if group_a is None:
        return torch.eye(batch, keys, dtype=torch.bool, device=device)
    return group_a[:, None] == (group_a if group_b is None else group_b)[None, :]


def late_interaction_reference(
    tokens_a: Float[Tensor, "batch length_a dim"],
    tokens_b: Float[Tensor, "keys length_b dim"],
    mask_a: Bool[Tensor, "batch length_a"] | None = None,
    mask_b: Bool[Tensor, "keys length_b"] | None = None,
    *,
    normalise: bool = True,
) -> tuple[Float[Tensor, "batch keys"], Float[Tensor, "keys batch"]]:
    """What `late_interaction` computes, from the products of all tokens. Shape: as there."""
    sides = []
    for tokens, mask in ((tokens_a, mask_a), (tokens_b, mask_b)):
        real = torch.ones(tokens.shape[:2], dtype=torch.bool, device=tokens.device) if mask is None else mask
        rows = tokens.masked_fill(~real[..., None], 0.0)
        sides.append((rows / rows.norm(dim=2, keepdim=True).clamp(min=EPSILON) if normalise else rows, real))
    (a, real_a), (b, real_b) = sides
    products = torch.einsum("ikd,jrd->ikjr", a, b)
    of_a = products.masked_fill(~real_b, -torch.inf).max(3).values
    of_b = products.masked_fill(~real_a[:, :, None, None], -torch.inf).max(1).values
    ab = (of_a * real_a[:, :, None]).sum(1) / real_a.sum(1)[:, None]
    ba = (of_b * real_b).sum(2) / real_b.sum(1)
    return ab, ba.t()
