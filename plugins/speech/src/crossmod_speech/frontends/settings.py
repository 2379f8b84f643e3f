"""Settings of the front ends (torch-free): every switch by which two "80-bin log-mel" differ, and the named presets."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from crossmod.errors import UserError
from crossmod_speech.frontends.contract import FrontEnd

if TYPE_CHECKING:
    from crossmod_speech.frontends.log_mel import LogMelModule
    from crossmod_speech.frontends.waveform import RawWaveformModule

FLOAT32_EPSILON = 1.1920928955078125e-07
"""Kaldi's floor under the logarithm."""


@dataclass(frozen=True, kw_only=True)
class LogMel(FrontEnd):
    """Logarithms of the energy in bands that are even on a mel scale; the presets below set every switch.

    Args:
        n_fft: Samples of a Fourier transform; even. A shorter window is followed by zeros.
        window_length: Samples of a frame.
        hop_length: Samples from one frame to the next.
        window: "hann" is the periodic one of librosa and torch; "povey" Kaldi's, a symmetric one to the power of 0.85.
        framing: Which frames there are. "snip_edges": those that lie within the utterance, Kaldi's rule. "centred":
            frame t has its middle at sample t * hop_length, the signal reflected at its ends, librosa's rule. "padded":
            the signal reflected by (window_length - hop_length) / 2 at both ends, the rule of many vocoders.
        drop_last: Leave out the last frame (Whisper).
        whole_seconds: Utterances count as followed by silence up to this length, and are cut there (30 in Whisper); 0
            ends them where they end. Frames are still those of the utterance itself; `LogMelModule.whole` gives all.
        bins: Bands.
        lowest_hz: Where the first band begins.
        highest_hz: Where the last band ends; 0 is half the sample rate.
        mel: "htk" is 2595 log10(1 + f / 700), "slaney" linear below 1 kHz and logarithmic above.
        triangles: Whether bands rise and fall linearly in "hertz" (librosa, torchaudio) or in "mel" (Kaldi).
        area_normalised: Scale every band to the same area instead of the same height (librosa's norm "slaney").
        amplitude_scale: Amplitudes of -1 to 1 are multiplied by it; 32768 for models that learned from 16-bit integers.
        pre_emphasis: Share of the sample before that is subtracted from each sample, frame by frame (0.97 in Kaldi).
        remove_offset: Subtract the mean of every frame.
        power: 1 sums magnitudes over a band, 2 their squares.
        magnitude_offset: Added to the squares before their root, or to the squares themselves where power is 2.
        log: "natural", "log10", or "decibel": 10 log10 of energies, 20 log10 of magnitudes.
        floor: Smallest value that a logarithm is taken of.
        after: What is done with the logarithms. "utterance": mean 0 and deviation 1 of every bin over the utterance.
            "whisper": at most 8 below the utterance's greatest, then (x + 4) / 4. "global": minus `mean`, over `std`.
        mean: Means of the bins over the training data, where `after` is "global".
        std: Their standard deviations.
    """

    n_fft: int = 512
    window_length: int = 400
    hop_length: int = 160
    window: Literal["hann", "povey"] = "hann"
    framing: Literal["snip_edges", "centred", "padded"] = "centred"
    drop_last: bool = False
    whole_seconds: float = 0.0
    bins: int = 80
    lowest_hz: float = 0.0
    highest_hz: float = 0.0
    mel: Literal["htk", "slaney"] = "slaney"
    triangles: Literal["hertz", "mel"] = "hertz"
    area_normalised: bool = True
    amplitude_scale: float = 1.0
    pre_emphasis: float = 0.0
    remove_offset: bool = False
    power: Literal[1, 2] = 2
    magnitude_offset: float = 0.0
    log: Literal["natural", "log10", "decibel"] = "natural"
    floor: float = 1e-10
    after: Literal["none", "utterance", "whisper", "global"] = "none"
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        self._require_frames()
        self._require_bands()
        self._require_values()

    def _require_frames(self) -> None:
        _require_rate(self.sample_rate)
        if not 1 <= self.hop_length <= self.window_length <= self.n_fft or self.n_fft % 2:
            raise UserError(
                f"hop_length is {self.hop_length}, window_length {self.window_length} and n_fft {self.n_fft}; take "
                "1 <= hop_length <= window_length <= n_fft, and an even n_fft."
            )
        if self.framing == "padded" and (self.window_length - self.hop_length) % 2:
            raise UserError(
                f"window_length - hop_length is {self.window_length - self.hop_length}; framing 'padded' adds half of "
                "it at both ends, so take an even difference."
            )
        if self.whole_seconds < 0 or not math.isfinite(self.whole_seconds):
            raise UserError(f"whole_seconds is {self.whole_seconds}; take a length, or 0 for utterances as they are.")
        if self.whole_seconds and self._frames_of(self.whole_samples) < 1:
            raise UserError(f"whole_seconds is {self.whole_seconds:g}, which is shorter than one frame.")

    def _require_bands(self) -> None:
        if not 0 <= self.lowest_hz < self.top_hz <= self.sample_rate / 2:
            raise UserError(
                f"the bands go from {self.lowest_hz:g} to {self.top_hz:g} Hz; take rising bounds within 0 to "
                f"{self.sample_rate / 2:g} Hz, half the sample rate."
            )
        if not 1 <= self.bins <= self.n_fft // 2:
            raise UserError(f"bins is {self.bins}; take 1 to {self.n_fft // 2}, half of n_fft.")

    def _require_values(self) -> None:
        if not (0 < self.amplitude_scale < math.inf and 0 < self.floor < math.inf):
            raise UserError(f"amplitude_scale is {self.amplitude_scale} and floor {self.floor}; both are above 0.")
        if not (0 <= self.pre_emphasis <= 1 and 0 <= self.magnitude_offset < math.inf):
            raise UserError(
                f"pre_emphasis is {self.pre_emphasis} and magnitude_offset {self.magnitude_offset}; take 0 to 1, and "
                "0 or more."
            )
        if self.after != "global" and (self.mean or self.std):
            raise UserError(f"mean and std are given, but after is {self.after!r}; take 'global', or leave them out.")
        if self.after == "global" and not (len(self.mean) == len(self.std) == self.bins and min(self.std) > 0):
            raise UserError(
                f"after is 'global' with {len(self.mean)} means and {len(self.std)} deviations; take one of each for "
                f"all {self.bins} bins, deviations above 0."
            )
        if not all(math.isfinite(value) for value in (*self.mean, *self.std)):
            raise UserError("mean or std holds a value that is not finite; compute them from the training data again.")

    @property
    def top_hz(self) -> float:
        """Where the last band ends."""
        return self.highest_hz or self.sample_rate / 2

    @property
    def whole_samples(self) -> int:
        """Samples that utterances are brought to by silence; 0 leaves them as they are."""
        return round(self.whole_seconds * self.sample_rate)

    @property
    def whole_frames(self) -> int:
        """Frames of the whole length; 0 where utterances end where they end."""
        return self._frames_of(self.whole_samples)

    @property
    def seconds_per_frame(self) -> float:
        """The hop."""
        return self.hop_length / self.sample_rate

    def frames(self, samples: int) -> int:
        """Frames of the utterance itself, by the rule of `framing`; none of no samples."""
        return self._frames_of(min(samples, self.whole_samples) if self.whole_seconds else samples)

    def _frames_of(self, samples: int) -> int:
        if samples < 1:
            return 0
        if self.framing == "snip_edges":
            frames = 1 + (samples - self.window_length) // self.hop_length if samples >= self.window_length else 0
        elif self.framing == "centred":
            frames = 1 + samples // self.hop_length
        else:
            frames = samples // self.hop_length
        return max(frames - self.drop_last, 0)

    def build(self) -> LogMelModule:
        """Make the module, whose window and bands follow from the settings."""
        from crossmod_speech.frontends.log_mel import LogMelModule

        return LogMelModule(self)


