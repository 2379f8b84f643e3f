"""Transformers that leave tokens out: hidden ones, and padding. Forward and backward, one thread."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from benchmarks.measure import Result, interleaved, speed
from crossmod.objectives.local.maskers import uniform_masking
from crossmod.objectives.local.visible_tokens import gather_visible
from crossmod.text.block import TransformerBlock
from crossmod.text.packed_tokens import PackedTokens, packed_block

TOKENS = 196  # 14 x 14 patches
# Width, heads, tokens and samples. Saved are 4.25, 4.5 and 4.7 of the operations; attention, whose cost
# falls with the square, weighs the more the narrower the encoder and the longer the sequence.
ENCODERS = {
    "ViT-S": (384, 6, TOKENS, 16),
    "ViT-Ti": (192, 3, TOKENS, 16),
    "ViT-S at 384 pixels": (384, 6, 576, 4),
}
DEPTH = 12
HIDDEN = 0.75

RAGGED_SAMPLES, SHORTEST, LENGTHS_SEED = 32, 16, 9
RAGGED_WIDTH, RAGGED_HEADS, RAGGED_DEPTH = 192, 3, 6


def _blocks(width: int, heads: int, depth: int) -> nn.ModuleList:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    return nn.ModuleList(TransformerBlock(width, heads, 4.0, 0.0, depth) for _ in range(depth))


def _step(blocks: nn.ModuleList, states: Callable[[], Tensor]) -> Callable[[], None]:
    def run() -> None:
        blocks.zero_grad()
        states().square().mean().backward()  # type: ignore[no-untyped-call]

    return run


def _encoded(blocks: nn.ModuleList, tokens: Tensor, mask: Tensor | None) -> Tensor:
    for block in blocks:
        tokens = block(tokens, mask)
    return tokens


def masked(rounds: int) -> list[Result]:
    """Encoders on the visible quarter of their tokens, choosing them included, against all of them."""
    return [_masked(name, *sizes, rounds) for name, sizes in ENCODERS.items()]


def _masked(name: str, width: int, heads: int, length: int, samples: int, rounds: int) -> Result:
    blocks = _blocks(width, heads, DEPTH)
    tokens = torch.randn(samples, length, width)
    real = torch.ones(samples, length, dtype=torch.bool)

    def visible() -> Tensor:
        return _encoded(blocks, gather_visible(tokens, uniform_masking(real, HIDDEN)).values, None)

    cases = {"ours": _step(blocks, visible), "theirs": _step(blocks, lambda: _encoded(blocks, tokens, None))}
    seconds = interleaved(cases, min(rounds, 5))
    what = f"masked encoder, {name}, {HIDDEN:.0%} of {length} tokens hidden (all tokens)"
    return speed(what, seconds["ours"], seconds["theirs"], 4.5)


def ragged(rounds: int) -> list[Result]:
    """Sequences of 16 to 196 tokens, packed, against padding all to the longest with a mask."""
    blocks = _blocks(RAGGED_WIDTH, RAGGED_HEADS, RAGGED_DEPTH)
    lengths = torch.randint(
        SHORTEST, TOKENS + 1, (RAGGED_SAMPLES,), generator=torch.Generator().manual_seed(LENGTHS_SEED)
    )
    real = torch.arange(int(lengths.max())) < lengths[:, None]
    tokens = torch.randn(*real.shape, RAGGED_WIDTH)

    def packed() -> Tensor:
        packing = PackedTokens.of(tokens, real)
        states = packing.values
        for block in blocks:
            states = packed_block(block, states, packing)
        return packing.padded(states)

    cases = {"ours": _step(blocks, packed), "theirs": _step(blocks, lambda: _encoded(blocks, tokens, real))}
    seconds = interleaved(cases, rounds)
    waste = real.numel() / int(lengths.sum())
    what = f"ragged batch, packed, {waste:.2f}x padding (padded and masked)"
    return [speed(what, seconds["ours"], seconds["theirs"], 1.7)]
