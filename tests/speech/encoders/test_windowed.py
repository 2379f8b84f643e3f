"""Windows over longer recordings: acceptance checks 1, 2 and 4 of CLAP, and what follows from the settings."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from crossmod.contracts.tower import Tower
from crossmod.errors import UserError
from crossmod.text.settings import NgramBag
from crossmod_speech.encoders.fused_windows import AttentionalFusion, FusedSpeechTower
from crossmod_speech.encoders.pretrained_settings import HuggingFaceSpeech
from crossmod_speech.encoders.settings import SpeechConformer, SpeechTransformer
from crossmod_speech.encoders.windowed_settings import FusedSpeech, LongRecordings, WindowedSpeech
from crossmod_speech.encoders.windows import filled, thirds, window_starts
from crossmod_speech.frontends.contract import FrontEnd
from crossmod_speech.waveforms import WaveformInputs

MakeWaveforms = Callable[..., WaveformInputs]
WINDOW = 0.5


def build(make: type[LongRecordings], front_end: FrontEnd, **options: Any) -> Tower:
    inner = SpeechTransformer(front_end=front_end, width=32, heads=2, depth=1, dropout=0.0)
    settings = make(**{"tower": inner, "window_seconds": WINDOW, "longest_seconds": 5.0, **options})
    tower: Tower = settings.build(settings.fit_processor(()))
    return tower


@pytest.fixture
def recordings(make_waveforms: MakeWaveforms) -> WaveformInputs:
    """Two below the window of half a second, one of just it, one a hop longer, and a long one."""
    return make_waveforms([0.1 * torch.randn(n).clamp(-3, 3) for n in (1600, 7000, 8000, 8160, 30000)])


@pytest.mark.parametrize("make", [WindowedSpeech, FusedSpeech])
def test_a_file_has_one_embedding_in_evaluation(
    make: type[LongRecordings], front_end: FrontEnd, write: Callable[..., Path]
) -> None:
    # Acceptance check 1 of CLAP: also for recordings longer than the window, and for stereo.
    tower = build(make, front_end).eval()
    left, right = np.random.default_rng(0).normal(0, 0.1, (2, 40000))
    stereo = write(np.stack([left, right], 1), name="stereo.wav", subtype="FLOAT")
    mono = write((left + right) / 2, name="mono.wav", subtype="FLOAT")
    first, again, mixed = (tower(tower.processor([str(path)])).pooled for path in (stereo, stereo, mono))
    assert torch.equal(first, again)
    # The mean is rounded to 16 bits once here, and behind the reader's sum there.
    assert_close(first, mixed, atol=1e-3, rtol=1e-3)


def test_repeatpad_of_three_seconds_to_ten_is_three_copies_and_silence() -> None:
    # Acceptance check 2 of CLAP.
    clip = torch.randint(1, 100, (3 * 16000,), dtype=torch.int16)
    whole = filled(clip, 10 * 16000, "repeatpad")
    assert len(whole) == 10 * 16000 and torch.equal(whole[: 9 * 16000], clip.repeat(3)) and not whole[9 * 16000 :].any()
    exact = torch.randint(1, 100, (10 * 16000,), dtype=torch.int16)
    assert all(torch.equal(filled(exact, 10 * 16000, fill), exact) for fill in ("repeatpad", "repeat", "pad", "none"))
    assert torch.equal(filled(clip, 10 * 16000, "none"), clip)


@pytest.mark.parametrize("overlap", [0.0, 0.3, 0.5])
@pytest.mark.parametrize("extent", [5, 40, 41, 79, 80, 81, 333])
def test_windows_cover_everything_and_overlap_as_much_as_stated(extent: int, overlap: float) -> None:
    starts = window_starts(extent, 40, overlap)
    assert starts[0] == 0 and starts[-1] == max(extent - 40, 0) and starts == sorted(set(starts))
    assert all(b - a <= 40 * (1 - overlap) + 1 for a, b in itertools.pairwise(starts))


def test_thirds_are_front_middle_and_back() -> None:
    for slack in range(30):
        spans = thirds(slack)
        assert spans[0][0] == 0 and spans[-1][1] == slack and all(a <= b for a, b in spans)


def test_the_average_is_that_of_the_windows_alone(front_end: FrontEnd, recordings: WaveformInputs) -> None:
    tower = build(WindowedSpeech, front_end, fill="none").eval()
    found = tower(recordings)
    long = recordings.padded()[4, :30000]
    parts = [long[start : start + 8000] for start in window_starts(30000, 8000, 0.0)]
    assert len(parts) == 4

    def encoded(samples: torch.Tensor) -> torch.Tensor:
        wave = WaveformInputs((samples * 32768).to(torch.int16), torch.tensor([0, len(samples)]), 16000)
        return tower.tower(wave)

    assert_close(found.pooled[4], torch.stack([encoded(part).pooled[0] for part in parts]).mean(0))
    tokens = torch.cat([encoded(part).tokens[0] for part in parts])
    assert_close(found.tokens[4][found.mask[4]], tokens, atol=1e-5, rtol=1e-4)
    assert_close(found.pooled[0], encoded(recordings.padded()[0, :1600]).pooled[0])


@pytest.mark.parametrize(("evaluation", "start"), [("centre", 11000), ("start", 0)])
def test_one_window_counts_where_one_is_asked_for(
    evaluation: str, start: int, front_end: FrontEnd, recordings: WaveformInputs
) -> None:
    tower = build(WindowedSpeech, front_end, evaluation=evaluation).eval()
    part = recordings.samples[recordings.offsets[4] + start :][:8000]
    expected = tower.tower(WaveformInputs(part, torch.tensor([0, 8000]), 16000)).pooled[0]
    assert_close(tower(recordings).pooled[4], expected, atol=1e-6, rtol=1e-5)


def test_training_draws_windows_of_longer_recordings_alone(front_end: FrontEnd, recordings: WaveformInputs) -> None:
    tower = build(WindowedSpeech, front_end)
    drawn = torch.stack([tower(recordings).pooled for _ in range(4)])
    same = torch.isclose(drawn, drawn[:1], atol=1e-6).all(-1).all(0)
    assert same.tolist()[:3] == [True] * 3 and not same[4]


@pytest.mark.parametrize("make", [WindowedSpeech, FusedSpeech])
def test_a_recording_alone_is_the_recording_in_a_batch(
    make: type[LongRecordings], front_end: FrontEnd, recordings: WaveformInputs
) -> None:
    tower = build(make, front_end).eval()
    together = tower(recordings)
    for row in range(len(recordings)):
        alone = tower(recordings.take(torch.tensor([row])))
        assert_close(alone.pooled[0], together.pooled[row], atol=1e-5, rtol=1e-4)
        assert_close(alone.tokens[0][alone.mask[0]], together.tokens[row][together.mask[row]], atol=1e-5, rtol=1e-4)
    for mode in (True, False):
        nothing = tower.train(mode)(recordings.take(torch.empty(0, dtype=torch.int64)))
        assert nothing.pooled.shape == (0, 32)


@pytest.mark.parametrize("rows", [[3], [0, 1, 2], [0, 3, 4]])
def test_fusion_always_has_a_gradient_in_training(
    rows: list[int], front_end: FrontEnd, recordings: WaveformInputs
) -> None:
    # Acceptance check 4 of CLAP: one hop longer than the window, and no longer recording in the batch.
    tower = build(FusedSpeech, front_end)
    pooled = tower(recordings.take(torch.tensor(rows))).pooled
    (pooled * torch.randn_like(pooled)).sum().backward()
    assert bool(torch.isfinite(pooled).all())
    assert [name for name, parameter in tower.named_parameters() if not parameter.grad.any()] == []


def test_short_recordings_pass_the_fusion_by_in_evaluation(front_end: FrontEnd, recordings: WaveformInputs) -> None:
    tower = build(FusedSpeech, front_end).eval()
    assert isinstance(tower, FusedSpeechTower)
    before = tower(recordings).pooled
    with torch.no_grad():
        for parameter in tower.fusion.parameters():
            parameter.add_(1.0)
    changed = (tower(recordings).pooled - before).abs().amax(1) > 1e-6
    assert changed.tolist() == [False, False, False, True, True]


def test_the_fusion_hears_what_its_windows_leave_to_the_squeezed_whole(
    front_end: FrontEnd, recordings: WaveformInputs
) -> None:
    tower = build(FusedSpeech, front_end).eval()
    before = tower(recordings).pooled
    for place in (100, 15000, 29000):
        changed = recordings.samples.clone()
        changed[recordings.offsets[4] + place :][:400] = 20000
        after = tower(WaveformInputs(changed, recordings.offsets, 16000)).pooled
        assert not torch.allclose(after[4], before[4], atol=1e-5)
        assert torch.equal(after[:4], before[:4])


def test_attentional_fusion_is_its_equation() -> None:
    fusion = AttentionalFusion(8).double()
    x, y = torch.randn(2, 3, 5, 8, dtype=torch.float64, requires_grad=True)
    both = x + y
    share = torch.sigmoid(fusion.local(both) + fusion.overall(both.mean(1))[:, None])
    assert_close(fusion(x, y), 2 * share * x + 2 * (1 - share) * y)
    assert torch.autograd.gradcheck(fusion, (x[:1, :2].detach().requires_grad_(), y[:1, :2].detach().requires_grad_()))


@pytest.mark.parametrize("make", [WindowedSpeech, FusedSpeech])
def test_a_model_folder_restores_the_processor(make: type[LongRecordings], front_end: FrontEnd) -> None:
    inner = SpeechConformer(front_end=front_end, longest_seconds=12.0)
    settings = make(tower=inner, longest_seconds=30.0)
    processor = settings.fit_processor(())
    assert processor.longest_seconds == 30.0
    assert settings.load_processor(processor.spec, {}) == processor
    with pytest.raises(UserError, match="longest_seconds"):
        make(tower=inner, longest_seconds=40.0).load_processor(processor.spec, {})
    assert settings.build(processor).processor is processor


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"window_seconds": 16.0}, "the tower's own (15)"),
        ({"window_seconds": 0.0}, "window_seconds is 0"),
        ({"longest_seconds": 5.0}, "at most longest_seconds (5)"),
        ({"longest_seconds": 4000.0}, "take at most 3600"),
        ({"tower": NgramBag()}, "slides a tower of speech, not NgramBag"),
    ],
)
@pytest.mark.parametrize("make", [WindowedSpeech, FusedSpeech])
def test_settings_that_cannot_be_are_refused(
    make: type[LongRecordings], options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(UserError) as refused:
        make(**options)
    assert sentence in str(refused.value)


def test_overlap_and_fusion_are_checked() -> None:
    with pytest.raises(UserError, match="overlap is 1"):
        WindowedSpeech(overlap=1.0)
    with pytest.raises(UserError, match="fusion takes an encoder of frames"):
        FusedSpeech(tower=HuggingFaceSpeech(folder="absent"))
