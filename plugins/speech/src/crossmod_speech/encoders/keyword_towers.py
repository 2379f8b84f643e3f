"""SpeechCLIP's two branches over the frames of any encoder of speech: a class token, or keywords."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from crossmod.contracts.processor import Processor
from crossmod.contracts.tower import Features, Tower
from crossmod.errors import UserError
from crossmod.fusion.attention import MultiHeadAttention
from crossmod.fusion.residual import FeedForward, Residual
from crossmod_speech.encoders.keyword_quantiser import KeywordNorm, Keywords, quantised_keywords
from crossmod_speech.encoders.keyword_reading import ReadableText
from crossmod_speech.waveforms import WaveformInputs


class ParallelSpeechTower(Tower):
    """A class token before the frames, one post-norm transformer layer, and the class token's state.

    SpeechCLIP's parallel branch (arXiv:2210.00705); the linear map behind it is the model's projection.

    Args:
        processor: What makes its waveforms.
        tower: Gives the frames; frozen, with weighted layers, in the paper.
        heads: Attention heads; they divide the tower's width.
        expansion: Width of the MLP's hidden layer, in widths.
        dropout: Probability of dropping a component of what a branch adds.
    """

    def __init__(
        self, processor: Processor, tower: Tower, *, heads: int = 8, expansion: float = 4.0, dropout: float = 0.1
    ) -> None:
        super().__init__()
        self.processor, self.tower, self.width = processor, tower, tower.width
        self.first = nn.Parameter(torch.empty(tower.width).normal_(std=0.02))
        self.attention = MultiHeadAttention(tower.width, heads)
        self.feed_forward = FeedForward(tower.width, expansion)
        self.residuals = nn.ModuleList(Residual(tower.width, norm="post", dropout=dropout) for _ in range(2))

    def forward(self, inputs: WaveformInputs, /) -> Features:
        """Encode utterances; tokens are the frames behind the layer."""
        frames, mask = frames_of(self.tower, inputs)
        first = self.first.to(frames.dtype).expand(len(frames), 1, -1)
        seen = torch.cat([mask.new_ones(len(mask), 1), mask], 1)
        read, transformed = self.residuals
        states = torch.cat([first, frames], 1)
        states = read(states, lambda tokens: self.attention(tokens, tokens, seen))
        states = transformed(states, self.feed_forward)
        return Features(states[:, 0], states[:, 1:].masked_fill(~mask[..., None], 0.0), mask)


class CascadedSpeechTower(Tower):
    """Keywords that the model's own text encoder reads: learned queries, quantised to its token embeddings.

    SpeechCLIP's cascaded branch (arXiv:2210.00705). Queries and frames pass single-head self-attention with a
    post-norm, of which the queries' states are kept; a linear map, batch norm and quantisation make them token
    embeddings; the text encoder's pooled vector of these is the utterance's. The text encoder belongs to the model's
    text modality: it stands here without being a part of this module, and `run.freeze` keeps it as it is.

    Args:
        processor: What makes its waveforms.
        tower: Gives the frames; frozen, with weighted layers, in the paper.
        keywords: How many.
        temperature: Of the softmax that gives quantisation its gradient.
        candidates: Keywords are of the first so many tokens alone; byte-pair vocabularies begin with single bytes and
            then the most frequent pairs. 0 allows all but the special ones.
    """

    def __init__(
        self, processor: Processor, tower: Tower, *, keywords: int = 8, temperature: float = 0.1, candidates: int = 0
    ) -> None:
        super().__init__()
        self.processor, self.tower, self.width = processor, tower, 0
        self.temperature, self.candidates = temperature, candidates
        self.queries = nn.Parameter(torch.empty(keywords, tower.width).normal_(std=0.02))
        self.attention = MultiHeadAttention(tower.width, 1)
        self.residual = Residual(tower.width, norm="post")
        self._text: tuple[ReadableText, ...] = ()

    def read_by(self, text: Tower) -> None:
        """Let a text tower read the keywords; it makes the layers whose width is that of its embeddings.

        Raises:
            UserError: It reads no embeddings, or has no candidates.
        """
        readable = ReadableText.of(text)
        width = int(readable.embeddings.shape[1])
        self.width = text.width
        self.to_embedding = nn.Linear(self.tower.width, width)
        self.norm = KeywordNorm(len(self.queries), width)
        allowed = ~readable.specials
        if self.candidates:
            allowed &= torch.arange(len(allowed)) < self.candidates
        if not bool(allowed.any()):
            raise UserError(f"candidates is {self.candidates}, which are all special tokens; take more.")
        self.register_buffer("allowed", allowed, persistent=False)
        # In a tuple it is no part of this module: its weights are saved and counted where it belongs.
        self._text = (readable,)

    def forward(self, inputs: WaveformInputs, /) -> Features:
        """Encode utterances; tokens are the frames that the keywords were found in.

        Raises:
            UserError: No text tower reads the keywords.
        """
        if not self._text:
            raise UserError("CascadedSpeech needs the model's text tower, which the towers of a recipe give it.")
        if not len(inputs):
            nothing = self.queries.new_zeros(0, self.width)
            return Features(nothing)
        keywords = self._keywords(*frames_of(self.tower, inputs))
        return Features(self._text[0].read(keywords.values))

    def keywords(self, inputs: WaveformInputs) -> Int64[Tensor, "batch keywords"]:
        """The tokens that each utterance's keywords are, for reports.

        Raises:
            UserError: No text tower reads the keywords.
        """
        if not self._text:
            raise UserError("CascadedSpeech needs the model's text tower, which the towers of a recipe give it.")
        return self._keywords(*frames_of(self.tower, inputs)).tokens

    def _keywords(self, frames: Float[Tensor, "batch length width"], mask: Bool[Tensor, "batch length"]) -> Keywords:
        queries = self.queries.to(frames.dtype).expand(len(frames), -1, -1)
        context = torch.cat([queries, frames], 1)
        seen = torch.cat([mask.new_ones(queries.shape[:2]), mask], 1)
        found = self.residual(queries, lambda tokens: self.attention(tokens, context, seen))
        embeddings = self._text[0].embeddings
        vectors = self.norm(self.to_embedding(found), embeddings)
        assert isinstance(self.allowed, Tensor)
        return quantised_keywords(vectors, embeddings, self.allowed, self.temperature)


def frames_of(
    tower: Tower, inputs: WaveformInputs
) -> tuple[Float[Tensor, "batch length width"], Bool[Tensor, "batch length"]]:
    """A tower's frames and which are real.

    Raises:
        UserError: The tower gives none.
    """
    features: Features = tower(inputs)
    if features.tokens is None or features.mask is None:
        raise UserError(f"{type(tower).__name__} gives one vector an utterance and no frames; take another tower.")
    return features.tokens, features.mask
