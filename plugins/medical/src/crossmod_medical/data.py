"""Settings of the corpora that this domain reads (torch-free): their class names are what a user types."""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from crossmod.errors import UserError
from crossmod.recipe import DataSettings

if TYPE_CHECKING:
    from crossmod.contracts.corpus import Corpus


@dataclass(frozen=True, kw_only=True)
class MedicalData(DataSettings, ABC):
    """Studies: volumes or images, with reports or captions. No patient stands in two splits."""


@dataclass(frozen=True, kw_only=True)
class EmbeddedPhantoms(MedicalData):
    """Generated chest phantoms in hounsfield units, written as NIfTI files, each with a report of what is in it.

    Nothing is downloaded and no patient was scanned. What a model learns is to read such findings off such phantoms.

    Args:
        patients: Phantom patients, each with one to three studies.
        seed: Draws bodies, findings, words and the split.
        folder: Where scans and a table of reports are written, and found again; empty takes
            `$CROSSMOD_CACHE/medical/phantoms`, or `~/.cache/crossmod/medical/phantoms`.
    """

    patients: int = 400
    seed: int = 0
    folder: str = ""

    def __post_init__(self) -> None:
        if self.patients < 10:
            raise UserError(f"data.patients is {self.patients}; three splits need at least 10.")

    def build(self) -> Corpus:
        """Draw the studies, and write the scans that are not there yet."""
        from crossmod_medical.phantoms.assembly import embedded_phantoms

        return embedded_phantoms(self)


@dataclass(frozen=True, kw_only=True)
class CtRate(MedicalData):
    """A CT-RATE tree (arXiv:2403.17834): NIfTI volumes, reports, labels and metadata as CSV.

    The study is what a report describes: all reconstructions of one scan. Volumes that are not on disk are counted
    and their reports left out, so a part of the download serves. Age, sex and scanner, where the metadata tables have
    them, form the subgroups that the evaluation `subgroups` scores.

    Args:
        root: The folder that holds `train_fixed`, `valid_fixed` (version 2) or `train`, `valid` (version 1) and the
            tables, or its parent with `dataset` in it.
        version: 2 for files in hounsfield units with whole headers; 1 for raw values with blank headers, to which
            slope, intercept and spacing of the metadata are applied. A wrong number scales twice or not at all.
        texts: "report" joins findings and impression; "findings" and "impression" take one; "each" gives all three.
        longest_words: Texts beyond so many words become several rows; 0 leaves it to the tower to cut and count.
        validation: Share of the training patients that validate; the tree's own "valid" scans are the test split.
        split_seed: Draws them.
        version_1_axes: Directions of a version 1 file's axes, whose header does not say (not verified: the official
            loader never uses them).
    """

    root: str
    version: Literal[1, 2]
    texts: Literal["report", "findings", "impression", "each"] = "report"
    longest_words: int = 0
    validation: float = 0.05
    split_seed: int = 0
    version_1_axes: str = "LPS"

    def build(self) -> Corpus:
        """Read the tables and look for the volumes."""
        from crossmod_medical.corpora.ct_rate import read_ct_rate

        return read_ct_rate(self)


@dataclass(frozen=True, kw_only=True)
class MedicalTable(MedicalData):
    """A table of your own (CSV, TSV, JSON lines or Parquet): paths of volumes or images, and texts.

    A path is a NIfTI file, a folder of DICOM slices, a DICOM file or, for 2-D towers, an image. Rows of one study
    are reconstructions or texts of it and share a group.

    Args:
        path: The table.
        image: Its column of paths, relative to `root` and never out of it.
        text: Its column of reports or captions, or several.
        id: Column of studies; empty makes every path a study.
        patient: Column of patients, by whom the data are split; empty makes every study a patient.
        root: What paths are relative to; empty takes the folder of the table.
        labels: Columns of findings with 1 for present, 0 for absent, nothing for unknown; zero-shot asks for them.
        attributes: Columns of what is known of patients or scanners (sex, manufacturer), by whose values the
            evaluation `subgroups` scores; a column named age, in any case, becomes ranges of twenty years.
        sections: Sections of a report that are kept, such as findings and impression; empty keeps all of it.
        each_section: Also every kept section as a text of its own.
        longest_words: Texts beyond so many words become several rows; 0 leaves it to the tower to cut and count.
        split_by: "patient" at random, or "column" for `split_column`.
        split_column: Column that holds train, validation, test or nothing.
        fractions: Shares of train, validation and test patients.
        split_seed: Draws them.
    """

    path: str
    image: str = "image"
    text: str | list[str] = "text"
    id: str = ""
    patient: str = ""
    root: str = ""
    labels: list[str] = field(default_factory=list)
    attributes: list[str] = field(default_factory=list)
    sections: list[str] = field(default_factory=list)
    each_section: bool = False
    longest_words: int = 0
    split_by: Literal["patient", "column"] = "patient"
    split_column: str = "split"
    fractions: tuple[float, float, float] = (0.8, 0.1, 0.1)
    split_seed: int = 0

    def build(self) -> Corpus:
        """Read the table."""
        from crossmod_medical.corpora.medical_table import read_medical_table

        return read_medical_table(self)
