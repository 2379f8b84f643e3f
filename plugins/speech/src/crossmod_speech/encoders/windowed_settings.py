"""Settings of towers that hear windows of longer recordings (torch-free)."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from crossmod.errors import UserError
from crossmod.recipe import TowerSettings
from crossmod_speech.encoders.pretrained_settings import HuggingFaceSpeech
from crossmod_speech.encoders.settings import SpeechConformer, SpeechTower, SpeechTransformer

if TYPE_CHECKING:
    from crossmod.contracts.tower import Tower
    from crossmod_speech.processors import WaveformProcessor


@dataclass(frozen=True, kw_only=True)
class LongRecordings(TowerSettings, ABC):
    """A tower that hears windows of longer recordings.

    Args:
        tower: Encodes a window, and states what is read of it; its own longest_seconds is at least a window.
        longest_seconds: Longer recordings are cut there, and counted. (Convention: six windows.)
        window_seconds: Length of a window. (10 in LAION-CLAP; 5 or 7 in Microsoft's.)
        fill: What stands behind shorter recordings: whole repetitions, then silence ("repeatpad", LAION-CLAP);
            repetitions, the last of them cut ("repeat", Microsoft's); silence ("pad"); or nothing ("none").
    """

    tower: TowerSettings = field(default_factory=SpeechTransformer)
    longest_seconds: float = 60.0
    window_seconds: float = 10.0
    fill: Literal["repeatpad", "repeat", "pad", "none"] = "repeatpad"

    def __post_init__(self) -> None:
        if not isinstance(self.tower, SpeechTower | HuggingFaceSpeech):
            raise UserError(f"{type(self).__name__} slides a tower of speech, not {type(self.tower).__name__}.")
        own = self.tower.longest_seconds
        if not 0 < self.window_seconds <= min(self.longest_seconds, own):
            raise UserError(
                f"window_seconds is {self.window_seconds:g}; take more than 0 and at most longest_seconds "
                f"({self.longest_seconds:g}) and the tower's own ({own:g})."
            )
        if self.longest_seconds > 3600:
            raise UserError(f"longest_seconds is {self.longest_seconds:g}; take at most 3600.")

    def fit_processor(self, items: Sequence[Any]) -> WaveformProcessor:
        """Make the tower's processor, for longer recordings."""
        return replace(self._window_processor(), longest_seconds=self.longest_seconds)

    def load_processor(self, spec: Mapping[str, Any], files: Mapping[str, bytes]) -> WaveformProcessor:
        """Make the processor that a checkpoint's spec describes.

        Raises:
            UserError: The checkpoint's encoder reads other features, or its recordings were cut elsewhere.
        """
        assert isinstance(self.tower, SpeechTower | HuggingFaceSpeech)
        own = self.tower.load_processor({**spec, "longest_seconds": self.tower.longest_seconds}, files)
        return replace(own, longest_seconds=self.longest_seconds).require(spec)

    def _window_processor(self) -> WaveformProcessor:
        assert isinstance(self.tower, SpeechTower | HuggingFaceSpeech)
        return self.tower.fit_processor(())

    def _inner(self, processor: WaveformProcessor) -> Tower:
        """The tower of windows; its processor is that of the whole recordings but for their length."""
        assert isinstance(self.tower, SpeechTower | HuggingFaceSpeech)
        return self.tower.build(replace(processor, longest_seconds=self.tower.longest_seconds))


@dataclass(frozen=True, kw_only=True)
class WindowedSpeech(LongRecordings):
    """A tower that trains on windows drawn from recordings; in evaluation nothing is drawn.

    Args:
        evaluation: The "average" of the embeddings of windows over the whole, or the "centre" or the "start" alone.
            (LAION-CLAP draws one there too, so that a file embeds differently each time.)
        overlap: Share of a window that neighbours at least have in common.
    """

    evaluation: Literal["average", "centre", "start"] = "average"
    overlap: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.overlap < 1:
            raise UserError(f"overlap is {self.overlap}; take 0 or more, and less than 1.")

    def build(self, processor: Any) -> Tower:
        """Make the tower."""
        from crossmod_speech.encoders.windowed import WindowedSpeechTower

        return WindowedSpeechTower(
            processor,
            self._inner(processor),
            window_samples=round(self.window_seconds * processor.front_end.sample_rate),
            fill=self.fill,
            evaluation=self.evaluation,
            overlap=self.overlap,
        )


@dataclass(frozen=True, kw_only=True)
class FusedSpeech(LongRecordings):
    """Longer recordings squeezed into a window and fused with windows of their front, middle and back (LAION-CLAP)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.tower, SpeechTransformer | SpeechConformer):
            raise UserError(
                f"fusion takes an encoder of frames, SpeechTransformer or SpeechConformer, and not "
                f"{type(self.tower).__name__}; WindowedSpeech takes any."
            )

    def build(self, processor: Any) -> Tower:
        """Make the tower, freshly initialised."""
        from crossmod_speech.encoders.frame_encoder import FrameEncoderTower
        from crossmod_speech.encoders.fused_windows import FusedSpeechTower

        tower = self._inner(processor)
        assert isinstance(tower, FrameEncoderTower)
        samples = round(self.window_seconds * processor.front_end.sample_rate)
        return FusedSpeechTower(
            processor,
            tower,
            window_samples=samples,
            window_frames=processor.front_end.frames(samples),
            fill=self.fill,
        )
