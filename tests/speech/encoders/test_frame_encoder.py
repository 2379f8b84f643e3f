"""The two towers that are trained from scratch."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn import functional
from torch.testing import assert_close

from crossmod.contracts.batch import Batch
from crossmod.contracts.tower import Tower
from crossmod.errors import UserError
from crossmod.model import CrossModal
from crossmod.objectives.mixture import Mixture
from crossmod.objectives.settings import InfoNCE
from crossmod.recipe import EmbeddingSettings
from crossmod.training.backward import backward
from crossmod_speech.encoders.augmentation_settings import SpeechAugmentation
from crossmod_speech.encoders.settings import SpeechConformer, SpeechTower, SpeechTransformer
from crossmod_speech.frontends.contract import FrontEnd
from crossmod_speech.frontends.settings import RawWaveform
from crossmod_speech.waveforms import WaveformInputs

SMALL: dict[str, Any] = {"width": 32, "heads": 2, "depth": 2}

KINDS = {
    "transformer": (SpeechTransformer, {}),
    "padded transformer": (SpeechTransformer, {"packed": False}),
    "transformer with learned distances": (SpeechTransformer, {"positions": "relative", "pooling": "cls"}),
    "transformer with a class token": (SpeechTransformer, {"pooling": "cls"}),
    "transformer without subsampling": (SpeechTransformer, {"stride": 1, "pooling": "attention"}),
    "conformer": (SpeechConformer, {"kernel": 5}),
    "conformer with learned distances": (SpeechConformer, {"positions": "relative", "pooling": "attention"}),
    "conformer with a class token": (SpeechConformer, {"pooling": "cls", "kernel": 7}),
    "conformer with batch norm": (SpeechConformer, {"convolution_norm": "batch"}),
}


def build(kind: str, front_end: FrontEnd, **more: Any) -> Tower:
    make, options = KINDS[kind]
    settings = make(front_end=front_end, **{**SMALL, **options, **more})
    tower: Tower = settings.build(settings.fit_processor(()))
    return tower


@pytest.fixture(params=KINDS)
def tower(request: pytest.FixtureRequest, front_end: FrontEnd) -> Tower:
    return build(request.param, front_end)


def test_an_utterance_alone_is_the_utterance_in_a_batch(tower: Tower, utterances: WaveformInputs) -> None:
    tower.eval()
    together = tower(utterances)
    assert together.tokens.shape[:2] == together.mask.shape
    for row in range(len(utterances)):
        alone = tower(utterances.take(torch.tensor([row])))
        assert_close(alone.pooled[0], together.pooled[row], atol=1e-5, rtol=1e-5)
        assert_close(alone.tokens[0], together.tokens[row][together.mask[row]], atol=1e-5, rtol=1e-5)


def test_there_is_a_token_for_every_four_frames(front_end: FrontEnd, utterances: WaveformInputs) -> None:
    mask = build("transformer", front_end)(utterances).mask
    frames = [front_end.frames(length) for length in utterances.lengths.tolist()]
    assert mask.sum(1).tolist() == [-(-count // 4) for count in frames]


def test_every_parameter_learns(tower: Tower, utterances: WaveformInputs) -> None:
    pooled = tower.train()(utterances).pooled
    (pooled * torch.randn_like(pooled)).sum().backward()
    idle = [name for name, parameter in tower.named_parameters() if parameter.grad is None]
    zero = [name for name, parameter in tower.named_parameters() if not parameter.grad.any()]
    assert idle == [] and zero == []


def test_no_utterance_gives_no_features(tower: Tower, utterances: WaveformInputs) -> None:
    for mode in (True, False):
        features = tower.train(mode)(utterances.take(torch.empty(0, dtype=torch.int64)))
        assert features.pooled.shape == (0, tower.width) and features.mask.shape == features.tokens.shape[:2]


def test_half_precision_stays_finite(tower: Tower, utterances: WaveformInputs) -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        features = tower(utterances)
        loss = features.pooled.float().square().mean()
    loss.backward()
    assert bool(torch.isfinite(features.tokens).all())
    assert all(bool(torch.isfinite(p.grad).all()) for p in tower.parameters() if p.grad is not None)


def test_the_front_end_keeps_full_precision_under_autocast(front_end: FrontEnd, utterances: WaveformInputs) -> None:
    hearing = build("transformer", front_end).hearing
    expected = hearing(utterances).values
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(hearing(utterances).values, expected)


def test_packed_and_padded_blocks_agree(front_end: FrontEnd, utterances: WaveformInputs) -> None:
    packed, padded = build("transformer", front_end).eval(), build("padded transformer", front_end).eval()
    padded.load_state_dict(packed.state_dict())
    a, b = packed(utterances), padded(utterances)
    assert_close(a.pooled, b.pooled, atol=1e-6, rtol=1e-5)
    assert_close(a.tokens, b.tokens, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_it_tells_two_tones_from_each_other(
    kind: str, front_end: FrontEnd, make_tones: Callable[..., WaveformInputs]
) -> None:
    # Both pitches lie in one band of the front end: what they leave to its neighbours tells them apart.
    tower = build(kind, front_end)
    head = torch.nn.Linear(tower.width, 2)
    optimiser = torch.optim.AdamW([*tower.parameters(), *head.parameters()], 3e-3)

    def drawn(count: int) -> tuple[WaveformInputs, torch.Tensor]:
        pitch = torch.randint(2, (count,))
        seconds = (0.1 + 0.2 * torch.rand(count)).tolist()
        return make_tones([(510.0, 730.0)[kind] for kind in pitch.tolist()], seconds), pitch

    for _ in range(30):
        inputs, wanted = drawn(16)
        loss = functional.cross_entropy(head(tower(inputs).pooled), wanted)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    inputs, wanted = drawn(100)
    with torch.no_grad():
        right = head(tower.eval()(inputs).pooled).argmax(1) == wanted
    assert float(right.float().mean()) > 0.95


def _gradients(model: CrossModal, mixture: Mixture, batch: Batch, chunk: int) -> dict[str, torch.Tensor]:
    model, mixture = copy.deepcopy((model, mixture))
    torch.manual_seed(5)
    backward(model, mixture, batch, step=0, chunk_size=chunk)
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "batch norm" not in kind])
def test_the_gradient_does_not_depend_on_the_chunk(kind: str, front_end: FrontEnd, utterances: WaveformInputs) -> None:
    towers = {"heard": build(kind, front_end), "told": build("transformer", front_end)}
    model = CrossModal(towers, EmbeddingSettings(width=8)).eval()  # without dropout, whose draws differ with the chunk
    mixture = Mixture({"contrast": InfoNCE(a="heard", b="told")}, towers)
    every = torch.ones(5, dtype=torch.bool)
    inputs = {"heard": utterances, "told": utterances.take(torch.arange(5))}
    batch = Batch(inputs, dict.fromkeys(inputs, every), torch.arange(5), torch.arange(5))
    whole, chunked = (_gradients(model, mixture, batch, size) for size in (0, 2))
    assert whole.keys() == chunked.keys()
    for name, gradient in whole.items():
        assert (gradient - chunked[name]).norm() <= 1e-4 * gradient.norm() + 1e-6, name


def test_states_of_the_blocks_can_be_heard_where_tokens_are_padded(
    front_end: FrontEnd, utterances: WaveformInputs
) -> None:
    from crossmod.training.hidden_states import features_with_states

    features = features_with_states(build("padded transformer", front_end).eval(), utterances, 2)
    assert_close(features.hidden[1][features.mask], features.tokens[features.mask])
    with pytest.raises(ValueError, match="packed=False"):
        features_with_states(build("transformer", front_end), utterances, 2)


def test_augmentation_acts_in_training_alone(front_end: FrontEnd, utterances: WaveformInputs) -> None:
    tower = build("transformer", front_end, dropout=0.0, augmentation=SpeechAugmentation())
    plain = build("transformer", front_end, dropout=0.0)
    plain.load_state_dict(tower.state_dict())
    assert torch.equal(tower.eval()(utterances).pooled, plain.eval()(utterances).pooled)
    drawn = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        drawn.append(tower.train()(utterances).pooled)
    assert torch.equal(drawn[0], drawn[1]) and not torch.allclose(drawn[0], drawn[2], atol=1e-3)
    assert not torch.allclose(drawn[0], plain.train()(utterances).pooled, atol=1e-3)


@pytest.mark.parametrize("make", [SpeechTransformer, SpeechConformer])
@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"stride": 3}, "stride of {kind} is 3; take a power of two"),
        ({"stride": 0}, "power of two"),
        ({"width": 30, "heads": 4}, "width 30, depth 2, 4 heads"),
        ({"depth": 0}, "one block or more"),
        ({"dropout": 1.0}, "dropout 1.0"),
        ({"longest_seconds": 0.0}, "longest_seconds is 0.0"),
        ({"front_end": RawWaveform()}, "a token every 0.25 ms of RawWaveform; take a front end of fewer frames"),
        (
            {"front_end": RawWaveform(), "stride": 256, "augmentation": SpeechAugmentation()},
            "RawWaveform gives no spectrogram to mask",
        ),
        ({"augmentation": SpeechAugmentation(frequency_mask_bins=80)}, "has 80 bins; take fewer"),
    ],
)
def test_settings_that_cannot_be_are_refused(make: type[SpeechTower], options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError) as refused:
        make(**{**SMALL, **options})
    assert sentence.format(kind=make.__name__) in str(refused.value)


def test_a_conformer_takes_odd_kernels() -> None:
    with pytest.raises(UserError, match="kernel of SpeechConformer is 4"):
        SpeechConformer(kernel=4)
