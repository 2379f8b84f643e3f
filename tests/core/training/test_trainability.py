"""What a recipe freezes and when its adapters open; interrupting such a run changes nothing."""

from __future__ import annotations

import signal
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor

from crossmod.cli.recipes import dump_recipe, parse_recipe, read_recipe
from crossmod.errors import UserError
from crossmod.recipe import Recipe
from crossmod.runs.checkpoint import read_checkpoint
from crossmod.runs.model_folder import load_model
from crossmod.state.low_rank import LowRankLinear
from crossmod.testing.tiny import domain
from crossmod.training.assemble import Parts, assemble
from crossmod.training.fit import Fit
from crossmod.training.run import train

STEPS = 8
LINEAR = r"towers\.text\.blocks\.\d\.(query_key_value|attention_out)"
STAGES = r"[{from_step: 0, layers: '.*blocks\.0.*'}, {from_step: 3, layers: '.*blocks\.[01].*'}]"


def _recipe(*words: str) -> Recipe:
    return parse_recipe(domain, ["--data.points=40", "--towers.text.depth=2", f"--run.steps={STEPS}", *words])


def _adapters(mode: str) -> str:
    return f"--run.adapters={{layers: '{LINEAR}', rank: 2, stages: {STAGES}, mode: {mode}}}"


def _open(parts: Parts) -> set[str]:
    return {name for name, parameter in parts.model.named_parameters() if parameter.requires_grad}


def test_a_modality_is_the_shortest_form_of_a_pattern_of_names() -> None:
    recipes = [
        _recipe("--run.freeze=[text]"),
        _recipe("--run.freeze=[{part: text}]"),
        _recipe(r"--run.freeze=['(towers|heads)\.text']"),
    ]
    parts = [assemble(recipe) for recipe in recipes]
    assert _open(parts[0]) == _open(parts[1]) == _open(parts[2]) == {n for n in _open(parts[0]) if ".point." in n}
    for made in parts:
        made.model.train()
        assert not made.model.towers["text"].training and made.model.towers["point"].training
        assert made.trainability.counts()[0] == sum(
            p.numel() for n, p in made.model.named_parameters() if ".point." in n
        ) + sum(p.numel() for p in made.mixture.parameters())


def test_all_but_norms_and_biases_is_a_pattern_with_an_exception() -> None:
    parts = assemble(_recipe(r"--run.freeze=[{part: 'towers\.text', but: '.*\.bias|.*norm\..*'}]"))
    text = {name for name in _open(parts) if name.startswith("towers.text.")}
    every = {name for name, _ in parts.model.named_parameters() if name.startswith("towers.text.")}
    assert text == {name for name in every if name.endswith(".bias") or "norm." in name} and text < every
    known = set(map(id, parts.trainability.parameters))
    assert {name for name, p in parts.model.named_parameters() if id(p) in known} == _open(parts)


