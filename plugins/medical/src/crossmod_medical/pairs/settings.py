"""Settings of the tower that fuses an image with a text (torch-free)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from crossmod.errors import UserError
from crossmod.recipe import TowerSettings
from crossmod.settings import Settings
from crossmod.text.settings import TextTransformer
from crossmod_medical.encoders.settings import ImageTransformer

if TYPE_CHECKING:
    from crossmod.contracts.tower import Tower
    from crossmod_medical.pairs.processor import PairProcessor


@dataclass(frozen=True, kw_only=True)
class Prompts(Settings):
    """Pools of prompts that stand in for a missing image or text (PTUnifier, arXiv:2302.08958).

    Args:
        size: Rows of each pool (2048 in PTUnifier; as many as prompts gives static ones).
        image: Prompts for a missing image (49).
        text: Prompts for a missing text (32); with [CLS] and [SEP] they fit the text tower's length.
        metric: "dot" as published, or "cosine", which rows of large norm cannot win.
    """

    size: int = 2048
    image: int = 49
    text: int = 32
    metric: Literal["dot", "cosine"] = "dot"

    def __post_init__(self) -> None:
        if not 0 < max(self.image, self.text) <= self.size or min(self.image, self.text) < 0:
            raise UserError(
                f"{self.image} and {self.text} prompts cannot be picked from pools of {self.size}; take fewer."
            )

    def build(self) -> Prompts:
        """Pools are made with the tower whose widths they have."""
        return self


@dataclass(frozen=True, kw_only=True)
class CoAttentionPair(TowerSettings):
    """An image and a text fused by two streams that read each other (M3AE, arXiv:2209.07098; PTUnifier).

    Items are pairs, such as those of `VqaRad`. Published models start from CLIP's and RoBERTa's weights, of which this
    package has none: towers start at random, or from runs of your own with `run.initialise_parts`.

    Args:
        image: The image tower (CLIP's ViT-B/16 on 288 pixels in both).
        text: The text tower (RoBERTa in M3AE, a biomedical one in PTUnifier).
        width: Width of each stream (768).
        depth: Layers of each stream (6; 2 serves small corpora).
        heads: Attention heads; they divide the width (12).
        dropout: Probability of dropping a component of what a branch of a fusion layer adds (0.1).
        prompts: Prompts for a missing image or text; none refuses incomplete pairs.
        standardised: Bring the image tower's states to mean 0 and deviation 1 before they are fused. Not published,
            where the towers start trained; from scratch, states of two images hardly differ without it (measured).
    """

    image: ImageTransformer = field(default_factory=lambda: ImageTransformer(pooling="cls"))
    text: TextTransformer = field(default_factory=TextTransformer)
    width: int = 256
    depth: int = 2
    heads: int = 4
    dropout: float = 0.1
    prompts: Prompts | None = None
    standardised: bool = False

    def __post_init__(self) -> None:
        if min(self.width, self.depth, self.heads) < 1 or self.width % self.heads or not 0 <= self.dropout < 1:
            raise UserError(
                f"a fusion of width {self.width}, depth {self.depth}, {self.heads} heads and dropout {self.dropout} "
                "cannot be made; heads divide the width and dropout is below 1."
            )
        if self.prompts is not None and self.prompts.text + 2 > self.text.length:
            raise UserError(
                f"{self.prompts.text} text prompts with [CLS] and [SEP] are longer than text.length "
                f"{self.text.length}; raise it or take fewer."
            )

    def fit_processor(self, items: Sequence[Any]) -> PairProcessor:
        """Make the processor, learning the vocabulary on the texts of the training pairs."""
        from crossmod_medical.pairs.processor import PairProcessor

        texts = [text for item in items if (text := getattr(item, "text", None)) is not None]
        return PairProcessor(self.image.grid.build(), self.text.fit_processor(texts), partial=self.prompts is not None)

    def load_processor(self, spec: Mapping[str, Any], files: Mapping[str, bytes]) -> PairProcessor:
        """Make the processor that a checkpoint's spec and files describe.

        Raises:
            UserError: The checkpoint holds something else.
        """
        from crossmod_medical.pairs.processor import load_pair_processor

        text = self.text.load_processor(spec.get("text", {}), files)
        return load_pair_processor(self.image.grid.build(), text, spec, partial=self.prompts is not None)

    def build(self, processor: Any) -> Tower:
        """Make the tower, freshly initialised."""
        from crossmod.fusion import TwoStreamEncoder
        from crossmod_medical.encoders.patch_transformer import PatchTransformerTower
        from crossmod_medical.pairs.tower import CoAttentionPairTower, PromptPools

        image, text = self.image.build(processor.image), self.text.build(processor.text)
        assert isinstance(image, PatchTransformerTower)
        fusion = TwoStreamEncoder(
            self.width, self.heads, self.depth, width_a=image.width, width_b=text.width, dropout=self.dropout
        )
        pools = None
        if (prompts := self.prompts) is not None:
            pools = PromptPools(
                image.width,
                text.width,
                size=prompts.size,
                image_prompts=prompts.image,
                text_prompts=prompts.text,
                metric=prompts.metric,
            )
        return CoAttentionPairTower(processor, image, text, fusion, pools, standardised=self.standardised)
