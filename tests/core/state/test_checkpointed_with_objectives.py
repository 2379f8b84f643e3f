"""State that an objective holds goes through a checkpoint of the run: interrupted equals uninterrupted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from crossmod.cli.recipes import parse_recipe
from crossmod.contracts.batch import Batch
from crossmod.contracts.objective import Forwards, Objective, Outcome
from crossmod.contracts.tower import Tower
from crossmod.objectives.mixture import Mixture
from crossmod.recipe import ObjectiveSettings, OptimiserSettings
from crossmod.runs.checkpoint import read_checkpoint, write_checkpoint
from crossmod.state.feature_queue import FeatureQueue
from crossmod.state.freeze_policy import Freeze, FreezePolicy
from crossmod.state.momentum_twin import MomentumTwin
from crossmod.state.sample_statistics import SampleStatistics
from crossmod.state.weight_average import WeightAverage
from crossmod.testing.tiny import domain
from crossmod.training.assemble import Parts, assemble
from crossmod.training.backward import backward
from crossmod.training.optimiser import build_optimiser
from crossmod.training.run_state import pack, unpack


class SlowTargets(Objective):
    """Pull the point features to the slow tower's, away from the queue."""

    couples_batch = True

    def __init__(self, tower: Tower, width: int) -> None:
        super().__init__()
        self.twin, self.queue, self.statistics = MomentumTwin(tower, 0.9), FeatureQueue(20, width), SampleStatistics(80)

    def forward(self, forwards: Forwards, batch: Batch) -> Outcome:
        self.twin.update_(forwards.tower("point"))
        target = self.twin(batch.inputs["point"]).pooled
        losses = (forwards.features("point").pooled - target - 0.1).square().mean(1)
        away = (forwards.features("point").pooled @ self.queue.rows().features.T).sum() / 1e3
        self.queue.enqueue_(target, batch.group)
        self.statistics.update_(batch.sample, losses)
        return Outcome(losses.mean() + away, {"loss": losses.mean().detach()})


@dataclass(frozen=True, kw_only=True)
class SlowTargetsSettings(ObjectiveSettings):
    def build(self, towers: Mapping[str, Tower]) -> Objective:
        return SlowTargets(towers["point"], towers["point"].width)


POLICY = FreezePolicy([Freeze(pattern=r"towers\.text"), Freeze(pattern=r"towers\.point\.layers\.0", until_step=3)])


class Stepper:
    def __init__(self) -> None:
        self.parts: Parts = assemble(parse_recipe(domain, ["--data.points=40"]))
        self.mixture = Mixture({"slow": SlowTargetsSettings()}, dict(self.parts.model.towers))
        settings = OptimiserSettings(rate=0.01, warmup=0.0)
        # The optimiser has to know what trains later, so it is made before anything is frozen.
        self.optimiser, _ = build_optimiser(settings, (self.parts.model, self.mixture), 10)
        self.average = WeightAverage(self.parts.model, 0.0)

    def step(self, number: int) -> float:
        POLICY.apply(self.parts.model, number)
        batch = self.parts.prepared.batch(torch.arange(8) + number)
        self.optimiser.zero_grad()
        loss = backward(self.parts.model, self.mixture, batch, number)["loss"]
        self.optimiser.step()
        return float(loss)

    def state(self) -> dict[str, Tensor]:
        return {**self.parts.model.state_dict(), **self.mixture.state_dict()}


def test_interrupted_equals_uninterrupted(tmp_path: Path) -> None:
    whole, first, second = Stepper(), Stepper(), Stepper()
    losses = [whole.step(number) for number in range(6)]
    begun = [first.step(number) for number in range(4)]
    checkpoint = pack(first.parts.model, first.mixture, first.optimiser, first.average, {"step": 4})
    write_checkpoint(tmp_path / "state.safetensors", checkpoint)
    read = read_checkpoint(tmp_path / "state.safetensors")
    unpack(read, second.parts.model, second.mixture, second.optimiser, second.average, "here")
    assert begun + [second.step(number) for number in (4, 5)] == losses
    expected = whole.state()
    for name, value in second.state().items():
        assert torch.equal(value.nan_to_num(-1.0), expected[name].nan_to_num(-1.0)), name
    queue = second.mixture.objectives["slow"].queue
    assert int(queue.filled) == 20 and int(queue.cursor) == 6 * 8 % 20


def test_what_is_frozen_does_not_move_and_what_is_freed_does() -> None:
    run = Stepper()
    watched = {part: run.parts.model.state_dict()[name].clone() for part, name in NAMES.items()}
    moved = []
    for number in range(5):
        run.step(number)
        state = run.parts.model.state_dict()
        moved.append({part for part, name in NAMES.items() if not torch.equal(state[name], watched[part])})
    assert moved == [{"late"}] * 3 + [{"early", "late"}] * 2


NAMES = {
    "text": "towers.text.embedding.weight",
    "early": "towers.point.layers.0.weight",
    "late": "towers.point.layers.3.weight",
}
