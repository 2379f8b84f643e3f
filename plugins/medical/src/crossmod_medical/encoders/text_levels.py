"""TriBERT-style text: words, sentences and the report, each from its own group of layers (VELVET-Med)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from crossmod.contracts.tower import Features
from crossmod.objectives.local.token_transformer import TokenTransformer
from crossmod.text.block import AttentionPooling
from crossmod_medical.encoders.sentence_inputs import SentenceInputs
from crossmod_medical.encoders.sentence_processor import SentenceProcessor
from crossmod_medical.encoders.sentence_tower import SentenceTower, sentence_count, sentence_means


class TextLevels(NamedTuple):
    """One report at three levels.

    Shape:
        words: [batch, length, width]; word_mask: [batch, length], true at real tokens, specials included.
        sentence: [batch, length]; the sentence of every token, -1 for specials and padding.
        sentences: [batch, sentences, width]; sentence_mask: [batch, sentences], false where a report has no such one.
        report: [batch, width].
    """

    words: Float[Tensor, "batch length width"]
    word_mask: Bool[Tensor, "batch length"]
    sentence: Int64[Tensor, "batch length"]
    sentences: Float[Tensor, "batch sentences width"]
    sentence_mask: Bool[Tensor, "batch sentences"]
    report: Float[Tensor, "batch width"]


class LevelledTextTower(SentenceTower):
    """Words after the first group of layers, sentence means through the second, a report pooled after the third.

    VELVET-Med's abstract has "multi-level textual semantics" and the name; the three groups, the means and the
    attention pooling are [C], our definition: the paper's body was not read and no code of it was found. Features are
    the report as `pooled`, the words as `tokens` and the sentences as the one entry of `hidden`; `levels` names them.

    Args:
        processor: The processor that makes its inputs.
        width: Width at every level.
        depth: Layers of each of the three groups (4 in ours of twelve).
        heads: Attention heads; they divide the width.
        dropout: Probability of dropping a component of the embedded tokens and of what each branch adds.
        centred: As `SentenceTower`.
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
        self.sentence_positions = nn.Parameter(torch.empty(processor.length, width))
        nn.init.normal_(self.sentence_positions, std=0.01)
        self.words, self.sentences, self.report = (
            TokenTransformer(width, depth, heads, dropout=dropout) for _ in range(3)
        )
        self.pool = AttentionPooling(width, heads)

    def levels(self, inputs: SentenceInputs) -> TextLevels:
        """Encode reports at all three levels."""
        ids, sentence, real = inputs.padded()
        return self._levels(self.placed(self.embedding(ids)), sentence, real)

    def transform(self, placed: Tensor, sentence: Tensor, real: Tensor) -> Features:
        """Features of placed tokens."""
        levels = self._levels(placed, sentence, real)
        return Features(levels.report, levels.words, levels.word_mask, hidden=[levels.sentences])

    def sentence_vectors(self, features: Features, sentence: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """The sentences after the second group of layers."""
        assert features.hidden is not None
        numbers = torch.arange(count, device=sentence.device)
        return features.hidden[0], (sentence[:, None] == numbers[:, None]).any(2)

    def _levels(self, placed: Tensor, sentence: Tensor, real: Tensor) -> TextLevels:
        words = self.words(placed, real)
        count = sentence_count(sentence)
        means, held = sentence_means(words, sentence, count)
        sentences = self.sentences(means + self.sentence_positions[:count], held)
        report = self.pool(self.report(sentences, held), held)
        return TextLevels(words, real, sentence, sentences, held, report)
