"""SpeechT5's losses: the acceptance checks of its sheet, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from crossmod.contracts.batch import Batch
from crossmod.errors import UserError
from crossmod.objectives.local.code_usage import code_diversity_loss
from crossmod.objectives.local.maskers import span_masking
from crossmod.objectives.local.spectrogram import spectrogram_loss, stop_loss
from crossmod.objectives.settings import InfoNCE
from crossmod.text.byte_pair import END, MASK, START
from crossmod.training.assemble import Parts
from crossmod.training.forwards import BatchForwards
from crossmod_speech.frontends.features import SpeechFeatures
from crossmod_speech.speecht5.objective_settings import (
    InfilledText,
    MaskedSpeech,
    SharedCodes,
    SpokenText,
    Transcription,
)
from crossmod_speech.speecht5.settings import SpeechT5Text
from crossmod_speech.speecht5.tower import States
from crossmod_speech.speecht5.transcription import ctc_loss
from crossmod_speech.speecht5.voices import voice_of

Make = Callable[..., Parts]
First = Callable[..., Batch]
GradientOf = Callable[[torch.nn.Module, str], float]

CODES = SharedCodes(share=0.5)
PRETRAINING = {"speech": MaskedSpeech(label_width=16, codes=CODES), "text": InfilledText(codes=CODES)}


def scored(parts: Parts, name: str, batch: Batch) -> Tensor:
    """The loss of one objective."""
    return parts.mixture.objectives[name](BatchForwards(parts.model, batch), batch).loss


@pytest.mark.parametrize(("share", "replaced"), [(0.0, 0), (0.3, 3), (1.0, 10)])
def test_codes_replace_states_and_the_gradient_reaches_the_encoder(make: Make, share: float, replaced: int) -> None:
    parts = make({"speech": MaskedSpeech(codes=SharedCodes(share=share))})
    tower, mixing = parts.model.tower("speech"), parts.mixture.objectives["speech"].mixing
    values = torch.randn(2, 10, 32, requires_grad=True)
    states = States(values, torch.ones(2, 10, dtype=torch.bool))
    torch.manual_seed(0)
    mixed, _, _ = mixing(tower, states)
    unlike = (mixed.values != values).any(-1)
    assert unlike.sum(1).tolist() == [replaced, replaced]
    codes = tower.codebook.codebook
    for vector in mixed.values[unlike]:
        halves = [torch.isclose(codes[group], vector.unflatten(0, (2, -1))[group]).all(-1).any() for group in range(2)]
        assert all(halves), "what replaces a state is a code of every group"
    mixed.values.square().sum().backward()
    assert values.grad is not None and values.grad.abs().sum(-1).min() > 0


def test_released_places_are_the_same_in_every_sample(make: Make) -> None:
    parts = make({"speech": MaskedSpeech(codes=SharedCodes(share=0.5, release_compat=True))})
    mixing, tower = parts.mixture.objectives["speech"].mixing, parts.model.tower("speech")
    values, mask = torch.randn(4, 10, 32), torch.arange(10) < torch.tensor([[10], [10], [4], [4]])
    mixed, _, _ = mixing(tower, States(values, mask))
    places = (mixed.values != values).any(-1)
    assert (places == places[0]).all() and places.sum(1).tolist() == [5] * 4


def test_diversity_of_uniform_and_of_collapsed_codes() -> None:
    groups, codes = 2, 100
    assert code_diversity_loss(torch.full((groups, codes), 1 / codes)).abs() < 1e-6
    collapsed = torch.zeros(groups, codes)
    collapsed[:, 7] = 1
    expected = (groups * codes - groups) / (groups * codes)
    torch.testing.assert_close(code_diversity_loss(collapsed), torch.tensor(expected))


def test_temperature_falls_with_the_updates(make: Make) -> None:
    codes = SharedCodes(temperature=2.0, least_temperature=0.5, decay=0.5)
    mixing = make({"speech": MaskedSpeech(codes=codes)}).mixture.objectives["speech"].mixing
    found = []
    for _ in range(4):
        found.append(mixing.temperature)
        mixing.after_step()
    assert found == [2.0, 1.0, 0.5, 0.5]
    assert "updates" in mixing.state_dict(), "a resumed run goes on where it was"


def test_clusters_of_frames_that_are_seen_do_not_count(make: Make, training_batch: First) -> None:
    parts = make(PRETRAINING)
    objective, tower = parts.mixture.objectives["speech"], parts.model.tower("speech")
    inputs = training_batch(parts).inputs["speech"]
    features, mask = tower.convolved(inputs)
    hidden = ~span_masking(mask, 0.5, 4)
    states = tower.encode(tower.enter.place(features, mask, hidden), mask)
    targets = tower.clusters(inputs, mask.shape[1])
    losses = []
    for changed in (targets, torch.where(hidden, targets, (targets + 1) % 8), (targets + 1) % 8):
        tower.clusters = lambda inputs, frames, changed=changed: changed
        losses.append(float(objective.clusters(tower, inputs, states, hidden)[0].detach()))
    assert losses[0] == losses[1] != losses[2]


def test_frames_that_are_seen_count_where_they_are_given_a_weight(make: Make, training_batch: First) -> None:
    losses = []
    for weight in (0.0, 1.0):
        settings = MaskedSpeech(label_width=16, reconstruction=0.0, penalty=0.0, seen_weight=weight)
        parts = make({"speech": settings})
        torch.manual_seed(0)
        losses.append(float(scored(parts, "speech", training_batch(parts)).detach()))
    assert losses[1] > 1.5 * losses[0]


def test_hidden_frames_do_not_leak_into_the_states(make: Make, training_batch: First) -> None:
    parts = make(PRETRAINING)
    tower = parts.model.tower("speech").eval()
    features, mask = tower.convolved(training_batch(parts).inputs["speech"])
    hidden = ~span_masking(mask, 0.5, 4)
    other = torch.where(hidden[..., None], features + 3.0, features)
    one, two = (tower.encode(tower.enter.place(each, mask, hidden), mask).values for each in (features, other))
    torch.testing.assert_close(one, two)


def test_every_frame_of_a_tone_has_the_cluster_of_its_chord(make: Make) -> None:
    parts = make(PRETRAINING)
    tower, corpus = parts.model.tower("speech"), parts.prepared.corpus
    inputs = parts.prepared.inputs["speech"]
    clusters = tower.clusters(inputs, 80)
    assert torch.equal(
        (clusters >= 0).sum(1),
        torch.tensor([tower.processor.shape.frames(n) for n in inputs.waveforms.lengths.tolist()]),
    )
    # The middle of a text's first letter is told alike in most recordings that begin with it, of any voice.
    said = [corpus.columns["text"].items[item] for item in corpus.columns["text"].item]
    middles = {
        letter: clusters[[place for place, text in enumerate(said) if text[0] == letter], 3]
        for letter in sorted({text[0] for text in said})
    }
    commonest = {letter: int(found.mode().values) for letter, found in middles.items()}
    assert len(set(commonest.values())) == len(commonest) >= 3
    assert all((found == commonest[letter]).float().mean() > 0.6 for letter, found in middles.items())


def test_infilling_leaves_the_ends_and_hides_the_budget(make: Make) -> None:
    objective = make(PRETRAINING).mixture.objectives["text"]
    ids = torch.cat([torch.tensor([START]), torch.arange(10, 30), torch.tensor([END])]).repeat(20, 1)
    torch.manual_seed(0)
    noised, real = objective.noised(ids, torch.ones_like(ids, dtype=torch.bool), 260)
    lasts = noised.gather(1, real.sum(1, keepdim=True) - 1)
    assert (noised[:, 0] == START).all() and (lasts == END).all()
    kept = [len(set(row.tolist()) & set(range(10, 30))) for row in noised]
    # ceil(0.3 * 20) = 6 tokens are covered; one that is drawn at random may be one of the text's own.
    assert all(14 <= count <= 15 for count in kept) and kept.count(14) > 15
    assert ((noised == MASK).sum(1) >= 1).float().mean() > 0.8


def test_frame_losses_ignore_padding(make: Make, training_batch: First) -> None:
    parts = make(PRETRAINING)
    tower = parts.model.tower("speech").eval()
    inputs = training_batch(parts).inputs["speech"]
    whole = tower.spectrogram(inputs)
    even = whole.mask.shape[1] // 2 * 2  # what does not fill a step is cut, here of both
    target = SpeechFeatures(whole.values[:, :even], whole.mask[:, :even])
    states = States(*tower(inputs)[1:3])
    double = torch.nn.functional.pad(target.values, (0, 0, 0, even), value=7.0)
    padded = SpeechFeatures(double, torch.nn.functional.pad(target.mask, (0, even)))
    losses = []
    for each in (target, padded):
        torch.manual_seed(0)
        # The dropout that stays on draws for padding too, so that it is switched off here.
        tower.read_frames.dropout = 0.0
        spoken, cut = tower.speak(states, each, voice_of(target))
        frames = spectrogram_loss([spoken.before, spoken.after], cut.values, cut.mask)
        losses.append(torch.stack([frames, stop_loss(spoken.stop, cut.mask)]))
    torch.testing.assert_close(*losses)


@pytest.mark.parametrize("alone", ["speech", "text"])
def test_each_modality_alone_moves_the_encoder_and_the_codebook(
    make: Make, training_batch: First, gradient_of: GradientOf, alone: str
) -> None:
    parts = make(PRETRAINING)
    batch = training_batch(parts)
    scored(parts, alone, batch).backward()
    for part in ("towers.speech.encoder", "towers.speech.decoder", "towers.speech.codebook"):
        assert gradient_of(parts.model, part) > 0, part
    heard = gradient_of(parts.model, "towers.speech.enter.convolutions")
    read = gradient_of(parts.model, "towers.text.embedding")
    assert (heard > 0, read > 0) == (alone == "speech", alone == "text")


def test_unpaired_rows_train_both_sides(make: Make, training_batch: First, gradient_of: GradientOf) -> None:
    parts = make(PRETRAINING, unpaired=True)
    batch = training_batch(parts)
    assert not (batch.present["speech"] & batch.present["text"]).any()
    outcome = parts.mixture(BatchForwards(parts.model, batch), batch, 0)
    outcome.loss.backward()
    assert gradient_of(parts.model, "towers.speech.enter") > 0 and gradient_of(parts.model, "towers.text.embedding") > 0


@pytest.mark.parametrize(
    "objective", [*PRETRAINING.values(), Transcription(), SpokenText()], ids=lambda each: type(each).__name__
)
def test_a_batch_without_anything_to_score_is_zero_with_gradient(
    make: Make, training_batch: First, objective: object
) -> None:
    parts = make({"only": objective})
    nothing = training_batch(parts).split(4)[0]
    absent = torch.zeros(4, dtype=torch.bool)
    empty = torch.zeros(0, dtype=torch.int64)
    batch = Batch(
        {name: inputs.take(empty) for name, inputs in nothing.inputs.items()},
        dict.fromkeys(nothing.present, absent),
        nothing.group,
        nothing.sample,
    )
    loss = scored(parts, "only", batch)
    loss.backward()
    assert loss == 0


@pytest.mark.parametrize("objective", [Transcription(), SpokenText()], ids=lambda each: type(each).__name__)
def test_tuning_needs_pairs_of_the_same_row(make: Make, training_batch: First, objective: object) -> None:
    parts = make({"only": objective}, unpaired=True)
    assert scored(parts, "only", training_batch(parts)) == 0


def test_a_batch_of_one_is_scored(make: Make, training_batch: First) -> None:
    parts = make({**PRETRAINING, "write": Transcription(), "say": SpokenText()})
    for name in parts.mixture.objectives:
        assert torch.isfinite(scored(parts, name, training_batch(parts, 1)))


def test_ctc_is_the_sum_over_all_paths() -> None:
    log_p = torch.randn(1, 3, 5, dtype=torch.float64).log_softmax(-1)
    ids, mask = torch.tensor([[START, 4, END]]), torch.ones(1, 3, dtype=torch.bool)
    # Over three frames the token 4 is alone in a run: 4__, _4_, __4, 44_, _44, 444.
    paths = [(4, 0, 0), (0, 4, 0), (0, 0, 4), (4, 4, 0), (0, 4, 4), (4, 4, 4)]
    total = torch.stack([sum(log_p[0, t, token] for t, token in enumerate(path)) for path in paths]).logsumexp(0)
    torch.testing.assert_close(ctc_loss(log_p, mask, ids, mask), -total)


def test_ctc_of_a_text_that_does_not_fit_is_zero() -> None:
    log_p = torch.zeros(2, 3, 5)
    ids = torch.tensor([[START, 4, 4, 3, END], [START, 4, END, 0, 0]])
    mask = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    frames = torch.ones(2, 3, dtype=torch.bool)
    alone = ctc_loss(log_p[1:], frames[1:], ids[1:], mask[1:])
    torch.testing.assert_close(ctc_loss(log_p, frames, ids, mask), alone / 2)


def test_frames_and_channels_are_hidden_in_training_alone(make: Make, training_batch: First) -> None:
    parts = make({"write": Transcription(share=0.5, channel_share=0.5, channel_span=4)})
    batch = training_batch(parts)
    parts.model.train()
    seeds = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        seeds.append(float(scored(parts, "write", batch).detach()))
    assert seeds[0] != seeds[1]
    parts.model.eval()
    assert scored(parts, "write", batch) == scored(parts, "write", batch)


@pytest.mark.parametrize(
    ("objective", "towers", "sentence"),
    [
        (MaskedSpeech(modality="text"), {}, "choose SpeechT5."),
        (InfilledText(modality="speech"), {}, "choose SpeechT5Text"),
        (Transcription(), {"text": SpeechT5Text(width=48, length=16)}, "set towers.text.width to 32"),
    ],
)
def test_other_towers_are_refused_in_words(
    make: Make, objective: object, towers: dict[str, object], sentence: str
) -> None:
    with pytest.raises(UserError, match=sentence):
        make({"only": objective}, **towers)


@pytest.mark.parametrize(
    "settings",
    [
        lambda: SharedCodes(share=1.5),
        lambda: SharedCodes(temperature=0.1, least_temperature=0.5),
        lambda: MaskedSpeech(share=0.0),
        lambda: InfilledText(span=0.5),
        lambda: Transcription(attention=0.0, ctc=0.0),
        lambda: SpokenText(sigma=0.0),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: Callable[[], object]) -> None:
    with pytest.raises(UserError):
        settings()


def test_towers_that_contrast_can_be_built_too(make: Make, tones: Path) -> None:
    assert make({"contrast": InfoNCE(a="speech", b="text")}).model.modalities == ("speech", "text")
