"""PubMedCLIP's answering models: attention, widths, routing, losses, and that they learn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from crossmod.contracts.tower import Tower
from crossmod.errors import UserError
from crossmod.model import CrossModal
from crossmod.objectives.mixture import Mixture
from crossmod.recipe import EmbeddingSettings
from crossmod.training.backward import backward
from crossmod.training.prepare import Prepared, prepare
from crossmod_medical.encoders.network_settings import ImageResNet
from crossmod_medical.encoders.settings import ImageTransformer
from crossmod_medical.grid import ImageGrid
from crossmod_medical.pairs.inputs import PairInputs
from crossmod_medical.vqa.answer_tower import AnswerTower
from crossmod_medical.vqa.answering import answer_loss
from crossmod_medical.vqa.answering_tower import AnsweringTower
from crossmod_medical.vqa.autoencoder import BOTTLENECK, GreyAutoencoder, grey_images
from crossmod_medical.vqa.bilinear import BilinearAttention
from crossmod_medical.vqa.data import VqaRad
from crossmod_medical.vqa.objective_settings import Answering, DenoisedImages, QuestionKind
from crossmod_medical.vqa.settings import AnswerTable, MixedFeatures

VISUAL = ImageTransformer(grid=ImageGrid(size=(32, 32), channels=1), patch=(8, 8), width=24, depth=1, heads=2)
SETTINGS = MixedFeatures(visual=VISUAL, autoencoder=8, word_width=12, width=16, dropout=0.0)


def prepared_towers(questions: Path, settings: MixedFeatures) -> tuple[Prepared, dict[str, Tower]]:
    corpus = VqaRad(root=str(questions), phrases="all", held_back=0.0).build()
    chosen = {"image": settings, "text": AnswerTable(width=16)}
    processors = {name: made.fit_processor(corpus.training_items(name)) for name, made in chosen.items()}
    torch.manual_seed(0)
    towers = {name: made.build(processors[name]) for name, made in chosen.items()}
    return prepare(corpus, processors, workers=0, max_rejected=0.0), towers


def test_bilinear_attention_is_its_formula_with_loops() -> None:
    torch.manual_seed(0)
    block = BilinearAttention(5, 7, 2, dropout=0.0).double()
    objects, words = torch.randn(2, 3, 5).double(), torch.randn(2, 4, 7).double()
    mask = torch.tensor([[True, True, True, False], [True, True, True, True]])
    expected = []
    for sample in range(2):
        real = [place for place in range(4) if mask[sample, place]]
        held = [words[sample, place].clone() for place in range(4)]
        for number in range(2):
            logits = torch.stack(
                [
                    torch.stack(
                        [
                            (
                                block.glimpse[number]
                                * block.object(objects[sample, i])
                                * block.word(words[sample, place])
                            ).sum()
                            for place in real
                        ]
                    )
                    for i in range(3)
                ]
            )
            shares = logits.flatten().softmax(0).view(3, len(real))
            joint = sum(
                shares[i, at] * block.objects[number](objects[sample, i]) * block.words[number](held[place])
                for i in range(3)
                for at, place in enumerate(real)
            )
            held = [state + block.updates[number](joint) for state in held]
        expected.append(sum(held[place] for place in real))
    torch.testing.assert_close(block(objects, words, mask), torch.stack(expected))


def test_padding_of_a_question_has_no_part() -> None:
    torch.manual_seed(0)
    block = BilinearAttention(5, 7, 2).eval()
    objects, words = torch.randn(1, 1, 5), torch.randn(1, 3, 7)
    mask = torch.ones(1, 3, dtype=torch.bool)
    longer = torch.cat([words, torch.full((1, 2, 7), 9.0)], 1)
    padded = torch.cat([mask, ~mask[:, :2]], 1)
    torch.testing.assert_close(block(objects, longer, padded), block(objects, words, mask))
    assert float(block.attention(objects, longer, padded).detach().sum()) == pytest.approx(2.0)


@pytest.mark.parametrize(("encoder", "width"), [(512, 576), (1024, 1088), (640, 704)])
def test_visual_width_is_the_encoders_and_64(questions: Path, encoder: int, width: int) -> None:
    settings = replace(SETTINGS, visual=replace(VISUAL, width=encoder), autoencoder=64)
    _, towers = prepared_towers(questions, settings)
    tower = towers["image"]
    assert isinstance(tower, AnsweringTower) and tower.visual_width == width


def test_the_bottleneck_of_128_pixels_is_16384_wide() -> None:
    coder = GreyAutoencoder()
    grey = grey_images(torch.rand(2, 3, 100, 60))
    assert grey.shape == (2, 1, 128, 128)
    assert coder.down(grey).flatten(1).shape == (2, BOTTLENECK) == (2, 16384)
    assert coder.reconstruct(grey).shape == grey.shape and coder(grey).shape == (2, 64)


def test_sum_and_mean_differ_by_rows_times_answers() -> None:
    logits, target = torch.randn(4, 9, dtype=torch.float64), torch.tensor([0, 3, 8, 3])
    total = answer_loss(logits, target, "binary-sum")
    torch.testing.assert_close(answer_loss(logits, target, "binary-mean") * 4 * 9, total)
    torch.testing.assert_close(answer_loss(logits, target, "binary-answers") * 4, total)
    torch.testing.assert_close(
        answer_loss(logits, target, "softmax"), -logits.log_softmax(1)[torch.arange(4), target].mean()
    )
    assert float(answer_loss(logits[:0], target[:0], "binary-mean")) == 0.0


def test_routing_follows_the_kind_in_training_and_the_words_otherwise(questions: Path) -> None:
    prepared, towers = prepared_towers(questions, replace(SETTINGS, head="routed"))
    tower, inputs = towers["image"], prepared.inputs["image"]
    assert isinstance(tower, AnsweringTower) and isinstance(inputs, PairInputs)
    tower.train()
    assert torch.equal(tower.is_closed(inputs), inputs.kind == 1)
    tower.eval()
    other = PairInputs(inputs.images, inputs.texts, inputs.picture, inputs.text, 1 - inputs.kind)
    assert torch.equal(tower(inputs).pooled, tower(other).pooled)


@pytest.mark.parametrize("kind", [0, 1])
def test_a_batch_of_one_kind_adds_zero_for_the_other(questions: Path, kind: int) -> None:
    prepared, towers = prepared_towers(questions, replace(SETTINGS, head="routed"))
    inputs = prepared.inputs["image"]
    assert isinstance(inputs, PairInputs)
    rows = (prepared.corpus.split == "train") & (inputs.kind[prepared.item["image"]] == kind).numpy()
    batch = prepared.batch(torch.from_numpy(rows).nonzero()[:6, 0])
    plain, apart = (Answering(loss="binary-mean", by_kind=by_kind) for by_kind in (False, True))
    model = CrossModal(towers, EmbeddingSettings(width=16)).eval()
    found = [backward(model, Mixture({"answer": made}, towers), batch, 0, 0)["loss"] for made in (plain, apart)]
    assert bool(torch.isfinite(found[1]))
    torch.testing.assert_close(found[0], found[1])


@pytest.mark.parametrize("head", ["mevf", "routed"])
def test_it_learns_32_questions_by_heart(questions: Path, head: str) -> None:
    network = ImageResNet(grid=ImageGrid(size=(32, 32), channels=1), base=8, stem_stride=2)
    routed = head == "routed"
    settings = replace(SETTINGS, visual=network, head=head, autoencoder=0 if routed else 8)
    prepared, towers = prepared_towers(questions, settings)
    model = CrossModal(towers, EmbeddingSettings(width=16))
    further = {"kind": QuestionKind()} if routed else {"denoise": DenoisedImages(weight=0.001)}
    terms = {"answer": Answering(by_kind=routed), **further}
    mixture = Mixture(terms, towers)
    batch = prepared.batch(torch.arange(32))
    optimiser = torch.optim.AdamW([*model.parameters(), *mixture.parameters()], lr=5e-3)
    for step in range(45):
        optimiser.zero_grad()
        backward(model, mixture, batch, step, 0)
        optimiser.step()
    model.eval()
    table = towers["text"]
    assert isinstance(table, AnswerTower)
    vectors = model("image", batch.inputs["image"])
    given = (vectors @ model.project("text", table.known()).T).argmax(1) + 1
    assert torch.equal(given, batch.inputs["text"].answer[prepared.batch(torch.arange(32)).common("image", "text")[1]])


def test_an_objective_of_another_tower_is_refused(questions: Path) -> None:
    _, towers = prepared_towers(questions, replace(SETTINGS, autoencoder=0))
    with pytest.raises(UserError, match="autoencoder"):
        DenoisedImages().build(towers)
    with pytest.raises(UserError, match="routed"):
        QuestionKind().build(towers)
    with pytest.raises(UserError, match="AnswerTable"):
        Answering(answer="image").build(towers)
    with pytest.raises(UserError, match="MixedFeatures"):
        QuestionKind(modality="text").build(towers)
