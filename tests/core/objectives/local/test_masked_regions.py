"""Masked regions (sheet lxmert, 3 to 5): the factor of the share, confidences, and a target that stays what it was."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, smooth_l1_loss

from crossmod.fusion.co_attention import CoAttentionLayer, RegionEmbedding
from crossmod.objectives.local.masked_regions import (
    MaskedRegionLoss,
    hide_regions,
    region_feature_loss,
    region_label_loss,
)

ALL = torch.ones(2, 5, dtype=torch.bool)


def _features(dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(2, 5, 3, dtype=dtype), torch.randn(2, 5, 3, dtype=dtype)


def test_with_every_region_and_a_share_of_one_it_is_the_plain_smooth_l1() -> None:
    prediction, target = _features()
    assert torch.allclose(region_feature_loss(prediction, target, ALL, ALL, 1.0), smooth_l1_loss(prediction, target))


def test_the_loss_is_that_of_a_loop_and_padding_is_no_region() -> None:
    prediction, target = _features()
    mask = torch.arange(5) < torch.tensor([[5], [3]])
    chosen = torch.tensor([[True, False, True, False, False], [False, True, False, True, True]])
    total = 0.0
    for b, r in (chosen & mask).nonzero().tolist():
        for got, wanted in zip(prediction[b, r].tolist(), target[b, r].tolist(), strict=True):
            gap = abs(got - wanted)
            total += (0.5 * gap**2 if gap < 1 else gap - 0.5) / 3
    spoiled = prediction.masked_fill(~(chosen & mask)[..., None], torch.nan)
    found = region_feature_loss(spoiled, target, chosen, mask)
    assert float(found) == pytest.approx(total / 8 / 0.15)


def test_nothing_hidden_costs_nothing_and_keeps_the_gradient_finite() -> None:
    prediction = torch.randn(2, 5, 3, requires_grad=True)
    for mask in (ALL, torch.zeros_like(ALL)):
        loss = region_feature_loss(prediction, torch.randn(2, 5, 3), torch.zeros_like(ALL), mask)
        (gradient,) = torch.autograd.grad(loss, prediction)
        assert float(loss.detach()) == 0 and not gradient.any()
    empty = region_feature_loss(prediction[:0], torch.randn(0, 5, 3), ALL[:0], ALL[:0])
    assert float(empty.detach()) == 0


def test_a_confidence_of_zero_has_no_gradient_and_twice_the_confidence_twice_of_it() -> None:
    logits = torch.randn(2, 5, 4, dtype=torch.float64, requires_grad=True)
    label, confidence = torch.randint(4, (2, 5)), torch.rand(2, 5, dtype=torch.float64) + 0.1
    confidence[0, 1] = 0.0
    label[0, 1] = -1  # no label at all
    doubled = confidence.clone()
    doubled[1, 2] *= 2
    (one,), (two,) = (
        torch.autograd.grad(region_label_loss(logits, label, weight, ALL), logits) for weight in (confidence, doubled)
    )
    assert not one[0, 1].any() and one[0, 0].any()
    assert torch.allclose(two[1, 2], 2 * one[1, 2])
    others = torch.ones_like(ALL)
    others[1, 2] = False
    assert torch.equal(two[others], one[others])


def test_labels_count_at_hidden_regions_in_the_paper_and_at_all_in_the_code() -> None:
    logits, label, confidence = torch.randn(2, 5, 4), torch.randint(4, (2, 5)), torch.rand(2, 5)
    chosen = torch.rand(2, 5) < 0.5
    each = cross_entropy(logits.flatten(0, 1), label.flatten(), reduction="none").view(2, 5) * confidence
    assert torch.allclose(region_label_loss(logits, label, confidence, ALL), each.mean() / 0.15)
    assert torch.allclose(
        region_label_loss(logits, label, confidence, ALL, chosen), (each * chosen).mean() / 0.15, atol=1e-6
    )


def test_gradients_are_those_of_finite_differences() -> None:
    prediction, target = _features()
    chosen = torch.rand(2, 5) < 0.5
    label, confidence = torch.randint(3, (2, 5)), torch.rand(2, 5)
    prediction.requires_grad_(True)
    assert torch.autograd.gradcheck(lambda x: region_feature_loss(x, target, chosen, ALL), (prediction,))
    assert torch.autograd.gradcheck(lambda x: region_label_loss(x, label, confidence, ALL, chosen), (prediction,))


def test_fates_of_many_regions_are_those_of_bert_and_the_target_is_left_alone() -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.rand(1000, 700, 1, generator=generator) + 0.5
    mask = torch.rand(1000, 700, generator=generator) < 0.95
    before = features.clone()
    found = hide_regions(features, mask, generator=generator)
    assert torch.equal(features, before), "the target is what the regions were"
    assert torch.equal(found.features[~found.chosen], features[~found.chosen]) and not (found.chosen & ~mask).any()
    assert float(found.chosen[mask].double().mean()) == pytest.approx(0.15, abs=0.003)
    new, old = found.features[found.chosen][:, 0], features[found.chosen][:, 0]
    assert len(new) > 90_000
    shares = [float(part.double().mean()) for part in (new == 0, (new != 0) & (new != old), new == old)]
    assert shares == pytest.approx([0.8, 0.1, 0.1], abs=0.01)
    real = set(features[mask].flatten().tolist())
    assert set(new[(new != 0) & (new != old)].tolist()) <= real


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_scored_in_single(dtype: torch.dtype) -> None:
    prediction, target = _features(torch.float32)
    loss = region_feature_loss(prediction.to(dtype), target.to(dtype), ALL, ALL)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, region_feature_loss(prediction, target, ALL, ALL), atol=0.1, rtol=0.05)


def test_a_hidden_region_is_recovered_from_the_sentence_that_names_it() -> None:
    """The one region of a kind that nothing but the words tell: its features and its label are learned."""
    draw = torch.Generator().manual_seed(4)
    kinds = torch.randn(4, 6, generator=draw)
    embed, layer = RegionEmbedding(6, 2, 16), CoAttentionLayer(16, 2)
    words, loss = nn.Embedding(4, 16), MaskedRegionLoss(16, 6, {"kind": 4}, share=0.5)
    optimiser = torch.optim.Adam(nn.ModuleList([embed, layer, words, loss]).parameters(), lr=1e-2)
    found = []
    for _ in range(60):
        kind = torch.randint(4, (32, 1), generator=draw).expand(-1, 3)
        features, mask = kinds[kind], torch.ones(32, 3, dtype=torch.bool)
        hidden = torch.zeros_like(mask)
        hidden[:, 0] = True
        seen = features.masked_fill(mask[..., None], 0.0)
        _, states = layer(words(kind[:, :1]), embed(seen, torch.zeros(32, 3, 2)))
        value = loss(states, features, hidden, mask, {"kind": (kind, torch.ones(32, 3))})
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        found.append(float(value.detach()))
    assert found[-1] < 0.1 * found[0]
    logits = loss.labels["kind"](loss.transform(states))[:, 0]
    assert float((logits.argmax(-1) == kind[:, 0]).float().mean()) > 0.95


def test_the_module_adds_its_terms_and_refuses_labels_without_a_head() -> None:
    states, target = torch.randn(2, 5, 8), torch.randn(2, 5, 3)
    label, confidence, chosen = torch.randint(4, (2, 5)), torch.rand(2, 5), torch.rand(2, 5) < 0.5
    for every in (False, True):
        loss = MaskedRegionLoss(8, 3, {"object": 4}, feature_weight=2.0, label_weight=0.5, every_region=every)
        read = loss.transform(states)
        expected = 2 * region_feature_loss(loss.features(read), target, chosen, ALL) + 0.5 * region_label_loss(
            loss.labels["object"](read), label, confidence, ALL, None if every else chosen
        )
        assert torch.allclose(loss(states, target, chosen, ALL, {"object": (label, confidence)}), expected)
    with pytest.raises(ValueError, match="labels of no kind were given to heads of object"):
        loss(states, target, chosen, ALL)


def test_what_does_not_fit_is_refused() -> None:
    logits, label, confidence = torch.randn(2, 5, 4), torch.zeros(2, 5, dtype=torch.int64), torch.ones(2, 5)
    with pytest.raises(ValueError, match="labels of 0 to 4 are no classes of a head of 4"):
        region_label_loss(logits, label.index_fill(1, torch.tensor([2]), 4), confidence, ALL)
    for poison in (-1.0, torch.nan, torch.inf):
        with pytest.raises(ValueError, match="negative or not finite"):
            region_label_loss(logits, label, confidence.index_fill(1, torch.tensor([2]), poison), ALL)
    with pytest.raises(ValueError, match="chosen has shape"):
        region_feature_loss(logits, logits, ALL[:, :4], ALL)
    with pytest.raises(ValueError, match="share of 0"):
        hide_regions(logits, ALL, 0.0)
