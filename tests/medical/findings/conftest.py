"""A folder in the layout of the hand-labelled CT-RATE reports, written: a sentence a finding, denials among them."""

from __future__ import annotations

import csv
import random
from pathlib import Path

import pytest

from crossmod_medical.reports.prompts import CT_RATE_FINDINGS

NAMES = [finding.name for finding in CT_RATE_FINDINGS]
FILLING = (
    "Trachea and both main bronchi are open.",
    "Heart contour and size are normal.",
    "Vertebral corpus heights are preserved.",
    "Bone structures in the study area are natural.",
)


def report(draw: random.Random, values: list[int]) -> str:
    """Sentences that affirm what is present and deny or pass over what is not."""
    sentences = [f"Widespread {name.lower()} is observed." for name, value in zip(NAMES, values, strict=True) if value]
    absent = [name.lower() for name, value in zip(NAMES, values, strict=True) if not value]
    sentences += [f"There is no {name}." for name in draw.sample(absent, min(6, len(absent)))]
    sentences += [*draw.sample(FILLING, 2), f"Examination number {draw.randrange(10**6)}."]
    draw.shuffle(sentences)
    return " ".join(sentences)


def write_reports(root: Path) -> Path:
    root.mkdir(parents=True)
    draw = random.Random(0)
    for name, count in (("train", 80), ("val", 24)):
        rows = []
        for number in range(count):
            values = [int(draw.random() < 0.3) for _ in NAMES]
            rows.append([f"{name}_{number + 1}", "", 0, report(draw, values), *values])
        if name == "val":
            rows[-1][2] = 1
        with (root / f"{name}.csv").open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            writer.writerow(["AccessionNo", "NameinCTRATE", "repeated_text", "report_text", *NAMES])
            writer.writerows(rows)
    return root


@pytest.fixture(scope="session")
def labelled_reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Such a folder."""
    return write_reports(tmp_path_factory.mktemp("reports") / "ct_rate")
