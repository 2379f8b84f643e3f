"""Zero-shot classification: classes are sentences, an ensemble of prompts each, and the nearest class wins.

Ties share their credit: a truth tied with t other classes for the last places up to k counts with the chance
that a random order of the ties puts it there, so constant scores are worth k / classes and no more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor
from torch.nn.functional import normalize

from crossmod_metrics.validation import (
    require_class_indices,
    require_equal_lengths,
    require_finite,
    require_rows,
    require_same_width,
)


@dataclass(frozen=True)
class ZeroShotMetrics:
    """Top-1 and top-k accuracy, and the mean recall over the classes that occur.

    Attributes:
        accuracy: share of samples whose class scores highest.
        top_k_accuracy: share of samples whose class is among the `k` highest.
        balanced_accuracy: mean over the occurring classes of the share of their samples that are right.
        k: the cut of `top_k_accuracy`.
        classes_absent: classes without a sample, which no recall can be computed for.
    """

    accuracy: float
    top_k_accuracy: float
    balanced_accuracy: float
    k: int
    classes_absent: int


def class_embeddings(
    prompts: Shaped[Tensor, "prompts dim"], prompt_class: Int64[Tensor, " prompts"], classes: int
) -> Float[Tensor, "classes dim"]:
    """One unit vector a class: normalise every prompt, average within the class, normalise again (CLIP).

    Shape: prompts (prompts, dim), prompt_class (prompts,); result (classes, dim). Classes may differ in
    prompts.

    Raises: ValueError for empty or non-finite prompts, a class without a prompt, or prompts that cancel out.

    >>> class_embeddings(torch.tensor([[3.0, 0.0], [0.0, 2.0], [5.0, 0.0]]), torch.tensor([0, 1, 0]), 2).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    require_rows("prompts", prompts, 2)
    require_finite("prompts", prompts)
    require_equal_lengths(("prompts", "prompt_class"), (prompts, prompt_class))
    require_class_indices("prompt_class", prompt_class, classes)
    count = torch.bincount(prompt_class, minlength=classes)
    if int(count.min()) == 0:
        raise ValueError(f"class {int(count.argmin())} of {classes} has no prompt; write at least one a class.")
    unit = normalize(_wide(prompts), dim=1)
    mean = unit.new_zeros(classes, unit.shape[1]).index_add(0, prompt_class, unit) / count[:, None]
    length = mean.norm(dim=1)
    if float(length.min()) < 1e-6:
        raise ValueError(f"the prompts of class {int(length.argmin())} cancel out; their mean has no direction.")
    return normalize(mean, dim=1)


def zero_shot_scores(
    query: Shaped[Tensor, "queries dim"], classes: Shaped[Tensor, "classes dim"]
) -> Float[Tensor, "queries classes"]:
    """Cosine of every query with every class embedding.

    Shape: query (queries, dim), classes (classes, dim); result (queries, classes).

    Raises: ValueError for empty or non-finite input, or widths that differ.
    """
    for name, side in (("query", query), ("classes", classes)):
        require_rows(name, side, 2)
        require_finite(name, side)
    require_same_width("query", query, "classes", classes)
    return normalize(_wide(query), dim=1) @ normalize(_wide(classes), dim=1).T


def ensemble_scores(
    scores: Float[Tensor, "templates queries classes"],
    *,
    average: Literal["scores", "probabilities"] = "scores",
    scale: float = 1.0,
) -> Float[Tensor, "queries classes"]:
    """Average what every template says of the classes, where no class embedding can be averaged.

    Token-wise models (FILIP, arXiv:2111.07783) have a set of tokens a prompt, whose scores are averaged and
    never its embeddings. "probabilities" averages softmax_c(scale * scores) of each template instead, as
    Wukong's release (arXiv:2202.06767) does with scale 1. Pooled models take `class_embeddings`.

    Shape: scores (templates, queries, classes), one prompt a class and template; result (queries, classes).

    Raises: ValueError for no or non-finite scores, a scale that is not above 0, or another name of the
    average.

    >>> ensemble_scores(torch.tensor([[[0.9, 0.1]], [[0.2, 0.4]]])).tolist()
    [[0.550000011920929, 0.25]]
    """
    require_rows("scores", scores, 3)
    require_finite("scores", scores)
    if average not in ("scores", "probabilities"):
        raise ValueError(f"average is {average!r}; choose scores or probabilities.")
    if not 0 < scale < float("inf"):
        raise ValueError(f"scale is {scale}; pass the model's logit scale, a finite number above 0.")
    wide = _wide(scores)
    return (wide if average == "scores" else (scale * wide).softmax(dim=2)).mean(dim=0)


