"""Masked language modelling from another modality's visible tokens: a report rebuilt from the image it describes."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from crossmod.contracts.batch import Batch
from crossmod.contracts.objective import Forwards, Objective, Outcome
from crossmod.contracts.tower import Tokens, TokenTower
from crossmod.fusion.cross_granularity import CrossGranularityDecoder
from crossmod.objectives.local.attribute_prediction import find_phrases
from crossmod.objectives.local.evidence import visible_part
from crossmod.objectives.local.masked_language import token_head
from crossmod.objectives.local.maskers import group_masking, uniform_masking
from crossmod.objectives.local.reconstruction import Reduction
from crossmod.objectives.local.token_scores import score_tokens


class GroundedLanguageObjective(Objective):
    """Hide most of a text's tokens, encode the rest, and name the hidden ones with what is visible of a condition.

    Masked report modelling of SimCroP: the abstract has multi-modal masked modelling and fusion at two granularities;
    shares and decoder are those of the group's earlier code (ECAMP), not verified for SimCroP. Which of the condition's
    tokens are visible is drawn anew here, apart from other terms of the recipe [ours].

    Args:
        modality: The modality whose tokens are hidden.
        condition: The modality that helps.
        decoder: Reads the condition's tokens, and their mean.
        width: Width of the decoder.
        vocabulary: Number of discrete tokens.
        share: Share of the tokens outside phrases that are hidden.
        phrases: Token ids of phrases that are hidden whole, such as names of findings.
        phrase_share: Share of these that are hidden.
        hidden_share: Share of the condition's tokens that are hidden; 0 reads all of them.
        reduction: "row", exact in chunks, or "token", the mean over all hidden tokens at once.
    """

    couples_batch = False

    def __init__(
        self,
        modality: str,
        condition: str,
        decoder: CrossGranularityDecoder,
        width: int,
        vocabulary: int,
        *,
        share: float,
        phrases: Sequence[Sequence[int]] = (),
        phrase_share: float = 0.0,
        hidden_share: float = 0.0,
        reduction: Reduction = "row",
    ) -> None:
        super().__init__()
        self.modality, self.condition, self.decoder = modality, condition, decoder
        self.share, self.phrase_share, self.hidden_share = share, phrase_share, hidden_share
        self.phrases = [list(phrase) for phrase in phrases]
        self.reduction: Reduction = reduction
        self.predict = token_head(width, vocabulary)

    def forward(self, forwards: Forwards, batch: Batch) -> Outcome:
        """Score the hidden tokens of the rows that have both modalities."""
        tower = forwards.tower(self.modality)
        assert isinstance(tower, TokenTower)
        own, other, _ = batch.common(self.modality, self.condition)
        tokens = tower.tokenise(batch.inputs[self.modality].take(own))
        chosen = self.choose(tokens)
        features = tower.encode(tokens, ~chosen)
        assert features.tokens is not None
        part = visible_part(forwards, batch, self.condition, other, self.hidden_share)
        states = self.decoder(features.tokens, part.values, mask=features.mask, context_mask=part.mask)
        targets = tokens.targets[chosen]
        return score_tokens(self.predict(states[chosen]), targets, chosen, len(batch), self.reduction)

    def choose(self, tokens: Tokens) -> Tensor:
        """[batch, length]; true where a token is hidden: single tokens, and phrases as wholes."""
        if not self.phrases:
            return ~uniform_masking(tokens.mask, self.share, rounding="nearest")
        found = find_phrases(tokens.targets, tokens.mask, self.phrases)
        phrases = ~group_masking(tokens.mask, found, self.phrase_share)
        return phrases | ~uniform_masking(tokens.mask & (found < 0), self.share, rounding="nearest")
