"""Groups to targets: listing pairs and summing groups are the same targets, and both are the dense ones."""

from __future__ import annotations

import pytest
import torch

from crossmod_kernels.contrast import ContrastOptions, contrast
from crossmod_kernels.group_match import check_every_row_has_a_key, match_groups
from crossmod_kernels.group_targets import GroupTargets
from crossmod_kernels.pair_targets import PairTargets
from crossmod_kernels.positives import group_positives

DOUBLE = torch.float64


def random_groups(rows, keys, groups, seed):
    generator = torch.Generator().manual_seed(seed)
    group_b = torch.randint(-5, groups - 5, (keys,), generator=generator)
    return group_b[torch.randint(0, keys, (rows,), generator=generator)], group_b


@pytest.mark.parametrize("groups", [1, 3, 40])
@pytest.mark.parametrize("seed", range(3))
def test_pairs_are_all_and_only_those_of_equal_group(groups, seed):
    group_a, group_b = random_groups(13, 17, groups, seed)
    match = match_groups(group_a, group_b)
    dense = group_a[:, None] == group_b
    found = torch.zeros(13, 17, dtype=torch.int64)
    found.index_put_(match.pairs(), torch.tensor(1), accumulate=True)
    assert torch.equal(found, dense.long())
    assert match.pair_count == int(dense.sum())
    assert torch.equal(match.has_positive, dense.any(0))


@pytest.mark.parametrize("groups", [1, 3, 40])
def test_listed_pairs_and_group_sums_give_the_same_losses_and_gradients(groups):
    generator = torch.Generator().manual_seed(7)
    a, b = (torch.randn(size, 4, generator=generator, dtype=DOUBLE).requires_grad_() for size in (13, 17))
    scale = torch.tensor(9.0, dtype=DOUBLE, requires_grad=True)
    group_a, group_b = random_groups(13, 17, groups, 0)
    weight_a, weight_b = (torch.rand(size, generator=generator, dtype=DOUBLE) for size in (13, 17))
    results = []
    for limit, kind in ((0, GroupTargets), (10**6, PairTargets)):
        positives = group_positives(group_a, group_b, a.detach(), listed_pairs_per_item=limit)
        assert isinstance(positives.targets, kind)
        loss_a, loss_b = contrast(a, b, scale, (positives.targets,), ContrastOptions(tile=(5, 6)))
        loss = (weight_a * loss_a).sum() + (weight_b * loss_b).sum()
        results.append([loss_a, loss_b, *torch.autograd.grad(loss, (a, b, scale))])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-12)


def test_counts_can_come_from_more_rows_than_these():
    match = match_groups(torch.tensor([5]), torch.tensor([5, 6]), torch.tensor([5, 5, 6]))
    assert match.rows_in_group[match.column_group].tolist() == [2, 1]
    assert match.columns_in_group[match.row_group].tolist() == [1]


def test_a_row_without_a_key_is_named():
    with pytest.raises(ValueError, match=r"row 1 of a has group 9.*1 such"):
        check_every_row_has_a_key(torch.tensor([1, 9, 2]), torch.tensor([2, 1, 3]))
