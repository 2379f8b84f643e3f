"""Mel scales and bands, against librosa's and Kaldi's."""

from __future__ import annotations

import librosa
import numpy as np
import pytest

from crossmod.errors import UserError
from crossmod_speech.frontends.bands import band_edges_hz, band_weights, hertz_of, mel_of
from crossmod_speech.frontends.settings import (
    ClapFusionLogMel,
    ClapLogMel,
    DistilCodecLogMel,
    KaldiFilterBank,
    LogMel,
    SpeechT5LogMel,
    WhisperLogMel,
)

HERTZ = np.array([0.0, 20.0, 999.9, 1000.0, 1000.1, 4000.0, 24000.0])


@pytest.mark.parametrize("scale", ["htk", "slaney"])
def test_mel_scales_are_librosas_and_come_back(scale):
    mel = mel_of(HERTZ, scale)
    np.testing.assert_allclose(mel, librosa.hz_to_mel(HERTZ, htk=scale == "htk"), rtol=1e-12)
    np.testing.assert_allclose(hertz_of(mel, scale), HERTZ, rtol=1e-12, atol=1e-10)


def test_a_kilohertz_is_fifteen_mels_of_slaney_and_a_thousand_of_htk():
    assert mel_of(np.array([1000.0]), "slaney") == pytest.approx(15)
    assert mel_of(np.array([1000.0]), "htk") == pytest.approx(1000, abs=0.02)


@pytest.mark.parametrize(
    "settings",
    [
        LogMel(),
        WhisperLogMel(),
        WhisperLogMel(bins=128),
        SpeechT5LogMel(),
        DistilCodecLogMel(),
        ClapLogMel(),
        ClapFusionLogMel(),
    ],
    ids=lambda one: type(one).__name__,
)
def test_bands_are_librosas(settings: LogMel):
    expected = librosa.filters.mel(
        sr=settings.sample_rate,
        n_fft=settings.n_fft,
        n_mels=settings.bins,
        fmin=settings.lowest_hz,
        fmax=settings.top_hz,
        htk=settings.mel == "htk",
        norm="slaney" if settings.area_normalised else None,
        dtype=np.float64,
    )
    np.testing.assert_allclose(band_weights(settings), expected, rtol=1e-9, atol=1e-12)


def test_kaldis_triangles_are_straight_over_mel_and_neighbours_sum_to_one():
    settings = KaldiFilterBank()
    weights, edges = band_weights(settings), mel_of(band_edges_hz(settings), "htk")
    lines = mel_of(np.arange(257) * 16000 / 512, "htk")
    np.testing.assert_allclose(weights[7], np.interp(lines, edges[7:10], [0, 1, 0], left=0, right=0), atol=1e-12)
    inside = (lines >= edges[1]) & (lines <= edges[-2])
    np.testing.assert_allclose(weights.sum(0)[inside], 1, rtol=1e-12)


def test_areas_are_one():
    settings = LogMel(n_fft=16384, window_length=400, bins=10)
    line_hz = settings.sample_rate / settings.n_fft
    np.testing.assert_allclose(band_weights(settings).sum(1) * line_hz, 1, rtol=1e-3)


def test_a_band_without_a_line_is_refused():
    with pytest.raises(UserError, match=r"\d+ of 128 bands hold no line .* take fewer bins or a greater n_fft"):
        LogMel(bins=128, mel="htk").build()
