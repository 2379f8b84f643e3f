"""Sentences that say that a finding is there, and as many that say that it is not, pair by pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crossmod.contracts.corpus import Label
from crossmod_medical.reports.negation import status_of

TEMPLATES: tuple[tuple[str, str], ...] = (
    ("{Finding} {is} present.", "{Finding} {is} not present."),
    ("There {is} {finding}.", "There {is} no {finding}."),
    ("{Finding} {is} observed.", "{Finding} {is} not observed."),
    ("Findings are consistent with {finding}.", "No evidence of {finding}."),
)
"""Affirmation and denial in equal words; the first pair is CT-CLIP's (arXiv:2403.17834)."""

ABSENT, PRESENT = "absent", "present"


@dataclass(frozen=True)
class Finding:
    """What a report can say of a scan.

    Args:
        name: Its name as a label.
        nouns: How reports call it.
        plural: Whether the nouns take "are".
    """

    name: str
    nouns: tuple[str, ...]
    plural: bool = False

    def prompts(self, templates: Sequence[tuple[str, str]] = TEMPLATES) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Affirming sentences and denying ones, each in the place of its opposite.

        >>> present, absent = Finding("nodule", ("pulmonary nodule",)).prompts()
        >>> present[0], absent[0]
        ('Pulmonary nodule is present.', 'Pulmonary nodule is not present.')
        """
        pairs = [(self._filled(yes, noun), self._filled(no, noun)) for noun in self.nouns for yes, no in templates]
        return tuple(yes for yes, _ in pairs), tuple(no for _, no in pairs)

    def status(self, sentence: str) -> str | None:
        """ "affirmed", "negated", or None where the sentence does not mention it."""
        return status_of(sentence, self.nouns)

    def _filled(self, template: str, noun: str) -> str:
        capital = noun[:1].upper() + noun[1:]
        return template.format(finding=noun, Finding=capital, **{"is": "are" if self.plural else "is"})


CT_RATE_FINDINGS: tuple[Finding, ...] = (
    Finding("Medical material", ("medical material",)),
    Finding("Arterial wall calcification", ("arterial wall calcification",)),
    Finding("Cardiomegaly", ("cardiomegaly",)),
    Finding("Pericardial effusion", ("pericardial effusion",)),
    Finding("Coronary artery wall calcification", ("coronary artery wall calcification",)),
    Finding("Hiatal hernia", ("hiatal hernia",)),
    Finding("Lymphadenopathy", ("lymphadenopathy",)),
    Finding("Emphysema", ("emphysema",)),
    Finding("Atelectasis", ("atelectasis",)),
    Finding("Lung nodule", ("lung nodule",)),
    Finding("Lung opacity", ("lung opacity",)),
    Finding("Pulmonary fibrotic sequela", ("pulmonary fibrotic sequela",)),
    Finding("Pleural effusion", ("pleural effusion",)),
    Finding("Mosaic attenuation pattern", ("mosaic attenuation pattern",)),
    Finding("Peribronchial thickening", ("peribronchial thickening",)),
    Finding("Consolidation", ("consolidation",)),
    Finding("Bronchiectasis", ("bronchiectasis",)),
    Finding("Interlobular septal thickening", ("interlobular septal thickening",)),
)
"""The 18 labels of CT-RATE, in the order of its label files."""


def finding_labels(values: Mapping[str, Sequence[float]], findings: Sequence[Finding]) -> dict[str, Label]:
    """One two-class label a finding, with its prompts.

    Args:
        values: By finding name, of every row 0, 1 or NaN.
        findings: The findings that have values.
    """
    import numpy as np

    labels = {}
    for finding in findings:
        if finding.name in values:
            present, absent = finding.prompts()
            labels[finding.name] = Label(
                np.asarray(values[finding.name], np.float64),
                "image",
                (ABSENT, PRESENT),
                {ABSENT: absent, PRESENT: present},
            )
    return labels
