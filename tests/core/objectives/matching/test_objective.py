"""Pair matching in a recipe: composed from words, trained, interrupted and resumed, refused where it cannot be."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch

import crossmod.objectives.matching.settings  # noqa: F401  so that its names can be used in recipes
from crossmod.cli.recipes import parse_recipe
from crossmod.errors import UserError
from crossmod.objectives.matching.objective import MatchingObjective
from crossmod.objectives.matching.settings import PairMatching, TokenConcatenation
from crossmod.testing.tiny import domain
from crossmod.training.assemble import Parts, assemble
from crossmod.training.backward import backward
from crossmod.training.forwards import BatchForwards

SETTINGS = "crossmod.objectives.matching.settings"


def _parts(**options: Any) -> Parts:
    words = ", ".join(["a: point", "b: text", *(f"{key}: {value}" for key, value in options.items())])
    fusion = f"{{class_path: {SETTINGS}.TokenConcatenation, init_args: {{width: 16, depth: 1, heads: 2}}}}"
    objective = f"{{class_path: {SETTINGS}.PairMatching, init_args: {{{words}, fusion: {fusion}}}}}"
    return assemble(parse_recipe(domain, ["--data.points=40", f"--objectives={{match: {objective}}}"]))


@pytest.mark.parametrize("negatives", ["hard", "uniform", "permutation", "replaced"])
def test_a_recipe_trains_towers_and_fusion(negatives: str) -> None:
    parts = _parts(negatives=negatives)
    assert isinstance(parts.mixture.objectives["match"], MatchingObjective)
    parameters = [*parts.model.towers.parameters(), *parts.mixture.parameters()]
    optimiser = torch.optim.Adam(parameters, lr=3e-3)
    losses = []
    for step in range(40):
        batch = parts.prepared.batch(torch.randperm(64)[:16])
        optimiser.zero_grad()
        losses.append(float(backward(parts.model, parts.mixture, batch, step)["loss"]))
        optimiser.step()
    missing = [name for name, p in parts.mixture.named_parameters() if p.grad is None]
    assert not missing
    assert sum(losses[-5:]) < sum(losses[:5])


def test_one_seed_gives_one_loss() -> None:
    parts = _parts()
    parts.model.eval()
    batch = parts.prepared.batch(torch.arange(16))
    losses = []
    for _ in range(2):
        torch.manual_seed(5)
        losses.append(float(backward(parts.model, parts.mixture, batch, 0)["match/loss"]))
    assert losses[0] == losses[1]


def test_autocast_does_not_round_the_similarities_that_negatives_are_drawn_by() -> None:
    parts = _parts()
    batch = parts.prepared.batch(torch.arange(16))
    seen: list[torch.Tensor] = []
    objective = parts.mixture.objectives["match"]
    assert isinstance(objective, MatchingObjective)
    objective.loss.register_forward_pre_hook(lambda _, args: seen.append(args[3]))
    with torch.autocast("cpu", torch.bfloat16):
        forwards = BatchForwards(parts.model, batch)
        objective(forwards, batch)
        points, texts = (forwards.embedding(name).detach().float() for name in ("point", "text"))
    assert seen[0].dtype == torch.float32
    assert torch.allclose(seen[0], objective.scale * points @ texts.T, rtol=1e-5, atol=1e-4)


def test_rows_of_one_group_are_negatives_only_when_the_recipe_says_so() -> None:
    # Two sentences a point stand in consecutive rows: two rows of one group.
    for groups, negatives in ((True, 0.0), (False, 4.0)):
        parts = _parts(groups=str(groups).lower())
        terms = backward(parts.model, parts.mixture, parts.prepared.batch(torch.arange(2)), 0)
        assert float(terms["match/negatives"]) == negatives


def test_chunked_backward_refuses_it() -> None:
    parts = _parts()
    with pytest.raises(ValueError, match="set run.chunk_size 0"):
        backward(parts.model, parts.mixture, parts.prepared.batch(torch.arange(8)), 0, chunk_size=4)


def test_settings_refuse_what_cannot_be_built() -> None:
    with pytest.raises(UserError, match="heads divide the width"):
        TokenConcatenation(width=10, heads=4)
    with pytest.raises(UserError, match="at least 0"):
        PairMatching(a="point", b="text", scale=-1.0)
    with pytest.raises(UserError, match="names the modality 'voice'"):
        PairMatching(a="voice", b="text").build({})


def test_settings_need_no_torch() -> None:
    code = f"import sys, {SETTINGS}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
