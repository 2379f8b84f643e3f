"""Transformers that leave tokens out: hidden ones, and padding. Forward and backward, one thread."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from benchmarks.measure import Result, interleaved, speed
from crossmod.contracts.tower import Tokens, TokenTower
from crossmod.objectives.local.maskers import uniform_masking
from crossmod.objectives.local.visible_tokens import gather_visible
from crossmod.text.block import TransformerBlock
from crossmod.text.settings import TextTransformer

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

RAGGED = ((32, 16, TOKENS), (256, 10, 64))  # samples, shortest and longest
LENGTHS_SEED = 9
RAGGED_WIDTH, RAGGED_HEADS, RAGGED_DEPTH = 192, 3, 6


def _blocks(width: int, heads: int, depth: int) -> nn.ModuleList:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    return nn.ModuleList(TransformerBlock(width, heads, 4.0, 0.0, depth) for _ in range(depth))


def _step(blocks: nn.Module, states: Callable[[], Tensor]) -> Callable[[], None]:
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
    """The text tower on packed sequences of unequal lengths, against padding them all."""
    return [_ragged(*sizes, rounds) for sizes in RAGGED]


def _ragged(samples: int, shortest: int, longest: int, rounds: int) -> Result:
    lengths = torch.randint(shortest, longest + 1, (samples,), generator=torch.Generator().manual_seed(LENGTHS_SEED))
    real = torch.arange(int(lengths.max())) < lengths[:, None]
    tokens = Tokens(torch.randn(*real.shape, RAGGED_WIDTH), torch.zeros(real.shape, dtype=torch.int64), real, real)
    towers = {"ours": _text_tower(packed=True), "theirs": _text_tower(packed=False)}
    cases = {who: _step(tower, lambda tower=tower: _states(tower, tokens)) for who, tower in towers.items()}
    seconds = interleaved(cases, rounds)
    waste = real.numel() / int(lengths.sum())
    what = f"text tower, {samples} texts of {shortest}-{longest} tokens, {waste:.2f}x padding (all padded)"
    return speed(what, seconds["ours"], seconds["theirs"], 1.7)


def _text_tower(*, packed: bool) -> TokenTower:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    sizes = TextTransformer(
        length=TOKENS, width=RAGGED_WIDTH, heads=RAGGED_HEADS, depth=RAGGED_DEPTH, dropout=0.0, packed=packed
    )
    return sizes.build(sizes.fit_processor(["any text serves: the tokens are given"]))


def _states(tower: TokenTower, tokens: Tokens) -> Tensor:
    states = tower.encode(tokens, torch.ones_like(tokens.mask)).tokens
    assert states is not None
    return states
