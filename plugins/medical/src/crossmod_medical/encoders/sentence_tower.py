"""What report towers have in common: tokens that know their sentence, whole words, and sentences as phrases."""

from __future__ import annotations

from abc import abstractmethod

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from crossmod.contracts.tower import Features, Tokens, TokenTower
from crossmod.objectives.pairs.phrases import Phrases
from crossmod.text.byte_pair import MASK, SPECIALS
from crossmod_medical.encoders.centring import BatchCentring
from crossmod_medical.encoders.sentence_identity import sentence_identities
from crossmod_medical.encoders.sentence_inputs import SentenceInputs
from crossmod_medical.encoders.sentence_processor import SentenceProcessor
from crossmod_medical.encoders.word_numbers import word_beginnings, word_numbers


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


def sentence_count(sentence: Int64[Tensor, "batch length"]) -> int:
    """The largest number of sentences that a report of this batch has; at least one, so that shapes hold."""
    return max(1, int(sentence.max()) + 1) if sentence.numel() else 1


class SentenceTower(TokenTower):
    """A tower over reports whose tokens know their sentence: a `TokenTower`, a `WordTower` and a `PhraseTower`.

    Args:
        processor: The processor that makes its inputs.
        width: Width of tokens, sentences and the pooled vector.
        dropout: Probability of dropping a component of the embedded tokens.
        centred: The pooled vectors lose what all reports of a batch have in common.
    """

    processor: SentenceProcessor
    begins: Bool[Tensor, "vocabulary"]

    def __init__(self, processor: SentenceProcessor, *, width: int, dropout: float, centred: bool = False) -> None:
        super().__init__()
        self.processor, self.width, self.vocabulary = processor, width, processor.vocabulary
        self.embedding = nn.Embedding(self.vocabulary, width)
        self.word_positions = nn.Parameter(torch.empty(processor.length, width))
        nn.init.normal_(self.embedding.weight, std=0.02)
        nn.init.normal_(self.word_positions, std=0.01)
        self.embedding_norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)
        self.centring = BatchCentring(width) if centred else None
        self.register_buffer("begins", word_beginnings(processor.tokens), persistent=False)

    def forward(self, inputs: SentenceInputs, /) -> Features:
        """Encode reports."""
        ids, sentence, real = inputs.padded()
        features = self.transform(self.placed(self.embedding(ids)), sentence, real)
        return features if self.centring is None else features._replace(pooled=self.centring(features.pooled))

    def tokenise(self, inputs: SentenceInputs, /) -> Tokens:
        """Embed reports; every token but the specials may be hidden, and its id is the target."""
        ids, sentence, real = inputs.padded()
        return Tokens(self.embedding(ids), ids, real & (ids >= len(SPECIALS)), context=(sentence, real))

    def encode(self, tokens: Tokens, keep: Bool[Tensor, "batch length"], /) -> Features:
        """Encode with the tokens where `keep` is false replaced by the embedding of [MASK]."""
        sentence, real = tokens.context
        hidden = self.embedding.weight[MASK].to(tokens.values.dtype)
        features = self.transform(self.placed(torch.where(keep[..., None], tokens.values, hidden)), sentence, real)
        # Reports with words hidden would move the statistics of whole ones.
        return features if self.centring is None else features._replace(pooled=self.centring.applied(features.pooled))

    def word_groups(self, tokens: Tokens, /) -> Int64[Tensor, "batch length"]:
        """The number of each token's word within its report; -1 for special tokens."""
        return word_numbers(tokens.targets, self.begins)

    def phrases(self, inputs: SentenceInputs, features: Features, /) -> Phrases:
        """The sentences; equal identities are equal words."""
        ids, sentence, _ = inputs.padded()
        count = sentence_count(sentence)
        values, mask = self.sentence_vectors(features, sentence, count)
        return Phrases(values, mask, sentence_identities(ids, sentence, count))

    def placed(self, values: Float[Tensor, "batch length width"]) -> Float[Tensor, "batch length width"]:
        """Embedded tokens with their positions, normalised (BERT, arXiv:1810.04805).

        Not normalised, what the first attention adds would drown them: words, and so sentences, would be all but one.
        """
        placed: Tensor = self.dropout(self.embedding_norm(values + self.word_positions[: values.shape[1]]))
        return placed

    @abstractmethod
    def transform(self, placed: Tensor, sentence: Tensor, real: Tensor) -> Features:
        """Features of placed tokens."""

    @abstractmethod
    def sentence_vectors(self, features: Features, sentence: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """[batch, count, width] of sentences and which of them are there, from features that this tower made."""
