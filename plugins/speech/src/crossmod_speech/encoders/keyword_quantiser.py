"""Vectors to the token embeddings that they are most like: the keywords of SpeechCLIP's cascaded branch."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn.functional import normalize

from crossmod.objectives.pairs.precision import widened

SMALLEST_NORM = 1e-8


class Keywords(NamedTuple):
    """What vectors were taken for.

    Shape:
        values: [batch, keywords, width]; rows of the token embeddings.
        tokens: [batch, keywords] int64; which.
    """

    values: Float[Tensor, "batch keywords width"]
    tokens: Int64[Tensor, "batch keywords"]


def quantised_keywords(
    vectors: Float[Tensor, "batch keywords width"],
    embeddings: Float[Tensor, "vocabulary width"],
    allowed: Bool[Tensor, "vocabulary"],
    temperature: float = 0.1,
) -> Keywords:
    """The most similar allowed token embedding, with the gradient of softmax(cosine / temperature) over all of them.

    hard + soft - stop_gradient(soft) times the embeddings, of which the first forward is exact: a row is gathered
    (SpeechCLIP, arXiv:2210.00705, temperature 0.1).

    Shape:
        allowed: [vocabulary]; true = may be chosen; special tokens are not.

    Raises:
        ValueError: The temperature is not positive, or nothing is allowed.
    """
    if not temperature > 0 or not bool(allowed.any()):
        raise ValueError(f"keywords take a temperature above 0, not {temperature}, and at least one allowed token.")
    wide, rows = widened(vectors), widened(embeddings)
    cosine = normalize(wide, dim=-1, eps=SMALLEST_NORM) @ normalize(rows, dim=-1, eps=SMALLEST_NORM).t()
    soft = (cosine / temperature).masked_fill(~allowed, -torch.inf).softmax(-1)
    tokens = soft.argmax(-1)
    mean = soft @ rows
    # The same as (hard + soft - sg(soft)) @ rows, but that no rounding of the difference touches the embedding.
    values = rows[tokens] + (mean - mean.detach())
    return Keywords(values.to(vectors.dtype), tokens)


class KeywordNorm(nn.Module):
    """Batch norm of every keyword whose scale and shift start as deviation and mean of the token embeddings.

    So vectors lie where embeddings lie from the first step on (SpeechCLIP, arXiv:2210.00705). The embeddings are read
    at the first forward, when weights that training starts from are in place. Under batch norm utterances depend on
    their batch in training, so that `run.chunk_size` is another computation.

    Args:
        keywords: How many vectors an utterance has.
        width: Width of a vector.
    """

    started: Tensor

    def __init__(self, keywords: int, width: int) -> None:
        super().__init__()
        self.keywords = keywords
        self.norm = nn.BatchNorm1d(keywords * width)
        self.register_buffer("started", torch.zeros((), dtype=torch.bool))

    def forward(
        self, vectors: Float[Tensor, "batch keywords width"], embeddings: Float[Tensor, "vocabulary width"]
    ) -> Float[Tensor, "batch keywords width"]:
        """Normalise.

        Raises:
            ValueError: Training on a single utterance, which has no deviation.
        """
        if not bool(self.started):
            self._start(embeddings)
        if self.training and len(vectors) == 1:
            raise ValueError("batch norm of keywords takes two utterances or more in training; raise run.batch_size.")
        normed: Tensor = self.norm(vectors.flatten(1).float())
        return normed.view(vectors.shape)

    @torch.no_grad()
    def _start(self, embeddings: Float[Tensor, "vocabulary width"]) -> None:
        wide = embeddings.detach().float()
        self.norm.weight.copy_(wide.std(0).repeat(self.keywords))
        self.norm.bias.copy_(wide.mean(0).repeat(self.keywords))
        self.started.fill_(True)
