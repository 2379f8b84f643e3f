"""Zero-shot: prompt ensembles, accuracies with shared credit for ties, findings from prompt pairs."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import normalize

from crossmod_metrics import (
    balanced_accuracy,
    class_embeddings,
    ensemble_scores,
    multi_label_scores,
    multi_task,
    roc_auc,
    top_k_accuracy,
    zero_shot_metrics,
    zero_shot_scores,
)


def test_class_embeddings_follow_the_definition_for_uneven_ensembles():
    generator = torch.Generator().manual_seed(0)
    prompts = torch.randn(7, 5, generator=generator) * torch.rand(7, 1, generator=generator) * 9
    owner = torch.tensor([2, 0, 1, 0, 2, 2, 2])
    found = class_embeddings(prompts, owner, 3)
    for index in range(3):
        mean = normalize(prompts[owner == index], dim=1).mean(dim=0)
        assert torch.allclose(found[index], mean / mean.norm(), atol=1e-6)


def test_a_long_prompt_does_not_outvote_a_short_one():
    assert torch.allclose(
        class_embeddings(torch.tensor([[1000.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 0]), 1),
        torch.full((1, 2), 0.5**0.5),
    )


def test_scores_are_cosines():
    scores = zero_shot_scores(torch.tensor([[3.0, 4.0]]), torch.tensor([[5.0, 0.0], [0.0, -2.0]]))
    assert torch.allclose(scores, torch.tensor([[0.6, -0.8]]))


def test_averaging_scores_probabilities_and_embeddings_of_prompts_differ():
    """The hand case: one template is certain of class 0, two lean to class 1."""
    scores = torch.tensor([[[4.0, 0.0]], [[0.0, 1.5]], [[0.0, 1.5]]])
    assert torch.allclose(ensemble_scores(scores), torch.tensor([[4 / 3, 1.0]]))
    mean = sum(torch.sigmoid(torch.tensor(gap)) for gap in (4.0, -1.5, -1.5)) / 3
    found = ensemble_scores(scores, average="probabilities")
    assert torch.allclose(found, torch.stack((mean, 1 - mean))[None], atol=1e-6)
    assert ensemble_scores(scores).argmax() == 0 and found.argmax() == 1
    sharp = ensemble_scores(scores, average="probabilities", scale=100.0)
    assert torch.allclose(sharp, torch.tensor([[1 / 3, 2 / 3]]))
    # A class of two prompts that lie far apart has a unit embedding that scores higher than their mean score.
    prompts = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.8, 0.6], [0.8, 0.6]])
    query = torch.tensor([[1.0, 1.0]])
    of_embeddings = zero_shot_scores(query, class_embeddings(prompts, torch.tensor([0, 0, 1, 1]), 2))
    of_scores = ensemble_scores(zero_shot_scores(query, prompts)[0].view(2, 2).T[:, None])
    assert of_embeddings[0, 0] > of_embeddings[0, 1] + 0.005
    assert of_scores[0, 1] > of_scores[0, 0] + 0.2


@pytest.mark.parametrize("average", ["scores", "probabilities"])
def test_the_last_of_many_prompts_counts_as_much_as_the_first(average):
    """Cutting classes x templates into a fixed number of chunks lost a tail in a released evaluation."""
    scores = torch.zeros(7, 3, 101)
    scores[-1, 1, 100] = 7.0
    found = ensemble_scores(scores, average=average)
    assert found[1].argmax() == 100 and torch.equal(found[0], found[2])
    assert torch.equal(ensemble_scores(scores.flip(0), average=average)[1].argmax(), found[1].argmax())


def test_accuracies_of_a_worked_example():
    scores = torch.tensor([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0], [3.0, 2.0, 1.0], [1.0, 3.0, 2.0]])
    labels = torch.tensor([0, 0, 1, 1])
    found = zero_shot_metrics(scores, labels, k=2)
    assert (found.accuracy, found.top_k_accuracy, found.balanced_accuracy) == (0.75, 1.0, 0.75)
    assert (found.k, found.classes_absent) == (2, 1)
    skewed = torch.tensor([0, 0, 0, 1])
    always_first = torch.tensor([[1.0, 0.0]]).repeat(4, 1)
    assert top_k_accuracy(always_first, skewed) == 0.75
    assert balanced_accuracy(always_first, skewed) == 0.5


@pytest.mark.parametrize("k", [1, 2, 5, 8])
def test_constant_scores_are_worth_chance(k):
    labels = torch.zeros(50, dtype=torch.int64)
    assert top_k_accuracy(torch.zeros(50, 8), labels, k) == pytest.approx(k / 8)


def test_tied_credit_is_the_mean_over_random_orders():
    generator = torch.Generator().manual_seed(1)
    scores = torch.randint(3, (30, 6), generator=generator).double()
    labels = torch.randint(6, (30,), generator=generator)
    jittered = [top_k_accuracy(scores + 1e-3 * torch.rand(30, 6, generator=generator), labels, 2) for _ in range(600)]
    assert top_k_accuracy(scores, labels, 2) == pytest.approx(sum(jittered) / 600, abs=0.02)


def test_prompt_pairs_give_the_softmax_of_two_cosines_and_an_auroc_a_finding():
    generator = torch.Generator().manual_seed(2)
    query = torch.randn(40, 6, generator=generator)
    positive, negative = torch.randn(2, 3, 6, generator=generator)
    found = multi_label_scores(query, positive, negative, scale=5.0)
    pair = torch.stack((zero_shot_scores(query, positive), zero_shot_scores(query, negative)), dim=2)
    assert torch.allclose(found, (5.0 * pair).softmax(dim=2)[..., 0], atol=1e-6)
    labels = (found > found.median(dim=0).values).double()
    labels[:, 2] = 0.0
    score = multi_task(roc_auc, found, labels)
    assert score.mean == 1.0
    assert score.skipped == (2,)


def test_swapping_positive_and_negative_prompts_mirrors_every_probability_and_the_auroc():
    generator = torch.Generator().manual_seed(4)
    query = torch.randn(50, 6, generator=generator)
    positive, negative = torch.randn(2, 3, 6, generator=generator)
    found = multi_label_scores(query, positive, negative, scale=5.0)
    swapped = multi_label_scores(query, negative, positive, scale=5.0)
    assert torch.allclose(found + swapped, torch.ones(50, 3), atol=1e-6)
    labels = torch.randint(2, (50, 3), generator=generator).double()
    one, other = multi_task(roc_auc, found, labels), multi_task(roc_auc, swapped, labels)
    assert one.mean == pytest.approx(1 - other.mean) and one.mean != pytest.approx(0.5, abs=1e-3)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(dtype):
    query = torch.randn(4, 8, generator=torch.Generator().manual_seed(3)).to(dtype)
    classes = class_embeddings(query, torch.arange(4), 4)
    assert top_k_accuracy(zero_shot_scores(query, classes), torch.arange(4)) == 1.0


def test_hostile_input_is_refused_in_words():
    with pytest.raises(ValueError, match="class 1 of 3 has no prompt"):
        class_embeddings(torch.ones(2, 2), torch.tensor([0, 2]), 3)
    with pytest.raises(ValueError, match="cancel out"):
        class_embeddings(torch.tensor([[1.0], [-1.0]]), torch.tensor([0, 0]), 1)
    with pytest.raises(ValueError, match="NaN"):
        zero_shot_scores(torch.full((1, 2), torch.nan), torch.ones(1, 2))
    with pytest.raises(ValueError, match="labels spans 0 to 3"):
        top_k_accuracy(torch.ones(2, 3), torch.tensor([0, 3]))
    with pytest.raises(ValueError, match="k is 4 for 3 classes"):
        top_k_accuracy(torch.ones(2, 3), torch.tensor([0, 1]), k=4)
    with pytest.raises(ValueError, match="scores 2, labels 1"):
        balanced_accuracy(torch.ones(2, 3), torch.tensor([0]))
    with pytest.raises(ValueError, match="scores is empty"):
        ensemble_scores(torch.ones(0, 2, 3))
    with pytest.raises(ValueError, match="NaN"):
        ensemble_scores(torch.full((2, 1, 3), torch.nan))
    with pytest.raises(ValueError, match="average is 'max'"):
        ensemble_scores(torch.ones(2, 1, 3), average="max")
    with pytest.raises(ValueError, match=r"scale is 0\.0"):
        ensemble_scores(torch.ones(2, 1, 3), average="probabilities", scale=0.0)
    with pytest.raises(ValueError, match="pair the prompts"):
        multi_label_scores(torch.ones(1, 2), torch.ones(3, 2), torch.ones(2, 2))
