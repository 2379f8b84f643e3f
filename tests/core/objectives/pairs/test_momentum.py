"""ALBEF's contrast: CLIP where nothing is distilled or queued, constants where it says so (sheet albef, 1 and 2)."""

from __future__ import annotations

import pytest
import torch
from torch.autograd import gradcheck

from crossmod.objectives.pairs import MomentumKeys, momentum_contrast
from crossmod.state.feature_queue import FeatureQueue
from crossmod_kernels import infonce_reference


def _rows(count: int = 4, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


SCALE = torch.tensor(1 / 0.07, dtype=torch.float64)


@pytest.mark.parametrize("group", [None, torch.tensor([0, 1, 1, 2])])
def test_without_distillation_queue_and_drift_it_is_infonce(group: torch.Tensor | None) -> None:
    a, b = _rows(), _rows(seed=1)
    found = momentum_contrast(a, b, SCALE, MomentumKeys(a), MomentumKeys(b), share=0.0, group=group).loss
    assert torch.allclose(found, infonce_reference(a, b, SCALE, group_a=group), atol=1e-12)


def test_follows_the_sheet_step_by_step() -> None:
    a, b, ma, mb, qa, qb = (_rows(n, seed) for seed, n in enumerate((4, 4, 4, 4, 7, 7)))
    found = momentum_contrast(a, b, SCALE, MomentumKeys(ma, qa), MomentumKeys(mb, qb), share=0.4)
    u = torch.nn.functional.normalize
    expected = []
    for row, mrow, key in ((a, ma, torch.cat([mb, qb])), (b, mb, torch.cat([ma, qa]))):
        soft = 0.4 * (SCALE * u(mrow) @ u(key).t()).softmax(1)
        soft[torch.arange(4), torch.arange(4)] += 0.6
        expected.append(-(soft * (SCALE * u(row) @ u(key).t()).log_softmax(1)).sum(1).mean())
    assert torch.allclose(found.loss_ab, expected[0]) and torch.allclose(found.loss_ba, expected[1])
    assert torch.allclose(found.loss, (expected[0] + expected[1]) / 2)


def test_only_the_rows_and_the_temperature_learn() -> None:
    rows = [_rows(4, seed).requires_grad_() for seed in range(6)]
    scale = SCALE.clone().requires_grad_()
    a, b, ma, mb, qa, qb = rows
    momentum_contrast(a, b, scale, MomentumKeys(ma, qa), MomentumKeys(mb, qb)).loss.backward()
    assert all(row.grad is not None for row in (a, b)) and scale.grad is not None and float(scale.grad) != 0
    assert all(row.grad is None for row in (ma, mb, qa, qb))


def test_keys_of_the_online_model_take_no_gradient_and_without_a_queue_each_direction_is_one_sided_infonce() -> None:
    """FIBER's contrast: no slow copy, the batch's own features are the keys (sheet fiber, 5)."""
    a, b, own = _rows().requires_grad_(), _rows(seed=1).requires_grad_(), torch.arange(4)
    unit = torch.nn.functional.normalize
    for queue in (None, torch.empty(0, 5, dtype=torch.float64), _rows(3, 7)):
        found = momentum_contrast(a, b, SCALE, MomentumKeys(a, queue), MomentumKeys(b, queue), share=0.0)
        for loss, anchor, key in ((found.loss_ab, a, b), (found.loss_ba, b, a)):
            keys = key.detach() if queue is None else torch.cat([key.detach(), queue])
            expected = torch.nn.functional.cross_entropy(SCALE * unit(anchor) @ unit(keys).t(), own)
            assert torch.allclose(loss, expected, atol=1e-12)
            grad_anchor, grad_key = torch.autograd.grad(loss, (anchor, key), retain_graph=True, allow_unused=True)
            assert grad_key is None or not grad_key.any()
            assert torch.allclose(grad_anchor, torch.autograd.grad(expected, anchor, retain_graph=True)[0], atol=1e-12)


def test_gradients_match_finite_differences() -> None:
    keys = MomentumKeys(_rows(3, 2), _rows(2, 3)), MomentumKeys(_rows(3, 4), _rows(2, 5))
    a, b = _rows(3).requires_grad_(), _rows(3, 1).requires_grad_()
    # The targets are constants that depend on the scale, so finite differences in it would not see the same loss.
    assert gradcheck(lambda x, y: momentum_contrast(x, y, SCALE, *keys).loss, (a, b))


def test_queued_duplicates_share_the_target_with_groups_and_are_negatives_without() -> None:
    a = _rows(2)
    keys = MomentumKeys(a, a[:1], torch.tensor([7]))
    group = torch.tensor([7, 8])
    grouped = momentum_contrast(a, a, SCALE, keys, keys, share=0.0, group=group)
    logits = SCALE * torch.nn.functional.normalize(a) @ torch.nn.functional.normalize(torch.cat([a, a[:1]])).t()
    log = logits.log_softmax(1)
    assert torch.allclose(grouped.loss_ab, -((log[0, 0] + log[0, 2]) / 2 + log[1, 1]) / 2)
    plain = MomentumKeys(a, a[:1])
    assert torch.allclose(momentum_contrast(a, a, SCALE, plain, plain, share=0.0).loss_ab, -log.diagonal().mean())


def test_unfilled_places_of_a_queue_belong_to_no_group() -> None:
    a = _rows(2)
    keys = MomentumKeys(a, torch.zeros(3, 5, dtype=torch.float64), torch.full((3,), -100))
    found = momentum_contrast(a, a, SCALE, keys, keys, group=torch.tensor([0, 1]))
    assert bool(torch.isfinite(found.loss))


def test_batch_of_one_with_a_queue_is_still_a_contrast() -> None:
    keys = MomentumKeys(_rows(1, 2), _rows(3, 3)), MomentumKeys(_rows(1, 4), _rows(3, 5))
    assert float(momentum_contrast(_rows(1), _rows(1, 1), SCALE, *keys).loss) > 0


def test_what_does_not_belong_together_is_refused() -> None:
    a = _rows(2)
    with pytest.raises(ValueError, match="all four belong to the same batch"):
        momentum_contrast(a, a, SCALE, MomentumKeys(_rows(3)), MomentumKeys(a))
    with pytest.raises(ValueError, match="pass the ids of both"):
        queued = MomentumKeys(a, a)
        momentum_contrast(a, a, SCALE, queued, queued, group=torch.tensor([0, 1]))
    with pytest.raises(ValueError, match="are empty"):
        momentum_contrast(a[:0], a[:0], SCALE, MomentumKeys(a[:0]), MomentumKeys(a[:0]))


def test_a_feature_queue_is_taken_as_it_stands_from_empty_to_full() -> None:
    queue_a, queue_b = FeatureQueue(6, 5), FeatureQueue(6, 5)
    for step in range(3):
        a, b = _rows(4, step).float(), _rows(4, step + 9).float()
        group = torch.arange(4) + step
        keys = MomentumKeys(a, *queue_a.rows()), MomentumKeys(b, *queue_b.rows())
        found = momentum_contrast(a, b, SCALE.float(), *keys, share=0.0, group=group).loss_ab
        unit_a, unit_b = (torch.nn.functional.normalize(x, dim=1) for x in (a, torch.cat([b, keys[1].queue])))
        log = (SCALE.float() * unit_a @ unit_b.t()).log_softmax(1)
        match = (group[:, None] == torch.cat([group, queue_b.rows().group])).float()
        assert torch.allclose(found, -(match / match.sum(1, keepdim=True) * log).sum(1).mean(), atol=1e-5)
        queue_a.enqueue_(a, group), queue_b.enqueue_(b, group)
    assert len(queue_a) == 6
