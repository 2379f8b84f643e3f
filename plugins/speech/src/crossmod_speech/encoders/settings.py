"""Settings of the speech towers (torch-free): their class names are what a user types after `--towers.speech`."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from crossmod.errors import UserError
from crossmod.recipe import TowerSettings
from crossmod_speech.encoders.augmentation_settings import SpeechAugmentation
from crossmod_speech.frontends.contract import FrontEnd
from crossmod_speech.frontends.settings import KaldiFilterBank

if TYPE_CHECKING:
    from crossmod.contracts.tower import Tower
    from crossmod_speech.processors import WaveformProcessor

SHORTEST_TOKEN_SECONDS = 0.005
"""A token of less would make sequences of hundreds a second, which attention is too slow for."""


@dataclass(frozen=True, kw_only=True)
class SpeechTower(TowerSettings, ABC):
    """An encoder of utterances.

    Args:
        front_end: What it reads of a waveform.
        longest_seconds: Longer recordings are cut there, and counted.
    """

    front_end: FrontEnd = field(default_factory=KaldiFilterBank)
    longest_seconds: float = 15.0

    def __post_init__(self) -> None:
        if not 0 < self.longest_seconds <= 3600:
            raise UserError(f"longest_seconds is {self.longest_seconds}; take more than 0 and at most 3600.")

    def fit_processor(self, items: Sequence[Any]) -> WaveformProcessor:
        """Make the processor; nothing is learned from the items."""
        from crossmod_speech.processors import WaveformProcessor

        return WaveformProcessor(self.front_end, self.longest_seconds)

    def load_processor(self, spec: Mapping[str, Any], files: Mapping[str, bytes]) -> WaveformProcessor:
        """Make the processor that a checkpoint's spec describes.

        Raises:
            UserError: The checkpoint's encoder reads other features.
        """
        return self.fit_processor(()).require(spec)


@dataclass(frozen=True, kw_only=True)
class SpeechTransformer(SpeechTower):
    """Convolutional subsampling, then a transformer with relative positions, trained from scratch.

    Args:
        stride: Frames of the front end a token; a power of two (4 in arXiv:2005.08100: 40 ms).
        width: Width of tokens and of the pooled vector. (Convention for small corpora; as TextTransformer.)
        depth: Blocks. (As TextTransformer.)
        heads: Attention heads; they divide the width into an even size. (64 wide each.)
        expansion: Width of the hidden layer of the MLPs, in widths. (4 in arXiv:1706.03762.)
        dropout: Probability on tokens and on what each branch adds. (0.1 in arXiv:1706.03762.)
        pooling: "mean" of the tokens, "attention" of a learned query, or a class token ("cls").
        positions: "rotary" (arXiv:2104.09864), or learned "relative" distances on the keys as in SpeechT5
            (arXiv:2110.07205), which take the square of the length in memory.
        packed: Whether the blocks see real tokens alone, end to end, where positions are rotary; false where something
            listens to the blocks. (As TextTransformer.)
        augmentation: What is done to utterances in training; null leaves them as they are.
    """

    stride: int = 4
    width: int = 256
    depth: int = 4
    heads: int = 4
    expansion: float = 4.0
    dropout: float = 0.1
    pooling: Literal["mean", "attention", "cls"] = "mean"
    positions: Literal["rotary", "relative"] = "rotary"
    packed: bool = True
    augmentation: SpeechAugmentation | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_encoder(self)

    def build(self, processor: Any) -> Tower:
        """Make the tower, freshly initialised."""
        from crossmod_speech.encoders.blocks import RelativeBlock

        blocks = [
            RelativeBlock(
                self.width, self.heads, expansion=self.expansion, dropout=self.dropout, positions=self.positions
            )
            for _ in range(self.depth)
        ]
        return _tower(self, processor, blocks, packed=self.packed and self.positions == "rotary")


@dataclass(frozen=True, kw_only=True)
class SpeechConformer(SpeechTower):
    """Convolutional subsampling, then Conformer blocks (arXiv:2005.08100), trained from scratch.

    Args:
        stride: Frames of the front end a token; a power of two (4 in the paper: 40 ms).
        width: Width of tokens and of the pooled vector (144 in its smallest model).
        depth: Blocks (16 in its smallest model; a quarter of it for small corpora).
        heads: Attention heads; they divide the width into an even size (4 in its smallest model).
        kernel: Tokens that the convolution of a block sees; odd (32 in the paper, 31 in most releases, and half as many
            for utterances of a few seconds).
        expansion: Width of the hidden layer of the MLPs, in widths (4 in the paper).
        dropout: Probability on tokens and on what each branch adds (0.1 in the paper).
        pooling: "mean" of the tokens, "attention" of a learned query, or a class token ("cls").
        positions: "rotary", or learned "relative" distances on the keys; the paper has Transformer-XL's.
        convolution_norm: The norm inside the convolution: "layer", or the paper's "batch", over the real tokens of a
            batch, which makes `run.chunk_size` another computation.
        augmentation: What is done to utterances in training; null leaves them as they are.
    """

    stride: int = 4
    width: int = 144
    depth: int = 4
    heads: int = 4
    kernel: int = 15
    expansion: float = 4.0
    dropout: float = 0.1
    pooling: Literal["mean", "attention", "cls"] = "mean"
    positions: Literal["rotary", "relative"] = "rotary"
    convolution_norm: Literal["layer", "batch"] = "layer"
    augmentation: SpeechAugmentation | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_encoder(self)
        if self.kernel < 1 or not self.kernel % 2:
            raise UserError(f"kernel of SpeechConformer is {self.kernel}; take an odd number.")

    def build(self, processor: Any) -> Tower:
        """Make the tower, freshly initialised."""
        from crossmod_speech.encoders.blocks import ConformerBlock

        blocks = [
            ConformerBlock(
                self.width,
                self.heads,
                kernel=self.kernel,
                expansion=self.expansion,
                dropout=self.dropout,
                positions=self.positions,
                convolution_norm=self.convolution_norm,
            )
            for _ in range(self.depth)
        ]
        return _tower(self, processor, blocks, packed=False)


def _tower(settings: SpeechTransformer | SpeechConformer, processor: Any, blocks: Sequence[Any], packed: bool) -> Tower:
    from crossmod_speech.encoders.frame_encoder import FrameEncoderTower

    augmentation = settings.augmentation
    return FrameEncoderTower(
        processor,
        blocks,
        width=settings.width,
        heads=settings.heads,
        stride=settings.stride,
        dropout=settings.dropout,
        pooling=settings.pooling,
        positions=settings.positions,
        packed=packed,
        augmentation=None if augmentation is None else augmentation.build(settings.front_end.sample_rate),
    )


def _require_encoder(settings: SpeechTransformer | SpeechConformer) -> None:
    kind, front_end = type(settings).__name__, settings.front_end
    width, heads, stride = settings.width, settings.heads, settings.stride
    if min(width, settings.depth, heads) < 1 or width % (2 * heads) or not 0 <= settings.dropout < 1:
        raise UserError(
            f"{kind} of width {width}, depth {settings.depth}, {heads} heads and dropout {settings.dropout} cannot be "
            "made; the width is a multiple of twice the heads, there is one block or more, and dropout is below 1."
        )
    if stride < 1 or stride & (stride - 1):
        raise UserError(f"stride of {kind} is {stride}; take a power of two.")
    if stride * front_end.seconds_per_frame < SHORTEST_TOKEN_SECONDS:
        raise UserError(
            f"{kind} with stride {stride} makes a token every {1000 * stride * front_end.seconds_per_frame:.3g} ms of "
            f"{type(front_end).__name__}; take a front end of fewer frames, such as KaldiFilterBank, or more stride."
        )
    if settings.augmentation is not None:
        settings.augmentation.require_fit(front_end)
