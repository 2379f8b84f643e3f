"""FIBER: cross-attention inside the blocks of two ready-made towers, switched on by gates that start at zero."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxtyping import Bool, Float
from torch import Tensor, nn

from crossmod.fusion.attention import MultiHeadAttention
from crossmod.fusion.gate import Gate, GateKind
from crossmod.fusion.injection import Injection, submodule_called


class GatedInjection(Injection):
    """s + g * attention(s; context), where s is what a submodule of a block puts out (FIBER, arXiv:2206.07643).

    Attach it to the output projection of a block's self-attention: the update then joins s before the block adds s to
    its residual stream, as in the paper.

    Args:
        width: Width of the submodule's output.
        context_width: Width of the other tower's tokens.
        heads: Attention heads.
        gate: "scalar" is the paper's, learned from zero.
        query_norm: Whether a layer norm stands before the queries (the paper: for images, not for text).
        windowed: The submodule works on windows (Swin), all those of a sample in a row; each reads the whole context.
    """

    def __init__(
        self,
        width: int,
        context_width: int,
        heads: int,
        *,
        gate: GateKind = "scalar",
        query_norm: bool = True,
        windowed: bool = False,
    ) -> None:
        super().__init__()
        self.query_norm = nn.LayerNorm(width) if query_norm else nn.Identity()
        self.attention = MultiHeadAttention(width, heads, context_width=context_width)
        self.gate = Gate(gate, width)
        self.windowed = windowed

    def forward(
        self,
        tokens: Float[Tensor, "batch length width"],
        context: Float[Tensor, "batch keys context_width"],
        context_mask: Bool[Tensor, "batch keys"] | None = None,
    ) -> Float[Tensor, "batch length width"]:
        """Tokens with what they read from the context."""
        injected: Tensor = tokens + self.gate(self.attention(self.query_norm(tokens), context, context_mask))
        return injected

    def inject(self, output: Tensor, context: Any, context_mask: Tensor | None) -> Tensor:
        """What the submodule's output becomes.

        Raises:
            ValueError: The windows do not divide among the samples.
        """
        if not self.windowed:
            whole: Tensor = self(output, context, context_mask)
            return whole
        samples = len(context)
        if len(output) % max(samples, 1):
            raise ValueError(f"{len(output)} windows do not divide among {samples} samples of context.")
        # A query reads the context by itself: the windows of a sample may as well stand in one row.
        length = len(output) // max(samples, 1) * output.shape[1]
        read: Tensor = self(output.reshape(samples, length, output.shape[2]), context, context_mask)
        return read.reshape(output.shape)


class FusionInjector(nn.Module):
    """Two stacks of blocks, the last `fused` of each in pairs that read each other before either is updated.

    It owns the blocks; each is called as `block(tokens, mask)`. With `fused_mode` false it is a dual encoder that
    computes no cross-attention; at initialisation both modes give the same tokens, to the bit. FIBER's captioner reads
    in one direction only, under a causal mask: `a_reads_b=False` and `self_mask_b`. (Its released code then lets every
    text layer read the last image features; here each reads its own level.)

    Args:
        blocks_a: Blocks of side a, lowest first.
        blocks_b: Blocks of side b; their number may differ.
        fused: Number of fused pairs, from the top (6 in the paper).
        width_a: Width of the tokens of side a, or one width a fused pair, lowest first (Swin's stages).
        width_b: Width of those of side b.
        heads: Attention heads of the injections.
        at: Name of the submodule of a block that the injection follows ("attention_out" in crossmod's blocks).
        at_b: The same on side b; None is as on side a.
        query_norm_a: Whether side a's queries are normed.
        query_norm_b: Whether side b's are.
        windowed_a: Whether the submodules of side a work on windows (Swin).

    Raises:
        ValueError: More pairs than blocks, another number of widths than pairs, or a block has no such submodule.
    """

    def __init__(
        self,
        blocks_a: Sequence[nn.Module],
        blocks_b: Sequence[nn.Module],
        *,
        fused: int,
        width_a: int | Sequence[int],
        width_b: int | Sequence[int],
        heads: int,
        at: str = "attention_out",
        at_b: str | None = None,
        query_norm_a: bool = True,
        query_norm_b: bool = False,
        windowed_a: bool = False,
    ) -> None:
        super().__init__()
        if not 1 <= fused <= min(len(blocks_a), len(blocks_b)):
            raise ValueError(
                f"{fused} fused pairs were asked for from {len(blocks_a)} and {len(blocks_b)} blocks; "
                "take between 1 and the shorter stack."
            )
        self.blocks_a, self.blocks_b = nn.ModuleList(blocks_a), nn.ModuleList(blocks_b)
        widths = list(zip(_widths(width_a, fused), _widths(width_b, fused), strict=True))
        self.into_a = nn.ModuleList(
            GatedInjection(a, b, heads, query_norm=query_norm_a, windowed=windowed_a) for a, b in widths
        )
        self.into_b = nn.ModuleList(GatedInjection(b, a, heads, query_norm=query_norm_b) for a, b in widths)
        names = (at, at if at_b is None else at_b)
        for stack, injections, name in zip((blocks_a, blocks_b), (self.into_a, self.into_b), names, strict=True):
            for block, injection in zip(list(stack)[-fused:], injections, strict=True):
                assert isinstance(injection, GatedInjection)
                injection.attach(submodule_called(block, name))

    def forward(
        self,
        tokens_a: Float[Tensor, "batch length_a width_a"] | None,
        tokens_b: Float[Tensor, "batch length_b width_b"] | None,
        mask_a: Bool[Tensor, "batch length_a"] | None = None,
        mask_b: Bool[Tensor, "batch length_b"] | None = None,
        *,
        fused_mode: bool = True,
        a_reads_b: bool = True,
        b_reads_a: bool = True,
        self_mask_b: Bool[Tensor, "#batch length_b length_b"] | None = None,
    ) -> tuple[Float[Tensor, "batch length_a width_a"] | None, Float[Tensor, "batch length_b width_b"] | None]:
        """Run both stacks; without `fused_mode` either side may be None.

        Shape:
            self_mask_b: [batch or 1, length_b, length_b], from `build_mask`; blocks of b then get it as a third input.

        Raises:
            ValueError: A side is missing in fused mode, or a causal side would be read by the side that it reads.
        """
        if not fused_mode:
            return _run(self.blocks_a, tokens_a, mask_a), _run(self.blocks_b, tokens_b, mask_b, self_mask_b)
        if tokens_a is None or tokens_b is None:
            raise ValueError("fused mode was given one side only; pass fused_mode=False for a single modality.")
        if self_mask_b is not None and a_reads_b and b_reads_a:
            raise ValueError("side a would carry b's later tokens back to its earlier ones; pass a_reads_b=False.")
        fused = len(self.into_a)
        a = _run(self.blocks_a[:-fused], tokens_a, mask_a)
        b = _run(self.blocks_b[:-fused], tokens_b, mask_b, self_mask_b)
        pairs = zip(self.blocks_a[-fused:], self.blocks_b[-fused:], self.into_a, self.into_b, strict=True)
        for block_a, block_b, into_a, into_b in pairs:
            before_a, before_b = a, b
            a = _read(block_a, into_a if a_reads_b else None, (before_b, mask_b), before_a, mask_a)
            b = _read(block_b, into_b if b_reads_a else None, (before_a, mask_a), before_b, mask_b, self_mask_b)
        return a, b


def _widths(width: int | Sequence[int], fused: int) -> list[int]:
    widths = [width] * fused if isinstance(width, int) else list(width)
    if len(widths) != fused:
        raise ValueError(f"{len(widths)} widths were given for {fused} fused pairs; give one number, or one a pair.")
    return widths


def _run(blocks: Any, tokens: Tensor | None, *masks: Tensor | None) -> Tensor | None:
    if tokens is None:
        return None
    for block in blocks:
        tokens = _call(block, tokens, *masks)
    return tokens


def _call(block: nn.Module, tokens: Tensor, mask: Tensor | None, self_mask: Tensor | None = None) -> Tensor:
    out: Tensor = block(tokens, mask) if self_mask is None else block(tokens, mask, self_mask)
    return out


def _read(
    block: nn.Module,
    injection: nn.Module | None,
    context: tuple[Tensor | None, Tensor | None],
    tokens: Tensor | None,
    *masks: Tensor | None,
) -> Tensor:
    assert tokens is not None
    if injection is None:
        return _call(block, tokens, *masks)
    assert isinstance(injection, GatedInjection)
    with injection.given(*context):
        return _call(block, tokens, *masks)
