"""Options of the evaluations that core offers every domain (torch-free)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from crossmod.domain import Evaluation
from crossmod.errors import UserError
from crossmod.robustness.settings import GeneratedSettings, SetGuidedSettings, UniversalSettings
from crossmod.settings import Options


@dataclass(frozen=True, kw_only=True)
class RetrievalSettings(Options):
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


@dataclass(frozen=True, kw_only=True)
class ZeroShotSettings(Options):
    """Classification of items by the nearest class description, without training on labels.

    Args:
        split: Whose rows are classified.
        text: The modality that prompts are embedded by.
        scale: Logit scale of the probabilities whose calibration error is given, such as the scale that a run logged;
            0 fits scale and offset on the validation split first. Nothing else depends on it.
        resamples: Draws of subjects behind each interval of an AUROC (1,000, as is usual); 0 gives none.
        seed: Of those draws.
    """

    split: Literal["train", "validation", "test"] = "test"
    text: str = "text"
    scale: float = 0.0
    resamples: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.scale < float("inf") or self.resamples < 0:
            raise UserError(f"scale {self.scale} and resamples {self.resamples} are 0 or more, and no infinity.")


@dataclass(frozen=True, kw_only=True)
class ProbeSettings(Options):
    """Linear and nearest-neighbour classifiers on frozen features.

    Args:
        neighbours: k of the k-NN classifier (20, as in DINO).
        untrained: Also probe the same towers with the initialisation of another seed.
        seed: Seed of the untrained towers.
    """

    neighbours: int = 20
    untrained: bool = True
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class FewLabelsSettings(Options):
    """Linear probes of all two-class labels at once, trained on shares of the labelled subjects.

    Args:
        shares: Shares of the training subjects whose labels are used (1, 10 and 100 %, as is usual); at least one
            subject is drawn.
        draws: Subsets drawn of every share below 1; the mean and the range over them are given.
        untrained: Also probe the same towers with the initialisation of another seed.
        seed: Of the draws and of the untrained towers.
    """

    shares: tuple[float, ...] = (0.01, 0.1, 1.0)
    draws: int = 5
    untrained: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.shares or not all(0 < share <= 1 for share in self.shares) or self.draws < 1:
            raise UserError(
                f"shares are {self.shares} and draws {self.draws}; give shares above 0 up to 1, and a draw."
            )


@dataclass(frozen=True, kw_only=True)
class SubgroupSettings(Options):
    """Zero-shot scores of the rows of every value of every attribute that the corpus states (age, sex, scanner, voice).

    Labels of two classes are scored by AUROC, all together; others by accuracy, each.

    Args:
        split: Whose rows are classified.
        text: The modality that prompts are embedded by.
        least_subjects: Fewest subjects of a value that is shown; of fewer, neither score nor person should be told. 1
            also shows attributes whose values are single subjects (speakers who agreed to it).
        resamples: Draws of subjects behind each interval; 0 gives none.
        seed: Of those draws.
    """

    split: Literal["train", "validation", "test"] = "test"
    text: str = "text"
    least_subjects: int = 10
    resamples: int = 1000
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class SimilarSettings(Options):
    """Search inside one modality, scored by the labels of two classes that query and answer share.

    Args:
        split: Whose items ask and are ranked.
        ks: The nearest items that are scored.
        exclude: What of the query is no candidate: the "item" alone, its whole "group" (other reconstructions of a
            study), or everything of its "subject".
        all_negative: Queries without a positive label: "skip", or "zero" scores them 0.
    """

    split: Literal["train", "validation", "test"] = "test"
    ks: tuple[int, ...] = (1, 5, 10, 50)
    exclude: Literal["item", "group", "subject"] = "group"
    all_negative: Literal["skip", "zero"] = "skip"

    def __post_init__(self) -> None:
        if not self.ks or min(self.ks) < 1:
            raise UserError(f"ks are {self.ks}; give numbers of nearest items from 1.")


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
        "retrieval under one generated pattern, or word, for all samples, beside a random one of that budget",
        _UNDER_ATTACK,
        GeneratedSettings,
    ),
    "universal": Evaluation(
        "universal",
        "retrieval under one pattern, or word, for all samples, found without a generator",
        _UNDER_ATTACK,
        UniversalSettings,
    ),
}
"""The evaluations that `--attack NAME` names: they need a modality with a continuous input, or of sentences."""

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
        "crossmod.evaluation.zero_shot:validation_score",
    ),
    "probe": Evaluation(
        "probe",
        "linear probe and k-NN on frozen features, for corpora with labels",
        "crossmod.evaluation.probe:evaluate",
        ProbeSettings,
    ),
    "few-labels": Evaluation(
        "few-labels",
        "linear probes of all labels on 1, 10 and 100 % of the labelled subjects",
        "crossmod.evaluation.few_labels:evaluate",
        FewLabelsSettings,
    ),
    "subgroups": Evaluation(
        "subgroups",
        "zero-shot scores by age, sex, scanner, voice, for corpora that state them",
        "crossmod.evaluation.subgroups:evaluate",
        SubgroupSettings,
    ),
    "similar": Evaluation(
        "similar",
        "search inside one modality by the labels that query and answer share",
        "crossmod.evaluation.label_overlap:evaluate",
        SimilarSettings,
    ),
    **ATTACKS,
}
"""What every domain can be evaluated on, beside its own evaluations."""
