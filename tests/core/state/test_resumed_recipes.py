"""Runs whose objectives keep state (slow towers, queues, tables, a place in a cycle): interrupting changes nothing."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
import torch
from torch import Tensor

from crossmod.cli.recipes import parse_recipe
from crossmod.runs.checkpoint import read_checkpoint
from crossmod.testing.tiny import domain
from crossmod.training.fit import Fit
from crossmod.training.run import train

SETTINGS = "crossmod.objectives.settings"
STEPS = 7
STOP = 4


def _entry(kind: str, arguments: str) -> str:
    return f"{{class_path: {SETTINGS}.{kind}, init_args: {{{arguments}}}}}"


MOMENTUM = _entry("MomentumContrast", "a: point, b: text, width: 8, queue: 40, share_steps: 4, momentum: 0.9")
NOISE = _entry("NoiseAdaptive", "a: point, b: text, samples: 120, warmup_steps: 2, refit_steps: 2")
MATCHING = _entry("PairMatching", "a: point, b: text")
HIDDEN = _entry("MaskedTokens", "modality: text")
CYCLE = f"objectives: {{momentum: {MOMENTUM}, hidden: {HIDDEN}}}, cycle: [[momentum], [hidden], [momentum, hidden]]"
RECIPES = {
    "slow towers and queues": f"{{slow: {MOMENTUM}}}",
    "a table of losses": f"{{noise: {NOISE}}}",
    "drawn pairs": f"{{match: {MATCHING}}}",
    "soft labels": f"{{words: {_entry('MaskedLanguage', 'modality: text, distilled: 0.4, distilled_steps: 5')}}}",
    "a cycle": f"{{turns: {_entry('Alternating', CYCLE)}}}",
}


def _words(folder: Path, objectives: str) -> list[str]:
    run = [f"--run.steps={STEPS}", "--run.batch_size=16", "--run.draw=rows", f"--run.folder={folder}"]
    return [*run, "--data.points=60", "--towers.text.dropout=0.1", f"--objectives={objectives}"]


def _state(folder: Path) -> dict[str, Tensor]:
    return dict(read_checkpoint(folder / "checkpoints" / f"step-{STEPS:08d}.safetensors").tensors)


@pytest.mark.parametrize("kind", RECIPES)
def test_interrupted_equals_uninterrupted(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert train(domain, parse_recipe(domain, _words(whole, RECIPES[kind]))) == 0
    original = Fit._after_step

    def signalled(self: Fit, terms: dict[str, Tensor]) -> None:
        if self.module.step == STOP:
            signal.raise_signal(signal.SIGTERM)
        original(self, terms)

    monkeypatch.setattr(Fit, "_after_step", signalled)
    recipe = parse_recipe(domain, _words(cut, RECIPES[kind]))
    assert train(domain, recipe) == 128 + signal.SIGTERM
    monkeypatch.undo()
    torch.manual_seed(999)  # nothing of this process may matter
    assert train(domain, recipe, resume=cut) == 0
    expected, found = _state(whole), _state(cut)
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        assert torch.equal(value.nan_to_num(-1.0), found[name].nan_to_num(-1.0)), name


def test_the_state_is_in_the_checkpoint_and_moves(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    train(domain, parse_recipe(domain, _words(tmp_path / "run", RECIPES["a cycle"])))
    state = _state(tmp_path / "run")
    assert int(state["objectives.objectives.turns.step"]) == STEPS
    queues = {name: int(value) for name, value in state.items() if name.endswith("queue.filled")}
    # Steps 0, 2, 3, 5 and 6 of the cycle train the slow towers; five batches of 16 rows fill the 40 places.
    assert list(queues.values()) == [40, 40]
    slow = {name: value for name, value in state.items() if ".slow_tower.module.layers.0.weight" in name}
    assert len(slow) == 1
    online = state["model.towers.point.layers.0.weight"]
    assert not torch.equal(next(iter(slow.values())), online)
