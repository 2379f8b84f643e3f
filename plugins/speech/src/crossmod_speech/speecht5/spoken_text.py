"""SpeechT5 tuned to speak: the spectrogram of an utterance from its text, in the utterance's voice."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from jaxtyping import Float
from torch import Tensor

from crossmod.objectives.local.spectrogram import spectrogram_loss, stop_loss
from crossmod.text.byte_pair import PADDING
from crossmod_speech.speecht5.guided_attention import guided_attention_loss
from crossmod_speech.speecht5.pairing import PairObjective, Spoken
from crossmod_speech.speecht5.voices import voice_of

if TYPE_CHECKING:
    from crossmod_speech.speecht5.objective_settings import SpokenText


class SpokenTextObjective(PairObjective):
    """L1 of both spectrograms + stop + 10 guided attention, of rows that have an utterance and a text.

    Args:
        settings: Weights.
    """

    def __init__(self, settings: SpokenText) -> None:
        super().__init__(settings.speech, settings.text)
        self.settings = settings

    def score(self, pairs: Spoken) -> tuple[Float[Tensor, ""], dict[str, Float[Tensor, ""]]]:
        """Score pairs."""
        settings, tower = self.settings, pairs.tower
        ids, mask = pairs.written.padded(PADDING)
        states = tower.encode(pairs.texts.read(ids), mask)
        target = tower.spectrogram(pairs.utterances)
        guide = tower.decoder.reading(settings.guided_layers, settings.guided_heads) if settings.guided else None
        with guide or nullcontext([]) as heard:
            spoken, cut = tower.speak(states, target, voice_of(target))
        frames = spectrogram_loss([spoken.before, spoken.after], cut.values, cut.mask)
        stop = stop_loss(spoken.stop, cut.mask, positive_weight=settings.stop_weight)
        loss, terms = frames + stop, {"frames": frames.detach(), "stop": stop.detach()}
        if settings.guided:
            # A step is real where its first frame is.
            guided = guided_attention_loss(heard, cut.mask[:, :: tower.write_frames.reduction], mask, settings.sigma)
            loss, terms = loss + settings.guided * guided, terms | {"guided": guided.detach()}
        return loss, terms
