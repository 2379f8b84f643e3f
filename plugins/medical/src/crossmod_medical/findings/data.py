"""Settings of corpora of reports without scans (torch-free)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from crossmod.errors import UserError
from crossmod_medical.data import MedicalData

if TYPE_CHECKING:
    from crossmod.contracts.corpus import Corpus


@dataclass(frozen=True, kw_only=True)
class CtRateReports(MedicalData):
    """The 1,000 CT-RATE reports whose 18 findings were read by hand (arXiv:2403.17834): no scans, only texts.

    The image side of a row is the report, the text side its findings, such as "Lung nodule; Emphysema" or "none".
    Reports of equal findings share a group. `val.csv` tests; `train.csv` parts into train and validation, equal texts
    on one side.

    Args:
        root: Folder with `train.csv` and `val.csv`.
        held_back: Share of the training reports that validate.
        split_seed: Draws them.
        repeated: "keep" tests on all of `val.csv`, "drop" leaves reports out whose text occurred before.
    """

    root: str
    held_back: float = 0.1
    split_seed: int = 0
    repeated: Literal["keep", "drop"] = "keep"

    def __post_init__(self) -> None:
        if not 0 <= self.held_back < 1:
            raise UserError(f"data.held_back is {self.held_back}; it is a share of the training reports, below 1.")

    def build(self) -> Corpus:
        """Read the tables."""
        from crossmod_medical.findings.ct_rate_reports import read_ct_rate_reports

        return read_ct_rate_reports(self)
