"""Settings of SpeechCLIP's two branches (torch-free)."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from crossmod.errors import UserError
from crossmod.recipe import TowerSettings
from crossmod_speech.encoders.settings import SpeechTransformer

if TYPE_CHECKING:
    from crossmod.contracts.processor import Processor
    from crossmod.contracts.tower import Tower


@dataclass(frozen=True, kw_only=True)
class SpeechBranch(TowerSettings, ABC):
    """What stands above the frames of an encoder of speech.

    Args:
        tower: The encoder. (SpeechCLIP: a frozen HuBERT with weighted layers, which is
            `HuggingFaceSpeech(frozen=True, layers="weighted")`.)
    """

    tower: TowerSettings = field(default_factory=SpeechTransformer)

    def fit_processor(self, items: Sequence[Any]) -> Processor:
        """Make the encoder's processor."""
        return self.tower.fit_processor(items)

    def load_processor(self, spec: Mapping[str, Any], files: Mapping[str, bytes]) -> Processor:
        """Make the processor that a checkpoint's spec describes.

        Raises:
            UserError: The checkpoint's encoder reads other features.
        """
        return self.tower.load_processor(spec, files)


@dataclass(frozen=True, kw_only=True)
class ParallelSpeech(SpeechBranch):
    """A class token over the frames through one transformer layer: SpeechCLIP's parallel branch (arXiv:2210.00705).

    Args:
        heads: Attention heads; they divide the encoder's width (8 in the paper).
        expansion: Width of the MLP's hidden layer, in widths (4 in the paper).
        dropout: Probability of dropping a component of what a branch adds (0.1 in torch's layer, which it uses).
    """

    heads: int = 8
    expansion: float = 4.0
    dropout: float = 0.1

    def __post_init__(self) -> None:
        if self.heads < 1 or not 0 <= self.dropout < 1:
            raise UserError(
                f"ParallelSpeech has {self.heads} heads and dropout {self.dropout}; take 1 or more, and below 1."
            )

    def build(self, processor: Any) -> Tower:
        """Make the tower."""
        from crossmod_speech.encoders.keyword_towers import ParallelSpeechTower

        tower = self.tower.build(processor)
        if tower.width % self.heads:
            raise UserError(
                f"ParallelSpeech has {self.heads} heads, which do not divide the encoder's width {tower.width}; set "
                "heads to a divisor."
            )
        return ParallelSpeechTower(processor, tower, heads=self.heads, expansion=self.expansion, dropout=self.dropout)


@dataclass(frozen=True, kw_only=True)
class CascadedSpeech(SpeechBranch):
    """Keywords, quantised to token embeddings and read by the text tower: SpeechCLIP's cascaded branch.

    The text tower is `TextTransformer` or `HuggingFaceText`, trained already and kept as it is by `run.freeze` (a text
    encoder that learns to read its keywords would make a language of its own of them).

    Args:
        keywords: How many (8 in the paper).
        temperature: Of the softmax that gives quantisation its gradient (0.1 in the paper).
        candidates: Keywords are of the first so many tokens of the vocabulary alone, which are the most frequent of a
            byte-pair vocabulary; 0 allows all. (The paper reduces CLIP's by frequency in its corpora.)
    """

    keywords: int = 8
    temperature: float = 0.1
    candidates: int = 0

    def __post_init__(self) -> None:
        if self.keywords < 1 or not self.temperature > 0 or self.candidates < 0:
            raise UserError(
                f"CascadedSpeech has {self.keywords} keywords, temperature {self.temperature} and {self.candidates} "
                "candidates; take 1 or more, above 0, and 0 or more."
            )

    def build(self, processor: Any) -> Tower:
        """Make the tower, which the text tower of the same model has to read: `read_keywords` introduces them."""
        from crossmod_speech.encoders.keyword_towers import CascadedSpeechTower

        return CascadedSpeechTower(
            processor,
            self.tower.build(processor),
            keywords=self.keywords,
            temperature=self.temperature,
            candidates=self.candidates,
        )


def read_keywords(towers: dict[str, Tower]) -> dict[str, Tower]:
    """Let the text tower of a model read the keywords of its speech tower, where that makes some.

    Raises:
        UserError: The text tower cannot.
    """
    from crossmod_speech.encoders.keyword_towers import CascadedSpeechTower

    speech = towers["speech"]
    if isinstance(speech, CascadedSpeechTower):
        speech.read_by(towers["text"])
    return towers
