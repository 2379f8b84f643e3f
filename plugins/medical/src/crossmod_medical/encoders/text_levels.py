"""TriBERT-style text: words, sentences and the report, each from its own group of layers (VELVET-Med)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from crossmod.contracts.tower import Features, Tokens, TokenTower
from crossmod.objectives.local.token_transformer import TokenTransformer
from crossmod.text.block import AttentionPooling
from crossmod.text.byte_pair import MASK, SPECIALS
from crossmod_medical.encoders.sentence_inputs import SentenceInputs
from crossmod_medical.encoders.sentence_processor import SentenceProcessor


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


def sentence_means(
    words: Float[Tensor, "batch length width"], sentence: Int64[Tensor, "batch length"], count: int
) -> tuple[Float[Tensor, "batch count width"], Bool[Tensor, "batch count"]]:
    """The mean of the words of every sentence, and which sentences have any; the others are zero.

    Shape:
        words: [batch, length, width].
        sentence: [batch, length]; the sentence of every token, negative for tokens of none.

    Raises:
        ValueError: A sentence number is not below `count`, or the shapes differ.
    """
    if words.shape[:2] != sentence.shape or (sentence.numel() and int(sentence.max()) >= count):
        raise ValueError(
            f"words of {list(words.shape[:2])} and sentence numbers of {list(sentence.shape)} up to "
            f"{int(sentence.max()) if sentence.numel() else -1} do not make {count} sentences."
        )
    batch, _, width = words.shape
    real = sentence >= 0
    row = torch.arange(batch, device=words.device)[:, None].expand_as(sentence)
    place = (row * count + sentence)[real]
    total = words.new_zeros(batch * count, width).index_add(0, place, words[real])
    members = words.new_zeros(batch * count).index_add(0, place, words.new_ones(len(place)))
    means = total / members.clamp(min=1)[:, None]
    return means.view(batch, count, width), (members > 0).view(batch, count)


class LevelledTextTower(TokenTower):
    """Words after the first group of layers, sentence means through the second, a report pooled after the third.

    VELVET-Med's abstract has "multi-level textual semantics" and the name; the three groups, the means and the
    attention pooling are [C], our definition: the paper's body was not read and no code of it was found. Features are
    the report as `pooled` and the words as `tokens`; `levels` gives all three.

    Args:
        processor: The processor that makes its inputs.
        width: Width at every level.
        depth: Layers of each of the three groups (4 in ours of twelve).
        heads: Attention heads; they divide the width.
        dropout: Probability of dropping a component of the embedded tokens and of what each branch adds.
    """

    def __init__(self, processor: SentenceProcessor, *, width: int, depth: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.processor, self.width, self.vocabulary = processor, width, processor.vocabulary
        self.embedding = nn.Embedding(self.vocabulary, width)
        self.word_positions = nn.Parameter(torch.empty(processor.length, width))
        self.sentence_positions = nn.Parameter(torch.empty(processor.length, width))
        nn.init.normal_(self.embedding.weight, std=0.02)
        for positions in (self.word_positions, self.sentence_positions):
            nn.init.normal_(positions, std=0.01)
        self.dropout = nn.Dropout(dropout)
        self.words, self.sentences, self.report = (
            TokenTransformer(width, depth, heads, dropout=dropout) for _ in range(3)
        )
        self.pool = AttentionPooling(width, heads)

    def forward(self, inputs: SentenceInputs, /) -> Features:
        """Encode reports."""
        return _features(self.levels(inputs))

    def levels(self, inputs: SentenceInputs) -> TextLevels:
        """Encode reports at all three levels."""
        ids, sentence, real = inputs.padded()
        return self._levels(self.embedding(ids), sentence, real)

    def tokenise(self, inputs: SentenceInputs, /) -> Tokens:
        """Embed reports; every token but the specials may be hidden, and its id is the target."""
        ids, sentence, real = inputs.padded()
        return Tokens(self.embedding(ids), ids, real & (ids >= len(SPECIALS)), context=(sentence, real))

    def encode(self, tokens: Tokens, keep: Bool[Tensor, "batch length"], /) -> Features:
        """Encode with the tokens where `keep` is false replaced by the embedding of [MASK]."""
        sentence, real = tokens.context
        hidden = self.embedding.weight[MASK].to(tokens.values.dtype)
        return _features(self._levels(torch.where(keep[..., None], tokens.values, hidden), sentence, real))

    def _levels(self, values: Tensor, sentence: Tensor, real: Tensor) -> TextLevels:
        words = self.words(self.dropout(values + self.word_positions[: values.shape[1]]), real)
        count = int(sentence.max()) + 1 if sentence.numel() else 1
        means, held = sentence_means(words, sentence, count)
        sentences = self.sentences(means + self.sentence_positions[:count], held)
        report = self.pool(self.report(sentences, held), held)
        return TextLevels(words, real, sentence, sentences, held, report)


def _features(levels: TextLevels) -> Features:
    return Features(levels.report, levels.words, levels.word_mask)
