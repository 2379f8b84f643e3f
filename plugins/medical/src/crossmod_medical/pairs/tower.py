"""M3AE and PTUnifier: an image tower and a text tower, fused by layers that read each other."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from crossmod.contracts.tower import Features, Tokens, Tower
from crossmod.errors import UserError
from crossmod.fusion import PromptPool, StreamStates, TwoStreamEncoder
from crossmod.text.byte_pair import END, START
from crossmod.text.inputs import TextInputs
from crossmod.text.transformer import TextTransformerTower
from crossmod_medical.encoders.patch_transformer import PatchTransformerTower
from crossmod_medical.pairs.inputs import PairInputs
from crossmod_medical.pairs.processor import PairProcessor
from crossmod_medical.pairs.stand_ins import Side, interleave
from crossmod_medical.pairs.standardisation import FeatureStandardisation

Missing = Literal["image", "text"]


class PromptPools(nn.Module):
    """Prompts that stand in for a missing image or text (PTUnifier, arXiv:2302.08958).

    The released pools get no gradient, since their rows are gathered without; here the picked rows learn.

    Args:
        image_width, text_width: Widths of the two towers' tokens.
        size: Rows of each pool (2048).
        image_prompts: Prompts for a missing image (49).
        text_prompts: Prompts for a missing text (32).
        metric: "dot" as published, or "cosine", which rows of large norm cannot win.
    """

    def __init__(
        self,
        image_width: int,
        text_width: int,
        *,
        size: int,
        image_prompts: int,
        text_prompts: int,
        metric: Literal["dot", "cosine"],
    ) -> None:
        super().__init__()
        self.image = PromptPool(size, image_width, image_prompts, query_width=text_width, metric=metric)
        self.text = PromptPool(size, text_width, text_prompts, query_width=image_width, metric=metric)


class CoAttentionPairTower(Tower):
    """Image and text towers, their tokens fused by two streams of co-attention; a pair's vector is both poolings.

    With `pools`, a missing side is replaced by prompts that the present side picks, which go through the missing
    side's own tower; a batch may mix pairs, images alone and texts alone. A pair never touches the pools.

    Args:
        processor: The processor that makes its inputs.
        image: The image tower; its attention is joint.
        text: The text tower.
        fusion: The layers that read each other, image first.
        pools: Prompts for missing sides; None refuses incomplete pairs.
        standardised: Whether the image tower's states are brought to mean 0 and deviation 1 over images and places.
    """

    def __init__(
        self,
        processor: PairProcessor,
        image: PatchTransformerTower,
        text: TextTransformerTower,
        fusion: TwoStreamEncoder,
        pools: PromptPools | None,
        *,
        standardised: bool = False,
    ) -> None:
        super().__init__()
        self.processor, self.image, self.text = processor, image, text
        self.fusion, self.pools = fusion, pools
        self.standardise = FeatureStandardisation(image.width) if standardised else None
        self.width = 2 * fusion.enter_a.out_features

    def forward(self, inputs: PairInputs, /) -> Features:
        """Encode pairs; the pooled vector is [image's first token; text's first token] behind a tanh each."""
        if not len(inputs):
            # A side of no texts has no first token to pool; the empty product keeps the graph attached.
            return Features(self.fusion.kinds.new_zeros(0, self.width) * self.fusion.kinds.sum())
        return Features(self.fuse(self.visual(inputs), self.textual(inputs)).pooled)

    def fuse(self, visual: Side, textual: Side, *, layers: int | None = None) -> StreamStates:
        """The states of both streams; `layers` runs so many from the first."""
        states: StreamStates = self.fusion(visual.tokens, textual.tokens, visual.mask, textual.mask, layers=layers)
        return states

    def visual(self, inputs: PairInputs) -> Side:
        """The image side: the image tower's tokens behind their pooled one, or prompts through the same tower."""
        there = inputs.picture >= 0
        present = self._seen(self.image(inputs.images)).take(inputs.picture[there])
        if bool(there.all()):
            return present
        prompts, _ = self._pools("image").image(*self._text_query(inputs, ~there))
        return interleave(there, present, self._prompted_image(prompts))

    def _seen(self, features: Features) -> Side:
        side = _side(features)
        return side if self.standardise is None else side._replace(tokens=self.standardise(side.tokens))

    def textual(self, inputs: PairInputs) -> Side:
        """The text side: the text tower's tokens, or prompts between [CLS] and [SEP] through the same tower."""
        there = inputs.text >= 0
        features = self.text(inputs.texts)
        assert features.tokens is not None and features.mask is not None
        present = Side(features.tokens, features.mask).take(inputs.text[there])
        if bool(there.all()):
            return present
        prompts, _ = self._pools("text").text(self._image_query(inputs, ~there))
        return interleave(there, present, self._prompted_text(prompts))

    def picked(self, inputs: PairInputs, missing: Missing) -> Int64[Tensor, "samples count"]:
        """Which rows of the missing side's pool stand in for it; for `PromptPool.usage` and for inspection."""
        everywhere = torch.ones(len(inputs), dtype=torch.bool, device=inputs.picture.device)
        picked: Tensor
        if missing == "image":
            _, picked = self._pools(missing).image(*self._text_query(inputs, everywhere))
        else:
            _, picked = self._pools(missing).text(self._image_query(inputs, everywhere))
        return picked

    def _text_query(self, inputs: PairInputs, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The word embeddings of some rows and a mask of those that are averaged: real ones, the first left out."""
        self._require(inputs.text[rows])
        assert isinstance(inputs.texts, TextInputs)
        texts = inputs.texts.take(inputs.text[rows])
        ids, real = texts.padded()
        mask = real.clone()
        mask[:, :1] = False
        return self.text.embedding(ids), mask

    def _image_query(self, inputs: PairInputs, rows: Tensor) -> Tensor:
        """The patch embeddings of some rows, with positions."""
        self._require(inputs.picture[rows])
        used, place = torch.unique(inputs.picture[rows], return_inverse=True)
        tokens = self.image.tokenise(inputs.images.take(used))
        return self.image.placed(tokens.values)[place]

    def _prompted_image(self, prompts: Float[Tensor, "rows count width"]) -> Side:
        side = _side(self.image.transform(prompts))
        return side if self.standardise is None else side._replace(tokens=self.standardise.settled(side.tokens))

    def _prompted_text(self, prompts: Float[Tensor, "rows count width"]) -> Side:
        ends = self.text.embedding.weight[[START, END]].to(prompts.dtype).expand(len(prompts), 2, -1)
        values = torch.cat([ends[:, :1], prompts, ends[:, 1:]], 1)
        real = torch.ones(values.shape[:2], dtype=torch.bool, device=values.device)
        features = self.text.encode(Tokens(values, real.long(), real, context=real), real)
        assert features.tokens is not None
        return Side(features.tokens, real)

    def _pools(self, missing: Missing) -> PromptPools:
        if self.pools is None:
            raise UserError(f"a pair lacks its {missing}, and this tower has no prompts to stand in; set `prompts`.")
        return self.pools

    def _require(self, place: Tensor) -> None:
        if bool((place < 0).any()):
            raise ValueError("a pair has neither an image nor a text, so no prompt can be picked for either.")


def _side(features: Features) -> Side:
    """Image features as one sequence, the pooled vector first."""
    assert features.tokens is not None and features.mask is not None
    first = features.pooled[:, None]
    return Side(
        torch.cat([first, features.tokens], 1),
        torch.cat([features.mask.new_ones(len(first), 1), features.mask], 1),
    )
