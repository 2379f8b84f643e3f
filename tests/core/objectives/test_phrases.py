"""Phrases of a text with places of another modality, and a text rebuilt from them: checks 2, 4 of the sheet simcrop."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional

from crossmod.contracts.batch import Batch
from crossmod.contracts.tower import Features
from crossmod.errors import UserError
from crossmod.model import CrossModal
from crossmod.objectives.mixture import Mixture
from crossmod.objectives.settings import AttendedLocalAlign, GroundedLanguage, MaskedLanguage, TopKLocalAlign
from crossmod.recipe import EmbeddingSettings, ObjectiveSettings
from crossmod.testing.tiny import TinyData
from crossmod.text.settings import TextTransformer
from crossmod.training.backward import backward
from crossmod.training.forwards import BatchForwards
from crossmod.vectors.settings import VectorEncoder

HERE = Path(__file__).parent
TOWERS = runpy.run_path(str(HERE / "local" / "series_tower.py"))
PHRASES = runpy.run_path(str(HERE / "tower_of_phrases.py"))
SMALL: dict[str, Any] = {"width": 16, "depth": 1, "heads": 2}
GROUNDED: dict[str, Any] = {"modality": "text", "condition": "a", **SMALL}
RECIPES: dict[str, ObjectiveSettings] = {
    "selected": TopKLocalAlign(a="a", b="text", least=2),
    "selected of all": TopKLocalAlign(a="a", b="text", hidden_share=0, least=2, temperature=0.1),
    "attended": AttendedLocalAlign(a="a", b="text", width=8),
    "attended map": AttendedLocalAlign(a="staged", b="text", width=8, stage=0),
    "grounded": GroundedLanguage(**GROUNDED),
    "grounded phrases": GroundedLanguage(**GROUNDED, phrases=("far left", "top"), reduction="token"),
    "grounded in all": GroundedLanguage(**GROUNDED, hidden_share=0),
    "whole words": MaskedLanguage(modality="text", share=0.3, whole_words=True),
}


class Staged(TOWERS["Pictures"]):
    """The tower of pictures, which also returns its maps."""

    def forward(self, inputs: Any, /) -> Features:
        maps = self.stages(self.picture(inputs))
        return Features(maps[-1].mean((2, 3)), hidden=list(maps))


def _parts(settings: ObjectiveSettings, rows: int, lacking: tuple[str, ...] = ()) -> tuple[CrossModal, Mixture, Batch]:
    torch.manual_seed(0)
    items = list(TinyData(points=40).build().training_items("text"))
    text = PHRASES["PhraseEncoder"]()
    processor = text.fit_processor(items)
    towers = {"a": TOWERS["Series"](), "staged": Staged(), "text": text.build(processor)}
    model = CrossModal(towers, EmbeddingSettings(width=8))
    inputs = {"a": TOWERS["waves"](rows), "staged": TOWERS["waves"](rows, 48, 3)}
    inputs["text"] = processor(items[: max(1, rows)]).take(torch.arange(rows))
    batch: Batch = TOWERS["batch_of"](rows, {each: range(rows) for each in lacking}, **inputs)
    return model, Mixture({"term": settings}, towers), batch


@pytest.mark.parametrize("name", RECIPES)
def test_no_row_nothing_in_common_and_one_row_are_defined(name: str) -> None:
    for rows, lacking in ((0, ()), (3, ("a", "staged", "text")), (1, ())):
        model, mixture, batch = _parts(RECIPES[name], rows, lacking)
        outcome = mixture(BatchForwards(model, batch), batch, 0)
        outcome.loss.backward()
        mixture.after_step()
        assert bool(outcome.loss.isfinite()) and (rows == 1 or float(outcome.loss.detach()) == 0)
        for parameter in (*model.parameters(), *mixture.parameters()):
            assert parameter.grad is None or bool(parameter.grad.isfinite().all())


@pytest.mark.parametrize("name", RECIPES)
def test_autocast_trains_every_part_with_a_loss_in_single_precision(name: str) -> None:
    model, mixture, batch = _parts(RECIPES[name], 12)
    with torch.autocast("cpu", torch.bfloat16):
        outcome = mixture(BatchForwards(model, batch), batch, 0)
    outcome.loss.backward()
    assert outcome.loss.dtype == torch.float32 and bool(outcome.loss.isfinite())
    for key, parameter in mixture.named_parameters():
        assert parameter.grad is not None and bool(parameter.grad.any()), key
    touched = {key.split(".")[1] for key, p in model.named_parameters() if p.grad is not None and bool(p.grad.any())}
    assert touched == {"text"} if name == "whole words" else len(touched) == 2


def test_sentences_select_among_visible_patches_alone() -> None:
    model, mixture, batch = _parts(RECIPES["selected"], 6)
    tower = model.tower("a")
    seen: list[torch.Tensor] = []
    encode = tower.encode_visible

    def noted(tokens: Any, visible: torch.Tensor) -> Any:
        seen.append(visible)
        # A hidden patch that were read would show as a loss that is no number.
        return encode(tokens._replace(values=tokens.values.masked_fill(~visible[..., None], torch.nan)), visible)

    tower.encode_visible = noted
    outcome = mixture(BatchForwards(model, batch), batch, 0)
    assert bool(outcome.loss.isfinite())
    assert seen[0].sum(1).tolist() == [4] * 6


def test_the_term_is_the_functions_it_is_made_of() -> None:
    from crossmod.objectives.pairs import local_alignment, phrase_negatives

    model, mixture, batch = _parts(RECIPES["selected of all"], 5)
    tower = model.tower("text")
    phrases = tower.phrases(batch.inputs["text"], tower(batch.inputs["text"]))
    patches = model.tower("a")(batch.inputs["a"]).tokens
    u = model.project("text", phrases.values[phrases.mask])
    rows = phrases.mask.nonzero()[:, 0]
    cosines = []
    for volume in functional.normalize(model.heads["a"](patches), dim=2):
        best = (u @ volume.T).topk(2, 1)
        weights = (best.values / 0.1).softmax(1)
        cosines.append((functional.normalize((weights[..., None] * volume[best.indices]).sum(1)) * u).sum(1))
    negatives = phrase_negatives(rows, phrases.identity[phrases.mask], batch.group)
    expected = local_alignment(torch.stack(cosines, 1), rows, torch.tensor(1 / 0.07), negatives)
    found = mixture(BatchForwards(model, batch), batch, 0)
    torch.testing.assert_close(found.loss, expected.loss, atol=1e-5, rtol=1e-5)


def test_both_paths_of_evidence_get_gradient_from_the_hidden_words() -> None:
    model, mixture, batch = _parts(RECIPES["grounded"], 6)
    backward(model, mixture, batch, 0)
    layer = mixture.objectives["term"].decoder.layers[0]
    for parameter in (layer.cross.key_value.weight, layer.cross.out.weight, layer.whole.weight):
        assert parameter.grad is not None and bool(parameter.grad.any())


def test_a_text_is_rebuilt_from_what_is_visible_and_from_its_own_words() -> None:
    """With nine words in ten hidden, another sample's evidence makes the rest harder to name."""
    model, mixture, batch = _parts(GroundedLanguage(**GROUNDED, share=0.9, hidden_share=0), 8)
    optimiser = torch.optim.Adam([*model.parameters(), *mixture.parameters()], lr=3e-3)
    losses = []
    for step in range(200):
        torch.manual_seed(step)
        optimiser.zero_grad()
        losses.append(float(backward(model, mixture, batch, step)["term/loss"]))
        optimiser.step()
    torch.manual_seed(7)
    with torch.no_grad():
        right = float(mixture(BatchForwards(model, batch), batch, 0).loss)
        turned = Batch({**batch.inputs, "a": batch.inputs["a"].take(torch.arange(8).roll(1))}, *_rest(batch))
        torch.manual_seed(7)
        wrong = float(mixture(BatchForwards(model, turned), turned, 0).loss)
    assert losses[-1] < 0.5 * losses[0] and right < 0.7 * wrong


