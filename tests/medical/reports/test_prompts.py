"""Prompts come in pairs of affirmation and denial, and the negation rules can tell which is which."""

from __future__ import annotations

import numpy as np
import pytest

from crossmod_medical.phantoms.phrases import ABSENT, FINDINGS, PRESENT
from crossmod_medical.reports.negation import status_of
from crossmod_medical.reports.prompts import CT_RATE_FINDINGS, Finding, finding_labels

ALL = [*CT_RATE_FINDINGS, *FINDINGS]


@pytest.mark.parametrize("finding", ALL, ids=[finding.name for finding in ALL])
def test_each_prompt_says_what_it_stands_for(finding: Finding) -> None:
    present, absent = finding.prompts()
    assert len(present) == len(absent) == len(set(present)) == len(set(absent))
    assert {finding.status(prompt) for prompt in present} == {"affirmed"}
    assert {finding.status(prompt) for prompt in absent} == {"negated"}


def test_ct_rate_s_labels_stand_in_its_own_order() -> None:
    assert len(CT_RATE_FINDINGS) == 18
    assert [CT_RATE_FINDINGS[at].name for at in (0, 9, 17)] == [
        "Medical material",
        "Lung nodule",
        "Interlobular septal thickening",
    ]


@pytest.mark.parametrize(
    ("sentence", "terms", "status"),
    [
        ("No pleural effusion.", ["effusion"], "negated"),
        ("Pleural effusion was not observed.", ["effusion"], "negated"),
        ("No mass, but a nodule is seen.", ["nodule"], "affirmed"),
        ("No mass, but a nodule is seen.", ["mass"], "negated"),
        ("No change of the known nodule.", ["nodule"], "affirmed"),
        ("The heart is not enlarged; effusion on the left.", ["effusion"], "affirmed"),
        ("Without evidence of pneumothorax or effusion.", ["effusion"], "negated"),
        ("The nodules have resolved.", ["nodules"], "negated"),
        ("Notable nodule.", ["nodule"], "affirmed"),
        ("Lungs are clear.", ["nodule"], None),
        ("Effusions on both sides.", ["effusion"], None),
    ],
)
def test_negation_reaches_as_far_as_its_clause(sentence: str, terms: list[str], status: str | None) -> None:
    assert status_of(sentence, terms) == status


def test_the_phantoms_sentences_affirm_and_deny_as_they_are_meant() -> None:
    for finding in FINDINGS:
        assert {finding.status(text) for text in ABSENT[finding.name]} <= {"negated", None}
        filled = [
            text.format(side="left", zone="upper", size="9 mm", density="solid", amount="small")
            for text in PRESENT[finding.name]
        ]
        assert {finding.status(text) for text in filled} <= {"affirmed", None}
        assert "affirmed" in {finding.status(text) for text in filled}


def test_labels_carry_values_and_prompts() -> None:
    labels = finding_labels({"Emphysema": [1.0, 0.0, float("nan")]}, CT_RATE_FINDINGS)
    assert list(labels) == ["Emphysema"]
    label = labels["Emphysema"]
    assert label.classes == ("absent", "present") and np.isnan(label.values[2])
    assert label.prompts["present"][0] == "Emphysema is present."
    assert label.prompts["absent"][0] == "Emphysema is not present."
