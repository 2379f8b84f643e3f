"""Contrast inside a modality: check 3 of the sheet tcl, and NT-Xent of the sheet cross-the-gap."""

from __future__ import annotations

import math

import pytest
import torch
from torch.autograd import gradcheck

from crossmod.objectives.pairs import intra_modal_contrast, nt_xent


def _rows(count: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


SCALE = torch.tensor(5.0, dtype=torch.float64)


def test_every_view_finds_its_partner_among_the_others() -> None:
    x, y = _rows(3), _rows(3, 1)
    views = torch.nn.functional.normalize(torch.cat([x, y]))
    expected = 0.0
    for i in range(6):
        others = [j for j in range(6) if j != i]
        scores = torch.stack([SCALE * views[i] @ views[j] for j in others])
        expected += float(scores.logsumexp(0) - SCALE * views[i] @ views[(i + 3) % 6]) / 6
    assert float(nt_xent(x, y, SCALE)) == pytest.approx(expected, abs=1e-10)
    assert torch.allclose(nt_xent(y, x, SCALE), nt_xent(x, y, SCALE))


def test_equal_views_of_all_samples_cost_the_logarithm_of_the_others() -> None:
    same = torch.ones(4, 5, dtype=torch.float64)
    assert float(nt_xent(same, same, SCALE)) == pytest.approx(math.log(7))


def test_one_group_has_no_negatives() -> None:
    loss = nt_xent(torch.ones(3, 5), torch.ones(3, 5), torch.tensor(5.0), group=torch.zeros(3, dtype=torch.int64))
    assert float(loss) == pytest.approx(math.log(5))
    single = _rows(1).requires_grad_()
    alone = nt_xent(single, _rows(1, 1), SCALE)
    alone.backward()
    assert float(alone.detach()) == 0 and single.grad is not None and bool((single.grad == 0).all())


def test_gradients_match_finite_differences() -> None:
    inputs = (_rows(3).requires_grad_(), _rows(3, 1).requires_grad_(), SCALE.clone().requires_grad_())
    assert gradcheck(lambda x, y, s: nt_xent(x, y, s), inputs)
    momentum, queue = _rows(3, 2), _rows(4, 3)
    assert gradcheck(lambda x, s: intra_modal_contrast(x, momentum, s, queue=queue), (inputs[0], inputs[2]))


def test_momentum_keys_make_it_one_direction_of_infonce() -> None:
    online, keys = _rows(4), _rows(9, 1)
    found = intra_modal_contrast(online, keys[:4], SCALE, queue=keys[4:])
    unit = torch.nn.functional.normalize
    log = (SCALE * unit(online) @ unit(keys).t()).log_softmax(1)
    assert torch.allclose(found, -log.diagonal().mean(), atol=1e-12)
    group, queued = torch.tensor([0, 1, 0, 2]), torch.tensor([2, 7, 0, 0, 9])
    found = intra_modal_contrast(online, keys[:4], SCALE, queue=keys[4:], group=group, queue_group=queued)
    same = (group[:, None] == torch.cat([group, queued])).double()
    assert torch.allclose(found, -(same / same.sum(1, keepdim=True) * log).sum(1).mean(), atol=1e-12)


def test_an_unchanged_view_costs_nothing_as_the_temperature_falls() -> None:
    online = _rows(6)
    losses = [float(intra_modal_contrast(online, online, torch.tensor(s, dtype=torch.float64))) for s in (1.0, 10, 1e3)]
    assert losses == sorted(losses, reverse=True) and losses[-1] < 1e-6


def test_keys_are_constants() -> None:
    online, momentum, queue = (_rows(2, seed).requires_grad_() for seed in range(3))
    intra_modal_contrast(online, momentum, SCALE, queue=queue).backward()
    assert online.grad is not None and momentum.grad is None and queue.grad is None


def test_groups_of_batch_and_queue_share_the_target() -> None:
    online = _rows(2)
    found = intra_modal_contrast(
        online, online, SCALE, queue=online[:1], group=torch.tensor([4, 5]), queue_group=torch.tensor([4])
    )
    unit = torch.nn.functional.normalize(online)
    log = (SCALE * unit @ torch.cat([unit, unit[:1]]).t()).log_softmax(1)
    assert torch.allclose(found, -((log[0, 0] + log[0, 2]) / 2 + log[1, 1]) / 2)


def test_views_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="pass two of each sample"):
        nt_xent(_rows(2), _rows(3), SCALE)
    with pytest.raises(ValueError, match="are empty"):
        nt_xent(_rows(0), _rows(0), SCALE)
    with pytest.raises(ValueError, match="pass the ids of both"):
        intra_modal_contrast(_rows(2), _rows(2), SCALE, queue=_rows(1), group=torch.tensor([0, 1]))
