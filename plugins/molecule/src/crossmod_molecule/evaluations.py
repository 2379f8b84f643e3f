"""Options of this domain's own evaluations (torch-free)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from crossmod.errors import UserError
from crossmod.evaluation.settings import RetrievalSettings
from crossmod.settings import Options


@dataclass(frozen=True, kw_only=True)
class Text2MolSettings(RetrievalSettings):
    """Text2Mol's protocol (EMNLP 2021): every text of the split asks all molecules of the corpus for its own one.

    Args:
        split: Whose texts ask.
        candidates: "all", as published, or the split's own molecules.
        ties: Rank of a text whose molecule ties with others.
        positives: "row", as published: the text's own molecule alone is right.
        query: The modality that asks.
        recalls: The k of Hits@k.
    """

    candidates: Literal["split", "all"] = "all"
    positives: Literal["group", "row"] = "row"
    query: str = "text"
    recalls: tuple[int, ...] = (1, 10, 100, 500, 1000)


@dataclass(frozen=True, kw_only=True)
class MoleculeNetSettings(Options):
    """Linear probes on MoleculeNet (arXiv:1703.00564), scaffold split 80/10/10.

    The molecule tower's features, those of the same tower untrained, and Morgan fingerprints are probed alike.

    Args:
        root: Folder of `NAME.tsv`, `.csv` or `.tsv.gz` tables: a column `smiles`, then one column a task.
        sets: Names of the tables. (The eight that a linear probe reads in minutes on one core.)
        untrained_seeds: Seeds of the untrained towers, whose mean, worst and best are shown.
        workers: Processes that read structures; 0 reads in the main process.
    """

    root: str
    sets: list[str] = field(
        default_factory=lambda: ["bbbp", "bace", "clintox", "sider", "tox21", "esol", "freesolv", "lipophilicity"]
    )
    untrained_seeds: list[int] = field(default_factory=lambda: [0, 1, 2])
    workers: int = 2

    def __post_init__(self) -> None:
        if not self.untrained_seeds:
            raise UserError("`untrained_seeds` is empty; name at least one seed, such as 0.")