@dataclass(frozen=True, kw_only=True)
class KaldiFilterBank(LogMel):
    """Kaldi's filter banks without dither, as torchaudio.compliance.kaldi.fbank of 16-bit amplitudes gives them.

    Every utterance is normalised (Kaldi's recipes do it after the filter bank); `after="none"` gives the bare ones.
    """

    n_fft: int = 512
    window_length: int = 400
    hop_length: int = 160
    window: Literal["hann", "povey"] = "povey"
    framing: Literal["snip_edges", "centred", "padded"] = "snip_edges"
    lowest_hz: float = 20.0
    mel: Literal["htk", "slaney"] = "htk"
    triangles: Literal["hertz", "mel"] = "mel"
    area_normalised: bool = False
    amplitude_scale: float = 32768.0
    pre_emphasis: float = 0.97
    remove_offset: bool = True
    floor: float = FLOAT32_EPSILON
    after: Literal["none", "utterance", "whisper", "global"] = "utterance"


@dataclass(frozen=True, kw_only=True)
class WhisperLogMel(LogMel):
    """What Whisper reads (arXiv:2212.04356): 80 bins, or 128 in its third version, of 30 seconds.

    Every number as OpenAI's code has it; the agreement with transformers' WhisperFeatureExtractor is tested.
    """

    n_fft: int = 400
    drop_last: bool = True
    whole_seconds: float = 30.0
    log: Literal["natural", "log10", "decibel"] = "log10"
    after: Literal["none", "utterance", "whisper", "global"] = "whisper"


