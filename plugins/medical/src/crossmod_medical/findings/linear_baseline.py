"""tf-idf and logistic regression: the baseline that every reader of short labelled reports has to beat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from crossmod.text.ngram_inputs import NgramInputs
from crossmod.text.ngrams import NgramProcessor
from crossmod_metrics import roc_auc

BUCKETS = 1 << 17
STEPS = 200


class Baseline(NamedTuple):
    """Scores of the reports asked for, and the cost that validation chose.

    Shape:
        scores: [reports, findings].
    """

    scores: Float[Tensor, "reports findings"]
    cost: float
    features: int


def linear_baseline(
    train: Sequence[str],
    truth: Float[Tensor, "train findings"],
    validation: Sequence[str],
    validation_truth: Float[Tensor, "validation findings"],
    asked: Sequence[str],
    *,
    word_orders: Sequence[int],
    costs: Sequence[float],
) -> Baseline:
    """cost * sum of cross-entropies + |w|^2 / 2 over unit tf-idf vectors, one regression a finding (float64).

    Solved in the span of the training reports, where the solution lies: as many unknowns as reports, not as n-grams.

    Args:
        word_orders: The n of the word n-grams; those of one training report alone are left out.
        costs: Chosen among by macro AUROC on the validation reports.
    """
    processor = NgramProcessor.fit(train, buckets=BUCKETS, word_orders=word_orders, character_orders=[], least_texts=2)
    seen = _dense(processor, train)
    gram = seen @ seen.T
    values, vectors = torch.linalg.eigh(gram)
    kept = values > values.max() * 1e-10
    turn = vectors[:, kept] / values[kept].sqrt()
    parts = [gram @ turn, *(_dense(processor, texts) @ seen.T @ turn for texts in (validation, asked))]
    best = Baseline(torch.zeros(len(asked), truth.shape[1]), 0.0, seen.shape[1])
    highest = -1.0
    for cost in costs:
        weight, bias = _fitted(parts[0], truth.double(), cost)
        score = macro_auroc(parts[1] @ weight + bias, validation_truth)
        if score > highest:
            highest, best = score, best._replace(scores=(parts[2] @ weight + bias).float(), cost=cost)
    return best


def macro_auroc(scores: Float[Tensor, "reports findings"], truth: Float[Tensor, "reports findings"]) -> float:
    """The mean AUROC of the findings that both have and lack a report; NaN where there is none."""
    usable = [column for column in range(truth.shape[1]) if 0 < float(truth[:, column].sum()) < len(truth)]
    found = [roc_auc(scores[:, column], truth[:, column].long()) for column in usable]
    return sum(found) / len(found) if found else float("nan")


def _dense(processor: NgramProcessor, texts: Sequence[str]) -> Float[Tensor, "texts buckets"]:
    """Unit tf-idf vectors over the buckets that are used; a text without any known n-gram is zero."""
    processed = processor.process(texts)
    inputs = processor.inputs([processed])
    assert isinstance(inputs, NgramInputs)
    row = torch.from_numpy(processed.accepted)[
        torch.repeat_interleave(torch.arange(len(inputs)), inputs.offsets.diff())
    ]
    used = torch.from_numpy(processor.idf > 0)
    dense = torch.zeros(len(texts), int(used.sum()), dtype=torch.float64)
    column = (used.cumsum(0) - 1)[inputs.buckets.long()]
    return dense.index_put_((row, column), inputs.weights.double(), accumulate=True)


def _fitted(features: Tensor, truth: Tensor, cost: float) -> tuple[Tensor, Tensor]:
    weight = torch.zeros(features.shape[1], truth.shape[1], dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(truth.shape[1], dtype=torch.float64, requires_grad=True)
    solver = torch.optim.LBFGS([weight, bias], max_iter=STEPS, history_size=20, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        solver.zero_grad()
        logits = features @ weight + bias
        loss = cost * functional.binary_cross_entropy_with_logits(logits, truth, reduction="sum")
        loss = loss + weight.square().sum() / 2
        torch.autograd.backward(loss)
        return loss

    solver.step(closure)  # type: ignore[no-untyped-call]  # torch leaves it without types
    return weight.detach(), bias.detach()
