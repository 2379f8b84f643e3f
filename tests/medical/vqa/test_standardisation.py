"""Features against the statistics of training, and what they are for: answers that only the image tells apart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from crossmod.contracts.batch import Batch
from crossmod.model import CrossModal
from crossmod.objectives.mixture import Mixture
from crossmod.recipe import EmbeddingSettings, TowerSettings
from crossmod.text.settings import TextTransformer
from crossmod.training.backward import backward
from crossmod.training.prepare import prepare
from crossmod_medical.encoders.network_settings import ImageResNet
from crossmod_medical.encoders.settings import ImageTransformer
from crossmod_medical.grid import ImageGrid
from crossmod_medical.pairs.inputs import PairInputs
from crossmod_medical.pairs.settings import CoAttentionPair
from crossmod_medical.pairs.standardisation import FeatureStandardisation
from crossmod_medical.vqa.answer_tower import AnswerInputs, AnswerTower
from crossmod_medical.vqa.data import VqaRad
from crossmod_medical.vqa.objective_settings import Answering
from crossmod_medical.vqa.settings import AnswerTable, MixedFeatures

GRID = ImageGrid(size=(32, 32), channels=1)
SYSTEMS: dict[str, MixedFeatures | CoAttentionPair] = {
    "mixed": MixedFeatures(
        visual=ImageResNet(grid=GRID, base=8), autoencoder=8, word_width=12, width=16, dropout=0.0, standardised=True
    ),
    "pair": CoAttentionPair(
        image=ImageTransformer(grid=GRID, patch=(8, 8), width=24, depth=1, heads=2, pooling="cls"),
        text=TextTransformer(vocabulary=300, length=16, width=16, depth=1, heads=2),
        width=16,
        depth=1,
        heads=2,
        dropout=0.0,
        standardised=True,
    ),
}


def test_a_batch_of_training_has_mean_0_and_deviation_1_feature_by_feature() -> None:
    layer = FeatureStandardisation(3).train()
    x = 5 + torch.randn(2, 40, 3) * torch.tensor([0.01, 1.0, 30.0])
    flat = layer(x).flatten(0, 1)
    torch.testing.assert_close(flat.mean(0), torch.zeros(3), atol=2e-3, rtol=0)
    torch.testing.assert_close(flat.std(0, correction=0), torch.ones(3), atol=0.06, rtol=0)


def test_otherwise_running_statistics_serve_and_rows_do_not_depend_on_each_other() -> None:
    layer = FeatureStandardisation(2).train()
    x = torch.tensor([3.0, -2.0]) + torch.randn(500, 2) * torch.tensor([2.0, 0.5])
    for _ in range(80):
        layer(x)
    layer.eval()
    torch.testing.assert_close(layer(x[:7]), (x[:7] - x.mean(0)) / x.std(0), atol=5e-3, rtol=5e-3)
    torch.testing.assert_close(layer(x[:7])[3:4], layer(x[3:4]))


def test_one_vector_and_none_have_values_and_parts_leave_the_statistics() -> None:
    layer = FeatureStandardisation(2).train()
    one = torch.tensor([[1.0, 2.0]])
    torch.testing.assert_close(layer(one), one, atol=1e-4, rtol=1e-4)
    assert layer(one[:0]).shape == (0, 2)
    before = layer.mean.clone()
    layer.settled(torch.randn(9, 2))
    assert torch.equal(layer.mean, before)
    layer(torch.randn(9, 2))
    assert not torch.equal(layer.mean, before)


def one_question(questions: Path, settings: TowerSettings) -> tuple[CrossModal, Batch]:
    """A model, and the batch of one question put to sixteen images, eight of which have another answer to it."""
    corpus = VqaRad(root=str(questions), phrases="all", held_back=0.0).build()
    chosen: dict[str, TowerSettings] = {"image": settings, "text": AnswerTable(width=16)}
    processors = {name: made.fit_processor(corpus.training_items(name)) for name, made in chosen.items()}
    torch.manual_seed(0)
    towers = {name: made.build(processors[name]) for name, made in chosen.items()}
    ready = prepare(corpus, processors, workers=0, max_rejected=0.0)
    asked = [corpus.columns["image"].items[item].text for item in ready.item["image"].tolist()]
    training = corpus.rows("train").tolist()
    rows = torch.tensor([row for row in training if asked[row] == "Where is the bright square?"])
    assert len(rows) == 16
    return CrossModal(towers, EmbeddingSettings(width=16)), ready.batch(rows)


def given(model: CrossModal, asked: PairInputs) -> Tensor:
    """The class of the answer to every question."""
    table = model.tower("text")
    assert isinstance(table, AnswerTower)
    return (model.embed("image", asked) @ model.project("text", table.known()).detach().T).argmax(1) + 1


@pytest.mark.parametrize("name", sorted(SYSTEMS))
def test_one_question_is_answered_by_the_image_alone(questions: Path, name: str) -> None:
    model, batch = one_question(questions, SYSTEMS[name])
    asked, answers = batch.inputs["image"], batch.inputs["text"]
    assert isinstance(asked, PairInputs) and isinstance(answers, AnswerInputs)
    mixture = Mixture({"answer": Answering()}, {name: model.tower(name) for name in model.modalities})
    optimiser = torch.optim.AdamW([*model.parameters(), *mixture.parameters()], lr=5e-3)
    for step in range(40):
        optimiser.zero_grad()
        backward(model, mixture, batch, step, 0)
        optimiser.step()
    assert torch.equal(given(model, asked), answers.answer)
    # Images whose answers differ are exchanged: every answer has to change with its image.
    apart = answers.answer == answers.answer[0]
    order = torch.empty(16, dtype=torch.int64)
    order[apart], order[~apart] = (~apart).nonzero()[:, 0], apart.nonzero()[:, 0]
    exchanged = replace(asked, picture=asked.picture[order])
    assert not bool((given(model, exchanged) == answers.answer).any())
