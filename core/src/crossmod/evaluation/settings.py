"""Options of the evaluations that core offers every domain (torch-free)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from crossmod.domain import Evaluation
from crossmod.robustness.settings import GeneratedSettings, SetGuidedSettings, UniversalSettings
from crossmod.settings import Settings


@dataclass(frozen=True, kw_only=True)
class RetrievalSettings(Settings):
    """Retrieval in both directions between every two modalities.

    Args:
        split: Whose rows ask.
        candidates: "split" ranks the items of the same split; "all" ranks every item of the corpus.
        ties: Rank of a query whose positive ties with negatives: their mean (a constant model scores as chance),
            the worst, or the best.
        positives: "group" counts every candidate of the query's group as right; "row" asks once a row and counts
            the row's own item alone (Text2Mol's protocol).
        query: The modality that asks; empty lets every modality ask.
        recalls: The k of recall at k (Hits@k in Text2Mol).
    """

    split: Literal["train", "validation", "test"] = "test"
    candidates: Literal["split", "all"] = "split"
    ties: Literal["mean", "pessimistic", "optimistic"] = "mean"
    positives: Literal["group", "row"] = "group"
    query: str = ""
    recalls: tuple[int, ...] = (1, 5, 10)

    def build(self) -> RetrievalSettings:
        """Options describe no part of their own; they are read as they are."""
        return self


@dataclass(frozen=True, kw_only=True)
class ZeroShotSettings(Settings):
    """Classification of items by the nearest class description, without training on labels.

    Args:
        split: Whose rows are classified.
        text: The modality that prompts are embedded by.
        resamples: Draws of subjects behind each interval of an AUROC (1,000, as is usual); 0 gives none.
        seed: Of those draws.
    """

    split: Literal["train", "validation", "test"] = "test"
    text: str = "text"
    resamples: int = 1000
    seed: int = 0

    def build(self) -> ZeroShotSettings:
        """Options describe no part of their own; they are read as they are."""
        return self


@dataclass(frozen=True, kw_only=True)
class ProbeSettings(Settings):
    """Linear and nearest-neighbour classifiers on frozen features.

    Args:
        neighbours: k of the k-NN classifier (20, as in DINO).
        untrained: Also probe the same towers with the initialisation of another seed.
        seed: Seed of the untrained towers.
    """

    neighbours: int = 20
    untrained: bool = True
    seed: int = 0

    def build(self) -> ProbeSettings:
        """Options describe no part of their own; they are read as they are."""
        return self


_UNDER_ATTACK = "crossmod.robustness.evaluation:evaluate"

ATTACKS: dict[str, Evaluation] = {
    "sga": Evaluation(
        "sga",
        "retrieval under the set-level guidance attack, beside random signs of the same budget",
        _UNDER_ATTACK,
        SetGuidedSettings,
    ),
    "c-pgc": Evaluation(
        "c-pgc",
        "retrieval under one generated pattern for all samples, beside a random one of the same budget",
        _UNDER_ATTACK,
        GeneratedSettings,
    ),
    "universal": Evaluation(
        "universal",
        "retrieval under one pattern for all samples, found without a generator",
        _UNDER_ATTACK,
        UniversalSettings,
    ),
}
"""The evaluations that `--attack NAME` names: they need a modality with a continuous input."""

CORE_EVALUATIONS: dict[str, Evaluation] = {
    "retrieval": Evaluation(
        "retrieval",
        "recall, rank and MRR in both directions, beside chance",
        "crossmod.evaluation.retrieval:evaluate",
        RetrievalSettings,
    ),
    "zero-shot": Evaluation(
        "zero-shot",
        "classification by prompts alone, for corpora with labels and prompts",
        "crossmod.evaluation.zero_shot:evaluate",
        ZeroShotSettings,
    ),
    "probe": Evaluation(
        "probe",
        "linear probe and k-NN on frozen features, for corpora with labels",
        "crossmod.evaluation.probe:evaluate",
        ProbeSettings,
    ),
    **ATTACKS,
}
"""What every domain can be evaluated on, beside its own evaluations."""
