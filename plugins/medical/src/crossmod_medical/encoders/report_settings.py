"""Settings of the text towers that know sentences (torch-free)."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crossmod.errors import UserError
from crossmod.recipe import TowerSettings

if TYPE_CHECKING:
    from crossmod.contracts.tower import Tower
    from crossmod_medical.encoders.sentence_processor import SentenceProcessor


@dataclass(frozen=True, kw_only=True)
class SentenceText(TowerSettings, ABC):
    """A report tower that knows sentences.

    Args:
        vocabulary: Largest number of byte-pair tokens; at least 260.
        length: Most tokens a report keeps; longer ones are cut and counted.
        lower_case: Drop case.
        width: Width of tokens, sentences and pooled vector (768 in BERT; 256 serves small corpora).
        depth: Layers (12 in BERT; 1 or 2 serve small corpora).
        heads: Attention heads; they divide the width.
        dropout: Probability on embedded tokens and on what each branch adds.
        centred: Pooled vectors lose what all reports of a batch have in common (ours; see VolumeSwin).
    """

    vocabulary: int = 4096
    length: int = 512
    lower_case: bool = True
    width: int = 256
    depth: int = 1
    heads: int = 4
    dropout: float = 0.1
    centred: bool = False

    def __post_init__(self) -> None:
        if min(self.width, self.depth, self.heads) < 1 or self.width % self.heads or not 0 <= self.dropout < 1:
            raise UserError(
                f"a text tower of width {self.width}, depth {self.depth}, {self.heads} heads and dropout "
                f"{self.dropout} cannot be made; heads divide the width and dropout is below 1."
            )
        if self.length < 3:
            raise UserError(f"length of {type(self).__name__} is {self.length}; it takes at least 3.")

    def fit_processor(self, items: Sequence[Any]) -> SentenceProcessor:
        """Make the processor, learning the vocabulary on the training reports."""
        from crossmod.text.byte_pair import BytePairProcessor
        from crossmod_medical.encoders.sentence_processor import SentenceProcessor

        tokens = BytePairProcessor.fit(
            items, vocabulary=self.vocabulary, length=self.length, lower_case=self.lower_case
        )
        return SentenceProcessor(tokens, self.length)

    def load_processor(self, spec: Mapping[str, Any], files: Mapping[str, bytes]) -> SentenceProcessor:
        """Make the processor that a checkpoint's spec and files describe.

        Raises:
            UserError: It is of another kind, length or case.
        """
        from crossmod.text.fingerprint import require_setting
        from crossmod_medical.encoders.sentence_processor import SentenceProcessor

        processor = SentenceProcessor.load(spec, files)
        require_setting(processor.spec, "length", self.length)
        require_setting(processor.tokens.spec, "lower_case", self.lower_case)
        return processor


@dataclass(frozen=True, kw_only=True)
class ReportTransformer(SentenceText):
    """One transformer over the words of a report; sentences are means of their words (SimCroP's text side; [C])."""

    def build(self, processor: Any) -> Tower:
        """Make the tower, freshly initialised."""
        from crossmod_medical.encoders.report_transformer import ReportTransformerTower

        return ReportTransformerTower(
            processor,
            width=self.width,
            depth=self.depth,
            heads=self.heads,
            dropout=self.dropout,
            centred=self.centred,
        )


@dataclass(frozen=True, kw_only=True)
class ReportLevels(SentenceText):
    """Words, sentences and the report from three groups of layers (TriBERT of VELVET-Med, by our definition [C]).

    Args:
        depth: Layers of each of the three groups (4 in our reading of the paper's name; 1 serves small corpora).
    """

    depth: int = 1

    def build(self, processor: Any) -> Tower:
        """Make the tower, freshly initialised."""
        from crossmod_medical.encoders.text_levels import LevelledTextTower

        return LevelledTextTower(
            processor,
            width=self.width,
            depth=self.depth,
            heads=self.heads,
            dropout=self.dropout,
            centred=self.centred,
        )
