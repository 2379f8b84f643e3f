from __future__ import annotations

import numpy as np
import pytest
import torch

from crossmod.contracts.objective import Objective, Outcome
from crossmod.errors import UserError
from crossmod.objectives.mixture import Mixture
from crossmod.objectives.settings import InfoNCE, MaskedTokens, SigLIP
from crossmod.vectors.processor import VectorProcessor
from crossmod.vectors.settings import VectorEncoder


def _towers() -> dict[str, object]:
    settings, processor = VectorEncoder(), VectorProcessor(np.zeros(2), np.ones(2))
    return {"a": settings.build(processor), "b": settings.build(processor)}


def test_weights_ramp_linearly_and_then_stay() -> None:
    mixture = Mixture({"x": InfoNCE(a="a", b="b", weight=0.5, ramp_steps=10)}, _towers())
    assert [mixture.weight("x", step) for step in (0, 4, 9, 500)] == pytest.approx([0.05, 0.25, 0.5, 0.5])


class _Counting(Objective):
    couples_batch = True
    calls = 0

    def forward(self, forwards, batch):
        self.calls += 1
        return Outcome(torch.tensor(3.0), {"loss": torch.tensor(3.0)})


def test_the_sum_is_weighed_and_what_has_no_weight_is_neither_computed_nor_logged() -> None:
    settings = {name: InfoNCE(a="a", b="b", weight=w) for name, w in (("mlm", 1.0), ("itc", 0.1), ("off", 0.0))}
    mixture = Mixture(settings, _towers())
    mixture.objectives = torch.nn.ModuleDict({name: _Counting() for name in settings})
    outcome = mixture(None, None, 0)
    assert float(outcome.loss) == pytest.approx(3.3)
    assert set(outcome.terms) == {"mlm/loss", "itc/loss"}
    assert [objective.calls for objective in mixture.objectives.values()] == [1, 1, 0]
    assert mixture(None, None, 0, ["off"]) is None
    with pytest.raises(UserError, match=r"every objective \(x\) has the weight 0"):
        Mixture({"x": InfoNCE(a="a", b="b", weight=0.0)}, _towers())


def test_names_an_unknown_modality() -> None:
    with pytest.raises(UserError, match="names the modality 'voice', but the model has a, b"):
        Mixture({"x": InfoNCE(a="a", b="voice")}, _towers())


def test_needs_an_objective() -> None:
    with pytest.raises(UserError, match="no objective"):
        Mixture({}, _towers())


def test_hiding_tokens_needs_a_tower_that_has_some() -> None:
    with pytest.raises(UserError, match="VectorTower has none"):
        MaskedTokens(modality="a").build(_towers())


def test_tells_coupled_objectives_from_local_ones() -> None:
    mixture = Mixture({"x": InfoNCE(a="a", b="b"), "y": SigLIP(a="a", b="b")}, _towers())
    assert mixture.select(couples_batch=True) == ["x", "y"]
    assert mixture.select(couples_batch=False) == []


def test_after_a_step_scales_are_back_in_range() -> None:
    mixture = Mixture({"x": InfoNCE(a="a", b="b")}, _towers())
    (parameter,) = mixture.parameters()
    with torch.no_grad():
        parameter.fill_(50.0)
    mixture.after_step()
    assert float(parameter.detach().exp()) <= 100


@pytest.mark.parametrize("share", [0.0, 1.0, -0.5])
def test_a_share_outside_its_range_is_refused(share: float) -> None:
    with pytest.raises(UserError, match="between 0 and 1"):
        MaskedTokens(modality="a", share=share)