def test_a_recipe_with_parts_and_stages_is_written_down_and_read_back() -> None:
    recipe = _recipe("--run.freeze=[text, {part: point, from_step: 2, until_step: 4}]", _adapters("stack"))
    assert read_recipe(domain, dump_recipe(recipe)) == recipe


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--run.freeze=[voice]"], r"run\.freeze: freeze pattern 'voice' matches no part.*towers\.point"),
        ([r"--run.freeze=['towers\.text\.blokcs\.0']"], r"did you mean towers\.text\.blocks\.0\?"),
        (["--run.freeze=[{part: text, but: 'towers.point.*'}]"], r"exception 'towers\.point\.\*' .* names no param"),
        (["--run.freeze=['(']"], r"run\.freeze: freeze pattern '\(' is no regular expression"),
        (["--run.freeze=[{part: text, from_step: 4, until_step: 4}]"], r"until step 4 freezes nothing"),
        (["--run.freeze=[text, point]"], "nothing trainable except the logit scale"),
        (["--run.freeze=[{part: text}, {part: point, from_step: 5}]"], "at step 5 .* nothing trainable"),
        (["--run.adapters={layers: 'towers.voice'}"], r"run\.adapters: adapter pattern .* matches no linear layer"),
        (["--run.adapters={layers: '('}"], r"run\.adapters: "),
        ([f"--run.adapters={{layers: '{LINEAR}', stages: [{{from_step: 0, layers: x}}]}}"], "names 'x', which no"),
        (
            ["--run.freeze=[point, text]", f"--run.adapters={{layers: '{LINEAR}', stages: {STAGES}}}"],
            None,
        ),
        (
            [
                "--run.freeze=[point, text]",
                f"--run.adapters={{layers: '{LINEAR}', stages: [{{from_step: 2, layers: '.*'}}]}}",
            ],
            r"run\.adapters: at step 0 nothing trains except the logit scale",
        ),
    ],
)
def test_names_that_match_nothing_and_runs_that_train_nothing_are_refused(
    words: list[str], sentence: str | None
) -> None:
    if sentence is None:
        assert {name.split(".")[-2] for name in _open(assemble(_recipe(*words)))} == {"down", "up"}
        return
    with pytest.raises(UserError, match=sentence):
        assemble(_recipe(*words))


def test_adapters_of_a_locked_tower_train_with_their_dropout_while_it_stays_as_it_is() -> None:
    parts = assemble(_recipe("--run.freeze=[text]", "--towers.text.dropout=0.5", _adapters("grow")))
    parts.model.train()
    tower = parts.model.towers["text"]
    layers = [layer for layer in tower.modules() if isinstance(layer, LowRankLinear)]
    assert len(layers) == 4 and all(layer.dropout.training for layer in layers)
    assert not tower.training and not any(layer.base.training for layer in layers)
    parts.model.eval()
    assert not any(part.training for part in parts.model.modules())


def _train(folder: Path, words: list[str], *, stop: int | None, monkeypatch: pytest.MonkeyPatch) -> dict[str, Tensor]:
    torch.set_num_threads(1)
    recipe = _recipe("--run.batch_size=16", "--towers.text.dropout=0.1", f"--run.folder={folder}", *words)
    if stop is not None:
        original = Fit._after_step

        def signalled(self: Fit, terms: dict[str, Tensor]) -> None:
            if self.module.step == stop:
                signal.raise_signal(signal.SIGTERM)
            original(self, terms)

        monkeypatch.setattr(Fit, "_after_step", signalled)
        assert train(domain, recipe) == 128 + signal.SIGTERM
        monkeypatch.undo()
        torch.manual_seed(999)  # nothing of this process may matter
    assert train(domain, recipe, resume=folder if stop is not None else None) == 0
    return dict(read_checkpoint(folder / "checkpoints" / f"step-{STEPS:08d}.safetensors").tensors)


FROZEN_IN_PART = [
    r"--run.freeze=[{part: 'towers\.text\.blocks\.0', until_step: 3}, {part: point, from_step: 5}]",
]


