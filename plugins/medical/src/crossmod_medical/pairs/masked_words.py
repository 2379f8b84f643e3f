"""Masked words of a text that an image illustrates."""

from __future__ import annotations

from jaxtyping import Bool
from torch import Tensor

from crossmod.contracts.batch import Batch
from crossmod.contracts.objective import Forwards, Objective, Outcome
from crossmod.objectives.local.masked_language import corrupt_tokens, token_head
from crossmod.objectives.local.maskers import group_masking
from crossmod.objectives.local.token_scores import score_tokens
from crossmod.text.byte_pair import BytePairProcessor
from crossmod.text.inputs import TextInputs
from crossmod_medical.encoders.word_numbers import word_beginnings, word_numbers
from crossmod_medical.pairs.inputs import PairInputs
from crossmod_medical.pairs.no_pairs import nothing_to_score
from crossmod_medical.pairs.stand_ins import Side
from crossmod_medical.pairs.tower import CoAttentionPairTower


class PairMaskedWordsObjective(Objective):
    """Choose whole words, corrupt them as BERT does, fuse with the whole image, name them from the last layer.

    Args:
        modality: The modality of the pairs.
        tower: Its tower, for widths and vocabulary.
        share, masked, swapped: As in `PairMaskedWords`.
    """

    couples_batch = False
    begins: Bool[Tensor, "vocabulary"]

    def __init__(
        self, modality: str, tower: CoAttentionPairTower, *, share: float, masked: float, swapped: float
    ) -> None:
        super().__init__()
        self.modality, self.share, self.masked, self.swapped = modality, share, masked, swapped
        self.predict = token_head(tower.width // 2, tower.text.vocabulary)
        assert isinstance(tower.text.processor, BytePairProcessor)
        self.register_buffer("begins", word_beginnings(tower.text.processor), persistent=False)

    def forward(self, forwards: Forwards, batch: Batch) -> Outcome:
        """Score the chosen words of the pairs that have both sides."""
        tower, inputs = forwards.tower(self.modality), batch.inputs[self.modality]
        assert isinstance(tower, CoAttentionPairTower) and isinstance(inputs, PairInputs)
        pairs = inputs.take(inputs.complete.nonzero()[:, 0])
        if not len(pairs):
            return nothing_to_score(tower(pairs).pooled, self.predict)
        assert isinstance(pairs.texts, TextInputs)
        tokens = tower.text.tokenise(pairs.texts)
        words = word_numbers(tokens.targets, self.begins)
        chosen = ~group_masking(tokens.mask, words, self.share)
        corrupted, keep = corrupt_tokens(tokens, chosen, self.masked, self.swapped)
        states = tower.text.encode(corrupted, keep)
        assert states.tokens is not None and states.mask is not None
        textual = Side(states.tokens, states.mask).take(pairs.text)
        picked = chosen[pairs.text]
        fused = tower.fuse(tower.visual(pairs), textual).b[-1]
        targets = tokens.targets[pairs.text][picked]
        return score_tokens(self.predict(fused[picked]), targets, picked, len(batch), "token")