def multi_label_scores(
    query: Shaped[Tensor, "queries dim"],
    positive: Shaped[Tensor, "classes dim"],
    negative: Shaped[Tensor, "classes dim"],
    scale: float = 1.0,
) -> Float[Tensor, "queries classes"]:
    """Probability of every finding from a pair of prompts, "there is X" against "there is no X".

    p = softmax(scale * (cos+, cos-))_1 = sigmoid(scale * (cos+ - cos-)), as CheXzero (2022) and CT-CLIP
    evaluate; `scale` is the model's logit scale, and changes no AUROC. Score it with `multi_task(roc_auc,
    ...)`.

    Shape: query (queries, dim), positive and negative (classes, dim); result (queries, classes).

    Raises: ValueError where the two prompt sets differ in shape, or as `zero_shot_scores`.
    """
    if positive.shape != negative.shape:
        raise ValueError(
            f"positive has shape {tuple(positive.shape)} and negative {tuple(negative.shape)}; pair the prompts."
        )
    return torch.sigmoid(scale * (zero_shot_scores(query, positive) - zero_shot_scores(query, negative)))


def top_k_accuracy(scores: Shaped[Tensor, "samples classes"], labels: Int64[Tensor, " samples"], k: int = 1) -> float:
    """Share of samples whose class is among the k highest scores, ties at their expected credit.

    Shape: scores (samples, classes), labels (samples,).

    Raises: ValueError for empty or non-finite scores, labels outside the classes, or k outside 1 to classes.

    >>> top_k_accuracy(torch.zeros(6, 4), torch.zeros(6, dtype=torch.int64), k=1)
    0.25
    """
    return float(_credit(scores, labels, k).mean())


def balanced_accuracy(scores: Shaped[Tensor, "samples classes"], labels: Int64[Tensor, " samples"]) -> float:
    """Mean over the occurring classes of their top-1 accuracy.

    Shape: scores (samples, classes), labels (samples,).

    Raises: ValueError as `top_k_accuracy`.
    """
    return _class_mean(_credit(scores, labels, 1), labels, scores.shape[1])


def zero_shot_metrics(
    scores: Shaped[Tensor, "samples classes"], labels: Int64[Tensor, " samples"], k: int = 5
) -> ZeroShotMetrics:
    """Top-1, top-k (k at most the number of classes) and balanced accuracy of single-label scores.

    Shape: scores (samples, classes), labels (samples,).

    Raises: ValueError as `top_k_accuracy`.
    """
    first = _credit(scores, labels, 1)
    cut = min(k, scores.shape[1])
    return ZeroShotMetrics(
        accuracy=float(first.mean()),
        top_k_accuracy=top_k_accuracy(scores, labels, cut),
        balanced_accuracy=_class_mean(first, labels, scores.shape[1]),
        k=cut,
        classes_absent=scores.shape[1] - len(torch.unique(labels)),
    )


def _credit(
    scores: Shaped[Tensor, "samples classes"], labels: Int64[Tensor, " samples"], k: int
) -> Float[Tensor, " samples"]:
    require_rows("scores", scores, 2)
    require_finite("scores", scores)
    require_equal_lengths(("scores", "labels"), (scores, labels))
    require_class_indices("labels", labels, scores.shape[1])
    if not 1 <= k <= scores.shape[1]:
        raise ValueError(f"k is {k} for {scores.shape[1]} classes; choose k from 1 to {scores.shape[1]}.")
    truth = scores.gather(1, labels[:, None])
    better = (scores > truth).sum(dim=1)
    tied = (scores == truth).sum(dim=1)
    return ((k - better) / tied.double()).clamp(0.0, 1.0)


def _class_mean(credit: Float[Tensor, " samples"], labels: Int64[Tensor, " samples"], classes: int) -> float:
    count = torch.bincount(labels, minlength=classes)
    total = credit.new_zeros(classes).index_add(0, labels, credit)
    present = count > 0
    return float((total[present] / count[present]).mean())


def _wide(values: Shaped[Tensor, "rows dim"]) -> Float[Tensor, "rows dim"]:
    return values if values.dtype == torch.float64 else values.float()
