"""Masked language modelling as a term of a recipe, with BERT's corruption, spans, and another modality's help."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from crossmod.contracts.batch import Batch
from crossmod.contracts.objective import Forwards, Objective, Outcome
from crossmod.contracts.tower import Tokens, TokenTower
from crossmod.objectives.local.attribute_prediction import AttributePrediction, find_phrases
from crossmod.objectives.local.corruption import draw_fates, swap_values
from crossmod.objectives.local.maskers import group_masking, span_masking, uniform_masking
from crossmod.objectives.local.reconstruction import Reduction
from crossmod.objectives.local.slow_labels import SlowLabels
from crossmod.objectives.local.token_scores import score_tokens
from crossmod.objectives.local.word_tower import WordTower


def token_head(width: int, vocabulary: int) -> nn.Sequential:
    """BERT's prediction head: dense, GELU, layer norm, scores of the vocabulary (arXiv:1810.04805)."""
    return nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.LayerNorm(width), nn.Linear(width, vocabulary))


def corrupt_tokens(tokens: Tokens, chosen: Tensor, masked: float, swapped: float) -> tuple[Tokens, Tensor]:
    """A tower's tokens with chosen ones swapped, and which of the tokens to keep when encoding them."""
    fate = draw_fates(chosen, masked, swapped)
    values = swap_values(tokens.values, fate, tokens.mask) if swapped else tokens.values
    return tokens._replace(values=values), ~fate.masked


class MaskedLanguageObjective(Objective):
    """Choose tokens, mask, swap or leave them, and predict which they were.

    Args:
        modality: The modality whose tokens are chosen.
        width: Width of its tower's tokens.
        vocabulary: Number of discrete tokens.
        share: Share of the real tokens that are chosen.
        masked, swapped: Shares of the chosen that are masked and swapped; the rest stays.
        span_length: Tokens of a span; 1 chooses single tokens.
        whole_words: Choose words, as the tower (a `WordTower`) tells them, and not tokens or spans.
        reduction: "row", exact in chunks, or "token", the mean over all chosen tokens at once (BERT).

    Attributes:
        slow: Gives soft labels beside the true ones; None, unless `distil` made it.
    """

    couples_batch = False

    def __init__(
        self,
        modality: str,
        width: int,
        vocabulary: int,
        *,
        share: float,
        masked: float,
        swapped: float,
        span_length: int,
        whole_words: bool = False,
        reduction: Reduction = "row",
    ) -> None:
        super().__init__()
        self.modality, self.share, self.span_length = modality, share, span_length
        self.whole_words = whole_words
        self.reduction: Reduction = reduction
        self.masked, self.swapped = masked, swapped
        self.predict = token_head(width, vocabulary)
        self.slow: SlowLabels | None = None

    def distil(self, tower: TokenTower, *, share: float, share_steps: int = 0, momentum: float = 0.995) -> None:
        """Learn in part from the soft labels of a slow copy of `tower` and of the head; arguments as `SlowLabels`."""
        self.slow = SlowLabels(tower, self.predict, share=share, share_steps=share_steps, momentum=momentum)

    def after_step(self) -> None:
        """Move the slow copies."""
        if self.slow is not None:
            self.slow.after_step()

    def forward(self, forwards: Forwards, batch: Batch) -> Outcome:
        """Choose, corrupt, encode, predict; scores only the chosen tokens."""
        tower = forwards.tower(self.modality)
        assert isinstance(tower, TokenTower)
        tokens = tower.tokenise(batch.inputs[self.modality])
        if self.whole_words:
            assert isinstance(tower, WordTower)
            chosen = ~group_masking(tokens.mask, tower.word_groups(tokens), self.share)
        elif self.span_length > 1:
            chosen = ~span_masking(tokens.mask, self.share, self.span_length)
        else:
            chosen = ~uniform_masking(tokens.mask, self.share, rounding="nearest")
        soft: Tensor | None = None
        if self.slow is None:
            corrupted, keep = corrupt_tokens(tokens, chosen, self.masked, self.swapped)
        else:
            self.slow.follow(tower, self.predict)
            both = self.slow.beside(tokens, batch.inputs[self.modality])
            both, keep = corrupt_tokens(both, chosen, self.masked, self.swapped)
            corrupted, of_slow = self.slow.apart(both)
            soft = self.slow.probabilities(of_slow, keep, chosen)
        states = tower.encode(corrupted, keep).tokens
        assert states is not None
        share = 0.0 if self.slow is None else self.slow.share
        scores, targets = self.predict(states[chosen]), tokens.targets[chosen]
        return score_tokens(scores, targets, chosen, len(batch), self.reduction, soft=soft, soft_share=share)


class AttributePredictionObjective(Objective):
    """Hide phrases, or single tokens, and predict them with the pooled vector of another modality (PLIP).

    Args:
        modality: The modality whose tokens are hidden.
        condition: The modality that helps.
        head: Predicts tokens from states and the condition.
        share: Share of the phrases, or of the tokens, that are hidden.
        phrases: Token ids of the phrases; empty hides single tokens.
    """

    couples_batch = False

    def __init__(
        self,
        modality: str,
        condition: str,
        head: AttributePrediction,
        *,
        share: float,
        phrases: Sequence[Sequence[int]],
    ) -> None:
        super().__init__()
        self.modality, self.condition, self.head = modality, condition, head
        self.share, self.phrases = share, [list(phrase) for phrase in phrases]

    def forward(self, forwards: Forwards, batch: Batch) -> Outcome:
        """Score the hidden tokens of the rows that have both modalities."""
        tower = forwards.tower(self.modality)
        assert isinstance(tower, TokenTower)
        own, other, _ = batch.common(self.modality, self.condition)
        tokens = tower.tokenise(batch.inputs[self.modality].take(own))
        chosen = self._choose(tokens)
        features = tower.encode(tokens, ~chosen)
        assert features.tokens is not None
        mask = features.mask if features.mask is not None else torch.ones_like(chosen)
        logits = self.head(features.tokens, forwards.features(self.condition).pooled[other], mask)
        return score_tokens(logits[chosen], tokens.targets[chosen], chosen, len(batch))

    def _choose(self, tokens: Tokens) -> Tensor:
        if not self.phrases:
            return ~uniform_masking(tokens.mask, self.share, rounding="nearest")
        found = find_phrases(tokens.targets, tokens.mask, self.phrases)
        return ~group_masking(tokens.mask, found, self.share)
