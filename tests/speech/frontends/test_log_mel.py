"""Log-mel modules: the acceptance checks of the front ends, minibatches, and hostile input."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from crossmod_speech.frontends import spectra
from crossmod_speech.frontends.bands import band_edges_hz
from crossmod_speech.frontends.log_mel import LogMelModule
from crossmod_speech.frontends.settings import (
    ClapFusionLogMel,
    ClapLogMel,
    DistilCodecLogMel,
    KaldiFilterBank,
    LogMel,
    SpeechT5LogMel,
    WhisperLogMel,
)

PRESETS = [
    LogMel(),
    LogMel(power=1, log="decibel", framing="padded", drop_last=True, n_fft=514, window_length=400, hop_length=100),
    KaldiFilterBank(),
    WhisperLogMel(),
    SpeechT5LogMel(),
    DistilCodecLogMel(),
    ClapLogMel(),
    ClapFusionLogMel(),
]
every_preset = pytest.mark.parametrize("settings", PRESETS, ids=lambda one: type(one).__name__)


def bare(settings: LogMel) -> LogMel:
    """The same without what follows the logarithm, and without silence behind."""
    return replace(settings, after="none", whole_seconds=0.0)


def tone(settings: LogMel, hertz: float, amplitude: float) -> np.ndarray:
    time = np.arange(settings.sample_rate) / settings.sample_rate
    return (amplitude * np.sin(2 * np.pi * hertz * time)).astype(np.float32)


@every_preset
def test_values_are_those_of_the_slow_transcription(settings: LogMel, noise, alone, slowly):
    signal = noise(30_011)
    np.testing.assert_allclose(alone(bare(settings), signal), slowly(bare(settings), signal), rtol=0, atol=1e-4)


@every_preset
def test_a_tone_is_loudest_in_the_band_around_it(settings: LogMel, alone):
    features = alone(bare(settings), tone(settings, 1000.0, 0.05))
    middles = band_edges_hz(settings)[1:-1]
    assert set(features[5:-5].argmax(1)) == {np.abs(middles - 1000).argmin()}


@every_preset
def test_ten_times_the_amplitude_shifts_values_by_its_logarithm(settings: LogMel, alone):
    quiet, loud = (alone(bare(settings), tone(settings, 1000.0, amplitude)) for amplitude in (0.05, 0.5))
    band = int(loud[10].argmax())
    shift = {("natural", 1): 2.3026, ("natural", 2): 4.6052, ("log10", 1): 1.0, ("log10", 2): 2.0}
    expected = shift.get((settings.log, settings.power), 20.0)
    np.testing.assert_allclose((loud - quiet)[5:-5, band], expected, rtol=1e-3)


@every_preset
def test_decay_to_silence_stays_finite_at_the_floor(settings: LogMel, alone):
    logs = alone(bare(settings), np.zeros(16_000, np.float32))
    assert np.isfinite(logs).all()
    if not settings.magnitude_offset:
        lowest = {"natural": np.log, "log10": np.log10}.get(settings.log, lambda x: 20 / settings.power * np.log10(x))
        np.testing.assert_allclose(logs, lowest(settings.floor), rtol=1e-6)
    assert np.isfinite(alone(settings, np.zeros(16_000, np.float32))).all()


@pytest.mark.parametrize("together", [False, True])
@every_preset
def test_utterances_of_a_minibatch_are_as_if_alone(settings: LogMel, together: bool, noise, alone):
    lengths = [24_001, 9_000, 1_030, 399, 200, 1, 0]
    padded = torch.full((len(lengths), 25_000), torch.nan)
    for row, length in enumerate(lengths):
        padded[row, :length] = torch.from_numpy(noise(length, seed=row))
    features = LogMelModule(settings, together=together)(padded, torch.tensor(lengths))
    assert features.values.shape == (7, settings.frames(25_000), settings.bins)
    assert features.values.isfinite().all()
    assert features.mask.sum(1).tolist() == [settings.frames(length) for length in lengths]
    assert not features.values[~features.mask].any()
    for row, length in enumerate(lengths):
        own = features.values[row][features.mask[row]]
        np.testing.assert_allclose(own, alone(settings, noise(length, seed=row)), rtol=0, atol=1e-4)


@pytest.mark.parametrize("together", [False, True])
def test_minibatches_of_none_and_of_nothing_have_the_right_shape(together: bool):
    for settings in (WhisperLogMel(), KaldiFilterBank(), SpeechT5LogMel()):
        module = LogMelModule(settings, together=together)
        for samples in (0, 16_000):
            features = module(torch.zeros(0, samples), torch.zeros(0, dtype=torch.int64))
            assert features.values.shape == (0, settings.frames(samples), 80)
        assert module(torch.zeros(3, 0), torch.zeros(3, dtype=torch.int64)).values.shape == (3, 0, 80)


@pytest.mark.parametrize("together", [False, True])
def test_the_whole_has_silence_behind_and_the_same_frames_before(together: bool, noise):
    module = LogMelModule(WhisperLogMel(whole_seconds=2.0), together=together)
    padded = torch.from_numpy(np.stack([noise(40_000, seed=row) for row in range(4)]))
    lengths = torch.tensor([40_000, 16_000, 81, 0])
    whole, own = module.whole(padded, lengths), module(padded, lengths)
    assert whole.values.shape == (4, 200, 80)
    assert whole.mask.sum(1).tolist() == [200, 100, 0, 0]
    assert own.mask.sum(1).tolist() == [200, 100, 0, 0]
    torch.testing.assert_close(whole.values[whole.mask], own.values[own.mask], rtol=0, atol=1e-6)
    silence = whole.values[1, :100].amax() - 2
    torch.testing.assert_close(whole.values[1, 102:], silence.expand(98, 80))
    assert whole.values[2, 0].max() > whole.values[2, 5].max(), "81 samples are in no frame of their own, and heard"
    torch.testing.assert_close(whole.values[3], torch.full((200, 80), -1.5))


def test_the_whole_of_settings_without_one_is_refused():
    with pytest.raises(ValueError, match="whole_seconds is 0"):
        LogMel().build().whole(torch.zeros(1, 400), torch.tensor([400]))


@pytest.mark.parametrize(
    ("shape", "lengths", "sentence"),
    [
        ((1, 400), [401], "a length is 401, but the waveforms have 400 samples"),
        ((1, 400), [-1], "a length is -1"),
        ((2, 400), [400], "shape .2, 400. and 1 lengths"),
    ],
)
def test_impossible_lengths_are_refused(shape: tuple[int, int], lengths: list[int], sentence: str):
    with pytest.raises(ValueError, match=sentence):
        LogMel().build()(torch.zeros(shape), torch.tensor(lengths))


def test_memory_layout_and_number_type_of_the_waveform_do_not_matter(noise):
    module = SpeechT5LogMel().build()
    samples = torch.from_numpy(np.stack([noise(8_000), noise(8_000, seed=1)])).bfloat16().float()
    lengths = torch.tensor([8_000, 5_000])
    expected = module(samples, lengths).values
    scattered = samples.t().contiguous().t()
    for same in (scattered, samples.double(), samples.bfloat16(), samples.clone().requires_grad_()):
        found = module(same, lengths).values
        assert found.dtype == torch.float32
        assert not found.requires_grad
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def test_half_precision_around_it_does_not_reach_it(noise):
    module = KaldiFilterBank().build()
    samples, lengths = torch.from_numpy(noise(8_000))[None], torch.tensor([8_000])
    expected = module(samples, lengths).values
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert module(samples, lengths).values.equal(expected)
    assert module.half()(samples, lengths).values.equal(expected)


def test_it_has_no_state_and_can_be_copied_and_sent(noise):
    module = KaldiFilterBank().build()
    assert not module.state_dict()
    assert not list(module.parameters())
    samples, lengths = torch.from_numpy(noise(8_000))[None], torch.tensor([8_000])
    expected = module(samples, lengths).values
    for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert other(samples, lengths).values.equal(expected)


def test_calls_do_not_change_what_earlier_ones_gave(noise):
    module = KaldiFilterBank().build()
    first, lengths = torch.from_numpy(noise(8_000))[None], torch.tensor([8_000])
    values = module(first, lengths).values
    kept = values.clone()
    module(torch.from_numpy(noise(8_000, seed=1))[None], lengths)
    assert values.equal(kept)


def test_a_long_recording_is_the_same_in_blocks_of_any_size(monkeypatch, noise):
    samples, lengths = torch.from_numpy(noise(160_000))[None], torch.tensor([160_000])
    expected = KaldiFilterBank().build()(samples, lengths).values
    for size in (1, 512 * 7, 1 << 23):
        monkeypatch.setitem(spectra.BLOCK_SAMPLES, "cpu", size)
        torch.testing.assert_close(KaldiFilterBank().build()(samples, lengths).values, expected, rtol=0, atol=1e-4)


@examples(max_examples=40, deadline=None)
@given(draw=st.data())
def test_any_windows_and_lengths_give_the_same_alone_and_together(draw: st.DataObject):
    window = draw.draw(st.integers(8, 96), label="window")
    hop = window - 2 * draw.draw(st.integers(0, (window - 1) // 2), label="overlap")
    settings = LogMel(
        n_fft=128,
        window_length=window,
        hop_length=hop,
        framing=draw.draw(st.sampled_from(["snip_edges", "centred", "padded"])),
        drop_last=draw.draw(st.booleans()),
        whole_seconds=draw.draw(st.sampled_from([0.0, 0.05])),
        bins=4,
        pre_emphasis=draw.draw(st.sampled_from([0.0, 0.97])),
        remove_offset=draw.draw(st.booleans()),
        after=draw.draw(st.sampled_from(["none", "utterance", "whisper"])),
    )
    lengths = torch.tensor(draw.draw(st.lists(st.integers(0, 1000), max_size=4), label="lengths"), dtype=torch.int64)
    samples = torch.randn(len(lengths), 1000, generator=torch.Generator().manual_seed(0))
    samples[torch.arange(1000) >= lengths[:, None]] = torch.inf
    alone, together = (LogMelModule(settings, together=one)(samples, lengths) for one in (False, True))
    assert alone.mask.sum(1).tolist() == [settings.frames(length) for length in lengths.tolist()]
    torch.testing.assert_close(alone.values, together.values, rtol=0, atol=1e-3)
    assert alone.values.isfinite().all()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
@every_preset
def test_an_accelerator_gives_the_same(settings: LogMel, noise):
    padded = torch.from_numpy(np.stack([noise(24_000, seed=row) for row in range(3)]))
    lengths = torch.tensor([24_000, 9_000, 300])
    module = settings.build()
    expected, found = module(padded, lengths), module(padded.cuda(), lengths.cuda())
    torch.testing.assert_close(found.values.cpu(), expected.values, rtol=0, atol=1e-4)
    assert found.mask.cpu().equal(expected.mask)
