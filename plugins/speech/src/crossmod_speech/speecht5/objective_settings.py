"""Settings of what SpeechT5's towers are trained by (torch-free)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossmod.errors import UserError
from crossmod.recipe import ObjectiveSettings
from crossmod.settings import Settings

if TYPE_CHECKING:
    from crossmod.contracts.objective import Objective
    from crossmod.contracts.tower import Tower
    from crossmod_speech.speecht5.mixing import CodeMixing


@dataclass(frozen=True, kw_only=True)
class SharedCodes(Settings):
    """Codes in place of some of the encoder's states, the same codebook for both modalities.

    Args:
        share: Of the states that are replaced (0.1 in the released recipe).
        diversity: Weight of the codebook's diversity loss (0.1).
        temperature: Of the Gumbel softmax at first (2).
        least_temperature: Where it ends (0.5).
        decay: Its factor an update (0.999995; small runs want it to fall within their steps).
        release_compat: Replace the same places in every sample of a batch, padding included, as the released code.
    """

    share: float = 0.1
    diversity: float = 0.1
    temperature: float = 2.0
    least_temperature: float = 0.5
    decay: float = 0.999995
    release_compat: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1 or not 0 < self.least_temperature <= self.temperature or not 0 < self.decay <= 1:
            raise UserError(
                "codes have a share from 0 to 1, temperatures that fall from one positive number to another, and a "
                "decay from above 0 up to 1."
            )

    def build(self) -> CodeMixing:
        """Make the module."""
        from crossmod_speech.speecht5.mixing import CodeMixing

        return CodeMixing(self)


@dataclass(frozen=True, kw_only=True)
class MaskedSpeech(ObjectiveSettings):
    """SpeechT5's terms of speech: the clusters of hidden frames, and the spectrogram spoken again.

    Args:
        modality: Its tower is SpeechT5.
        share: Of the frames in hidden spans, before they overlap (0.8: 8 % of the frames begin one).
        span: Frames of a span (10).
        seen_weight: Weight of the clusters of frames that are not hidden (0). Above it a small run learns what frames
            sound like before it guesses those that it does not hear.
        temperature: Divisor of the cosines of states and clusters (0.1).
        label_width: Width of a cluster's vector (256).
        reconstruction: Weight of spoken frames and stop; 0 leaves the decoder out (1).
        stop_weight: Weight of last frames among all in the stop term (5).
        penalty: Weight of the mean square of the convolutions' features (10).
        codes: Codes mixed into what the decoder reads; null mixes none.
    """

    modality: str = "speech"
    share: float = 0.8
    span: int = 10
    seen_weight: float = 0.0
    temperature: float = 0.1
    label_width: int = 256
    reconstruction: float = 1.0
    stop_weight: float = 5.0
    penalty: float = 10.0
    codes: SharedCodes | None = None

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1 or self.span < 1 or not self.temperature > 0 or self.label_width < 1:
            raise UserError("share is above 0 and at most 1, and span, temperature and label_width are positive.")
        if min(self.seen_weight, self.reconstruction, self.stop_weight, self.penalty) < 0:
            raise UserError("the weights of MaskedSpeech are 0 or more.")

    def build(self, towers: Mapping[str, Tower]) -> Objective:
        """Make the objective.

        Raises:
            UserError: The modality's tower is not SpeechT5.
        """
        from crossmod_speech.speecht5.masked_speech import MaskedSpeechObjective
        from crossmod_speech.speecht5.pairing import speech_tower

        return MaskedSpeechObjective(self, speech_tower(towers, self.modality))


@dataclass(frozen=True, kw_only=True)
class InfilledText(ObjectiveSettings):
    """SpeechT5's term of text: write a text of which spans became one mask each (BART, arXiv:1910.13461).

    Args:
        modality: The modality of the texts; its tower is SpeechT5Text.
        speech: The modality whose tower has the shared encoder-decoder.
        share: Of the tokens that spans cover (0.3).
        span: Mean tokens of a span, drawn from a Poisson distribution (3.5).
        random: Share of the masks that become a random token instead (0.1).
        codes: Codes mixed into what the decoder reads; null mixes none.
    """

    modality: str = "text"
    speech: str = "speech"
    share: float = 0.3
    span: float = 3.5
    random: float = 0.1
    codes: SharedCodes | None = None

    def __post_init__(self) -> None:
        if not 0 < self.share < 1 or not self.span >= 1 or not 0 <= self.random <= 1:
            raise UserError("share lies between 0 and 1, span is at least 1, and random lies from 0 to 1.")

    def build(self, towers: Mapping[str, Tower]) -> Objective:
        """Make the objective.

        Raises:
            UserError: The towers are not SpeechT5's, or of different widths.
        """
        from crossmod_speech.speecht5.infilled_text import InfilledTextObjective
        from crossmod_speech.speecht5.pairing import require_pair

        require_pair(towers, self.speech, self.modality)
        return InfilledTextObjective(self)


@dataclass(frozen=True, kw_only=True)
class Transcription(ObjectiveSettings):
    """Write what an utterance says: the decoder's cross-entropy and CTC on the encoder, as SpeechT5 is tuned to ASR.

    Args:
        speech: The modality of the utterances; its tower is SpeechT5.
        text: The modality of what they say; its tower is SpeechT5Text.
        attention: Weight of the decoder's term (0.5).
        ctc: Weight of CTC (0.5, arXiv:1609.06773).
        smoothing: Label smoothing of the decoder's term (0.1 in the released recipe).
        share: Of the frames in hidden spans (0.75 in the release, before they overlap).
        span: Frames of a span (10).
        channel_share: Of the channels in hidden spans (0.5 in the release).
        channel_span: Channels of a span (64 of 768).
    """

    speech: str = "speech"
    text: str = "text"
    attention: float = 0.5
    ctc: float = 0.5
    smoothing: float = 0.1
    share: float = 0.75
    span: int = 10
    channel_share: float = 0.5
    channel_span: int = 64

    def __post_init__(self) -> None:
        if min(self.attention, self.ctc) < 0 or not self.attention + self.ctc > 0:
            raise UserError("the weights of attention and ctc are 0 or more, and one of them is above 0.")
        shares = (self.smoothing, self.share, self.channel_share)
        if not all(0 <= share < 1 for share in shares) or min(self.span, self.channel_span) < 1:
            raise UserError("smoothing and shares are 0 or more and below 1, and spans at least 1.")

    def build(self, towers: Mapping[str, Tower]) -> Objective:
        """Make the objective.

        Raises:
            UserError: The towers are not SpeechT5's, or of different widths.
        """
        from crossmod_speech.speecht5.pairing import require_pair
        from crossmod_speech.speecht5.transcription import TranscriptionObjective

        require_pair(towers, self.speech, self.text)
        return TranscriptionObjective(self)


@dataclass(frozen=True, kw_only=True)
class SpokenText(ObjectiveSettings):
    """Speak a text in the voice of its utterance: frames, stop and guided attention, as SpeechT5 is tuned to speech.

    Args:
        speech: The modality of the utterances; its tower is SpeechT5.
        text: The modality of what they say; its tower is SpeechT5Text.
        stop_weight: Weight of last frames among all in the stop term (5).
        guided: Weight of the penalty on attention off the diagonal (10).
        sigma: Its width (0.4).
        guided_layers: Last layers of the decoder that are guided (2).
        guided_heads: First heads of them (2).
    """

    speech: str = "speech"
    text: str = "text"
    stop_weight: float = 5.0
    guided: float = 10.0
    sigma: float = 0.4
    guided_layers: int = 2
    guided_heads: int = 2

    def __post_init__(self) -> None:
        if not self.guided >= 0 or not self.sigma > 0 or min(self.guided_layers, self.guided_heads) < 1:
            raise UserError("guided is 0 or more, sigma above 0, and guided layers and heads are at least 1.")

    def build(self, towers: Mapping[str, Tower]) -> Objective:
        """Make the objective.

        Raises:
            UserError: The towers are not SpeechT5's, or of different widths.
        """
        from crossmod_speech.speecht5.pairing import require_pair
        from crossmod_speech.speecht5.spoken_text import SpokenTextObjective

        require_pair(towers, self.speech, self.text)
        return SpokenTextObjective(self)
