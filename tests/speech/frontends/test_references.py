"""Presets against the programs that their models were trained with."""

from __future__ import annotations

import kaldi_native_fbank
import librosa
import numpy as np
import pytest
import torch
from transformers import ClapFeatureExtractor, SpeechT5FeatureExtractor, WhisperFeatureExtractor

from crossmod_speech.frontends.settings import (
    ClapFusionLogMel,
    ClapLogMel,
    DistilCodecLogMel,
    KaldiFilterBank,
    LogMel,
    SpeechT5LogMel,
    WhisperLogMel,
)
from crossmod_speech.processors import WaveformProcessor


def kaldi(signal: np.ndarray, bins: int) -> np.ndarray:
    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.dither = 0.0
    options.frame_opts.samp_freq = 16000
    options.mel_opts.num_bins = bins
    bank = kaldi_native_fbank.OnlineFbank(options)
    bank.accept_waveform(16000, (signal * 32768).tolist())
    bank.input_finished()
    return np.stack([bank.get_frame(frame) for frame in range(bank.num_frames_ready)])


@pytest.mark.parametrize("bins", [23, 40, 80])
def test_filter_banks_are_kaldis(bins: int, noise, alone):
    signal = noise(48_001)
    found = alone(KaldiFilterBank(bins=bins, after="none"), signal)
    # Both compute in float32: a quiet bin of 16,000 may be 2e-4 apart, of which either is half away from float64.
    np.testing.assert_allclose(found, kaldi(signal, bins), rtol=0, atol=3e-4)
    assert np.abs(found - kaldi(signal, bins)).mean() < 1e-5


def test_filter_banks_of_a_constant_and_of_silence_are_kaldis(alone):
    for level in (0.0, 0.5):
        signal = np.full(1600, level, np.float32)
        found = alone(KaldiFilterBank(after="none"), signal)
        np.testing.assert_allclose(found, kaldi(signal, 80), rtol=1e-6)
        np.testing.assert_allclose(found, -15.942385, rtol=1e-6)


@pytest.mark.parametrize(
    "settings",
    [
        LogMel(),
        LogMel(mel="htk", area_normalised=False, bins=64, log="log10", power=1),
        SpeechT5LogMel(),
        ClapLogMel(),
        ClapFusionLogMel(),
    ],
    ids=["slaney", "htk", "speecht5", "clap", "clap-fusion"],
)
def test_features_are_librosas(settings: LogMel, noise, alone):
    signal = noise(48_001)
    energies = librosa.feature.melspectrogram(
        y=signal,
        sr=settings.sample_rate,
        n_fft=settings.n_fft,
        win_length=settings.window_length,
        hop_length=settings.hop_length,
        power=settings.power,
        n_mels=settings.bins,
        fmin=settings.lowest_hz,
        fmax=settings.top_hz,
        htk=settings.mel == "htk",
        norm="slaney" if settings.area_normalised else None,
        pad_mode="reflect",
    ).T
    if settings.log == "decibel":
        expected = librosa.power_to_db(energies, ref=1.0, amin=1e-10, top_db=None)
    else:
        expected = {"natural": np.log, "log10": np.log10}[settings.log](np.maximum(energies, 1e-10))
    np.testing.assert_allclose(alone(settings, signal), expected, rtol=0, atol=1e-4)


def test_the_codec_reads_reflected_edges_and_offset_magnitudes(noise, alone):
    """The published steps with librosa's bands, as torch.stft does them."""
    settings, signal = DistilCodecLogMel(), noise(256 * 90 + 77)
    padded = torch.from_numpy(np.pad(signal, 384, mode="reflect"))
    spectrum = torch.stft(
        padded, 1024, 256, 1024, torch.hann_window(1024), center=False, onesided=True, return_complex=True
    )
    magnitudes = (spectrum.real**2 + spectrum.imag**2 + 1e-6).sqrt()
    bands = torch.from_numpy(librosa.filters.mel(sr=24000, n_fft=1024, n_mels=128, fmin=0, fmax=12000))
    expected = (bands @ magnitudes).clamp_min(1e-5).log().T
    assert len(expected) == settings.frames(len(signal)) == 90
    np.testing.assert_allclose(alone(settings, signal), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("bins", [80, 128])
@pytest.mark.parametrize("samples", [160, 16_000, 48_001, 480_000, 500_000])
def test_whisper_reads_the_same(bins: int, samples: int, noise):
    signal = noise(samples)
    extractor = WhisperFeatureExtractor(feature_size=bins)
    expected = extractor(signal, sampling_rate=16000, return_tensors="np")["input_features"][0].T
    module = WhisperLogMel(bins=bins).build()
    waveform, length = torch.from_numpy(signal)[None], torch.tensor([samples])
    whole, own = module.whole(waveform, length), module(waveform, length)
    np.testing.assert_allclose(whole.values[0], expected, rtol=0, atol=1e-4)
    np.testing.assert_allclose(own.values[0], expected[: min(samples // 160, 3000)], rtol=0, atol=1e-4)
    assert whole.values.max() - whole.values.min() <= 2 + 1e-6


def test_speecht5_speaks_the_same(noise, alone):
    signal = noise(20_000)
    extractor = SpeechT5FeatureExtractor()
    expected = extractor(audio_target=signal, sampling_rate=16000, return_tensors="np")["input_values"][0]
    np.testing.assert_allclose(alone(SpeechT5LogMel(), signal), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("fused", [False, True])
def test_clap_reads_the_same(fused: bool, noise, alone):
    signal = noise(48_000)
    truncation = "fusion" if fused else "rand_trunc"
    extractor = ClapFeatureExtractor(max_length_s=1, frequency_min=50, truncation=truncation)
    expected = extractor(signal, sampling_rate=48000, return_tensors="np")["input_features"][0, 0]
    settings = ClapFusionLogMel() if fused else ClapLogMel()
    np.testing.assert_allclose(alone(settings, signal), expected, rtol=0, atol=1e-4)


def test_a_stereo_recording_is_the_mean_of_its_channels(write, noise):
    """Channels are averaged and then resampled; the other way round gives as many samples and frames."""
    settings = KaldiFilterBank(after="none")
    processor, module = WaveformProcessor(settings, 15.0), settings.build()
    left, right = noise(44_100), noise(44_100, seed=1)

    def features(signal: np.ndarray, name: str) -> torch.Tensor:
        path = write(signal, rate=44_100, name=name, subtype="FLOAT")
        inputs = processor.inputs([processor.process([str(path)])])
        return module(inputs.padded(), inputs.lengths).values[0]

    both = features(np.stack((left, right), axis=1), "stereo.wav")
    mean = features((left + right) / 2, "mean.wav")
    assert both.shape == mean.shape == features(left, "left.wav").shape
    torch.testing.assert_close(both, mean, rtol=0, atol=2e-2)
