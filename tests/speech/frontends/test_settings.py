"""Front-end settings: frame counts by rule, and what cannot be is said."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from crossmod.errors import UserError
from crossmod_speech.frontends.settings import (
    ClapFusionLogMel,
    ClapLogMel,
    DistilCodecLogMel,
    KaldiFilterBank,
    LogMel,
    RawWaveform,
    SpeechT5LogMel,
    WhisperLogMel,
)

PRESETS = [
    LogMel(),
    KaldiFilterBank(),
    WhisperLogMel(),
    SpeechT5LogMel(),
    DistilCodecLogMel(),
    ClapLogMel(),
    ClapFusionLogMel(),
    RawWaveform(),
]


@pytest.mark.parametrize("settings", PRESETS, ids=lambda one: type(one).__name__)
def test_frames_are_as_many_as_are_computed(settings):
    window = getattr(settings, "window_length", 400)
    for samples in (0, 1, window - 1, window, window + 1, 16000, 48001):
        features = settings.build()(torch.zeros(1, samples), torch.tensor([samples]))
        assert features.values.shape == (1, settings.frames(samples), settings.bins), samples
        assert features.mask.shape == features.values.shape[:2]
        assert features.mask.all()


@pytest.mark.parametrize(
    ("settings", "counts"),
    [
        (KaldiFilterBank(), {0: 0, 399: 0, 400: 1, 559: 1, 560: 2, 16000: 98}),
        (WhisperLogMel(), {0: 0, 159: 0, 160: 1, 16000: 100, 480_000: 3000, 960_000: 3000}),
        (SpeechT5LogMel(), {0: 0, 1: 1, 255: 1, 256: 2, 16000: 63}),
        (DistilCodecLogMel(), {0: 0, 255: 0, 256: 1, 24000: 93, 256 * 93: 93}),
        (ClapLogMel(), {1: 1, 480_000: 1001}),
        (RawWaveform(), {0: 0, 7: 7}),
    ],
)
def test_frame_rules_are_those_of_the_models(settings, counts: dict[int, int]):
    assert {samples: settings.frames(samples) for samples in counts} == counts


def test_the_time_of_a_frame_is_the_hop():
    assert KaldiFilterBank().seconds_per_frame == pytest.approx(0.01)
    assert DistilCodecLogMel().seconds_per_frame == pytest.approx(256 / 24000)
    assert RawWaveform(sample_rate=8000).seconds_per_frame == pytest.approx(1 / 8000)


def test_the_whole_of_whisper_is_thirty_seconds_of_three_thousand_frames():
    settings = WhisperLogMel()
    assert (settings.whole_samples, settings.whole_frames) == (480_000, 3000)
    assert LogMel().whole_frames == 0


@pytest.mark.parametrize("settings", PRESETS, ids=lambda one: type(one).__name__)
def test_the_spec_is_json_and_tells_presets_apart(settings):
    assert json.loads(json.dumps(settings.spec))["front_end"] == type(settings).__name__
    assert sum(json.dumps(other.spec) == json.dumps(settings.spec) for other in PRESETS) == 1


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"sample_rate": 100}, "sample_rate is 100; take 4000"),
        ({"hop_length": 0}, "hop_length is 0"),
        ({"window_length": 600}, "window_length 600 and n_fft 512"),
        ({"n_fft": 511}, "an even n_fft"),
        ({"hop_length": 161, "framing": "padded"}, "take an even difference"),
        ({"whole_seconds": -1.0}, "whole_seconds is -1.0"),
        ({"whole_seconds": 0.01, "framing": "snip_edges"}, "shorter than one frame"),
        ({"lowest_hz": 4000.0, "highest_hz": 3000.0}, "from 4000 to 3000 Hz"),
        ({"highest_hz": 8001.0}, "half the sample rate"),
        ({"bins": 0}, "bins is 0"),
        ({"bins": 300}, "take 1 to 256"),
        ({"floor": 0.0}, "floor 0.0; both are above 0"),
        ({"amplitude_scale": float("nan")}, "amplitude_scale is nan"),
        ({"pre_emphasis": 1.5}, "pre_emphasis is 1.5"),
        ({"magnitude_offset": -1.0}, "magnitude_offset -1.0"),
        ({"mean": (0.0,) * 80}, "after is 'none'; take 'global'"),
        ({"after": "global"}, "0 means and 0 deviations"),
        ({"after": "global", "mean": (0.0,) * 80, "std": (1.0,) * 79 + (0.0,)}, "deviations above 0"),
        ({"after": "global", "mean": (float("nan"),) * 80, "std": (1.0,) * 80}, "not finite"),
    ],
)
def test_switches_that_cannot_be_are_refused(changes: dict[str, object], sentence: str):
    with pytest.raises(UserError, match=sentence):
        replace(LogMel(), **changes)


def test_settings_need_no_torch():
    code = "import sys, crossmod_speech.frontends.settings; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
