"""Global against local: acceptance checks 1, 2 and 4 of the sheet tcl."""

from __future__ import annotations

import math

import pytest
import torch
from torch.autograd import gradcheck

from crossmod.objectives.pairs import global_local_contrast, pooled_regions
from crossmod_kernels import infonce_directions

SCALE = torch.tensor(5.0, dtype=torch.float64)


def _parts(batch: int = 3, places: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    pooled = torch.randn(batch, 5, dtype=torch.float64, requires_grad=True)
    return pooled, torch.nn.functional.normalize(torch.randn(batch, places, 5, dtype=torch.float64), dim=-1)


def _slow(pooled: torch.Tensor, local: torch.Tensor, mask: torch.Tensor, group: list[int]) -> float:
    unit = torch.nn.functional.normalize(pooled.detach())
    total = 0.0
    for i in range(len(pooled)):
        own = [math.exp(float(SCALE * unit[i] @ local[i, q])) for q in range(local.shape[1]) if mask[i, q]]
        rest = [
            math.exp(float(SCALE * unit[i] @ local[j, q]))
            for j in range(len(pooled))
            for q in range(local.shape[1])
            if group[j] != group[i] and mask[j, q]
        ]
        total += sum(-math.log(value / (value + sum(rest))) for value in own) / len(own)
    return total / len(pooled)


def test_follows_the_sheet_one_positive_at_a_time() -> None:
    pooled, local = _parts()
    mask = torch.tensor([[True, True, False, True], [True] * 4, [True, False, False, False]])
    assert float(global_local_contrast(pooled, local, SCALE, mask).detach()) == pytest.approx(
        _slow(pooled, local, mask, [0, 1, 2])
    )


def test_one_local_that_is_the_global_key_is_one_direction_of_infonce() -> None:
    pooled, local = _parts(4, 1)
    found = global_local_contrast(pooled, local, SCALE)
    assert torch.allclose(found, infonce_directions(pooled, local[:, 0], SCALE).loss_a.mean(), atol=1e-12)


@pytest.mark.parametrize("rubbish", [3.0, math.nan, math.inf])
def test_padding_changes_nothing(rubbish: float) -> None:
    pooled, local = _parts()
    padded = torch.cat([local, torch.full((3, 2, 5), rubbish, dtype=torch.float64)], 1)
    found = global_local_contrast(pooled, padded, SCALE, torch.arange(6).expand(3, 6) < 4)
    assert torch.allclose(found, global_local_contrast(pooled, local, SCALE), atol=1e-12)
    (gradient,) = torch.autograd.grad(found, pooled)
    assert bool(torch.isfinite(gradient).all())


def test_gradients_match_finite_differences_and_locals_have_none() -> None:
    pooled, local = _parts()
    mask = torch.rand(3, 4) > 0.3
    mask[:, 0] = True
    scale = SCALE.clone().requires_grad_()
    assert gradcheck(lambda z, s: global_local_contrast(z, local, s, mask), (pooled, scale))
    local.requires_grad_()
    global_local_contrast(pooled, local, scale).backward()
    assert local.grad is None and scale.grad is not None and pooled.grad is not None


def test_samples_without_negatives_lose_nothing() -> None:
    pooled, local = _parts(1)
    loss = global_local_contrast(pooled, local, SCALE)
    loss.backward()
    assert float(loss.detach()) == 0 and pooled.grad is not None and bool((pooled.grad == 0).all())
    pooled, local = _parts()
    assert float(global_local_contrast(pooled, local, SCALE, group=torch.zeros(3, dtype=torch.int64)).detach()) == 0


def test_a_group_is_no_negative_of_itself() -> None:
    pooled, local = _parts()
    found = global_local_contrast(pooled, local, SCALE, group=torch.tensor([4, 5, 4]))
    expected = _slow(pooled, local, torch.ones(3, 4, dtype=torch.bool), [4, 5, 4])
    assert float(found.detach()) == pytest.approx(expected)


def test_samples_beyond_the_batch_are_negatives_alone() -> None:
    pooled, local = _parts()
    mask = torch.tensor([[True, True, False, False], [True] * 4, [True, False, True, False]])
    group = torch.tensor([4, 5, 4])
    rows = [global_local_contrast(pooled.roll(-r, 0)[:1], local.roll(-r, 0), SCALE, mask.roll(-r, 0)) for r in range(3)]
    assert torch.allclose(torch.stack(rows).mean(), global_local_contrast(pooled, local, SCALE, mask))
    part = global_local_contrast(pooled[:1], local, SCALE, mask, group=group)
    assert torch.allclose(part, global_local_contrast(pooled[:1], local[:2], SCALE, mask[:2], group=group[:2]))


def test_regions_are_means_of_the_grid() -> None:
    grid = torch.arange(16.0).view(1, 16, 1)
    assert pooled_regions(grid, (4, 4), (2, 2)).flatten().tolist() == [2.5, 4.5, 10.5, 12.5]
    assert pooled_regions(grid, (16,), (4,)).flatten().tolist() == [1.5, 5.5, 9.5, 13.5]
    cube = torch.randn(2, 24, 3)
    expected = cube.view(2, 2, 3, 4, 3).mean((1, 2, 3))
    assert torch.allclose(pooled_regions(cube, (2, 3, 4), (1, 1, 1))[:, 0], expected, atol=1e-6)


def test_what_does_not_fit_is_refused() -> None:
    pooled, local = _parts()
    with pytest.raises(ValueError, match="has no real token"):
        global_local_contrast(pooled, local, SCALE, torch.zeros(3, 4, dtype=torch.bool))
    with pytest.raises(ValueError, match="beside locals of shape"):
        global_local_contrast(pooled, local[:2], SCALE)
    with pytest.raises(ValueError, match="there are 16 tokens"):
        pooled_regions(torch.zeros(1, 16, 1), (4, 5), (2, 2))
