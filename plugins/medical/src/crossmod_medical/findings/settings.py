"""Settings of towers of findings and reports, and of how findings are scored (torch-free)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from crossmod.domain import Evaluation
from crossmod.errors import UserError
from crossmod.objectives.settings import require_modalities
from crossmod.recipe import ObjectiveSettings, TowerSettings
from crossmod.settings import Options
from crossmod.text.readable import readable_texts
from crossmod.text.settings import NgramBag
from crossmod_medical.reports.prompts import CT_RATE_FINDINGS

if TYPE_CHECKING:
    from crossmod.contracts.objective import Objective
    from crossmod.contracts.tower import Tower
    from crossmod_medical.encoders.sentence_bag_processor import SentenceBagProcessor
    from crossmod_medical.findings.processor import FindingProcessor


@dataclass(frozen=True, kw_only=True)
class ReportSentences(TowerSettings):
    """A report as the bag of n-grams of each of its sentences: no word order beyond them, minutes to train.

    Args:
        sentence: What reads a sentence.
    """

    sentence: NgramBag = field(default_factory=lambda: NgramBag(word_orders=(1, 2, 3), character_orders=(), width=128))

    def fit_processor(self, items: Sequence[Any]) -> SentenceBagProcessor:
        """Make the processor, whose n-gram weights are those of the training sentences."""
        from crossmod_medical.encoders.sentence_bag_processor import SentenceBagProcessor
        from crossmod_medical.encoders.sentence_processor import sentences_of

        sentences = [sentence for text in readable_texts(items).texts for sentence in sentences_of(text)]
        return SentenceBagProcessor(self.sentence.fit_processor(sentences))

    def load_processor(self, spec: Mapping[str, Any], files: Mapping[str, bytes]) -> SentenceBagProcessor:
        """Make the processor that a checkpoint's spec and file describe.

        Raises:
            UserError: It is of another kind or of other n-grams.
        """
        from crossmod_medical.encoders.sentence_bag_processor import KIND, SentenceBagProcessor
        from crossmod_medical.encoders.sentence_processor import require_sentences

        require_sentences(spec, KIND)
        return SentenceBagProcessor(self.sentence.load_processor(spec["bags"], files))

    def build(self, processor: Any) -> Tower:
        """Make the tower, freshly initialised."""
        from crossmod_medical.encoders.sentence_bags import SentenceBagTower

        return SentenceBagTower(processor, self.sentence.build(processor.bags))


@dataclass(frozen=True, kw_only=True)
class FindingTable(TowerSettings):
    """One learned row a finding; a set of findings is the sum of its rows.

    Args:
        findings: The findings (CT-RATE's 18).
        width: Width of a row.
        scale: Factor on the cosine of a sentence and a finding, constant (10 beat 6 and 16 on held-back reports).
    """

    findings: tuple[str, ...] = tuple(finding.name for finding in CT_RATE_FINDINGS)
    width: int = 128
    scale: float = 10.0

    def __post_init__(self) -> None:
        if not self.findings or len({name.lower() for name in self.findings}) < len(self.findings):
            raise UserError("findings of FindingTable is empty, or names a finding twice.")
        if self.width < 1 or self.scale <= 0:
            raise UserError("width of FindingTable is 1 or more, and its scale positive.")

    def fit_processor(self, items: Sequence[Any]) -> FindingProcessor:
        """Make the processor; nothing is learned from the items."""
        from crossmod_medical.findings.processor import FindingProcessor

        return FindingProcessor(self.findings)

    def load_processor(self, spec: Mapping[str, Any], files: Mapping[str, bytes]) -> FindingProcessor:
        """Make the processor that a checkpoint's spec describes.

        Raises:
            UserError: It knows other findings.
        """
        from crossmod_medical.findings.processor import FindingProcessor

        return self.fit_processor([]).require(FindingProcessor.load(spec).spec)

    def build(self, processor: Any) -> Tower:
        """Make the tower, freshly initialised."""
        from crossmod_medical.findings.tower import FindingTower

        return FindingTower(processor, self.width, self.scale)


@dataclass(frozen=True, kw_only=True)
class FindingEvidence(ObjectiveSettings):
    """Tell every finding of a report from the sentence that speaks most for it (multiple-instance learning).

    Args:
        report: The modality of the reports, whose tower gives a token a sentence.
        finding: The modality of the findings; its tower is FindingTable.
    """

    report: str = "image"
    finding: str = "text"

    def build(self, towers: Mapping[str, Tower]) -> Objective:
        """Make the objective.

        Raises:
            UserError: There is no such modality, or its tower holds no findings.
        """
        from crossmod_medical.findings.evidence import EvidenceObjective
        from crossmod_medical.findings.tower import FindingTower

        require_modalities(towers, self.report, self.finding)
        if not isinstance(towers[self.finding], FindingTower):
            raise UserError(f"FindingEvidence needs a tower FindingTable for {self.finding!r}.")
        return EvidenceObjective(self.report, self.finding)


@dataclass(frozen=True, kw_only=True)
class FindingsSettings(Options):
    """AUROC of every finding of reports, beside tf-idf with logistic regression on the same training reports.

    Args:
        split: Whose reports are scored.
        report: The modality of the reports.
        finding: The modality of the findings.
        word_orders: The n of the baseline's word n-grams.
        costs: Weights of the baseline's summed loss to choose among, by AUROC on the validation split.
        resamples: Bootstrap resamples of reports.
        seed: Of them.
    """

    split: Literal["validation", "test"] = "test"
    report: str = "image"
    finding: str = "text"
    word_orders: tuple[int, ...] = (1, 2)
    costs: tuple[float, ...] = (1.0, 10.0, 100.0, 1000.0)
    resamples: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.costs or min(self.costs) <= 0 or self.resamples < 2:
            raise UserError("costs are one or more positive numbers, and resamples at least 2.")


EVALUATIONS: dict[str, Evaluation] = {
    "findings": Evaluation(
        name="findings",
        summary="AUROC of every finding of a report, beside tf-idf with logistic regression in the same run",
        target="crossmod_medical.findings.evaluation:evaluate",
        settings=FindingsSettings,
    ),
}
"""Evaluations of corpora of reports."""
