"""Target builders: distributions, constants, and the values that the sheets albef, nevlp and plip-person state."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from crossmod.objectives.pairs import (
    doubt_of,
    from_groups,
    identity,
    label_smoothed,
    momentum_soft,
    noise_smoothed,
    ramped_share,
    target_entropy,
)

LIKE = torch.zeros(0, dtype=torch.float64)


def test_identity_gives_queued_keys_nothing() -> None:
    targets = identity(2, 4, like=LIKE)
    assert targets.tolist() == [[1, 0, 0, 0], [0, 1, 0, 0]] and targets.dtype == torch.float64
    with pytest.raises(ValueError, match="3 rows but only 2 keys"):
        identity(3, 2, like=LIKE)


def test_groups_share_their_targets() -> None:
    targets = from_groups(torch.tensor([5, 5, 7]), like=LIKE)
    assert targets.tolist() == [[0.5, 0.5, 0], [0.5, 0.5, 0], [0, 0, 1]]


def test_one_image_with_k_texts_has_k_positives_and_each_text_one() -> None:
    images, texts = torch.tensor([0, 1]), torch.tensor([0, 0, 0, 1])
    third = 1 / 3
    assert torch.allclose(
        from_groups(images, texts, like=LIKE), torch.tensor([[third] * 3 + [0], [0] * 3 + [1]]).double()
    )
    assert from_groups(texts, images, like=LIKE).tolist() == [[1, 0], [1, 0], [1, 0], [0, 1]]


def test_released_cmpm_targets_have_length_one() -> None:
    targets = from_groups(torch.tensor([1, 1]), like=LIKE, norm="l2")
    assert torch.allclose(targets, torch.full((2, 2), 0.5, dtype=torch.float64).sqrt())


def test_large_ids_are_not_rounded_together() -> None:
    big = 2**53
    targets = from_groups(torch.tensor([big, big + 1]), like=torch.zeros(0, dtype=torch.float16))
    assert targets.tolist() == [[1, 0], [0, 1]] and targets.dtype == torch.float32


def test_ids_that_cannot_be_compared_or_found_are_refused() -> None:
    with pytest.raises(ValueError, match="row 1 has the group 4, which no key has"):
        from_groups(torch.tensor([3, 4]), torch.tensor([3, 3]), like=LIKE)
    with pytest.raises(ValueError, match="pass one int64 id"):
        from_groups(torch.tensor([1.0, 2.0]), like=LIKE)


def test_momentum_targets_mix_the_softmax_and_are_constants() -> None:
    logits = torch.randn(3, 5, dtype=torch.float64, requires_grad=True)
    hard = identity(3, 5, like=logits)
    soft = momentum_soft(logits, hard, 0.4)
    assert not soft.requires_grad
    assert torch.allclose(soft, 0.4 * logits.softmax(1) + 0.6 * hard)
    assert torch.equal(momentum_soft(logits, hard, 0.0), hard)
    mask = torch.ones(3, 5, dtype=torch.bool)
    mask[:, 4] = False
    masked = momentum_soft(logits, hard, 0.4, mask)
    assert bool((masked[:, 4] == 0).all()) and torch.allclose(masked.sum(1), torch.ones(3, dtype=torch.float64))
    with pytest.raises(ValueError, match="from 0 to 1"):
        momentum_soft(logits, hard, 1.5)


def test_the_share_ramps_over_the_first_epoch() -> None:
    assert [ramped_share(step, 1000) for step in (0, 500, 1000, 9000)] == pytest.approx([0, 0.2, 0.4, 0.4])
    assert ramped_share(0, 0) == 0.4


def test_doubt_spreads_over_the_other_keys() -> None:
    targets = noise_smoothed(identity(3, like=LIKE), torch.tensor([0.0, 0.5, 0.2]))
    expected = torch.tensor([[1, 0, 0], [0.25, 0.5, 0.25], [0.1, 0.1, 0.8]], dtype=torch.float64)
    assert torch.allclose(targets, expected)


def test_doubt_has_nowhere_to_go_in_a_batch_of_one_or_of_one_group() -> None:
    assert noise_smoothed(identity(1, like=LIKE), torch.tensor([0.7])).tolist() == [[1.0]]
    one_group = from_groups(torch.zeros(3, dtype=torch.int64), like=LIKE)
    assert torch.equal(noise_smoothed(one_group, torch.full((3,), 0.7)), one_group)


def test_doubt_respects_a_mask() -> None:
    mask = torch.tensor([[True, True, False], [True, True, True], [True, True, True]])
    targets = noise_smoothed(identity(3, like=LIKE), torch.full((3,), 0.5), mask)
    assert targets[0].tolist() == [0.5, 0.5, 0.0]


def test_doubt_is_capped_and_needs_probabilities() -> None:
    assert torch.allclose(doubt_of(torch.tensor([0.0, 0.6, 1.0]), strength=1.2), torch.tensor([0.0, 0.72, 0.9]))
    for broken in (math.nan, -0.1, 1.1):
        with pytest.raises(ValueError, match="outside"):
            doubt_of(torch.tensor([broken]))
        with pytest.raises(ValueError, match="outside"):
            noise_smoothed(identity(1, like=LIKE), torch.tensor([broken]))
    with pytest.raises(ValueError, match="one a row"):
        noise_smoothed(identity(2, like=LIKE), torch.tensor([0.5]))


def test_label_smoothing_includes_the_positive() -> None:
    assert torch.allclose(label_smoothed(identity(2, like=LIKE), 0.2), torch.tensor([[0.9, 0.1], [0.1, 0.9]]).double())
    with pytest.raises(ValueError, match="label smoothing is -1"):
        label_smoothed(identity(2, like=LIKE), -1.0)


def test_entropy_counts_the_effective_positives() -> None:
    assert float(target_entropy(identity(3, like=LIKE))) == 0
    assert float(target_entropy(torch.full((2, 5), 0.2))) == pytest.approx(math.log(5))


@settings(max_examples=40, deadline=None)
@given(
    groups=st.lists(st.integers(-(2**62), 2**62) | st.integers(0, 2), min_size=1, max_size=6),
    share=st.floats(0, 1),
    seed=st.integers(0, 1000),
)
def test_every_builder_gives_distributions(groups: list[int], share: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    count = len(groups)
    hard = from_groups(torch.tensor(groups), like=LIKE)
    logits = 100 * torch.randn(count, count, generator=generator, dtype=torch.float64)
    doubt = torch.rand(count, generator=generator)
    for targets in (
        hard,
        momentum_soft(logits, hard, share),
        noise_smoothed(hard, doubt),
        label_smoothed(hard, share),
    ):
        assert bool((targets >= 0).all())
        assert torch.allclose(targets.sum(1), torch.ones(count, dtype=torch.float64))