@pytest.mark.parametrize(
    "words", [FROZEN_IN_PART, ["--run.freeze=[text]", _adapters("grow")], ["--run.freeze=[text]", _adapters("stack")]]
)
@pytest.mark.parametrize("stop", [2, 3, 6])
def test_interrupted_equals_uninterrupted(
    words: list[str], stop: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = _train(tmp_path / "whole", words, stop=None, monkeypatch=monkeypatch)
    cut = _train(tmp_path / "cut", words, stop=stop, monkeypatch=monkeypatch)
    assert whole.keys() == cut.keys()
    assert all(torch.equal(value, cut[name]) for name, value in whole.items())


def _watch(monkeypatch: pytest.MonkeyPatch, folder: Path, words: list[str]) -> list[dict[str, Tensor]]:
    """The weights before the first step and after each."""
    seen: list[dict[str, Tensor]] = []
    original = Fit._after_step

    def remember(self: Fit, terms: dict[str, Tensor]) -> None:
        seen.append({name: value.clone() for name, value in self.parts.model.state_dict().items()})
        original(self, terms)

    recipe = _recipe("--run.batch_size=16", f"--run.folder={folder}", *words)
    seen.append({name: value.clone() for name, value in assemble(recipe).model.state_dict().items()})
    monkeypatch.setattr(Fit, "_after_step", remember)
    assert train(domain, recipe) == 0
    monkeypatch.undo()
    return seen


def _moved(seen: list[dict[str, Tensor]], prefix: str) -> list[bool]:
    return [
        any(not torch.equal(old[name], new[name]) for name in old if name.startswith(prefix))
        for old, new in pairwise(seen)
    ]


def test_parts_move_at_exactly_the_steps_that_the_recipe_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = _watch(monkeypatch, tmp_path / "run", FROZEN_IN_PART)
    assert _moved(seen, "towers.text.blocks.0.") == [step >= 3 for step in range(STEPS)]
    assert _moved(seen, "towers.point.") == _moved(seen, "heads.point.") == [step < 5 for step in range(STEPS)]
    assert _moved(seen, "towers.text.blocks.1.") == [True] * STEPS


@pytest.mark.parametrize("mode", ["grow", "stack"])
def test_adapters_open_at_their_step_and_are_folded_into_what_is_exported(
    mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """hivg 4: only the adapters of the listed layers move, base weights never, and the model stays an ordinary one."""
    seen = _watch(monkeypatch, tmp_path / "run", ["--run.freeze=[text]", _adapters(mode)])
    shallow, deep = ("towers.text.blocks.0.attention_out", "towers.text.blocks.1.attention_out")
    later = [step >= 3 for step in range(STEPS)]
    last = "1" if mode == "stack" else "0"
    assert _moved(seen, f"{deep}.up.{last}") == later
    assert _moved(seen, f"{shallow}.up.0") == ([step < 3 for step in range(STEPS)] if mode == "stack" else [True] * 8)
    if mode == "stack":
        assert _moved(seen, f"{shallow}.up.1") == later and _moved(seen, f"{deep}.up.0") == [False] * STEPS
    for prefix in (f"{shallow}.base", f"{deep}.base", "towers.text.norm", "heads.text"):
        assert not any(_moved(seen, prefix))
    trains = seen[-1][f"{shallow}.up.0"].numel() + seen[-1][f"{shallow}.down.0"].numel()
    assert f"{trains:,}" != "0" and "numbers train at the start" in capsys.readouterr().out
    model = load_model(tmp_path / "run", domain)
    assert not any(isinstance(part, LowRankLinear) for part in model.modules())
    final = seen[-1]
    pairs = [name for name in final if name.startswith(f"{deep}.up.")]
    folded = final[f"{deep}.base.weight"] + 8.0 * sum(
        (final[up] @ final[up.replace(".up.", ".down.")] for up in pairs), torch.zeros(())
    )
    assert torch.allclose(model.state_dict()[f"{deep}.weight"], folded, atol=1e-6)


def test_slow_towers_follow_towers_with_adapters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    momentum = "{class_path: MomentumContrast, init_args: {a: point, b: text, width: 8, queue: 40}}"
    words = ["--run.freeze=[text]", _adapters("grow"), f"--objectives.slow={momentum}"]
    seen = _watch(monkeypatch, tmp_path / "run", words)
    assert _moved(seen, "towers.text.blocks.1.attention_out.up.0") == [step >= 3 for step in range(STEPS)]


def test_a_resumed_run_keeps_what_it_freezes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _train(tmp_path / "run", ["--run.freeze=[text]"], stop=None, monkeypatch=monkeypatch)
    recipe = _recipe("--run.batch_size=16", "--towers.text.dropout=0.1", f"--run.folder={tmp_path / 'run'}")
    with pytest.raises(UserError, match=r"run\.freeze of a resumed run stays \('text',\)"):
        train(domain, recipe, resume=tmp_path / "run")