def _rest(batch: Batch) -> tuple[Any, ...]:
    return batch.present, batch.group, batch.sample


def test_phrases_are_hidden_whole_and_others_by_their_own_share() -> None:
    settings = GroundedLanguage(**GROUNDED, share=0.5, phrases=("far left", "far right"), phrase_share=1.0)
    model, mixture, batch = _parts(settings, 24)
    objective, tower = mixture.objectives["term"], model.tower("text")
    tokens = tower.tokenise(batch.inputs["text"])
    from crossmod.objectives.local import find_phrases

    found = find_phrases(tokens.targets, tokens.mask, objective.phrases)
    assert bool((found >= 0).any())
    chosen = objective.choose(tokens)
    assert bool(chosen[found >= 0].all()) and not bool(chosen[~tokens.mask].any())
    outside = (tokens.mask & (found < 0)).sum(1)
    torch.testing.assert_close((chosen & (found < 0)).sum(1), (outside * 0.5).round().long())


def test_whole_words_are_hidden_whole() -> None:
    model, mixture, batch = _parts(RECIPES["whole words"], 12)
    tower = model.tower("text")
    kept: list[torch.Tensor] = []
    encode = tower.encode
    tower.encode = lambda tokens, keep: kept.append(keep) or encode(tokens, keep)
    mixture.objectives["term"].masked, mixture.objectives["term"].swapped = 1.0, 0.0
    mixture(BatchForwards(model, batch), batch, 0)
    tokens = tower.tokenise(batch.inputs["text"])
    words = tower.word_groups(tokens)
    for row in range(12):
        hidden = {number for number, keep in zip(words[row].tolist(), kept[0][row].tolist(), strict=True) if not keep}
        spared = {number for number, keep in zip(words[row].tolist(), kept[0][row].tolist(), strict=True) if keep}
        assert not (hidden & spared) and len(hidden) == round(0.3 * len((hidden | spared) - {-1}))


