"""Contrast with a locked tower: the acceptance checks of the sheets lit and wukong that concern training."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.functional import normalize

from crossmod.cli.recipes import parse_recipe
from crossmod.objectives import InfoNCELoss
from crossmod.state.logit_scale import LogitScale
from crossmod.testing.tiny import domain
from crossmod.training.assemble import Parts, assemble
from crossmod.training.backward import backward
from crossmod.training.optimiser import build_optimiser

TOKENS = "{class_path: FILIP, init_args: {a: text, b: text, width: 8, reduced_a: 3, reduction_groups: 2}}"


def _train(*words: str, steps: int = 5) -> tuple[Parts, dict[str, torch.Tensor], torch.optim.Optimizer]:
    recipe = parse_recipe(domain, ["--data.points=40", "--towers.point.dropout=0.5", "--run.freeze=[point]", *words])
    parts = assemble(recipe)
    before = {name: value.clone() for name, value in parts.model.state_dict().items()}
    optimiser, _ = build_optimiser(recipe.optimiser, (parts.model, parts.mixture), 10)
    parts.model.train()
    for step in range(steps):
        optimiser.zero_grad()
        backward(parts.model, parts.mixture, parts.prepared.batch(torch.arange(16) + step), step)
        optimiser.step()
        parts.mixture.after_step()
    return parts, before, optimiser


def test_the_locked_tower_is_bit_identical_without_gradient_and_unknown_to_the_optimiser() -> None:
    parts, before, optimiser = _train()
    after = parts.model.state_dict()
    locked = [name for name in before if ".point." in name]
    assert locked and all(torch.equal(after[name], before[name]) for name in locked)
    assert any(not torch.equal(after[name], before[name]) for name in before if ".text." in name)
    frozen = [p for name, p in parts.model.named_parameters() if ".point." in name]
    assert all(p.grad is None for p in frozen)
    known = {id(p) for group in optimiser.param_groups for p in group["params"]}
    wanted = {id(p) for p in (*parts.model.parameters(), *parts.mixture.parameters()) if p.requires_grad}
    assert known == wanted and not known & {id(p) for p in frozen}


def test_training_mode_leaves_the_locked_tower_without_dropout() -> None:
    parts, _, _ = _train(steps=0)
    inputs = parts.prepared.batch(torch.arange(8)).inputs["point"]
    assert torch.equal(parts.model("point", inputs), parts.model("point", inputs))


def test_with_tokens_reduced_only_what_is_not_locked_changes() -> None:
    """Wukong: after training only text, projection, reduction and temperature have changed."""
    parts, before, _ = _train(f"--objectives.tokens={TOKENS}")
    changed = {name.split(".")[1] for name, value in parts.model.state_dict().items() if not value.equal(before[name])}
    assert changed == {"text"}
    moved = {name for name, p in parts.mixture.objectives["tokens"].named_parameters() if p.grad is not None}
    assert {
        "project_a.weight",
        "project_b.weight",
        "loss.scale.log_scale",
        "reduce_a.values.convolution.weight",
    } <= moved


def test_cached_embeddings_train_as_the_locked_tower_itself() -> None:
    locked = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Dropout(0.5)).eval().requires_grad_(False)
    items, texts = torch.randn(40, 6), torch.randn(40, 5)
    cache = normalize(locked(items), dim=-1)

    def losses(embed: bool) -> list[float]:
        torch.manual_seed(1)
        trained, loss = nn.Linear(5, 8), InfoNCELoss()
        optimiser = torch.optim.Adam([*trained.parameters(), *loss.parameters()], lr=0.01)
        found = []
        for step in range(10):
            rows = torch.arange(16) + step
            fixed = normalize(locked(items[rows]), dim=-1) if embed else cache[rows]
            value = loss(fixed, normalize(trained(texts[rows]), dim=-1)).loss
            optimiser.zero_grad()
            value.backward()
            optimiser.step()
            found.append(float(value.detach()))
        return found

    assert losses(embed=True) == pytest.approx(losses(embed=False), abs=1e-6)


def test_a_text_table_learns_zero_shot_against_a_locked_encoder_that_separates() -> None:
    classes = torch.arange(400) % 10
    centres = torch.randn(10, 16)
    seen = normalize(centres[classes] + 0.3 * torch.randn(400, 16), dim=-1)
    table, loss = nn.Embedding(10, 16), InfoNCELoss(LogitScale(10.0))
    optimiser = torch.optim.Adam([*table.parameters(), *loss.parameters()], lr=0.05)
    for step in range(60):
        rows = (torch.arange(64) + 64 * step) % 400
        value = loss(seen[rows], normalize(table(classes[rows]), dim=-1), classes[rows]).loss
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        loss.scale.clamp_()
    found = (seen @ normalize(table.weight.detach(), dim=-1).T).argmax(1)
    assert float((found == classes).float().mean()) > 0.95


def test_text_tower_projection_and_temperature_train_and_nothing_else() -> None:
    parts, _, _ = _train(steps=0)
    trained = {
        name.split(".")[0] + "." + name.split(".")[1] for name, p in parts.model.named_parameters() if p.requires_grad
    }
    assert trained == {"towers.text", "heads.text"}
    assert [name for name, p in parts.mixture.named_parameters() if p.requires_grad] == [
        "objectives.contrast.loss.scale.log_scale"
    ]
