"""Checks 4 and 6 of the sheet nevlp: shuffled pairs come under doubt, and the table outlives a checkpoint."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn.functional import normalize

from crossmod.contracts.batch import Batch
from crossmod.errors import UserError
from crossmod.objectives import NoiseAdaptiveObjective
from crossmod.state.logit_scale import LogitScale

SAMPLES, CLEAN = 200, 160


class Encoders(nn.Module):
    """Forwards over linear encoders of two views of a latent, of which the last fifth is paired wrongly."""

    def __init__(self) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(0)
        latent = torch.randn(SAMPLES, 6, generator=draw)
        views = [
            latent @ torch.randn(6, 10, generator=draw) + 0.1 * torch.randn(SAMPLES, 10, generator=draw) for _ in "ab"
        ]
        self.test = [view[:CLEAN].clone() for view in views]
        views[1][CLEAN:] = views[1][CLEAN:].roll(7, 0)
        self.views, self.rows = dict(zip("ab", views, strict=True)), torch.arange(SAMPLES)
        self.encode = nn.ModuleDict({name: nn.Linear(10, 6) for name in "ab"})

    def embedding(self, modality: str) -> torch.Tensor:
        return normalize(self.encode[modality](self.views[modality][self.rows]), dim=-1)

    def recall(self) -> float:
        a, b = (normalize(self.encode[n](view), dim=-1) for n, view in zip("ab", self.test, strict=True))
        return float(((a @ b.T).argmax(1) == torch.arange(CLEAN)).float().mean())


def _batch(rows: torch.Tensor) -> Batch:
    present = torch.ones(len(rows), dtype=torch.bool)
    return Batch({}, {"a": present, "b": present}, rows, rows)


def _train(strength: float, steps: int = 200) -> tuple[Encoders, NoiseAdaptiveObjective]:
    torch.manual_seed(1)
    forwards = Encoders()
    objective = NoiseAdaptiveObjective(
        "a", "b", LogitScale(10.0), samples=SAMPLES, warmup_steps=80, refit_steps=20, strength=strength
    )
    optimiser = torch.optim.Adam([*forwards.parameters(), *objective.parameters()], lr=0.02)
    for _ in range(steps):
        forwards.rows = torch.randperm(SAMPLES)[:100]
        optimiser.zero_grad()
        objective(forwards, _batch(forwards.rows)).loss.backward()
        optimiser.step()
        objective.after_step()
    return forwards, objective


def test_shuffled_pairs_come_under_doubt_and_clean_retrieval_does_not_suffer() -> None:
    doubtful, objective = _train(strength=0.9)
    clean, shuffled = objective.posterior[:CLEAN].mean(), objective.posterior[CLEAN:].mean()
    assert float(shuffled) > 2 * float(clean) and float(shuffled) > 0.5
    plain, _ = _train(strength=0.0)
    assert doubtful.recall() >= plain.recall()


def test_nothing_is_doubted_before_the_first_fit() -> None:
    _, objective = _train(strength=0.9, steps=80)
    assert not bool(objective.posterior.any()) and len(objective.statistics.seen()) == SAMPLES


def test_the_table_goes_through_a_checkpoint() -> None:
    forwards, objective = _train(strength=0.5, steps=119)
    fresh = NoiseAdaptiveObjective("a", "b", LogitScale(), samples=SAMPLES, warmup_steps=80, refit_steps=20)
    fresh.load_state_dict(copy.deepcopy(objective.state_dict()))
    forwards.rows = torch.arange(50)
    for _ in range(3):  # a refit falls into these steps
        outcomes = [x(forwards, _batch(forwards.rows)).loss for x in (objective, fresh)]
        assert torch.equal(*outcomes)
    assert torch.equal(objective.posterior, fresh.posterior) and int(fresh.steps) == 122


def test_a_table_that_is_shorter_than_the_corpus_is_refused() -> None:
    objective = NoiseAdaptiveObjective("a", "b", LogitScale(), samples=10, warmup_steps=0, refit_steps=1)
    with pytest.raises(UserError, match="corpus row 199, but the noise table was made for 10"):
        objective(Encoders(), _batch(torch.arange(SAMPLES)))
