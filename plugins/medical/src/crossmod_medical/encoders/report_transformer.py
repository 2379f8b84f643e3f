"""A transformer over whole reports whose sentences are the means of their words (SimCroP's text side)."""

from __future__ import annotations

from torch import Tensor

from crossmod.contracts.tower import Features
from crossmod.objectives.local.token_transformer import TokenTransformer
from crossmod.text.block import masked_mean
from crossmod_medical.encoders.centring import BatchCentring
from crossmod_medical.encoders.sentence_processor import SentenceProcessor
from crossmod_medical.encoders.sentence_tower import SentenceTower, sentence_means


class ReportTransformerTower(SentenceTower):
    """Words in the context of the whole report; a sentence is the mean of its words, the report that of all.

    SimCroP's text side is BERT, by a summary of the paper; the sentence vector as the masked mean is [C]. BERT's own
    weights are not loaded: the vocabulary is the corpus's own.

    Args:
        processor: The processor that makes its inputs.
        width: Width of tokens, sentences and the pooled vector.
        depth: Layers.
        heads: Attention heads; they divide the width.
        dropout: Probability of dropping a component of the embedded tokens and of what each branch adds.
        centred: As `SentenceTower`, and of sentences too.
    """

    def __init__(
        self,
        processor: SentenceProcessor,
        *,
        width: int,
        depth: int,
        heads: int,
        dropout: float,
        centred: bool = False,
    ) -> None:
        super().__init__(processor, width=width, dropout=dropout, centred=centred)
        self.transformer = TokenTransformer(width, depth, heads, dropout=dropout)
        self.sentence_centring = BatchCentring(width) if centred else None

    def transform(self, placed: Tensor, sentence: Tensor, real: Tensor) -> Features:
        """States of the words, and their mean."""
        states = self.transformer(placed, real)
        return Features(masked_mean(states, real), states, real)

    def sentence_vectors(self, features: Features, sentence: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """The mean of the states of every sentence's words; centred, among all sentences of the batch."""
        assert features.tokens is not None
        means, held = sentence_means(features.tokens, sentence, count)
        return means if self.sentence_centring is None else self.sentence_centring.of_real(means, held), held
