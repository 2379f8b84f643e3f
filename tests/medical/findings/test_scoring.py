"""The baseline is the regression that it says it is, and the table holds both beside each other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from crossmod.cli.main import main
from crossmod.text.ngrams import NgramProcessor
from crossmod_medical.findings.linear_baseline import BUCKETS, linear_baseline, macro_auroc
from crossmod_medical.reports.prompts import CT_RATE_FINDINGS

TEXTS = [
    *("a nodule in the lung", "no nodule", "large nodule seen", "the heart is normal", "no effusion", "an effusion"),
    *("a nodule and an effusion", "normal heart and no nodule", "effusion seen", "the lung is normal"),
]
TRUTH = torch.tensor([[1, 0], [0, 0], [1, 0], [0, 0], [0, 0], [0, 1], [1, 1], [0, 0], [0, 1], [0, 0]]).double()


def test_the_span_of_the_reports_holds_the_regression_over_all_ngrams() -> None:
    found = linear_baseline(TEXTS, TRUTH, TEXTS, TRUTH, TEXTS, word_orders=(1, 2), costs=(5.0,))
    processor = NgramProcessor.fit(TEXTS, buckets=BUCKETS, word_orders=(1, 2), character_orders=[], least_texts=2)
    inputs = processor.inputs([processor.process(TEXTS)])
    row = torch.repeat_interleave(torch.arange(len(TEXTS)), inputs.offsets.diff())
    used, column = torch.unique(inputs.buckets, return_inverse=True)
    dense = torch.zeros(len(TEXTS), len(used), dtype=torch.float64)
    dense[row, column] = inputs.weights.double()
    weight = torch.zeros(len(used), 2, dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    solver = torch.optim.LBFGS([weight, bias], max_iter=500, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        solver.zero_grad()
        loss = 5.0 * binary_cross_entropy_with_logits(dense @ weight + bias, TRUTH, reduction="sum")
        loss = loss + weight.square().sum() / 2
        loss.backward()
        return loss

    solver.step(closure)
    torch.testing.assert_close(found.scores.double(), (dense @ weight + bias).detach(), atol=1e-3, rtol=0)
    assert found.features == len(used) and found.cost == 5.0


def test_validation_chooses_the_cost_and_unknown_texts_are_scored() -> None:
    found = linear_baseline(
        TEXTS, TRUTH, TEXTS, TRUTH, [*TEXTS, "entirely other words"], word_orders=(1, 2), costs=(1e-6, 100.0)
    )
    assert found.cost == 100.0 and macro_auroc(found.scores[:-1], TRUTH) == 1.0
    assert found.scores.shape == (11, 2) and bool(found.scores.isfinite().all())


def test_findings_of_one_class_have_no_part_in_the_mean() -> None:
    truth = torch.tensor([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0]])
    scores = torch.tensor([[0.9, 0.1, 0.7], [0.2, 0.3, 0.1]])
    assert macro_auroc(scores, truth) == 0.5
    assert macro_auroc(scores[:, 1:2], truth[:, 1:2]) != macro_auroc(scores[:, 1:2], truth[:, 1:2])


@pytest.fixture(scope="module")
def run(labelled_reports: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("findings") / "run"
    words = (
        *("train", "medical", "--config=ct-rate-reports", f"--data.root={labelled_reports}", "--run.steps=40"),
        *(f"--run.folder={folder}", "--run.batch_size=16", "--data.workers=0", "--run.threads=1"),
        *("--towers.image.sentence.buckets=4096", "--data.held_back=0.2"),
    )
    assert main(list(words)) == 0
    return folder


def test_model_probe_and_baseline_stand_beside_each_other(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["evaluate", str(run), "--on", "findings", "--resamples", "20", "--json"]) == 0
    table = json.loads(capsys.readouterr().out)[0]
    rows = [row["cells"] for row in table["rows"]]
    assert [row["finding"] for row in rows[:18]] == [finding.name for finding in CT_RATE_FINDINGS]
    scored = [row for row in rows[:18] if row.get("model") is not None]
    mean, low, high = rows[18:]
    for key in ("model", "probe", "baseline"):
        assert mean[key] == pytest.approx(sum(row[key] for row in scored) / len(scored))
        assert low[key] <= mean[key] <= high[key]
    assert mean["gain"] == pytest.approx(mean["model"] - mean["baseline"])
    # Every finding of the written reports has its own sentence.
    assert mean["model"] > 0.9 and mean["baseline"] > 0.8
    assert "64 training reports for all, 24 scored, 16 to choose on" in table["note"]


def test_another_model_is_refused(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(run), "--on", "findings", "--finding", "image"]) == 2
    assert "is no tower of findings" in capsys.readouterr().err