def test_what_cannot_work_is_refused_in_a_sentence() -> None:
    items = list(TinyData(points=40).build().training_items("text"))
    text, point = TextTransformer(**SMALL, vocabulary=300), VectorEncoder(width=8)
    towers = {
        "text": text.build(text.fit_processor(items)),
        "point": point.build(point.fit_processor([(0.1, 0.2), (0.5, 0.3)])),
        "a": TOWERS["Series"](),
    }
    for settings, sentence in (
        (TopKLocalAlign(a="a", b="text"), "phrases of 'text'"),
        (TopKLocalAlign(a="point", b="text"), "leaves patches of 'point' out"),
        (AttendedLocalAlign(a="a", b="text"), "phrases of 'text'"),
        (AttendedLocalAlign(a="lungs", b="text"), "lungs"),
        (GroundedLanguage(modality="text", condition="point"), "leaves patches of 'point' out"),
        (MaskedLanguage(modality="text", whole_words=True), "whole words"),
    ):
        with pytest.raises(UserError, match=sentence):
            settings.build(towers)
    for wrong in ({"hidden_share": 1.0}, {"share": 2.0}, {"least": 0}, {"temperature": -1.0}):
        with pytest.raises(UserError):
            TopKLocalAlign(a="a", b="text", **wrong)
    for wrong in ({"share": 1.0}, {"phrase_share": 0.0}, {"hidden_share": 1.0}, {"dropout": 1.0}, {"heads": 3}):
        with pytest.raises(UserError):
            GroundedLanguage(**(GROUNDED | wrong))
    with pytest.raises(UserError, match="exclude"):
        MaskedLanguage(modality="text", whole_words=True, span_length=2)
    with pytest.raises(UserError, match="stage"):
        AttendedLocalAlign(a="a", b="text", stage=-2)


def test_a_map_that_a_tower_does_not_have_is_refused() -> None:
    with pytest.raises(UserError, match="has 2 maps"):
        _parts(AttendedLocalAlign(a="staged", b="text", stage=2), 2)
    model, mixture, batch = _parts(RECIPES["attended"], 2)
    mixture.objectives["term"].stage = 3
    with pytest.raises(ValueError, match="map 3"):
        mixture(BatchForwards(model, batch), batch, 0)
