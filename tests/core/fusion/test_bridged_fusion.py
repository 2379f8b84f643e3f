"""BridgeTower in a recipe: pair matching whose fusion hears the top layers of each tower."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from crossmod.cli.recipes import parse_recipe
from crossmod.contracts.tower import Features
from crossmod.fusion import BridgedFusion
from crossmod.fusion.settings import BridgedTowers
from crossmod.objectives.matching.pair_fusion import take_features
from crossmod.testing.tiny import domain
from crossmod.training.assemble import Parts, assemble
from crossmod.training.backward import backward
from crossmod.training.forwards import BatchForwards
from crossmod.training.run import train

FUSION = "{class_path: BridgedTowers, init_args: {width: 16, depth: 2, heads: 2}}"
MATCH = f"--objectives.match={{class_path: PairMatching, init_args: {{a: text, b: point, fusion: {FUSION}}}}}"
TEXT = ["--data.points=40", "--towers.text.depth=3", "--towers.text.packed=false", "--towers.text.dropout=0.0"]


def _parts(*words: str) -> Parts:
    return assemble(parse_recipe(domain, [*TEXT, MATCH, *words]))


def _features(rows: int = 3, length: int = 4, width: int = 6, states: int = 2) -> Features:
    hidden = tuple(torch.randn(rows, length, width) for _ in range(states))
    return Features(torch.randn(rows, width), hidden[-1], torch.ones(rows, length, dtype=torch.bool), hidden)


def test_an_objective_that_asks_for_states_gets_those_of_the_top_layers_behind_the_towers_norm() -> None:
    parts = _parts()
    assert parts.mixture.hidden == {"text": 2, "point": 2}
    tower, batch = parts.model.towers["text"].eval(), parts.prepared.batch(torch.arange(6))
    features = BatchForwards(parts.model, batch, parts.mixture.hidden).features("text")
    assert features.hidden is not None and len(features.hidden) == 2
    real = features.mask
    assert real is not None and features.tokens is not None
    assert torch.allclose(features.hidden[-1][real], features.tokens[real])
    heard = []
    tower.blocks[1].register_forward_hook(lambda module, inputs, output: heard.append(tower.norm(output)))
    plain = BatchForwards(parts.model, batch).features("text")
    assert plain.hidden is None and torch.equal(heard[0][real], features.hidden[0][real])
    assert BatchForwards(parts.model, batch, parts.mixture.hidden).features("point").hidden is None


def test_every_level_of_both_sides_matters_row_by_row_whatever_the_padding() -> None:
    fusion = BridgedTowers(width=8, depth=2, heads=2).build(6, 5)
    assert isinstance(fusion, BridgedFusion) and fusion.width == 16
    a, b = _features(), _features(width=5)
    plain = fusion(a, b)
    assert plain.shape == (3, 16) and a.hidden is not None and a.tokens is not None
    lower = a._replace(hidden=(a.hidden[0] + 1.0, a.hidden[1]))
    assert bool(((fusion(lower, b) - plain).abs().amax(1) > 1e-5).all())
    assert torch.allclose(fusion(take_features(a, torch.tensor([2])), take_features(b, torch.tensor([2]))), plain[2:])
    wider = [torch.cat([state, torch.full((3, 2, 6), torch.nan)], 1) for state in (a.tokens, *a.hidden)]
    padded = Features(a.pooled, wider[0], torch.arange(6).expand(3, -1) < 4, tuple(wider[1:]))
    assert torch.allclose(fusion(padded, b), plain, atol=1e-6)


def test_a_side_without_tokens_enters_every_layer_with_its_pooled_vector() -> None:
    fusion, a, b = BridgedFusion(6, 5, width=8, depth=2, heads=2), _features(), Features(torch.randn(3, 5))
    one = b.pooled[:, None]
    assert torch.equal(fusion(a, b), fusion(a, Features(b.pooled, one, None, (one, one))))


def test_states_that_are_missing_or_of_other_tokens_are_refused() -> None:
    fusion, b = BridgedFusion(6, 6, width=8, depth=3, heads=2), _features(states=3)
    with pytest.raises(ValueError, match=r"first side brings 2; lower the fusion's depth"):
        fusion(_features(states=2), b)
    with pytest.raises(ValueError, match=r"second side brings 0"):
        fusion(b, b._replace(hidden=None))
    with pytest.raises(ValueError, match=r"second side has shape \(3, 5, 6\) beside tokens of \(3, 4, 6\)"):
        fusion(b, b._replace(hidden=tuple(torch.randn(3, 5, 6) for _ in range(3))))


def test_a_packed_tower_says_what_to_set() -> None:
    parts = _parts("--towers.text.packed=true")
    with pytest.raises(ValueError, match="packed=False"):
        backward(parts.model, parts.mixture, parts.prepared.batch(torch.arange(8)), 0)


def test_chunks_are_refused_as_for_every_matching_of_tokens() -> None:
    parts = _parts()
    with pytest.raises(ValueError, match=r"set run\.chunk_size 0"):
        backward(parts.model, parts.mixture, parts.prepared.batch(torch.arange(8)), 0, 4)


def test_gradients_reach_the_layers_that_the_bridges_read() -> None:
    parts = _parts("--objectives.contrast.weight=0.0")
    backward(parts.model, parts.mixture, parts.prepared.batch(torch.arange(16)), 0)
    for block in parts.model.towers["text"].blocks:
        assert float(block.mlp_out.weight.grad.abs().sum()) > 0
    fusion = parts.mixture.objectives["match"].loss.fusion
    assert all(p.grad is not None for p in fusion.parameters())


def test_a_recipe_with_bridged_towers_learns_to_tell_pairs(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    easy = MATCH.replace("fusion:", "negatives: uniform, fusion:")
    words = [*TEXT[1:], easy, "--run.log_every=1", "--run.steps=160", f"--run.folder={tmp_path / 'run'}"]
    train(domain, parse_recipe(domain, words))
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    accuracy = [line["match/accuracy"] for line in lines if line["split"] == "train"]
    # Two thirds of the pairs do not match, which is what saying no throughout scores.
    assert len(accuracy) == 160 and sum(accuracy[:5]) / 5 < 0.7 < 0.8 < sum(accuracy[-20:]) / 20


def test_an_empty_batch_has_empty_states() -> None:
    parts = _parts()
    batch = parts.prepared.batch(torch.arange(0))
    features = BatchForwards(parts.model, batch, {"text": 2}).features("text")
    assert features.hidden is not None and [len(state) for state in features.hidden] == [0, 0]
