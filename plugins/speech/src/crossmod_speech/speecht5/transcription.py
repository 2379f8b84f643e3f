"""SpeechT5 tuned to write what it hears: cross-entropy of the decoder, and CTC on the encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional

from crossmod.objectives.local.maskers import span_masking
from crossmod.objectives.pairs.precision import widened
from crossmod.text.byte_pair import PADDING
from crossmod_speech.speecht5.pairing import PairObjective, Spoken
from crossmod_speech.speecht5.text_tower import BLANK
from crossmod_speech.speecht5.tower import States

if TYPE_CHECKING:
    from crossmod_speech.speecht5.objective_settings import Transcription


class TranscriptionObjective(PairObjective):
    """0.5 cross-entropy of the next token + 0.5 CTC, of rows that have an utterance and a text.

    Args:
        settings: Weights, and what is hidden of the encoder's input.
    """

    def __init__(self, settings: Transcription) -> None:
        super().__init__(settings.speech, settings.text)
        self.settings = settings

    def score(self, pairs: Spoken) -> tuple[Float[Tensor, ""], dict[str, Float[Tensor, ""]]]:
        """Score pairs."""
        settings, states = self.settings, self.states(pairs)
        ids, mask = pairs.written.padded(PADDING)
        loss, terms = states.values.new_zeros(()), {}
        if settings.ctc:
            ctc = ctc_loss(pairs.texts.ctc(states.values), states.mask, ids, mask)
            loss, terms = settings.ctc * ctc, {"ctc": ctc.detach()}
        if settings.attention:
            decoded = pairs.tower.decoder(pairs.texts.written(ids[:, :-1]), *states)
            wanted = mask[:, 1:]
            logits, targets = widened(pairs.texts.logits(decoded[wanted])), ids[:, 1:][wanted]
            attention = functional.cross_entropy(logits, targets, label_smoothing=settings.smoothing)
            loss = loss + settings.attention * attention
            right = (logits.detach().argmax(-1) == targets).float().mean()
            terms |= {"attention": attention.detach(), "accuracy": right}
        return loss, terms

    def states(self, pairs: Spoken) -> States:
        """What the encoder makes of the utterances; in training with spans of frames and of channels hidden."""
        settings, tower = self.settings, pairs.tower
        features, mask = tower.convolved(pairs.utterances)
        hidden = channels = None
        if tower.training and settings.share:
            hidden = ~span_masking(mask, settings.share, settings.span)
        if tower.training and settings.channel_share:
            every = torch.ones(len(mask), tower.width, dtype=torch.bool, device=mask.device)
            channels = ~span_masking(every, settings.channel_share, settings.channel_span)
        return tower.encode(tower.enter.place(features, mask, hidden, channels), mask)


def ctc_loss(
    logits: Float[Tensor, "batch frames vocabulary"],
    frames: Bool[Tensor, "batch frames"],
    ids: Int64[Tensor, "batch length"],
    mask: Bool[Tensor, "batch length"],
) -> Float[Tensor, ""]:
    """Mean over texts of -log p(tokens | frames) a token, first and last token left out (Graves et al. 2006).

    A text that has more tokens than its frames can hold counts zero. Blank is the padding's id.

    Shape:
        frames: [batch, frames], mask: [batch, length]; true = real.
    """
    count = mask.sum(1) - 2
    longest = max(int(count.max()), 1)
    targets = ids[:, 1 : 1 + longest]
    log_p = widened(logits).log_softmax(-1).transpose(0, 1)
    return functional.ctc_loss(log_p, targets, frames.sum(1), count, blank=BLANK, zero_infinity=True)
