"""The gap as a term: acceptance checks 4 and 5 of the sheet cross-the-gap."""

from __future__ import annotations

import math

import pytest
import torch
from torch.autograd import gradcheck

from crossmod.objectives.pairs import ModalityGapPenalty, modality_gap_penalty, nt_xent
from crossmod_kernels import infonce
from crossmod_metrics import modality_gap


def test_is_the_square_of_what_the_metric_reports() -> None:
    a, b = torch.randn(6, 4), torch.randn(9, 4)
    assert float(modality_gap_penalty(a, b)) == pytest.approx(modality_gap(a, b) ** 2, rel=1e-5)
    assert float(modality_gap_penalty(torch.eye(2)[:1], -torch.eye(2)[:1])) == 4
    found = ModalityGapPenalty()(a, a + 1)
    assert float(found.terms["gap"]) == pytest.approx(modality_gap(a, a + 1), rel=1e-5)


def test_gradients_match_finite_differences() -> None:
    inputs = tuple(torch.randn(n, 4, dtype=torch.float64, requires_grad=True) for n in (3, 5))
    assert gradcheck(modality_gap_penalty, inputs)


def test_broken_and_empty_sides() -> None:
    assert bool(modality_gap_penalty(torch.tensor([[math.inf, 0.0]]), torch.eye(2)).isnan())
    with pytest.raises(ValueError, match="are empty"):
        modality_gap_penalty(torch.zeros(0, 2), torch.eye(2))


def _trained(gap_weight: float, intra_weight: float) -> tuple[float, float]:
    """Linear encoders of two noisy views of a latent, each with an offset of its own: gap, and retrieval inside a."""
    generator = torch.Generator().manual_seed(0)
    rows, width = 128, 16
    cluster = torch.arange(rows) % 8
    latent = 2 * torch.randn(8, 6, generator=generator)[cluster]
    offset = 4 * torch.eye(width)

    def observe(side: int) -> torch.Tensor:
        x = 1.5 * torch.randn(rows, width, generator=generator)
        x[:, :6] = latent + 0.5 * torch.randn(rows, 6, generator=generator)
        return x + offset[10 + side]

    maps = [torch.randn(width, 8, generator=torch.Generator().manual_seed(s)).requires_grad_() for s in (1, 2)]
    optimiser = torch.optim.Adam(maps, lr=0.02)
    scale = torch.tensor(20.0)
    for _ in range(100):
        a, again, b = observe(0) @ maps[0], observe(0) @ maps[0], observe(1) @ maps[1]
        loss = infonce(a, b, scale, group_a=cluster) + gap_weight * modality_gap_penalty(a, b)
        if intra_weight:
            loss = loss + intra_weight * nt_xent(a, again, scale, group=cluster)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    a, b = (observe(side) @ maps[side].detach() for side in (0, 1))
    unit = torch.nn.functional.normalize(a)
    nearest = (unit @ unit.t()).fill_diagonal_(-torch.inf).topk(10, dim=1).indices
    precision = float((cluster[nearest] == cluster[:, None]).double().mean())
    return modality_gap(a, b), precision


def test_the_penalty_closes_the_gap_and_the_intra_modal_term_helps_inside_a_modality() -> None:
    gap, precision = _trained(0.0, 0.0)
    closed, _ = _trained(5.0, 0.0)
    assert closed < 0.7 * gap
    assert _trained(0.0, 1.0)[1] > precision
