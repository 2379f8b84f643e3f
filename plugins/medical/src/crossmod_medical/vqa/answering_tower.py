"""PubMedCLIP's answering models: MEVF's mixed visual features, and QCR's two branches for open and closed questions."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from crossmod.contracts.tower import Features, Tower
from crossmod.text.inputs import TextInputs
from crossmod_medical.pairs.inputs import CLOSED, UNKNOWN, PairInputs
from crossmod_medical.pairs.processor import PairProcessor
from crossmod_medical.pairs.standardisation import FeatureStandardisation
from crossmod_medical.vqa.autoencoder import GreyAutoencoder, grey_images
from crossmod_medical.vqa.bilinear import BilinearAttention, rectified_linear
from crossmod_medical.vqa.words import WordProcessor


class QuestionStates(nn.Module):
    """[word; rarity-weighted copy of it] through a recurrent layer; states at padding are zero.

    The release starts both halves from GloVe, the second weighted by tf-idf; here words start at random, the copy
    scaled by how rare each word is among the training questions, and both learn.

    Args:
        processor: The vocabulary.
        word_width: Width of each half (300).
        width: Width of the states (1024).
        cell: "lstm" (MEVF) or "gru" (QCR).
    """

    def __init__(self, processor: WordProcessor, word_width: int, width: int, cell: str) -> None:
        super().__init__()
        self.words = nn.Embedding(processor.vocabulary, word_width)
        self.rare = nn.Embedding(processor.vocabulary, word_width)
        nn.init.normal_(self.words.weight, std=word_width**-0.5)
        rarity = torch.tensor([1.0, 1.0, *processor.rarity])
        with torch.no_grad():
            self.rare.weight.copy_(self.words.weight * (rarity / rarity.mean())[:, None])
        kind = nn.LSTM if cell == "lstm" else nn.GRU
        self.recurrent = kind(2 * word_width, width, batch_first=True)

    def forward(self, texts: TextInputs) -> tuple[Float[Tensor, "batch words width"], Bool[Tensor, "batch words"]]:
        """A state a word, and which are real; questions are padded at their end."""
        numbers, mask = texts.padded()
        if not len(texts):
            return self.words.weight.new_zeros(0, 1, self.recurrent.hidden_size), mask.new_zeros(0, 1)
        states: Tensor = self.recurrent(torch.cat([self.words(numbers), self.rare(numbers)], -1))[0]
        return states.masked_fill(~mask[..., None], 0.0), mask


class WordPooling(nn.Module):
    """A gated weight a word, the weighted sum, and a multilayer perceptron: the question's vector of QCR."""

    def __init__(self, width: int, out_width: int) -> None:
        super().__init__()
        self.score = nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 1))
        self.out = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, out_width))

    def forward(
        self, words: Float[Tensor, "batch words width"], mask: Bool[Tensor, "batch words"]
    ) -> Float[Tensor, "batch out_width"]:
        """One vector a question."""
        weights = self.score(words)[..., 0].masked_fill(~mask, -torch.inf).softmax(1)
        pooled: Tensor = self.out(torch.einsum("bl,blw->bw", weights, words))
        return pooled


class AnsweringBranch(nn.Module):
    """Bilinear attention, an optional product with the question's vector, and the hidden layer of the classifier.

    Args:
        visual_width: Width of the image's one object.
        width: Width of the question's states.
        out_width: Width of what comes out (twice `width` as published).
        glimpses: Glimpses of the attention.
        conditioned: Multiply by the question's vector (question-conditioned reasoning of QCR).
        dropout: Probability of dropping a component before the maps of the attention.
    """

    def __init__(
        self, visual_width: int, width: int, out_width: int, *, glimpses: int, conditioned: bool, dropout: float
    ) -> None:
        super().__init__()
        self.attention = BilinearAttention(visual_width, width, glimpses, dropout=dropout)
        self.condition = WordPooling(width, width) if conditioned else None
        self.hidden = rectified_linear(width, out_width)

    def forward(self, objects: Tensor, words: Tensor, mask: Tensor) -> Float[Tensor, "batch out_width"]:
        """The features that answers are scored on."""
        joint = self.attention(objects, words, mask)
        if self.condition is not None:
            joint = joint * self.condition(words, mask)
        hidden: Tensor = self.hidden(joint)
        return hidden


