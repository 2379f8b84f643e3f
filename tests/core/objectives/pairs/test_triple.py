"""The three contrasts together: acceptance checks 5 and 6 of the sheet tcl."""

from __future__ import annotations

import pytest
import torch

from crossmod.objectives.pairs import (
    MomentumKeys,
    Side,
    global_local_contrast,
    intra_modal_contrast,
    momentum_contrast,
    triple_contrast,
)

SCALE = torch.tensor(8.0, dtype=torch.float64)


def _side() -> Side:
    rows = torch.randn(3, 5, dtype=torch.float64)
    keys = MomentumKeys(torch.randn(3, 5, dtype=torch.float64), torch.randn(4, 5, dtype=torch.float64))
    local = torch.nn.functional.normalize(torch.randn(3, 2, 5, dtype=torch.float64), dim=-1)
    return Side(rows, keys, local, torch.tensor([[True, True], [True, False], [True, True]]))


def test_is_the_sum_of_its_halves_and_the_release_their_average() -> None:
    a, b = _side(), _side()
    halves = [
        *momentum_contrast(a.online, b.online, SCALE, a.keys, b.keys)[1:],
        *(intra_modal_contrast(x.online, x.keys.batch, SCALE, queue=x.keys.queue) for x in (a, b)),
        *(global_local_contrast(x.online, x.local, SCALE, x.mask) for x in (a, b) if x.local is not None),
    ]
    assert len(halves) == 6
    found = triple_contrast(a, b, SCALE)
    assert torch.allclose(found.loss, sum(halves) / 2)
    assert torch.allclose(found.loss, found.cross_modal + found.intra_modal + found.local)
    assert torch.allclose(triple_contrast(a, b, SCALE, release_compat=True).loss, sum(halves) / 6)


def test_without_the_two_terms_it_is_albefs_contrast() -> None:
    a, b = _side(), _side()
    found = triple_contrast(a, b, SCALE, intra_weight=0.0, local_weight=0.0)
    assert torch.equal(found.loss, momentum_contrast(a.online, b.online, SCALE, a.keys, b.keys).loss)


def test_a_side_without_locals_leaves_its_half_out() -> None:
    a, b = _side(), _side()._replace(local=None, mask=None)
    assert a.local is not None
    expected = global_local_contrast(a.online, a.local, SCALE, a.mask) / 2
    assert torch.allclose(triple_contrast(a, b, SCALE).local, expected)


def test_intra_modal_contrast_keeps_neighbours_inside_a_modality_under_noisy_pairs() -> None:
    # Two clusters a modality; 30 % of the pairs join the wrong clusters. Coordinates beyond the first are noise.
    generator = torch.Generator().manual_seed(0)
    rows, width = 200, 12
    cluster = torch.arange(rows) % 2
    wrong = torch.rand(rows, generator=generator) < 0.3
    other = torch.where(wrong, 1 - cluster, cluster)
    sides = []
    for which in (cluster, other):
        x = 2.0 * torch.randn(rows, width, generator=generator)
        x[:, 0] = 2.0 * (2.0 * which - 1) + 0.5 * torch.randn(rows, generator=generator)
        sides.append(x)

    def accuracy(intra_weight: float) -> float:
        maps = [torch.randn(width, 4, generator=torch.Generator().manual_seed(s)).requires_grad_() for s in (1, 2)]
        optimiser = torch.optim.Adam(maps, lr=0.02)
        noise = torch.Generator().manual_seed(3)
        for _ in range(120):
            views = []
            for x, weights in zip(sides, maps, strict=True):
                # The second view redraws the noise coordinates, as an augmentation redraws what does not matter.
                view = torch.cat([x[:, :1], 2.0 * torch.randn(rows, width - 1, generator=noise)], 1)
                views.append(Side(x @ weights, MomentumKeys((view @ weights).detach())))
            loss = triple_contrast(*views, torch.tensor(5.0), share=0.0, intra_weight=intra_weight).loss
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        unit = torch.nn.functional.normalize(sides[0] @ maps[0].detach())
        nearest = (unit @ unit.t()).fill_diagonal_(-torch.inf).topk(5, dim=1).indices
        return float(((cluster[nearest].double().mean(1) > 0.5) == (cluster == 1)).double().mean())

    without, with_term = accuracy(0.0), accuracy(1.0)
    assert with_term > without + 0.02
    assert with_term == pytest.approx(1.0, abs=0.05)
