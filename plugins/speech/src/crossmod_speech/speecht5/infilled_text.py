"""SpeechT5's pre-training on text: the whole text is written from one whose spans became one mask each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from crossmod.contracts.batch import Batch
from crossmod.contracts.objective import Forwards, Objective, Outcome
from crossmod.objectives.local.span_denoising import infill
from crossmod.objectives.local.token_scores import score_tokens
from crossmod.text.byte_pair import MASK, PADDING, SPECIALS
from crossmod.text.inputs import TextInputs
from crossmod_speech.speecht5.pairing import nothing_to_score
from crossmod_speech.speecht5.text_tower import SpeechT5TextTower, padded_ids
from crossmod_speech.speecht5.tower import SpeechT5Tower

if TYPE_CHECKING:
    from crossmod_speech.speecht5.objective_settings import InfilledText


class InfilledTextObjective(Objective):
    """Mean cross-entropy of every token of the text after its first, plus 0.1 diversity.

    Args:
        settings: Shares and weights.
    """

    couples_batch = False

    def __init__(self, settings: InfilledText) -> None:
        super().__init__()
        self.settings = settings
        self.mixing = None if settings.codes is None else settings.codes.build()

    def forward(self, forwards: Forwards, batch: Batch) -> Outcome:
        """Score the texts of a batch."""
        tower, texts = forwards.tower(self.settings.speech), forwards.tower(self.settings.modality)
        inputs = batch.inputs[self.settings.modality]
        assert isinstance(tower, SpeechT5Tower) and isinstance(texts, SpeechT5TextTower)
        assert isinstance(inputs, TextInputs)
        if not len(inputs):
            return nothing_to_score(tower, texts)
        ids, mask = inputs.padded(PADDING)
        noised, real = self.noised(ids, mask, texts.vocabulary)
        states = tower.encode(texts.read(noised), real)
        loss, terms = states.values.new_zeros(()), {}
        if self.mixing is not None:
            states, loss, terms = self.mixing(tower, states)
        decoded = tower.decoder(texts.written(ids[:, :-1]), *states)
        wanted = mask[:, 1:]
        written = score_tokens(texts.logits(decoded[wanted]), ids[:, 1:][wanted], wanted, len(batch), "token")
        loss = loss + written.loss
        terms |= {"tokens": written.terms["loss"], "accuracy": written.terms["accuracy"]}
        return Outcome(loss, {"loss": loss.detach(), **terms})

    def noised(
        self, ids: Int64[Tensor, "batch length"], mask: Bool[Tensor, "batch length"], vocabulary: int
    ) -> tuple[Int64[Tensor, "batch noised"], Bool[Tensor, "batch noised"]]:
        """Texts with spans masked, their first and last token left; and which tokens of these are real."""
        rows = []
        for row, real in zip(ids.cpu(), mask.cpu(), strict=True):
            text = row[real]
            fixed = torch.zeros(len(text), dtype=torch.bool)
            fixed[[0, -1]] = True
            rows.append(
                infill(
                    text,
                    fixed,
                    MASK,
                    self.settings.share,
                    self.settings.span,
                    random_share=self.settings.random,
                    random_ids=(len(SPECIALS), vocabulary),
                )
            )
        return padded_ids(rows, ids.device)

    def after_step(self) -> None:
        """Let the temperature of the codes fall."""
        if self.mixing is not None:
            self.mixing.after_step()