class AnsweringTower(Tower):
    """An image and a question to the features that answers are scored on (MEVF, arXiv:1909.11867; QCR; PubMedCLIP).

    v = [visual tower; 64 numbers of the autoencoder] is the image's single object. "mevf" has one branch; "routed" has
    one for open and one for closed questions, chosen by the question's kind in training and by a classifier of the
    question's words otherwise, which `QuestionKind` trains. (QCR trains it beforehand and apart.)

    Args:
        processor: The processor that makes its inputs; questions are words.
        visual: The image tower.
        question_width: Width of each half of a word.
        width: Width of the question's states.
        glimpses: Glimpses of the attention.
        routed: Two branches (QCR) and not one (MEVF).
        autoencoder_width: What the autoencoder adds to the visual vector; 0 leaves it out.
        dropout: Probability of dropping a component before the maps of the attention.
        standardised: Whether the visual vector is brought to mean 0 and deviation 1 over images.
    """

    def __init__(
        self,
        processor: PairProcessor,
        visual: Tower,
        *,
        question_width: int,
        width: int,
        glimpses: int,
        routed: bool,
        autoencoder_width: int,
        dropout: float,
        standardised: bool = False,
    ) -> None:
        super().__init__()
        assert isinstance(processor.text, WordProcessor)
        self.processor, self.width, self.visual = processor, 2 * width, visual
        self.visual_width = visual.width + autoencoder_width
        self.autoencoder = GreyAutoencoder(autoencoder_width) if autoencoder_width else None
        self.standardise = FeatureStandardisation(self.visual_width) if standardised else nn.Identity()
        cell = "gru" if routed else "lstm"
        self.question = QuestionStates(processor.text, question_width, width, cell)

        def branch() -> AnsweringBranch:
            return AnsweringBranch(
                self.visual_width, width, 2 * width, glimpses=glimpses, conditioned=routed, dropout=dropout
            )

        self.open = branch()
        self.closed = branch() if routed else None
        # Words of its own: what tells open from closed questions is learned apart from what answers them.
        self.kind_words = QuestionStates(processor.text, question_width, width, cell) if routed else None
        self.kind = WordPooling(width, 2) if routed else None

    def forward(self, inputs: PairInputs, /) -> Features:
        """Encode questions about images."""
        objects = self.seen(inputs.images)[inputs.picture][:, None]
        words, mask = self._words(self.question, inputs)
        pooled = self.open(objects, words, mask)
        if self.closed is None:
            return Features(pooled)
        closed = self.is_closed(inputs)
        return Features(torch.where(closed[:, None], self.closed(objects, words, mask), pooled))

    def seen(self, images: Any) -> Float[Tensor, "images visual_width"]:
        """The visual vector of every distinct image."""
        vector: Tensor = self.visual(images).pooled
        if not len(images):
            return vector.new_zeros(0, self.visual_width)
        if self.autoencoder is not None:
            vector = torch.cat([vector, self.autoencoder(grey_images(images.x))], -1)
        standardised: Tensor = self.standardise(vector)
        return standardised

    def is_closed(self, inputs: PairInputs) -> Bool[Tensor, "samples"]:
        """Whether each question goes to the closed branch: as stated in training, else as its words suggest."""
        with torch.no_grad():
            guessed = self.kind_logits(inputs).argmax(1) == CLOSED
        if not self.training:
            return guessed
        return torch.where(inputs.kind == UNKNOWN, guessed, inputs.kind == CLOSED)

    def kind_logits(self, inputs: PairInputs) -> Float[Tensor, "samples 2"]:
        """Scores of open and of closed, from the question's words alone."""
        assert self.kind_words is not None and self.kind is not None
        words, mask = self._words(self.kind_words, inputs)
        logits: Tensor = self.kind(words, mask)
        return logits

    def _words(self, states: QuestionStates, inputs: PairInputs) -> tuple[Tensor, Tensor]:
        assert isinstance(inputs.texts, TextInputs)
        words, mask = states(inputs.texts)
        return words[inputs.text], mask[inputs.text]
