"""k-nearest neighbours against a transcription, with missing targets and any chunk."""

from __future__ import annotations

import math

import pytest
import torch

from crossmod_metrics import knn_classify, knn_regress


def sample(seed=0, train=60, samples=15, dim=5):
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.randn(train, dim, generator=generator),
        torch.randint(4, (train,), generator=generator),
        torch.randn(samples, dim, generator=generator),
    )


def slow_neighbours(train, query, k, temperature):
    cosine = torch.nn.functional.cosine_similarity(train.double(), query.double()[None], dim=1).tolist()
    nearest = sorted(range(len(cosine)), key=lambda place: -cosine[place])[:k]
    return [(place, math.exp(cosine[place] / temperature)) for place in nearest]


@pytest.mark.parametrize("chunk", [None, 1, 4])
def test_votes_equal_the_definition(chunk):
    train, labels, features = sample()
    found = knn_classify(train, labels, features, 4, k=7, chunk=chunk)
    for row, query in enumerate(features):
        votes = [0.0] * 4
        for place, weight in slow_neighbours(train, query, 7, 0.07):
            votes[int(labels[place])] += weight
        assert found[row].tolist() == pytest.approx([vote / sum(votes) for vote in votes], abs=1e-5)


def test_regression_equals_the_definition_with_missing_targets():
    train, _, features = sample(1)
    targets = torch.randn(60, 2, generator=torch.Generator().manual_seed(2))
    targets[::3, 0] = torch.nan
    found = knn_regress(train, targets, features, k=6)
    for row, query in enumerate(features):
        for target in range(2):
            voters = [
                (float(targets[place, target]), weight)
                for place, weight in slow_neighbours(train, query, 6, 0.07)
                if not targets[place, target].isnan()
            ]
            expected = sum(value * weight for value, weight in voters) / sum(weight for _, weight in voters)
            assert float(found[row, target]) == pytest.approx(expected, abs=1e-5)


def test_without_a_voter_the_training_mean_is_predicted():
    train = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 2.0]])
    targets = torch.tensor([[torch.nan], [3.0], [5.0]])
    assert knn_regress(train, targets, torch.tensor([[2.0, 0.1]]), k=1).tolist() == [[4.0]]


def test_a_training_sample_is_its_own_nearest_neighbour_and_a_small_temperature_does_not_overflow():
    train, labels, _ = sample(3)
    found = knn_classify(train, labels, train, 4, k=60, temperature=1e-4)
    assert torch.equal(found.argmax(dim=1), labels)
    assert bool(torch.isfinite(found).all())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(dtype):
    train, labels, features = sample(4)
    low = knn_classify(train.to(dtype), labels, features.to(dtype), 4, k=5)
    high = knn_classify(train.to(dtype).float(), labels, features.to(dtype).float(), 4, k=5)
    assert torch.equal(low, high)


def test_hostile_input_is_refused_in_words():
    train, labels, features = sample()
    with pytest.raises(ValueError, match="k is 61 for 60 candidates"):
        knn_classify(train, labels, features, 4, k=61)
    with pytest.raises(ValueError, match="train_labels spans 0 to 3"):
        knn_classify(train, labels, features, 3)
    with pytest.raises(ValueError, match="temperature is 0"):
        knn_classify(train, labels, features, 4, temperature=0)
    with pytest.raises(ValueError, match="target 0 has no training value"):
        knn_regress(train, torch.full((60, 1), torch.nan), features)
    with pytest.raises(ValueError, match="train_features 60, train_targets 2"):
        knn_regress(train, torch.ones(2, 1), features)
