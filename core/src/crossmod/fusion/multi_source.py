"""Text that reads several sources at once, laid side by side with their masks (MolFM, arXiv:2307.09484)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from crossmod.fusion.batches import require_one_batch
from crossmod.fusion.cross_attention import CrossAttentionLayer, LayerOrder
from crossmod.fusion.gate import GateKind
from crossmod.fusion.masks import require_mask
from crossmod.fusion.resampler import Source, part_name
from crossmod.fusion.residual import NormPlace


def concatenate_sources(
    sources: Sequence[tuple[Float[Tensor, "batch keys width"], Bool[Tensor, "batch keys"] | None]],
) -> tuple[Float[Tensor, "batch all_keys width"], Bool[Tensor, "batch all_keys"]]:
    """Keys of several sources as one context, with one mask; a source without a mask is real throughout."""
    masks = []
    for index, (tokens, mask) in enumerate(sources):
        if mask is not None:
            require_mask(f"the mask of source {index}", mask, tokens)
        masks.append(tokens.new_ones(tokens.shape[:2], dtype=torch.bool) if mask is None else mask)
    return torch.cat([tokens for tokens, _ in sources], 1), torch.cat(masks, 1)


class MultiSourceEncoder(nn.Module):
    """Layers whose tokens attend to concat(sources), each source brought to their width by a linear map.

    In MolFM the tokens are text, the sources atoms and neighbours in a knowledge graph, the layers the upper six of
    BERT (self, cross, MLP; post-norm). A source that is None for a batch, and one whose mask is false throughout, are
    the same thing.

    Args:
        width: Width of the tokens.
        heads: Attention heads.
        depth: Layers (6).
        sources: Width of each source, by name.
        order: Order of the branches of a layer.
        norm: Where the norms stand.
        gate: The gate on what is read; needs the pre-norm.
        dropout: Probability of dropping a component of what a branch adds.

    Raises:
        ValueError: No source, or an option of the layers does not fit.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        depth: int,
        sources: Mapping[str, int],
        *,
        order: LayerOrder = "self-cross-mlp",
        norm: NormPlace = "post",
        gate: GateKind = "none",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if not sources:
            raise ValueError("a multi-source encoder was given no source; name at least one with its width.")
        self.sources = tuple(sources)
        self.enter = nn.ModuleDict({part_name(name): nn.Linear(size, width) for name, size in sources.items()})
        self.layers = nn.ModuleList(
            CrossAttentionLayer(width, heads, order=order, norm=norm, gate=gate, dropout=dropout) for _ in range(depth)
        )
        self.leave = nn.LayerNorm(width) if norm == "pre" else nn.Identity()

    def forward(
        self,
        tokens: Float[Tensor, "batch length width"],
        mask: Bool[Tensor, "batch length"] | None,
        sources: Mapping[str, Source | None],
        *,
        self_mask: Bool[Tensor, "#batch length length"] | None = None,
    ) -> Float[Tensor, "batch length width"]:
        """Transform the tokens.

        Shape:
            mask: [batch, length]; true = real token.
            self_mask: [batch or 1, length, length]; true = may attend, such as a causal mask for captioning.

        Raises:
            ValueError: A source is unknown, left out (None says that a batch has none), or of other rows.
        """
        if set(sources) != set(self.sources):
            raise ValueError(
                f"the encoder reads {', '.join(self.sources)} and was given {', '.join(sources) or 'nothing'}; "
                "give None for a source that the batch lacks."
            )
        for name, source in self._in_order(sources):
            require_one_batch(**{"tokens": tokens, f"source {name}": source.tokens})
        entered = [(self._enter(name, source), source.mask) for name, source in self._in_order(sources)]
        context, context_mask = concatenate_sources(entered) if entered else (None, None)
        for layer in self.layers:
            tokens = layer(tokens, context, mask=mask, context_mask=context_mask, self_mask=self_mask)
        left: Tensor = self.leave(tokens)
        return left

    def _in_order(self, sources: Mapping[str, Source | None]) -> Iterator[tuple[str, Source]]:
        for name in self.sources:
            source = sources[name]
            if source is not None:
                yield name, source

    def _enter(self, name: str, source: Source) -> Float[Tensor, "batch keys width"]:
        held = source.tokens
        if source.mask is not None:
            require_mask(f"the mask of {name}", source.mask, held)
            held = held.masked_fill(~source.mask[..., None], 0.0)
        entered: Tensor = self.enter[part_name(name)](held)
        return entered
