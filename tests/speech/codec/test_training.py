"""The codec's training: segments, whose gradient goes where, codebooks that follow, and that it learns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from crossmod.cli.recipes import parse_recipe
from crossmod.contracts.batch import Batch
from crossmod.errors import UserError
from crossmod.model import CrossModal
from crossmod.recipe import EmbeddingSettings
from crossmod.runs.model_folder import save_model
from crossmod.training.assemble import assemble
from crossmod.training.forwards import BatchForwards
from crossmod_speech.codec.objective_settings import CodecTraining, Discriminators
from crossmod_speech.codec.segments import draw_segments
from crossmod_speech.codec.settings import DistilCodec
from crossmod_speech.codec.tower import DistilCodecTower
from crossmod_speech.codec.training import CodecTrainingObjective
from crossmod_speech.domain import domain
from crossmod_speech.waveforms import WaveformInputs

Build = Callable[..., DistilCodecTower]
FEW = Discriminators(periods=(5,), scales=(1, 2), spectra=(128,), channels=4)


def batch_of(inputs: WaveformInputs) -> Batch:
    rows = torch.arange(len(inputs))
    return Batch({"speech": inputs}, {"speech": torch.ones(len(inputs), dtype=torch.bool)}, rows, rows)


def objective_of(tower: DistilCodecTower, **options: object) -> tuple[CodecTrainingObjective, CrossModal]:
    model = CrossModal({"speech": tower.train()}, EmbeddingSettings(width=4))
    objective = CodecTraining(**{"segment_frames": 16, **options}).build({"speech": tower})
    assert isinstance(objective, CodecTrainingObjective)
    return objective, model


def test_segments_lie_anywhere_in_an_utterance_and_silence_behind_short_ones(inputs: WaveformInputs) -> None:
    draw, wanted = torch.Generator().manual_seed(0), 1600
    begins = set()
    for _ in range(300):
        segments = draw_segments(inputs.take(torch.tensor([1, 0])), wanted, draw)
        whole = inputs.take(torch.tensor([1])).padded()[0]
        match = [at for at in range(801) if torch.equal(whole[at : at + wanted], segments[0])]
        begins.add(match[0])
        assert torch.equal(segments[1], inputs.take(torch.tensor([0])).padded()[0])
    assert min(begins) < 20 and max(begins) > 780 and len(begins) > 200
    longer = draw_segments(inputs.take(torch.tensor([0])), 2000)
    assert not longer[0, 1600:].any() and longer[0, :1600].any()
    assert draw_segments(inputs.take(torch.zeros(0, dtype=torch.int64)), 64).shape == (0, 64)


def test_neither_side_moves_the_other(settings: DistilCodec, inputs: WaveformInputs, build: Build) -> None:
    objective, model = objective_of(
        build(settings), mel=0.0, further_mel=0.0, matching=0.0, commitment=0.0, adversarial=0.0, discriminators=FEW
    )
    objective(BatchForwards(model, batch_of(inputs)), batch_of(inputs)).loss.backward()
    assert all(p.grad is None or not p.grad.any() for p in model.parameters())
    assert all(p.grad is not None and p.grad.any() for p in objective.discriminators.parameters())
    learned = [p.grad.clone() for p in objective.discriminators.parameters()]
    objective.zero_grad()
    objective.weights = objective.weights._replace(adversarial=1.0, matching=2.0)
    torch.manual_seed(0)
    objective(BatchForwards(model, batch_of(inputs)), batch_of(inputs)).loss.backward()
    assert sum(float(p.grad.abs().sum()) for p in model.towers.speech.generator.parameters()) > 0
    objective.zero_grad()
    objective.weights = objective.weights._replace(adversarial=0.0, matching=0.0)
    torch.manual_seed(0)
    objective(BatchForwards(model, batch_of(inputs)), batch_of(inputs)).loss.backward()
    again = [p.grad for p in objective.discriminators.parameters()]
    assert len(learned) == len(again) and any(not torch.equal(a, b) for a, b in zip(learned, again, strict=True))


def test_the_discriminators_learn_the_same_whatever_the_generator_s_weights(
    settings: DistilCodec, inputs: WaveformInputs, build: Build
) -> None:
    found = []
    for weight in (0.0, 5.0):
        torch.manual_seed(1)
        objective, model = objective_of(build(settings), adversarial=weight, matching=weight, discriminators=FEW)
        torch.manual_seed(2)
        objective(BatchForwards(model, batch_of(inputs)), batch_of(inputs)).loss.backward()
        found.append([p.grad for p in objective.discriminators.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_codebooks_move_after_the_step_and_not_before(
    settings: DistilCodec, inputs: WaveformInputs, build: Build
) -> None:
    objective, model = objective_of(build(settings), discriminators=None)
    quantiser = model.towers.speech.bottleneck.quantiser.quantisers[0].stages[0]
    before = quantiser.codebook.clone()
    outcome = objective(BatchForwards(model, batch_of(inputs)), batch_of(inputs))
    assert torch.equal(quantiser.codebook, before)
    objective.after_step()
    assert not torch.equal(quantiser.codebook, before)
    assert int(objective.usage.counts.sum()) == len(inputs) * 16 and int(objective.steps) == 1
    assert set(outcome.terms) == {"mel", "further_mel", "commitment", "loss", "used", "perplexity"}
    nothing = inputs.take(torch.zeros(0, dtype=torch.int64))
    empty = objective(BatchForwards(model, batch_of(nothing)), batch_of(nothing)).loss
    empty.backward()
    assert float(empty.detach()) == 0


def test_it_learns_to_rebuild_a_few_utterances(settings: DistilCodec, inputs: WaveformInputs, build: Build) -> None:
    torch.manual_seed(0)
    objective, model = objective_of(build(settings), discriminators=FEW)
    optimiser = torch.optim.AdamW([*model.parameters(), *objective.parameters()], 3e-3, betas=(0.8, 0.99))
    errors = []
    for step in range(60):
        torch.manual_seed(step)
        outcome = objective(BatchForwards(model, batch_of(inputs)), batch_of(inputs))
        optimiser.zero_grad()
        outcome.loss.backward()
        optimiser.step()
        objective.after_step()
        errors.append(float(outcome.terms["mel"]))
    assert sum(errors[-5:]) < 0.4 * errors[0] * 5
    assert float(outcome.terms["perplexity"]) > 16  # of 32: the codebook did not collapse
    tower = model.towers.speech
    codes = tower.codes(inputs.take(torch.tensor([4]))).codes
    with torch.no_grad():
        heard, other = tower.decode(codes), tower.decode(codes.roll(1, 1).flip(1))
    assert float((heard - other).abs().mean()) > 0.1 * float(heard.abs().mean())  # the generator listens to codes


def test_the_student_has_the_teacher_s_encoder_and_generator_and_codes_of_its_own(
    codec_words: list[str], tmp_path: Path
) -> None:
    teacher = parse_recipe(domain, ["--config=distilcodec-teacher", *codec_words])
    made = assemble(teacher)
    save_model(tmp_path / "teacher", made.model, domain, teacher, "card", {})
    parts = "{towers.speech.encoder: towers.speech.encoder, towers.speech.generator: towers.speech.generator}"
    options = [f"--run.initialise={tmp_path / 'teacher'}", f"--run.initialise_parts={parts}", "--seed=7"]
    student = assemble(parse_recipe(domain, ["--config=distilcodec", *codec_words, *options]))
    ours, theirs = (parts_.model.towers.speech.state_dict() for parts_ in (student, made))
    inherited = [name for name in ours if name.startswith(("encoder.", "generator."))]
    assert len(inherited) > 30 and all(torch.equal(ours[name], theirs[name]) for name in inherited)
    codes = [name for name in ours if name.startswith("bottleneck.")]
    assert codes and any(name not in theirs or not torch.equal(ours[name], theirs[name]) for name in codes)
    assert not student.model.towers.speech.bottleneck.started
    assert student.model.modalities == ("speech",)


def test_what_cannot_be_trained_is_refused(settings: DistilCodec, build: Build) -> None:
    with pytest.raises(UserError, match="no discriminator"):
        Discriminators(periods=(), scales=(), spectra=())
    with pytest.raises(UserError, match="segment_frames is 4"):
        CodecTraining(segment_frames=4)
    with pytest.raises(UserError, match="weights of a codec's terms"):
        replace(CodecTraining(), mel=-1.0)
