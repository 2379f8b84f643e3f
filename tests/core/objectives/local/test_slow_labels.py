"""ALBEF's distilled masked-language term: step 8 of the sheet albef, with its checks 2 and 6 for this term."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor

from crossmod.errors import UserError
from crossmod.model import CrossModal
from crossmod.objectives.local import masked_language, score_tokens
from crossmod.objectives.local.masked_language import MaskedLanguageObjective
from crossmod.objectives.local.settings import MaskedLanguage
from crossmod.objectives.mixture import Mixture
from crossmod.recipe import EmbeddingSettings
from crossmod.testing.tiny import TinyData
from crossmod.text.settings import TextTransformer
from crossmod.training.backward import backward
from crossmod.training.prepare import Prepared, prepare


def _parts(**options: object) -> tuple[Prepared, CrossModal, Mixture, MaskedLanguageObjective]:
    torch.manual_seed(0)
    corpus = TinyData(points=24).build()
    text = TextTransformer(depth=1, width=16, heads=2, length=24, vocabulary=300, dropout=0.0)
    processor = text.fit_processor(corpus.training_items("text"))
    towers = {"text": text.build(processor)}
    settings = MaskedLanguage(modality="text", share=0.4, **options)
    mixture = Mixture({"words": settings}, towers)
    objective = mixture.objectives["words"]
    assert isinstance(objective, MaskedLanguageObjective)
    prepared = prepare(corpus, {"text": processor}, workers=0, max_rejected=0)
    return prepared, CrossModal(towers, EmbeddingSettings(width=8)), mixture, objective


def _loss(parts: tuple[Prepared, CrossModal, Mixture, MaskedLanguageObjective], seed: int = 3) -> Tensor:
    prepared, model, mixture, _ = parts
    torch.manual_seed(seed)
    return backward(model, mixture, prepared.batch(torch.arange(12)), 0)["loss"]


def test_the_loss_is_the_weighted_sum_of_both_labels() -> None:
    logits, targets = torch.randn(5, 7, dtype=torch.float64), torch.tensor([0, 6, 2, 2, 1])
    soft = torch.randn(5, 7, dtype=torch.float64).softmax(-1)
    chosen = torch.tensor([[True, True, False], [True, True, True]])
    found = score_tokens(logits, targets, chosen, 2, "token", soft=soft, soft_share=0.4).loss
    log = logits.log_softmax(-1)
    each = [-0.6 * log[i, t] - 0.4 * (soft[i] * log[i]).sum() for i, t in enumerate(targets.tolist())]
    assert torch.allclose(found, torch.stack(each).mean())


@pytest.mark.parametrize("corruption", [{}, {"masked": 0.2, "swapped": 0.8}])
def test_a_fresh_slow_copy_sees_the_same_corruption_and_agrees_with_the_tower(corruption: dict[str, float]) -> None:
    """Where both are equal the soft labels are the own probabilities, and their term is the entropy."""
    whole, own = _parts(distilled=1.0, **corruption), _parts(**corruption)
    with torch.no_grad():  # as after weights were loaded from elsewhere
        for parts in (whole, own):
            torch.manual_seed(5)
            for parameter in parts[1].towers.parameters():
                parameter.add_(0.3 * torch.randn_like(parameter))
    whole[3].predict.load_state_dict(own[3].predict.state_dict())
    seen: list[Tensor] = []
    own[3].predict.register_forward_hook(lambda module, inputs, output: seen.append(output.detach()))
    _loss(own)
    slow: list[Tensor] = []
    assert whole[3].slow is not None
    whole[3].slow.slow_predict.module.register_forward_hook(lambda module, inputs, output: slow.append(output))
    _loss(whole)
    assert torch.allclose(slow[0], seen[0], atol=1e-5)


def test_without_a_share_it_is_the_plain_objective_and_keeps_no_copy() -> None:
    plain, none = _parts(), _parts(distilled=0.0)
    assert none[3].slow is None and torch.equal(_loss(plain), _loss(none))
    ramped = _parts(distilled=0.4, distilled_steps=10)
    assert torch.allclose(_loss(ramped), _loss(plain), atol=1e-6)  # at step 0 the ramp is at zero


def test_the_share_ramps_and_the_slow_parts_move_once_a_step_without_gradient() -> None:
    prepared, model, mixture, objective = _parts(distilled=0.4, distilled_steps=4, momentum=0.9)
    slow = objective.slow
    assert slow is not None
    shares = []
    for step in range(6):
        shares.append(slow.share)
        old = {name: value.clone() for name, value in slow.slow_tower.module.named_parameters()}
        backward(model, mixture, prepared.batch(torch.arange(12)), step, chunk_size=4)
        before = {name: value.clone() for name, value in slow.slow_tower.module.named_parameters()}
        assert step == 0 or all(torch.equal(value, before[name]) for name, value in old.items())
        with torch.no_grad():
            for parameter in model.towers.parameters():
                parameter.add_(1.0)
        mixture.after_step()
        for name, parameter in slow.slow_tower.module.named_parameters():
            online = dict(model.towers["text"].named_parameters())[name].detach()
            assert torch.allclose(parameter, 0.9 * before[name] + 0.1 * online, atol=1e-6)
            assert parameter.grad is None and not parameter.requires_grad
    assert shares == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4, 0.4])


def test_chunks_give_the_gradient_of_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    # Every second token is chosen, so that chunks choose what the batch does.

    def second(mask: Tensor, share: float, rounding: str) -> Tensor:
        return ~(mask & (torch.arange(mask.shape[1]) % 2 == 0))

    monkeypatch.setattr(masked_language, "uniform_masking", second)
    gradients = []
    for chunk in (0, 5):
        prepared, model, mixture, objective = _parts(distilled=0.4, masked=1.0, swapped=0.0)
        backward(model, mixture, prepared.batch(torch.arange(10)), 0, chunk_size=chunk)
        parameters = (*model.towers.parameters(), *objective.predict.parameters())
        gradients.append(torch.cat([p.grad.flatten() for p in parameters if p.grad is not None]))
    assert torch.allclose(*gradients, atol=1e-6)


def test_state_goes_through_a_checkpoint() -> None:
    prepared, model, mixture, _ = _parts(distilled=0.4, distilled_steps=3)
    batch = prepared.batch(torch.arange(12))
    other = copy.deepcopy(mixture)
    for step in range(2):
        backward(model, mixture, batch, step)
        with torch.no_grad():
            for parameter in model.towers.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
        mixture.after_step()
    other.load_state_dict(copy.deepcopy(mixture.state_dict()))
    losses = []
    for part in (mixture, other):
        torch.manual_seed(4)
        losses.append(backward(model, part, batch, 2)["loss"])
    assert torch.equal(*losses)


@pytest.mark.parametrize("options", [{"distilled": 1.5}, {"distilled": -0.1}, {"distilled": 0.4, "momentum": 2.0}])
def test_shares_that_cannot_be_meant_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(UserError, match="both lie between 0 and 1"):
        MaskedLanguage(modality="text", **options)
