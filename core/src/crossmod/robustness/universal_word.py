"""One word for all sentences: put in the place of the most important word, it breaks the alignment of most of them.

The text side of C-PGC (ICCV 2025): a vector descends the loss in the word's place, is kept as long as words of the
vocabulary are, and the nearest word of the vocabulary that is allowed is what the attack uses. The vector is what a
conditional generator answers (`fit_generated_word`, as published) or itself descends (`fit_universal_word`, ours).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self, final

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from crossmod.errors import UserError
from crossmod.robustness.budget import Budget
from crossmod.robustness.continuous import require_finite_values
from crossmod.robustness.generator import STAGES, ConditionalGenerator, trained_answer
from crossmod.robustness.universal import (
    Batches,
    GuidedBatch,
    UniversalOptions,
    misalignment,
    paired_batches,
)


@dataclass(frozen=True)
class UniversalWord:
    """The word that was found.

    Attributes:
        token: Its row of the vocabulary; never one that was not allowed.
        vector: The vector before it was brought to that row; its length lies between those of the allowed rows.

    Shape:
        vector: [width].
    """

    token: int
    vector: Float[Tensor, "width"]


def fit_universal_word(
    batches: Batches,
    vocabulary: Float[Tensor, "words width"],
    allowed: Bool[Tensor, "words"],
    *,
    options: UniversalOptions | None = None,
) -> UniversalWord:
    """Descend the malicious loss on one word's vector by Adam, then take the nearest allowed word (L2).

    Args:
        batches: Passes over sentences whose `values` are the vectors of the words to be replaced; see
            `sentence_batch`.
        vocabulary: The vector of every word.
        allowed: Which words may be chosen; leave out stop words, specials and parts of words.
        options: None takes the defaults of `UniversalOptions`; `step_share` has no part in it.

    Raises:
        UserError: No word is allowed, or a vector is not finite.
    """
    options = options or UniversalOptions()
    known = AllowedWords.of(vocabulary, allowed)
    generator = torch.Generator().manual_seed(options.seed)
    first = int(torch.randint(len(known.vectors), (1,), generator=generator))
    word = known.vectors[first].clone().requires_grad_(True)
    optimiser = torch.optim.Adam([word], lr=options.rate, betas=(0.5, 0.999))
    for _ in range(options.epochs):
        for batch, pool in paired_batches(batches, generator):
            with torch.enable_grad():
                loss = word_objective(word, batch, pool, options)
            (word.grad,) = torch.autograd.grad(loss, word)
            optimiser.step()
            with torch.no_grad():
                word.copy_(known.as_long_as_words(word))
    return known.nearest(word.detach())


def fit_generated_word(
    batches: Batches,
    network: ConditionalGenerator,
    vocabulary: Float[Tensor, "words width"],
    allowed: Bool[Tensor, "words"],
    *,
    options: UniversalOptions | None = None,
) -> UniversalWord:
    """Train C-PGC's generator to answer one word's vector, then take the word nearest to its mean answer (L2).

    What it answers is brought to the lengths of the allowed words before it takes a word's place; targets are the
    farthest group of the other modality, by the sentences as they are.

    Args:
        batches: See `fit_universal_word`.
        network: Of shape [width], conditioned by embeddings of the other modality; trained in place. Its budget is at
            least the length of the longest word, or words beyond it cannot be answered; see `word_generator`.
        vocabulary: The vector of every word.
        allowed: Which words may be chosen.
        options: None takes the defaults of `UniversalOptions`; `step_share` has no part in it.

    Raises:
        UserError: No word is allowed, a vector is not finite, or the generator answers vectors of another width.
    """
    options = options or UniversalOptions()
    known = AllowedWords.of(vocabulary, allowed)
    if network.shape != tuple(known.vectors.shape[1:]):
        raise UserError(
            f"the generator answers tensors of shape {list(network.shape)}, but words are vectors of "
            f"{known.vectors.shape[1]} numbers; build it by `word_generator`."
        )

    def loss(
        vector: Float[Tensor, "width"], batch: GuidedBatch, pool: GuidedBatch, generator: torch.Generator
    ) -> Float[Tensor, ""]:
        return word_objective(known.as_long_as_words(vector), batch, pool, options)

    return known.nearest(known.as_long_as_words(trained_answer(batches, network, loss, options)))


def word_generator(
    vocabulary: Float[Tensor, "words width"],
    condition_width: int,
    *,
    stages: Sequence[tuple[int, int]] = STAGES,
    seed: int = 0,
) -> ConditionalGenerator:
    """A generator of word vectors, whose numbers reach as far as the longest word of the vocabulary is long."""
    longest = Budget(float(vocabulary.norm(dim=1).max()))
    return ConditionalGenerator(vocabulary.shape[1:], condition_width, longest, stages=stages, seed=seed)


def word_objective(
    word: Float[Tensor, "width"], batch: GuidedBatch, pool: GuidedBatch, options: UniversalOptions
) -> Float[Tensor, ""]:
    """The malicious loss of sentences that all hold one word, less alpha times the squared distance that it moves them.

    Args:
        word: Its vector.
        batch: The sentences, as `fit_universal_word` takes them.
        pool: Where targets are taken from.
        options: Temperature, alpha and ratio.
    """
    with torch.no_grad():
        still = batch.encode(batch.values) if batch.clean is None else batch.clean
    return misalignment(batch.encode(word.expand(len(batch.values), -1)), still, batch, pool, options)


@final
@dataclass(frozen=True)
class AllowedWords:
    """The words that may be chosen.

    Attributes:
        rows: Of the vocabulary.
        vectors: Of these rows.

    Shape:
        rows: [allowed].
        vectors: [allowed, width].
    """

    rows: Int64[Tensor, "allowed"]
    vectors: Float[Tensor, "allowed width"]

    @classmethod
    def of(cls, vocabulary: Float[Tensor, "words width"], allowed: Bool[Tensor, "marks"]) -> Self:
        """The marked rows of a vocabulary.

        Raises:
            UserError: No word is marked, the marks are not one a word, or a vector is not finite.
        """
        if allowed.shape != vocabulary.shape[:1] or not bool(allowed.any()):
            raise UserError(
                f"{int(allowed.sum())} of {len(vocabulary)} words are allowed by {len(allowed)} marks; "
                "mark every word, and allow one or more."
            )
        require_finite_values(vocabulary, "the vectors of the vocabulary")
        return cls(allowed.nonzero()[:, 0], vocabulary.detach()[allowed])

    def as_long_as_words(self, vector: Float[Tensor, "width"]) -> Float[Tensor, "width"]:
        """The vector at the nearest length that an allowed word has or that lies between two of them."""
        lengths = self.vectors.norm(dim=1)
        length = vector.norm().clamp_min(torch.finfo(vector.dtype).tiny)
        scaled: Tensor = vector * (length.clamp(lengths.min(), lengths.max()) / length)
        return scaled

    def nearest(self, vector: Float[Tensor, "width"]) -> UniversalWord:
        """The allowed word at the least L2 distance; equals: the lowest row."""
        return UniversalWord(int(self.rows[(self.vectors - vector).square().sum(dim=1).argmin()]), vector)
