"""Log-mel features and filter banks of utterances, against the programs that others compute them with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from benchmarks.measure import Result, interleaved, missing
from crossmod_speech.frontends.settings import FLOAT32_EPSILON, KaldiFilterBank, LogMel

RATE, SECONDS, CLIPS = 16000, 10, 32
SETTINGS = LogMel(sample_rate=RATE)

LARGEST_DIFFERENCE = 1e-2
"""Of natural logarithms of the same energies in float32; times of different features would say nothing."""

Features = Callable[[], list[np.ndarray[Any, Any]]]


def clips() -> np.ndarray[Any, Any]:
    """Noise that swells and fades."""
    draw = np.random.default_rng(0)
    swelling = 0.1 + 0.05 * np.sin(np.arange(RATE * SECONDS) / 997)
    return (swelling * draw.standard_normal((CLIPS, RATE * SECONDS))).astype(np.float32)


def ours(settings: LogMel, waveforms: np.ndarray[Any, Any]) -> Features:
    """This package's features, clip by clip."""
    module = settings.build()
    samples, length = torch.from_numpy(waveforms), torch.tensor([waveforms.shape[1]])
    return lambda: [module(clip[None], length).values[0].numpy() for clip in samples]


def librosas(waveforms: np.ndarray[Any, Any]) -> Features:
    """The same by librosa."""
    import librosa

    def energies(clip: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        found: np.ndarray[Any, Any] = librosa.feature.melspectrogram(
            y=clip,
            sr=RATE,
            n_fft=SETTINGS.n_fft,
            win_length=SETTINGS.window_length,
            hop_length=SETTINGS.hop_length,
            n_mels=SETTINGS.bins,
            pad_mode="reflect",
        )
        return found

    return lambda: [np.log(np.maximum(energies(clip), SETTINGS.floor)).T for clip in waveforms]


def torchaudios(waveforms: np.ndarray[Any, Any]) -> Features | None:
    """The same by torchaudio, clip by clip, which is its faster way; None where it is not installed."""
    try:
        from torchaudio.transforms import MelSpectrogram
    except (ImportError, OSError):
        return None
    transform = MelSpectrogram(
        RATE,
        n_fft=SETTINGS.n_fft,
        win_length=SETTINGS.window_length,
        hop_length=SETTINGS.hop_length,
        n_mels=SETTINGS.bins,
        norm="slaney",
        mel_scale="slaney",
    )
    samples = torch.from_numpy(waveforms)
    return lambda: [transform(clip).clamp_min(SETTINGS.floor).log().T.numpy() for clip in samples]


def kaldis(waveforms: np.ndarray[Any, Any]) -> Features:
    """Filter banks by kaldi-native-fbank."""
    import kaldi_native_fbank

    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.samp_freq = RATE
    options.frame_opts.dither = 0.0
    options.mel_opts.num_bins = 80

    def features(clip: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        bank = kaldi_native_fbank.OnlineFbank(options)
        bank.accept_waveform(RATE, clip * 32768)
        bank.input_finished()
        found = np.stack([bank.get_frame(frame) for frame in range(bank.num_frames_ready)])
        return np.maximum(found, np.log(FLOAT32_EPSILON))

    return lambda: [features(clip) for clip in waveforms]


def logmel(rounds: int) -> list[Result]:
    """Clips of 10 s a processor second, one thread, against librosa, torchaudio and kaldi-native-fbank."""
    torch.set_num_threads(1)
    waveforms = clips()
    mel, bank = ours(SETTINGS, waveforms), ours(KaldiFilterBank(after="none"), waveforms)
    cases: dict[str, tuple[str, Features, Features | None, float]] = {
        "librosa": ("log-mel", mel, librosas(waveforms), 4.0),
        "torchaudio": ("log-mel", mel, torchaudios(waveforms), 1.7),
        "kaldi-native-fbank": ("Kaldi filter banks", bank, kaldis(waveforms), 4.0),
    }
    peers = {name: peer for name, (_, _, peer, _) in cases.items() if peer is not None}
    differences = {name: _difference(cases[name][1](), peer()) for name, peer in peers.items()}
    seconds = interleaved({"log-mel": mel, "Kaldi filter banks": bank, **peers}, rounds)
    results = []
    for name, (kind, _, peer, goal) in cases.items():
        if peer is None:
            results.append(missing(f"{kind} of 10 s, clips/s", name, f">= {goal}x"))
            continue
        ratio = seconds[name] / seconds[kind]
        results.append(
            Result(
                f"{kind} of 10 s, clips/s ({name}, equal within {differences[name]:.1g})",
                f"{CLIPS / seconds[kind]:.0f}",
                f"{CLIPS / seconds[name]:.0f}",
                f"{ratio:.1f}x",
                f">= {goal}x",
                ratio >= goal,
            )
        )
    return results


def _difference(found: list[np.ndarray[Any, Any]], expected: list[np.ndarray[Any, Any]]) -> float:
    """The largest difference of any value; none may be large."""
    largest = max(float(np.abs(a - b).max()) for a, b in zip(found, expected, strict=True))
    if largest > LARGEST_DIFFERENCE:
        raise AssertionError(f"the features differ by {largest:g}, so that their times say nothing")
    return largest
