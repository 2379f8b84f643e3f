"""Settings of what is done to training utterances (torch-free)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from crossmod.errors import UserError
from crossmod.settings import Settings
from crossmod_speech.frontends.contract import FrontEnd

if TYPE_CHECKING:
    from crossmod_speech.encoders.augmentation import SpeechAugmenter


@dataclass(frozen=True, kw_only=True)
class SpeechAugmentation(Settings):
    """Changes of utterances that leave their words: in training only, and drawn anew each time.

    Args:
        speeds: Each utterance is spoken at one of these speeds, drawn evenly; pitch changes along. Those shorter than
            a quarter of a second keep theirs. (0.9, 1 and 1.1 in Ko et al., Interspeech 2015.)
        shift_seconds: Largest shift to either side; silence moves in. (0.1 in the Speech Commands baseline.)
        noise_probability: Share of utterances that noise is added to.
        noise_decibels: Range that the ratio of the utterance's power to the noise's is drawn from.
        noise: "white", or "pink", whose power falls with frequency as that of most rooms does.
        noise_folder: Recordings below it are the noise instead; they are read when training starts.
        frequency_masks: Runs of bins of each utterance that are hidden (SpecAugment, arXiv:1904.08779: 2).
        frequency_mask_bins: Most bins a run (27 of 80 in SpecAugment).
        time_masks: Runs of frames that are hidden (2 in SpecAugment; its time warp, of little use, is left out).
        time_mask_frames: Most frames a run (100 in SpecAugment for utterances of 12 seconds).
        time_mask_share: Largest share of an utterance that a run hides (1 in SpecAugment's LibriSpeech policies, 0.2
            for shorter utterances).
    """

    speeds: tuple[float, ...] = (0.9, 1.0, 1.1)
    shift_seconds: float = 0.1
    noise_probability: float = 0.5
    noise_decibels: tuple[float, float] = (5.0, 30.0)
    noise: Literal["white", "pink"] = "pink"
    noise_folder: str = ""
    frequency_masks: int = 2
    frequency_mask_bins: int = 15
    time_masks: int = 2
    time_mask_frames: int = 40
    time_mask_share: float = 0.2

    def __post_init__(self) -> None:
        if not self.speeds or not all(0.5 <= speed <= 2 for speed in self.speeds):
            raise UserError(f"speeds of SpeechAugmentation are {list(self.speeds)}; take one or more of 0.5 to 2.")
        if not 0 <= self.noise_probability <= 1 or not 0 <= self.time_mask_share <= 1:
            raise UserError("noise_probability and time_mask_share of SpeechAugmentation are 0 to 1.")
        if not self.noise_decibels[0] <= self.noise_decibels[1]:
            raise UserError(f"noise_decibels is {list(self.noise_decibels)}; take two numbers that rise.")
        counts = (self.frequency_masks, self.frequency_mask_bins, self.time_masks, self.time_mask_frames)
        if min(*counts, self.shift_seconds) < 0:
            raise UserError("masks, their sizes and shift_seconds of SpeechAugmentation are 0 or more.")

    def require_fit(self, front_end: FrontEnd) -> None:
        """Refuse to mask what is no spectrogram.

        Raises:
            UserError: The front end gives one number a frame, or no more bins than a mask may hide.
        """
        hides_bins = self.frequency_masks and self.frequency_mask_bins
        if front_end.bins == 1 and (hides_bins or self.time_masks):
            raise UserError(
                f"{type(front_end).__name__} gives no spectrogram to mask; set augmentation.frequency_masks and "
                "augmentation.time_masks to 0."
            )
        if hides_bins and self.frequency_mask_bins >= front_end.bins:
            raise UserError(
                f"frequency_mask_bins is {self.frequency_mask_bins} and {type(front_end).__name__} has "
                f"{front_end.bins} bins; take fewer."
            )

    def build(self, sample_rate: int) -> SpeechAugmenter:
        """Make the module that changes utterances of one rate."""
        from crossmod_speech.encoders.augmentation import SpeechAugmenter

        return SpeechAugmenter(self, sample_rate)
