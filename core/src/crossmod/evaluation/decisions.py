"""What a margin decides and how far it can be believed: F1 at a cut, and calibration, both settled on validation."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from crossmod.evaluation.margins import Margins
from crossmod_metrics import calibration, choose_threshold, logistic_probe

WEAKEST = (1e-6,)
"""The penalty of the fit of two numbers to probabilities: as good as none."""


def f1_at_chosen_cut(scored: Margins, validation: Margins) -> float:
    """F1 = 2 TP / (2 TP + FP + FN) of the second class, at the cut with the best F1 on validation.

    Raises:
        ValueError: Validation has no item.
    """
    cut = choose_threshold(validation.margin, validation.truth, split="validation", criterion="f1")
    said, truth = scored.margin > cut, scored.truth == 1
    right = int((said & truth).sum())
    return 2 * right / max(1, int(said.sum()) + int(truth.sum()))


def probabilities(scored: Margins, validation: Margins | None, scale: float) -> Float[Tensor, "items"]:
    """The probability of the second class: sigmoid(scale * margin), the softmax over the two prompts of CT-CLIP.

    Args:
        scored: What is judged.
        validation: What scale and offset are fitted on where `scale` is 0 (Platt 1999).
        scale: The logit scale; changes no AUROC.

    Raises:
        ValueError: `scale` is 0 and validation is None or has one class alone.
    """
    if scale > 0:
        return torch.sigmoid(scale * scored.margin.double())
    if validation is None or not validation.found.has_both:
        raise ValueError("scale and offset are fitted on a validation part with both classes; give one, or a scale.")
    known, value = validation.margin[:, None], validation.found.values[:, None]
    fitted = logistic_probe(known, value, known, value, l2_grid=WEAKEST)
    return fitted.probabilities(scored.margin[:, None])[:, 0]


def calibration_error(scored: Margins, validation: Margins | None, scale: float) -> float:
    """Expected calibration error in 15 bins of equal width (Guo et al. 2017).

    Raises:
        ValueError: As `probabilities`.
    """
    return calibration(probabilities(scored, validation, scale), scored.truth).expected_error
