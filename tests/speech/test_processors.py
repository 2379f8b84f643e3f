"""Recordings to waveforms: what is kept, cut, counted and refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from crossmod.errors import UserError
from crossmod_speech.frontends.settings import KaldiFilterBank, WhisperLogMel
from crossmod_speech.processors import WaveformProcessor
from crossmod_speech.sources import SpeechSource
from crossmod_speech.waveforms import WaveformInputs


def noise(samples: int, seed: int = 0, amplitude: float = 0.1) -> np.ndarray:
    return np.clip(np.random.default_rng(seed).normal(0, amplitude, samples), -1, 1)


def test_utterances_are_packed_in_order_and_taken_by_index(write, processor: WaveformProcessor):
    paths = [str(write(noise(1600 * (i + 1), i), name=f"{i}.wav")) for i in range(4)]
    inputs = processor(paths)
    assert inputs.lengths.tolist() == [1600, 3200, 4800, 6400] and inputs.samples.dtype == torch.int16
    taken = inputs.take(torch.tensor([2, 0, 2]))
    assert taken.lengths.tolist() == [4800, 1600, 4800]
    assert torch.equal(taken.samples[:4800], inputs.samples[4800:9600])
    assert torch.equal(taken.samples[:4800], taken.samples[6400:])
    assert len(inputs.take(torch.tensor([], dtype=torch.int64))) == 0


def test_padding_is_zero_and_amplitudes_are_kept(write, processor: WaveformProcessor):
    inputs = processor([str(write(noise(800 * (i + 1), i), name=f"{i}.wav")) for i in range(2)])
    padded = inputs.padded()
    assert padded.shape == (2, 1600) and (padded[0, 800:] == 0).all()
    assert torch.equal(padded[1], inputs.samples[800:].float() / 32768)


def test_parts_by_chunks_are_the_whole(write, processor: WaveformProcessor):
    paths = [str(write(noise(900 + i, i), name=f"{i}.wav")) for i in range(5)]
    whole = processor(paths)
    parts = processor.inputs([processor.process(paths[:2]), processor.process([]), processor.process(paths[2:])])
    assert torch.equal(whole.samples, parts.samples) and torch.equal(whole.offsets, parts.offsets)


def test_what_cannot_be_used_is_rejected_by_place_with_a_reason(write, processor: WaveformProcessor):
    good = str(write(noise(1600)))
    items = [good, "", "absent.wav", 7, str(write(noise(100), name="short.wav")), SpeechSource(good, 5.0), good]
    processed = processor.process(items)
    assert processed.accepted.tolist() == [0, 6] and [place for place, _ in processed.rejected] == [1, 2, 3, 4, 5]
    reasons = dict(processed.rejected)
    assert "empty text" in reasons[1] and "no such file" in reasons[2] and "int" in reasons[3]
    assert "6.2 ms are shorter than one frame" in reasons[4] and "outside" in reasons[5]


def test_cut_and_clipped_recordings_are_counted(write):
    processor = WaveformProcessor(KaldiFilterBank(), 0.1)
    items = [str(write(noise(3200), name="long.wav")), str(write(noise(1600, amplitude=5.0), name="loud.wav"))]
    processed = processor.process(items)
    assert processed.counts == {"recordings cut at 0.1 s": 1, "recordings that are clipped": 1}
    assert processor.inputs([processed]).lengths.tolist() == [1600, 1600]


def test_the_spec_holds_every_switch_and_another_is_refused(processor: WaveformProcessor):
    assert processor.require(processor.spec) is processor
    assert {"front_end", "sample_rate", "n_fft", "mel", "log", "longest_seconds"} <= set(processor.spec)
    with pytest.raises(UserError, match="bins"):
        replace(processor, front_end=KaldiFilterBank(bins=40)).require(processor.spec)
    with pytest.raises(UserError, match="trained on inputs with"):
        replace(processor, front_end=WhisperLogMel()).require(processor.spec)


def test_inputs_move_between_devices(write, processor: WaveformProcessor):
    inputs = processor([str(write(noise(1600)))])
    moved = inputs.to("cpu")
    assert isinstance(moved, WaveformInputs) and torch.equal(moved.samples, inputs.samples)
