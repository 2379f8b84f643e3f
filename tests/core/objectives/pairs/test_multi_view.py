"""InfoNCE over a list of view pairs."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import normalize

from crossmod.objectives.info_nce import InfoNCELoss
from crossmod.objectives.pairs import multi_view_infonce
from crossmod.state.logit_scale import LogitScale

LOSS = InfoNCELoss(LogitScale(10.0, learned=False))


def test_is_the_mean_of_its_pairs() -> None:
    views = {name: normalize(torch.randn(5, 4), dim=1) for name in ("graph", "first", "second", "smiles")}
    pairs = [("graph", "first"), ("graph", "second"), ("graph", "smiles")]
    found = multi_view_infonce(views, pairs, LOSS)
    expected = sum(LOSS(views[u], views[v]).loss for u, v in pairs) / 3
    assert torch.allclose(found.loss, expected)
    assert set(found.terms) == {"loss", "scale", "graph-first", "graph-second", "graph-smiles"}
    assert torch.allclose(multi_view_infonce(views, [(v, u) for u, v in pairs], LOSS).loss, expected, atol=1e-6)


def test_constant_similarities_cost_the_logarithm_of_the_batch() -> None:
    same = torch.eye(4)[:1].expand(6, 4)
    assert float(multi_view_infonce({"x": same, "y": same}, [("x", "y")], LOSS).loss) == pytest.approx(math.log(6))


def test_the_temperature_of_momu_is_a_constant() -> None:
    x = normalize(torch.randn(3, 4), dim=1).requires_grad_()
    multi_view_infonce({"x": x, "y": x.detach()}, [("x", "y")], LOSS).loss.backward()
    assert LOSS.scale.log_scale.grad is None and x.grad is not None


def test_views_that_are_not_there_are_named() -> None:
    with pytest.raises(ValueError, match="name the views smiles, but there are graph, text"):
        multi_view_infonce({"graph": torch.eye(2), "text": torch.eye(2)}, [("graph", "smiles")], LOSS)
    with pytest.raises(ValueError, match="name at least one"):
        multi_view_infonce({}, [], LOSS)
