"""Settings of answering: towers of questions and of answers, and how answers are scored (torch-free)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from crossmod.domain import Evaluation
from crossmod.errors import UserError
from crossmod.recipe import TowerSettings
from crossmod.settings import Options
from crossmod_medical.encoders.settings import ImageTower, ImageTransformer

if TYPE_CHECKING:
    from crossmod.contracts.tower import Tower
    from crossmod_medical.pairs.processor import PairProcessor
    from crossmod_medical.vqa.answers import AnswerProcessor


@dataclass(frozen=True, kw_only=True)
class AnswerTable(TowerSettings):
    """One learned row for every answer that training holds; further ones share a row that no question is scored on.

    Args:
        width: Width of a row.
    """

    width: int = 256

    def __post_init__(self) -> None:
        if self.width < 1:
            raise UserError(f"width of AnswerTable is {self.width}; take 1 or more.")

    def fit_processor(self, items: Sequence[Any]) -> AnswerProcessor:
        """Make the processor, whose vocabulary is that of the training answers."""
        from crossmod_medical.vqa.answers import AnswerProcessor

        return AnswerProcessor.fit(items)

    def load_processor(self, spec: Mapping[str, Any], files: Mapping[str, bytes]) -> AnswerProcessor:
        """Make the processor that a checkpoint's spec and file describe.

        Raises:
            UserError: It is of another kind, or its file was changed.
        """
        from crossmod_medical.vqa.answers import AnswerProcessor

        return AnswerProcessor.load(spec, files)

    def build(self, processor: Any) -> Tower:
        """Make the tower, freshly initialised."""
        from crossmod_medical.vqa.answer_tower import AnswerTower

        return AnswerTower(processor, self.width)


@dataclass(frozen=True, kw_only=True)
class MixedFeatures(TowerSettings):
    """Questions about images by MEVF (arXiv:1909.11867) or QCR, the two models that PubMedCLIP's encoder is used in.

    Args:
        visual: The image tower; PubMedCLIP's is CLIP's, continued on captions: a run of your own on captions starts it
            with `run.initialise_parts`.
        autoencoder: What the autoencoder of grey images adds to the visual vector (64); 0 leaves it out.
        words: Most words of a question (12).
        word_width: Width of each half of a word (300).
        width: Width of the question's states (1024; 256 serves small corpora). The tower is twice as wide.
        glimpses: Glimpses of the bilinear attention (2 in MEVF, 10 in QCR's configuration).
        head: "mevf" has one branch, "routed" one for open and one for closed questions (QCR).
        dropout: Probability of dropping a component before the maps of the attention (0.2 in BAN).
        standardised: Bring the visual vector to mean 0 and deviation 1 over images. Not published, where the image
            tower starts trained; from scratch on VQA-RAD, answers hardly depend on the image without it (measured).
    """

    visual: ImageTower = field(default_factory=ImageTransformer)
    autoencoder: int = 64
    words: int = 12
    word_width: int = 300
    width: int = 256
    glimpses: int = 2
    head: Literal["mevf", "routed"] = "mevf"
    dropout: float = 0.2
    standardised: bool = False

    def __post_init__(self) -> None:
        if min(self.words, self.word_width, self.width, self.glimpses) < 1 or self.autoencoder < 0:
            raise UserError("words, word_width, width and glimpses of MixedFeatures are at least 1, autoencoder 0.")
        if not 0 <= self.dropout < 1:
            raise UserError(f"dropout of MixedFeatures is {self.dropout}; take 0 or more, and less than 1.")

    def fit_processor(self, items: Sequence[Any]) -> PairProcessor:
        """Make the processor, learning the words of the training questions."""
        from crossmod_medical.pairs.processor import PairProcessor
        from crossmod_medical.vqa.words import WordProcessor

        texts = [text for item in items if (text := getattr(item, "text", None)) is not None]
        words = WordProcessor.fit(texts, length=self.words)
        return PairProcessor(self.visual.grid.build(), words, partial=False)

    def load_processor(self, spec: Mapping[str, Any], files: Mapping[str, bytes]) -> PairProcessor:
        """Make the processor that a checkpoint's spec and file describe.

        Raises:
            UserError: The checkpoint holds something else.
        """
        from crossmod.text.fingerprint import require_setting
        from crossmod_medical.pairs.processor import load_pair_processor
        from crossmod_medical.vqa.words import WordProcessor

        words = WordProcessor.load(spec.get("text", {}), files)
        require_setting(words.spec, "length", self.words)
        return load_pair_processor(self.visual.grid.build(), words, spec, partial=False)

    def build(self, processor: Any) -> Tower:
        """Make the tower, freshly initialised."""
        from crossmod_medical.vqa.answering_tower import AnsweringTower

        return AnsweringTower(
            processor,
            self.visual.build(processor.image),
            question_width=self.word_width,
            width=self.width,
            glimpses=self.glimpses,
            routed=self.head == "routed",
            autoencoder_width=self.autoencoder,
            dropout=self.dropout,
            standardised=self.standardised,
        )


@dataclass(frozen=True, kw_only=True)
class VqaSettings(Options):
    """Accuracy of answers: open, closed and overall, beside what needs no image.

    Args:
        split: Whose questions are asked.
        question: The modality of the questions.
        answer: The modality of the answers.
        neighbours: Training questions that vote in the question-only baseline.
        resamples: Bootstrap resamples by image, for the interval of every accuracy.
        seed: Of the resamples and of the exchange of images.
    """

    split: Literal["train", "validation", "test"] = "test"
    question: str = "image"
    answer: str = "text"
    neighbours: int = 5
    resamples: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        if self.neighbours < 1 or self.resamples < 2:
            raise UserError("the vqa evaluation takes at least one of neighbours and two of resamples.")


EVALUATIONS: dict[str, Evaluation] = {
    "vqa": Evaluation(
        name="vqa",
        summary="open, closed and overall accuracy of answers, beside the commonest answer and the question alone",
        target="crossmod_medical.vqa.evaluation:evaluate",
        settings=VqaSettings,
    ),
}
"""Evaluations of corpora of questions."""
