"""Tokens drawn one after the other, with keys and values of all that came before kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional

from crossmod.text.block import TransformerBlock
from crossmod_speech.unitts.tower import SpokenLanguageTower


@dataclass(frozen=True)
class SamplingOptions:
    """How tokens are drawn.

    Args:
        longest: Most tokens that are drawn. (6000 in UniTTS.)
        temperature: Divisor of the logits; 0 takes the likeliest. (0.9.)
        top_p: Tokens are drawn among the likeliest that have this share of the probability together. (0.9.)
    """

    longest: int = 300
    temperature: float = 0.9
    top_p: float = 0.9

    def __post_init__(self) -> None:
        if self.longest < 1 or self.temperature < 0 or not 0 < self.top_p <= 1:
            raise ValueError(
                f"longest {self.longest}, temperature {self.temperature} and top_p {self.top_p} draw nothing; take 1 "
                "or more, 0 or more, and more than 0 up to 1."
            )


def nucleus(probabilities: Float[Tensor, "*rows tokens"], top_p: float) -> Float[Tensor, "*rows tokens"]:
    """Probabilities of the likeliest tokens that reach `top_p` together, the others 0 (arXiv:1904.09751).

    The likeliest token stays in any case; the sum is that of what stays.

    Shape:
        probabilities: [..., tokens].
    """
    ordered, place = probabilities.sort(-1, descending=True)
    before = ordered.cumsum(-1) - ordered
    kept = ordered.masked_fill(before >= top_p, 0.0)
    return torch.zeros_like(probabilities).scatter(-1, place, kept)


class CachedStates:
    """The states of documents that grow by one token each at every step; nothing is computed twice.

    Args:
        tower: The language model, in evaluation mode.
        documents: How many.
    """

    def __init__(self, tower: SpokenLanguageTower, documents: int) -> None:
        self._tower = tower
        self._blocks = [block for block in tower.transformer.blocks if isinstance(block, TransformerBlock)]
        shape = (documents, self._blocks[0].heads, tower.longest, tower.width // self._blocks[0].heads)
        self._keys = [tower.positions.new_zeros(shape) for _ in self._blocks]
        self._values = [tower.positions.new_zeros(shape) for _ in self._blocks]
        self.length = 0

    def append(self, ids: Int64[Tensor, "documents"]) -> Float[Tensor, "documents width"]:
        """Add one token to every document; its state."""
        x = self._tower.embedding(ids) + self._tower.positions[self.length]
        for block, keys, values in zip(self._blocks, self._keys, self._values, strict=True):
            triple = block.query_key_value(block.attention_norm(x)).view(len(x), 3, block.heads, -1)
            keys[:, :, self.length], values[:, :, self.length] = triple[:, 1], triple[:, 2]
            seen = slice(0, self.length + 1)
            mixed = functional.scaled_dot_product_attention(triple[:, 0, :, None], keys[:, :, seen], values[:, :, seen])
            x = x + block.attention_out(mixed.flatten(1))
            x = x + block.mlp_out(functional.gelu(block.mlp_in(block.mlp_norm(x))))
        self.length += 1
        states: Tensor = self._tower.transformer.norm(x)
        return states


@torch.no_grad()
def draw_tokens(
    tower: SpokenLanguageTower,
    prompts: Sequence[Int64[Tensor, "length"]],
    allowed: Bool[Tensor, "vocabulary"],
    end: int,
    options: SamplingOptions,
    generator: torch.Generator | None = None,
) -> list[Int64[Tensor, "drawn"]]:
    """What follows each prompt, up to `end`, which is left out; what does not end is cut.

    Prompts of different lengths go through together: a short one begins to be continued while others are still read.

    Args:
        tower: The language model, in evaluation mode.
        prompts: Tokens that are given, at least one each.
        allowed: Which tokens may be drawn.
        end: The token that ends a document.
        options: How they are drawn.
        generator: Draws them; None takes torch's own.

    Raises:
        ValueError: A prompt is empty, or fills the model's positions.
    """
    if not prompts:
        return []
    counts = [len(prompt) for prompt in prompts]
    if min(counts) < 1 or max(counts) >= tower.longest:
        raise ValueError(f"prompts have {min(counts)} to {max(counts)} tokens; take 1 to {tower.longest - 1}.")
    stops = [min(count + options.longest, tower.longest) for count in counts]
    drawn: list[list[int]] = [prompt.tolist() for prompt in prompts]
    open_rows = set(range(len(prompts)))
    states = CachedStates(tower, len(prompts))
    while open_rows:
        column = [row[states.length] if states.length < len(row) else end for row in drawn]
        logits = tower.logits(states.append(torch.tensor(column, device=allowed.device))).float()
        picked = _pick(logits.masked_fill(~allowed, -torch.inf), options, generator).tolist()
        for row in sorted(open_rows):
            if states.length < counts[row]:
                continue
            if picked[row] == end or len(drawn[row]) >= stops[row]:
                open_rows.discard(row)
                continue
            drawn[row].append(picked[row])
    return [torch.tensor(row[count:], dtype=torch.int64) for row, count in zip(drawn, counts, strict=True)]


def _pick(
    logits: Float[Tensor, "rows tokens"], options: SamplingOptions, generator: torch.Generator | None
) -> Int64[Tensor, "rows"]:
    if not options.temperature:
        return logits.argmax(-1)
    kept = nucleus((logits / options.temperature).softmax(-1), options.top_p)
    return torch.multinomial(kept, 1, generator=generator)[:, 0]
