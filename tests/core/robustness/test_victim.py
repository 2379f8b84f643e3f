from __future__ import annotations

import pytest
import torch
from torch import nn

from crossmod.evaluation.context import EvaluationContext
from crossmod.robustness.victim import attackable, encoder_of
from crossmod.vectors.inputs import VectorInputs


def test_modes_and_flags_are_restored_even_after_an_error():
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Dropout())
    model.train()
    model[1].eval()
    model[0].weight.requires_grad_(False)
    modes, flags = [m.training for m in model.modules()], [p.requires_grad for p in model.parameters()]
    with pytest.raises(RuntimeError, match="stop"), attackable(model):
        assert not any(m.training for m in model.modules())
        assert not any(p.requires_grad for p in model.parameters())
        raise RuntimeError("stop")
    assert [m.training for m in model.modules()] == modes
    assert [p.requires_grad for p in model.parameters()] == flags


def test_the_encoder_is_the_models_own_and_has_a_gradient(context: EvaluationContext):
    model, inputs = context.model, VectorInputs(torch.randn(4, 2))
    values = inputs.values.clone().requires_grad_(True)
    with attackable(model):
        found = encoder_of(model, "point", inputs)(values)
        found.sum().backward()
    assert torch.allclose(found.detach(), model.embed("point", inputs))
    assert float(values.grad.abs().sum()) > 0
    assert all(p.grad is None or not p.grad.any() for p in model.parameters())
