"""A fixed number of learned queries reads any number of tokens: Q-Former, its Lyrics and Video-LLaMA kin, pooling."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from crossmod.fusion.attention import MultiHeadAttention
from crossmod.fusion.batches import require_one_batch
from crossmod.fusion.masks import MaskKind, build_mask, require_mask
from crossmod.fusion.residual import FeedForward, NormPlace, Residual


@dataclass(frozen=True, kw_only=True)
class QueryGroup:
    """Learned queries that read one source.

    Args:
        count: Number of queries (32 in BLIP-2 and Video-LLaMA, 128 in mPLUG-video).
        source_width: Width of the source's tokens.
    """

    count: int
    source_width: int


def part_name(source: str) -> str:
    """The name of a source's part in a module; a plain one could meet a method's, such as "items" or "keys".

    Raises:
        ValueError: The name has a dot, which separates modules.
    """
    if "." in source:
        raise ValueError(f"a source is called {source!r}; name it without a dot.")
    return f"source_{source}"


class Source(NamedTuple):
    """What a group of queries reads.

    Shape:
        tokens: [batch, keys, source_width]; keys may be 0.
        mask: [batch, keys] or None; true = real token.
    """

    tokens: Float[Tensor, "batch keys source_width"]
    mask: Bool[Tensor, "batch keys"] | None = None


class Resampled(NamedTuple):
    """What the queries hold after the last layer.

    Shape:
        queries: [batch, queries, width]; the groups in their order.
        mask: [batch, queries]; false for queries whose source has no real token in that sample.
        text: [batch, length, width] or None.
    """

    queries: Float[Tensor, "batch queries width"]
    mask: Bool[Tensor, "batch queries"]
    text: Float[Tensor, "batch length width"] | None


class ResamplerLayer(nn.Module):
    """Self-attention over queries and text, cross-attention of each group to its source, an MLP for either kind."""

    def __init__(
        self, width: int, heads: int, groups: Mapping[str, QueryGroup], *, text: bool, norm: NormPlace, dropout: float
    ) -> None:
        super().__init__()
        self.own = MultiHeadAttention(width, heads)
        self.own_residual = Residual(width, norm=norm, dropout=dropout)
        self.cross = nn.ModuleDict(
            {
                part_name(name): MultiHeadAttention(width, heads, context_width=group.source_width)
                for name, group in groups.items()
            }
        )
        self.cross_residual = Residual(width, norm=norm, dropout=dropout)
        self.mlp, self.mlp_residual = FeedForward(width), Residual(width, norm=norm, dropout=dropout)
        self.text_mlp = FeedForward(width) if text else None
        self.text_residual = Residual(width, norm=norm, dropout=dropout) if text else None
        self.counts = {name: group.count for name, group in groups.items()}

    def forward(
        self, tokens: Tensor, sources: Mapping[str, Source], allowed: Bool[Tensor, "batch length length"]
    ) -> Tensor:
        """Transform [queries; text] of one batch."""
        count = sum(self.counts.values())
        tokens = self.own_residual(tokens, lambda held: self.own(held, held, None, allowed))
        queries, text = tokens[:, :count], tokens[:, count:]
        queries = self.cross_residual(queries, lambda held: self._read(held, sources))
        queries = self.mlp_residual(queries, self.mlp)
        if self.text_mlp is None or self.text_residual is None:
            alone: Tensor = queries
            return alone
        return torch.cat([queries, self.text_residual(text, self.text_mlp)], 1)

    def _read(self, queries: Tensor, sources: Mapping[str, Source]) -> Tensor:
        parts = zip(self.counts, torch.split(queries, list(self.counts.values()), 1), strict=True)
        read = [self.cross[part_name(name)](part, sources[name].tokens, sources[name].mask) for name, part in parts]
        return torch.cat(read, 1)


class QueryResampler(nn.Module):
    """Learned queries that read sources of any length (Q-Former, arXiv:2301.12597).

    One group over frames with `SegmentPositions` is Video-LLaMA's (arXiv:2306.02858) query transformer; depth 1 is
    mPLUG-video's (arXiv:2306.04362) attention pool; an image group beside an object group is the MQ-Former of Lyrics
    (arXiv:2312.05278), of which the two sets and the masks are as its summaries say and the rest [ours, not verified].
    All queries and the text share self-attention under one of `QUERY_TEXT_MASKS`. A group whose source has no real
    token in a sample reads exactly zero, and nothing else attends to its queries: the other groups are as without it.

    Args:
        width: Width of the queries and of the text (768).
        heads: Attention heads (12).
        depth: Layers (2 in Video-LLaMA, 12 in Q-Former); each has self-attention, cross-attention and an MLP.
        groups: The sets of queries, by the name of the source that they read.
        text: Whether text runs beside the queries, with an MLP of its own.
        norm: Published resamplers are post-norm.
        out_width: Width that the queries are projected to, such as a language model's; None leaves them.
        dropout: Probability of dropping a component of what a branch adds.

    Raises:
        ValueError: No group, or a group without queries.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        depth: int,
        groups: Mapping[str, QueryGroup],
        *,
        text: bool = False,
        norm: NormPlace = "post",
        out_width: int | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if not groups or min(group.count for group in groups.values()) < 1:
            raise ValueError(f"the resampler was given the query groups {dict(groups)}; each needs at least one query.")
        self.groups, self.width = dict(groups), width
        self.queries = nn.ParameterDict(
            {part_name(name): torch.empty(group.count, width) for name, group in groups.items()}
        )
        for queries in self.queries.values():
            nn.init.normal_(queries, std=0.02)
        self.enter = nn.LayerNorm(width)
        self.layers = nn.ModuleList(
            ResamplerLayer(width, heads, groups, text=text, norm=norm, dropout=dropout) for _ in range(depth)
        )
        self.reads_text = text
        self.leave = nn.LayerNorm(width) if norm == "pre" else nn.Identity()
        self.out = nn.Identity() if out_width is None else nn.Linear(width, out_width)

    def forward(
        self,
        sources: Mapping[str, Source],
        text: Float[Tensor, "batch length width"] | None = None,
        text_mask: Bool[Tensor, "batch length"] | None = None,
        *,
        kind: MaskKind = "full",
    ) -> Resampled:
        """Read every source.

        Args:
            kind: How queries and text see each other: "separate" (contrast), "full" (matching), "prefix" (captioning).

        Raises:
            ValueError: A source is missing or unknown, text is given to a resampler without a text branch, or inputs
                differ in their number of rows.
        """
        batch = self._checked(sources, text)
        present = torch.cat([self._present(name, sources[name]) for name in self.groups], 1)
        queries = self.enter(torch.cat([*self.queries.values()])).expand(batch, -1, -1)
        tokens = queries if text is None else torch.cat([queries, text.to(queries.dtype)], 1)
        allowed = self._allowed(present, text, text_mask, kind)
        for layer in self.layers:
            tokens = layer(tokens, sources, allowed)
        count = present.shape[1]
        read = self.out(self.leave(tokens[:, :count]))
        return Resampled(read, present, None if text is None else self.leave(tokens[:, count:]))

    def _checked(self, sources: Mapping[str, Source], text: Tensor | None) -> int:
        if set(sources) != set(self.groups):
            raise ValueError(
                f"the resampler reads {', '.join(self.groups)} and was given {', '.join(sources) or 'nothing'}; "
                "give an empty source where a sample has none."
            )
        if text is not None and not self.reads_text:
            raise ValueError("text was given to a resampler without a text branch; build it with text=True.")
        require_one_batch(text=text, **{name: source.tokens for name, source in sources.items()})
        for name, source in sources.items():
            if source.mask is not None:
                require_mask(f"the mask of {name}", source.mask, source.tokens)
        return next(iter(sources.values())).tokens.shape[0]

    def _present(self, name: str, source: Source) -> Bool[Tensor, "batch queries"]:
        tokens = source.tokens
        real = source.mask if source.mask is not None else tokens.new_ones(tokens.shape[:2], dtype=torch.bool)
        return real.any(1, keepdim=True).expand(-1, self.groups[name].count)

    def _allowed(
        self, present: Tensor, text: Tensor | None, text_mask: Tensor | None, kind: MaskKind
    ) -> Bool[Tensor, "batch length length"]:
        count = present.shape[1]
        # The queries of an absent group still see their own kind, so that they hold something finite.
        group = torch.cat(
            [present.new_full((g.count,), i, dtype=torch.long) for i, g in enumerate(self.groups.values())]
        )
        among = present[:, None, :] | (group[:, None] == group)
        if text is None:
            return among
        batch, length = text.shape[:2]
        if text_mask is None:
            text_mask = present.new_ones(batch, length)
        require_mask("text_mask", text_mask, text)
        allowed = build_mask(
            kind,
            count + length,
            prefix=None if kind == "full" else count,
            real=torch.cat([present, text_mask], 1),
        ).clone()
        allowed[:, :count, :count] = among
        return allowed
