"""Settings of SpeechT5's two towers (torch-free): what a user types after `--towers.speech` and `--towers.text`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from crossmod.errors import UserError
from crossmod.recipe import TowerSettings
from crossmod_speech.frontends.contract import FrontEnd
from crossmod_speech.frontends.settings import KaldiFilterBank, RawWaveform, SpeechT5LogMel
from crossmod_speech.speecht5.stack import KERNELS, STRIDES, StackShape
from crossmod_speech.speecht5.target_settings import CepstralClusters, ClusterTargets

if TYPE_CHECKING:
    from crossmod.contracts.tower import Tower
    from crossmod.text.byte_pair import BytePairProcessor
    from crossmod_speech.processors import WaveformProcessor
    from crossmod_speech.speecht5.processor import SpeechT5Processor


@dataclass(frozen=True, kw_only=True)
class SpeechT5(TowerSettings):
    """SpeechT5's shared encoder-decoder with the pre- and post-nets of speech, from scratch (arXiv:2110.07205).

    Args:
        front_end: What the encoder's convolutions read: RawWaveform as published, or KaldiFilterBank, with which a
            small corpus is enough [ours].
        spectrogram: What the decoder speaks.
        targets: The clusters that hidden frames are told by.
        standardised: Speak bands of mean 0 and deviation 1 over the training recordings; false speaks log10
            magnitudes as published.
        learned_on: Most training recordings that levels and clusters are learned on.
        longest_seconds: Longer recordings are cut there, and counted (15.6).
        channels: Of the convolutions (512).
        positions_kernel: Frames that the convolution for places sees (128).
        positions_groups: Groups of its channels; they divide the width (16).
        width: Of the states (768).
        heads: Attention heads; they divide the width (12).
        encoder_depth: Layers of the encoder (12).
        decoder_depth: Layers of the decoder (6).
        expansion: Width of the hidden layers of the MLPs, in widths (4).
        dropout: Probability of dropping a component of what each branch adds (0.1).
        layer_drop: Probability of leaving out an encoder layer in a step (0.05).
        norm: After each sum ("post", as published) or before each branch ("pre"), which small runs take larger rates
            with.
        codes: Codes of each group of the codebook (100).
        groups: Groups of the codebook; they divide the width (2).
        reduction: Frames that the decoder says at a step (2).
        frame_hidden: Width of the decoder's speech pre-net (256).
        frame_dropout: Its dropout, at inference too (0.5).
        post_channels: Of the convolutions behind the spoken frames (256).
    """

    front_end: FrontEnd = field(default_factory=RawWaveform)
    spectrogram: SpeechT5LogMel = field(default_factory=SpeechT5LogMel)
    targets: ClusterTargets = field(default_factory=CepstralClusters)
    standardised: bool = True
    learned_on: int = 1000
    longest_seconds: float = 15.0
    channels: int = 64
    positions_kernel: int = 32
    positions_groups: int = 16
    width: int = 192
    heads: int = 4
    encoder_depth: int = 4
    decoder_depth: int = 2
    expansion: float = 4.0
    dropout: float = 0.1
    layer_drop: float = 0.0
    norm: Literal["post", "pre"] = "post"
    codes: int = 100
    groups: int = 2
    reduction: int = 2
    frame_hidden: int = 256
    frame_dropout: float = 0.5
    post_channels: int = 256

    def __post_init__(self) -> None:
        sizes = (self.channels, self.positions_kernel, self.width, self.heads, self.encoder_depth, self.decoder_depth)
        spoken = (self.reduction, self.frame_hidden, self.post_channels)
        if min(*sizes, *spoken, self.codes, self.groups, self.learned_on) < 1:
            raise UserError("the sizes of SpeechT5 are at least 1; look for a smaller one among its settings.")
        for name, divisor in (
            ("heads", self.heads),
            ("groups", self.groups),
            ("positions_groups", self.positions_groups),
        ):
            if divisor < 1 or self.width % divisor:
                raise UserError(f"{name} of SpeechT5 is {divisor}, which does not divide its width {self.width}.")
        if self.width % 2:
            raise UserError(f"width of SpeechT5 is {self.width}; its places take an even one.")
        for name in ("dropout", "layer_drop", "frame_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise UserError(f"{name} of SpeechT5 is {getattr(self, name)}; take 0 or more, and less than 1.")
        read = self.front_end
        whole = isinstance(read, KaldiFilterBank) and (read.window_length, read.hop_length) == (400, 160)
        if not isinstance(read, RawWaveform) and not (whole and read.frames(400) == 1 and read.sample_rate == 16000):
            raise UserError(
                f"the encoder of SpeechT5 reads RawWaveform, or KaldiFilterBank with frames of 400 samples every 160 "
                f"at 16,000 a second; {type(read).__name__} is set otherwise."
            )
        if self.spectrogram.sample_rate != self.front_end.sample_rate:
            raise UserError(
                f"the front end reads {self.front_end.sample_rate} samples a second and the spectrogram "
                f"{self.spectrogram.sample_rate}; both are of one waveform."
            )
        if self.spectrogram.after != "none":
            raise UserError("the spectrogram that is spoken has after = none; `standardised` levels its bands.")

    @property
    def shape(self) -> StackShape:
        """Of the convolutions: the published kernels and strides."""
        return StackShape(KERNELS, STRIDES)

    def fit_processor(self, items: Sequence[Any]) -> SpeechT5Processor:
        """Make the processor, learning levels and clusters on training recordings.

        Raises:
            UserError: None of them can be read, or they have too few frames.
        """
        from crossmod_speech.speecht5.learning import learn_statistics
        from crossmod_speech.speecht5.processor import SpeechT5Processor

        labels = self.targets.build()
        if labels is not None and not labels.of_path:
            raise UserError("targets of the speech tower name files that are not there; write them, or learn clusters.")
        statistics = learn_statistics(items, self._waveforms(), self.spectrogram, self.targets, self.learned_on)
        return SpeechT5Processor(self._waveforms(), self.spectrogram, self.shape, self.targets, statistics, labels)

    def load_processor(self, spec: Mapping[str, Any], files: Mapping[str, bytes]) -> SpeechT5Processor:
        """Make the processor that a checkpoint's spec and file describe.

        Raises:
            UserError: The checkpoint holds something else.
        """
        from crossmod_speech.speecht5.processor import SpeechT5Processor, held_statistics

        statistics, labels = held_statistics(spec, files), self.targets.build()
        made = SpeechT5Processor(self._waveforms(), self.spectrogram, self.shape, self.targets, statistics, labels)
        return made.require(spec)

    def _waveforms(self) -> WaveformProcessor:
        from crossmod_speech.processors import WaveformProcessor

        return WaveformProcessor(self.front_end, self.longest_seconds)

    def build(self, processor: Any) -> Tower:
        """Make the tower, freshly initialised."""
        from crossmod_speech.speecht5.building import build_tower

        return build_tower(self, processor)


@dataclass(frozen=True, kw_only=True)
class SpeechT5Text(TowerSettings):
    """SpeechT5's pre- and post-nets of text; the encoder-decoder is that of the speech tower, and so is the width.

    Args:
        vocabulary: Largest number of tokens; 260 are the bytes, which for English are its letters as published.
        length: Most tokens a text keeps, first and last included; longer texts are cut and counted (600).
        lower_case: Drop case.
        width: That of the speech tower (768).
        dropout: Probability of dropping a component of embedded tokens (0.1).
    """

    vocabulary: int = 260
    length: int = 128
    lower_case: bool = True
    width: int = 192
    dropout: float = 0.1

    def __post_init__(self) -> None:
        if self.width < 2 or self.width % 2 or not 0 <= self.dropout < 1:
            raise UserError(
                f"SpeechT5Text of width {self.width} and dropout {self.dropout} cannot be made; the width is even and "
                "that of the speech tower, the dropout 0 or more and below 1."
            )

    def fit_processor(self, items: Sequence[Any]) -> BytePairProcessor:
        """Make the processor, learning the vocabulary on the training texts."""
        from crossmod.text.byte_pair import BytePairProcessor

        return BytePairProcessor.fit(items, vocabulary=self.vocabulary, length=self.length, lower_case=self.lower_case)

    def load_processor(self, spec: Mapping[str, Any], files: Mapping[str, bytes]) -> BytePairProcessor:
        """Make the processor that a checkpoint's spec and file describe.

        Raises:
            UserError: It is of another kind or length.
        """
        from crossmod.text.byte_pair import BytePairProcessor
        from crossmod.text.fingerprint import require_setting

        processor = BytePairProcessor.load(spec, files)
        require_setting(processor.spec, "length", self.length)
        require_setting(processor.spec, "lower_case", self.lower_case)
        return processor

    def build(self, processor: Any) -> Tower:
        """Make the tower, freshly initialised."""
        from crossmod_speech.speecht5.text_tower import SpeechT5TextTower

        return SpeechT5TextTower(processor, self.width, dropout=self.dropout)