@dataclass(frozen=True, kw_only=True)
class SpeechT5LogMel(LogMel):
    """The spectrogram that SpeechT5's decoder speaks (arXiv:2110.07205): log10 magnitudes, 80 to 7600 Hz."""

    n_fft: int = 1024
    window_length: int = 1024
    hop_length: int = 256
    lowest_hz: float = 80.0
    highest_hz: float = 7600.0
    power: Literal[1, 2] = 1
    log: Literal["natural", "log10", "decibel"] = "log10"


@dataclass(frozen=True, kw_only=True)
class DistilCodecLogMel(LogMel):
    """What DistilCodec reads (arXiv:2505.17426): 128 bins of natural logarithms of magnitudes at 24 kHz."""

    sample_rate: int = 24000
    n_fft: int = 1024
    window_length: int = 1024
    hop_length: int = 256
    framing: Literal["snip_edges", "centred", "padded"] = "padded"
    bins: int = 128
    highest_hz: float = 12000.0
    power: Literal[1, 2] = 1
    magnitude_offset: float = 1e-6
    floor: float = 1e-5


@dataclass(frozen=True, kw_only=True)
class ClapLogMel(LogMel):
    """What LAION's CLAP reads without fusion (arXiv:2211.06687): 64 bins in decibels at 48 kHz, Slaney's bands."""

    sample_rate: int = 48000
    n_fft: int = 1024
    window_length: int = 1024
    hop_length: int = 480
    bins: int = 64
    lowest_hz: float = 50.0
    highest_hz: float = 14000.0
    log: Literal["natural", "log10", "decibel"] = "decibel"


@dataclass(frozen=True, kw_only=True)
class ClapFusionLogMel(ClapLogMel):
    """What LAION's CLAP reads with fusion of long recordings: the same but for HTK's bands, all of one height."""

    mel: Literal["htk", "slaney"] = "htk"
    area_normalised: bool = False


@dataclass(frozen=True, kw_only=True)
class RawWaveform(FrontEnd):
    """The waveform itself, a frame of one number a sample, for encoders that learn their own filters.

    Args:
        normalised: Bring every utterance to mean 0 and deviation 1, as wav2vec2 and HuBERT checkpoints with layer
            normalisation in their feature encoder were trained.
    """

    normalised: bool = False

    def __post_init__(self) -> None:
        _require_rate(self.sample_rate)

    @property
    def bins(self) -> int:
        """One: the amplitude."""
        return 1

    @property
    def seconds_per_frame(self) -> float:
        """From one sample to the next."""
        return 1 / self.sample_rate

    def frames(self, samples: int) -> int:
        """As many as samples."""
        return max(samples, 0)

    def build(self) -> RawWaveformModule:
        """Make the module."""
        from crossmod_speech.frontends.waveform import RawWaveformModule

        return RawWaveformModule(self)


def _require_rate(sample_rate: int) -> None:
    if not 4000 <= sample_rate <= 384_000:
        raise UserError(f"sample_rate is {sample_rate}; take 4000 to 384000 samples a second.")
