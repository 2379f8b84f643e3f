"""Settings of the corpora of questions (torch-free)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from crossmod.errors import UserError
from crossmod_medical.data import MedicalData

if TYPE_CHECKING:
    from crossmod.contracts.corpus import Corpus


@dataclass(frozen=True, kw_only=True)
class VqaRad(MedicalData):
    """VQA-RAD (doi:10.1038/sdata.2018.251): clinicians' questions about head, chest and abdomen images, with answers.

    The image side of a row is the image with its question, the text side the answer. The official test split is over
    questions: all its images occur in training too.

    Args:
        root: Folder with `train.jsonl`, `test.jsonl` and `images`.
        phrases: Training questions: "customary" leaves the template rewordings out (1,797 of 3,064, as MEVF and those
            after it do), "all" takes them.
        held_back: Share of the training data that is validation and does not train.
        held_back_by: "row" holds single questions back, template rewordings never: most like the test, whose open
            questions repeat an answer to the same image in 58 % and any training answer in 77 % (rows: 59 % and 76 %).
            "question" holds back all phrasings of what is asked of an image, its questions of one answer (0 % and
            40 %); "image" holds whole images back, which no test question asks for.
        split_seed: Seed of which; in the order of the SHA-256 of `split_seed:name`.
    """

    root: str
    phrases: Literal["customary", "all"] = "customary"
    held_back: float = 0.1
    held_back_by: Literal["row", "question", "image"] = "row"
    split_seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.held_back < 1:
            raise UserError(f"data.held_back is {self.held_back}; it is a share of the training data, below 1.")

    def build(self) -> Corpus:
        """Read the corpus."""
        from crossmod_medical.vqa.vqa_rad import read_vqa_rad

        return read_vqa_rad(self)
