"""One sentence is enough for a finding; sentences that are padding say nothing."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, normalize

from crossmod.contracts.batch import Batch
from crossmod.errors import UserError
from crossmod.model import CrossModal
from crossmod.recipe import EmbeddingSettings
from crossmod.text.settings import NgramBag
from crossmod.training.forwards import BatchForwards
from crossmod_medical.encoders.sentence_bags import SentenceBags, SentenceBagTower
from crossmod_medical.findings.evidence import EvidenceObjective, evidence_logits
from crossmod_medical.findings.settings import FindingEvidence, FindingTable, ReportSentences
from crossmod_medical.findings.tower import FindingTower

REPORTS = [
    "A nodule is seen. The heart is normal.",
    "No nodule. Emphysema in both lungs. The aorta is normal.",
    "The heart is normal.",
    "Emphysema. A nodule is seen.",
]
STATED = ["Nodule", "Emphysema", "none", "Nodule; Emphysema"]


def model_of(**options: Any) -> CrossModal:
    torch.manual_seed(0)
    bag = NgramBag(buckets=512, width=16, word_orders=(1, 2), character_orders=(), dropout=0.0, ngram_dropout=0.0)
    reports, findings = (
        ReportSentences(sentence=bag),
        FindingTable(findings=("Nodule", "Emphysema"), width=16, **options),
    )
    towers = {
        "image": reports.build(reports.fit_processor(REPORTS)),
        "text": findings.build(findings.fit_processor([])),
    }
    return CrossModal(towers, EmbeddingSettings(width=16))


def batch_of(model: CrossModal, rows: list[int]) -> Batch:
    inputs = {
        "image": model.tower("image").processor([REPORTS[row] for row in rows]),
        "text": model.tower("text").processor([STATED[row] for row in rows]),
    }
    here = torch.ones(len(rows), dtype=torch.bool)
    return Batch(inputs, {"image": here, "text": here}, torch.arange(len(rows)), torch.arange(len(rows)))


def test_a_token_is_the_vector_of_its_sentence_and_the_pooled_one_their_mean() -> None:
    tower = model_of().eval().tower("image")
    assert isinstance(tower, SentenceBagTower)
    features = tower(tower.processor(REPORTS))
    assert features.tokens is not None and features.mask is not None
    assert features.mask.sum(1).tolist() == [2, 3, 1, 2]
    alone = tower(tower.processor(["A nodule is seen.", "The heart is normal."]))
    torch.testing.assert_close(features.tokens[0, :2], alone.pooled)
    torch.testing.assert_close(features.pooled[0], alone.pooled.mean(0))
    inputs = tower.processor(REPORTS)
    assert isinstance(inputs, SentenceBags)
    torch.testing.assert_close(tower(inputs.take(torch.tensor([3, 1, 3]))).pooled, features.pooled[[3, 1, 3]])
    assert tower(inputs.take(torch.arange(0))).pooled.shape == (0, 16)


def test_logits_are_the_logarithm_of_a_sum_over_sentences() -> None:
    model = model_of(scale=7.0).eval()
    tower = model.tower("text")
    assert isinstance(tower, FindingTower)
    batch = batch_of(model, [0, 1, 2, 3])
    forwards = BatchForwards(model, batch)
    found = evidence_logits(forwards, "image", "text", forwards.features("image"))
    rows = model.project("text", tower.rows)
    for number, report in enumerate(REPORTS):
        sentences = [part.strip() + "." for part in report.split(".") if part.strip()]
        spoken = (model.embed("image", sentences) @ rows.T * 7.0).exp().sum(0).log() + tower.bias
        torch.testing.assert_close(found[number], spoken)
    alone = BatchForwards(model, batch_of(model, [2]))
    torch.testing.assert_close(evidence_logits(alone, "image", "text", alone.features("image"))[0], found[2])


def test_the_loss_is_the_mean_cross_entropy_and_rows_without_findings_do_not_count() -> None:
    model = model_of().eval()
    objective = EvidenceObjective("image", "text")
    full = batch_of(model, [0, 1, 2])
    forwards = BatchForwards(model, full)
    logits = evidence_logits(forwards, "image", "text", forwards.features("image"))
    truth = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    torch.testing.assert_close(objective(forwards, full).loss, binary_cross_entropy_with_logits(logits, truth))
    partial = Batch(
        {"image": full.inputs["image"], "text": full.inputs["text"].take(torch.tensor([1]))},
        {"image": full.present["image"], "text": torch.tensor([False, True, False])},
        full.group,
        full.sample,
    )
    one = objective(BatchForwards(model, partial), partial).loss
    torch.testing.assert_close(one, binary_cross_entropy_with_logits(logits[1:2], truth[1:2]))
    none = Batch(
        {"image": full.inputs["image"], "text": full.inputs["text"].take(torch.arange(0))},
        {"image": full.present["image"], "text": torch.zeros(3, dtype=torch.bool)},
        full.group,
        full.sample,
    )
    nothing = objective(BatchForwards(model, none), none).loss
    assert float(nothing.detach()) == 0.0 and nothing.requires_grad


def test_a_small_batch_is_learned_by_heart() -> None:
    model = model_of()
    objective = FindingEvidence().build({name: model.tower(name) for name in model.modalities})
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2)
    batch = batch_of(model, [0, 1, 2, 3])
    for _ in range(120):
        optimiser.zero_grad()
        outcome = objective(BatchForwards(model, batch), batch)
        outcome.loss.backward()
        optimiser.step()
    assert float(outcome.loss.detach()) < 0.05 and float(outcome.terms["accuracy"]) == 1.0
    # What was learned is the sentence and not the report: the denial does not speak for the nodule.
    scores = (
        model.embed("image", ["A nodule is seen.", "No nodule."])
        @ normalize(
            model.project("text", model.tower("text").rows).detach(),
            dim=1,
        ).T
    )
    assert float(scores[0, 0]) > float(scores[1, 0]) + 0.3


def test_towers_of_other_kinds_are_refused() -> None:
    model = model_of()
    with pytest.raises(UserError, match="needs a tower FindingTable"):
        FindingEvidence(finding="image").build({name: model.tower(name) for name in model.modalities})
