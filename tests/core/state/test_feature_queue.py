from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from crossmod.state.feature_queue import FeatureQueue


def _rows(first: int, count: int, width: int = 3) -> tuple[Tensor, Tensor]:
    number = torch.arange(first, first + count)
    return number[:, None].float().expand(count, width), number


@given(capacity=st.integers(1, 9), batches=st.lists(st.integers(0, 12), max_size=8))
def test_holds_the_newest_rows_newest_first(capacity: int, batches: list[int]) -> None:
    queue, entered = FeatureQueue(capacity, 3), []
    for count in batches:
        features, group = _rows(len(entered), count)
        queue.enqueue_(features, group)
        entered += group.tolist()
        expected = entered[::-1][:capacity]
        features, group = queue.rows()
        assert group.tolist() == expected
        assert features[:, 0].tolist() == expected
        assert len(queue) == len(expected)


def test_wraps_so_that_the_first_slot_holds_the_newest_batch() -> None:
    queue = FeatureQueue(8, 3)
    for step in range(8 // 4 + 1):
        queue.enqueue_(*_rows(4 * step, 4))
    assert queue.group[:4].tolist() == [8, 9, 10, 11]


def test_is_empty_at_first_and_gives_rows_without_gradient() -> None:
    queue = FeatureQueue(4, 3)
    assert queue.rows().features.shape == (0, 3)
    weight = torch.ones(3, requires_grad=True)
    queue.enqueue_(torch.randn(2, 3) * weight, torch.tensor([5, 5]))
    assert not queue.rows().features.requires_grad


def test_later_rows_leave_those_already_read_alone() -> None:
    queue = FeatureQueue(2, 3)
    queue.enqueue_(*_rows(1, 2))
    features, group = queue.rows()
    queue.enqueue_(*_rows(7, 2))
    assert group.tolist() == [2, 1]
    assert features[:, 0].tolist() == [2, 1]


def test_a_checkpoint_goes_on_where_it_stopped() -> None:
    queue, other = FeatureQueue(5, 3), FeatureQueue(5, 3)
    queue.enqueue_(*_rows(0, 4))
    nn.ModuleDict({"queue": other}).load_state_dict(nn.ModuleDict({"queue": queue}).state_dict())
    for one in (queue, other):
        one.enqueue_(*_rows(4, 3))
    assert other.rows().group.tolist() == queue.rows().group.tolist() == [6, 5, 4, 3, 2]


def test_half_precision_expanded_and_transposed_rows_enter() -> None:
    queue = FeatureQueue(6, 3)
    queue.enqueue_(torch.ones(1, 3, dtype=torch.bfloat16).expand(2, 3), torch.zeros(1, dtype=torch.int64).expand(2))
    queue.enqueue_(torch.arange(6.0).view(3, 2).T, torch.tensor([1, 2]))
    assert queue.rows().features.dtype == torch.float32
    assert queue.rows().features[0].tolist() == [1, 3, 5]


@pytest.mark.parametrize("poison", [torch.nan, torch.inf])
def test_refuses_poison_and_keeps_what_it_had(poison: float) -> None:
    queue = FeatureQueue(4, 3)
    queue.enqueue_(*_rows(0, 2))
    features, group = _rows(2, 2)
    features = features.clone()
    features[1, 1] = poison
    with pytest.raises(ValueError, match="NaN or infinity"):
        queue.enqueue_(features, group)
    assert queue.rows().group.tolist() == [1, 0]


def test_refuses_shapes_that_do_not_fit() -> None:
    queue = FeatureQueue(4, 3)
    with pytest.raises(ValueError, match="width 3"):
        queue.enqueue_(torch.zeros(2, 4), torch.zeros(2, dtype=torch.int64))
    with pytest.raises(ValueError, match="width 3"):
        queue.enqueue_(torch.zeros(2, 3), torch.zeros(3, dtype=torch.int64))
    with pytest.raises(ValueError, match="holds nothing"):
        FeatureQueue(0, 3)
