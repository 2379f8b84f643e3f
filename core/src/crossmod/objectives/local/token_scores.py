"""Cross-entropy and accuracy of chosen tokens, reduced so that a batch may be scored in parts."""

from __future__ import annotations

from jaxtyping import Bool, Float, Int64
from torch import Tensor

from crossmod.contracts.objective import Outcome
from crossmod.objectives.local.reconstruction import Reduction, code_error, reduce_tokens, share_of_rows
from crossmod.objectives.local.shapes import require_shape
from crossmod.objectives.pairs.precision import widened


def score_tokens(
    logits: Float[Tensor, "tokens vocabulary"],
    targets: Int64[Tensor, "tokens"],
    chosen: Bool[Tensor, "rows length"],
    rows: int,
    reduction: Reduction = "row",
    *,
    soft: Float[Tensor, "tokens vocabulary"] | None = None,
    soft_share: float = 0.0,
) -> Outcome:
    """The loss, at least in float32, with the terms "loss" and "accuracy"; a zero with gradient when none is chosen.

    Args:
        rows: Rows of the batch, those without the modality included.
        reduction: "row", a mean over rows of their tokens' means, which chunks add up to exactly, or "token".
        soft: Another model's probabilities; constants.
        soft_share: What they weigh: (1 - share) * -log p[target] - share * sum_v q_v log p_v (ALBEF).

    Shape:
        logits, soft: [tokens, vocabulary]; targets: [tokens]; in the order of `chosen`'s true entries.
        chosen: [rows that have the modality, length].

    Raises:
        ValueError: Targets or soft labels are of other tokens, or soft labels of another vocabulary.
    """
    require_shape(logits.shape[:1], targets=targets)
    require_shape(logits.shape, soft=soft)
    wide = widened(logits)
    errors = code_error(wide, targets)
    if soft is not None:
        distilled = -(soft.detach() * wide.log_softmax(-1)).sum(-1)
        errors = (1 - soft_share) * errors + soft_share * distilled
    loss = reduce_tokens(errors, chosen, reduction)
    loss = loss * share_of_rows(len(chosen), rows, reduction)
    right = (logits.argmax(-1) == targets).sum() / max(1, len(targets))
    return Outcome(loss, {"loss": loss.detach(), "accuracy": right.detach()})
