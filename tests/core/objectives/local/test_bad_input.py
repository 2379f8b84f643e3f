"""Whatever a local loss is fed: a finite value and gradient, not-a-number for broken input, or a sentence."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from crossmod.objectives.local import (
    AttributePrediction,
    ClusterPrediction,
    GumbelQuantiser,
    MaskedRegionLoss,
    UncertaintyWeights,
    VectorQuantiser,
    absolute_error,
    assign_groups,
    chamfer_error,
    code_diversity_loss,
    code_error,
    colourisation_loss,
    grouped_patch_logits,
    masked_reconstruction_loss,
    mix_patches,
    mixture_segmentation_loss,
    next_token_loss,
    patch_sources,
    prompted_label_loss,
    quantile_error,
    region_feature_loss,
    region_label_loss,
    replace_by_codes,
    score_tokens,
    self_distillation_loss,
    spectrogram_loss,
    standardise_patches,
    stop_loss,
)
from crossmod.objectives.local.reconstruction import TokenError

LENGTH, WIDTH = 3, 4
Loss = Callable[[Tensor, Tensor], Tensor]
"""Of values [rows, 3, 4] and of which tokens count, [rows, 3]."""


def _codes(x: Tensor) -> Tensor:
    return (torch.arange(x.shape[0] * x.shape[1]) % WIDTH).view(x.shape[:2])


def _rebuild(error: TokenError, make: Callable[[Tensor], Tensor] = lambda x: x) -> Loss:
    return lambda x, mask: masked_reconstruction_loss(make(x), torch.ones(*x.shape[:2], WIDTH), mask, error)


def _clusters(x: Tensor, mask: Tensor) -> Tensor:
    torch.manual_seed(0)
    loss: Tensor = ClusterPrediction(WIDTH, WIDTH, label_width=5).to(x.dtype)(x, _codes(x), mask)
    return loss


def _commitment(x: Tensor, mask: Tensor) -> Tensor:
    torch.manual_seed(0)
    loss: Tensor = VectorQuantiser(WIDTH, 5)(x, mask).commitment
    return loss


def _uncertain(x: Tensor, mask: Tensor) -> Tensor:
    return UncertaintyWeights("a", "b")({"a": x[mask].float().square().sum(), "b": x.float().sum() * 0})


def _regions(x: Tensor, mask: Tensor) -> Tensor:
    torch.manual_seed(0)
    loss = MaskedRegionLoss(WIDTH, WIDTH, {"kind": WIDTH}, every_region=True).to(x.dtype)
    value: Tensor = loss(x, torch.ones_like(x), mask, mask, {"kind": (_codes(x), mask.float())})
    return value


def _grouped(x: Tensor, noisy: bool = False) -> Tensor:
    """Tokens of which each picks a group by its first two values, beside the texts that are the groups themselves."""
    generator = torch.Generator().manual_seed(0)
    picked = assign_groups(x[..., :2].transpose(1, 2), noisy=noisy, generator=generator)
    # Products of three hundreds at scale 1 have gradients beyond float16.
    logits = grouped_patch_logits(picked, x[:, :2], x[:, 1:], 0.01)
    return mixture_segmentation_loss(logits[:, None].expand(-1, 2, -1, -1), patch_sources(len(x), 2, LENGTH))


def _soft_labels(x: Tensor, mask: Tensor, share: float = 0.4) -> Tensor:
    soft = x.detach()[mask].roll(1, -1).softmax(-1)
    return score_tokens(x[mask], _codes(x)[mask], mask, len(x), soft=soft, soft_share=share).loss


LOSSES: dict[str, Loss] = {
    "squared": lambda x, mask: masked_reconstruction_loss(x, torch.ones_like(x), mask),
    "by row": lambda x, mask: masked_reconstruction_loss(x, torch.ones_like(x), mask, reduction="row"),
    "by sample": lambda x, mask: masked_reconstruction_loss(x, torch.ones_like(x), mask, reduction="sample"),
    "absolute": _rebuild(absolute_error),
    "quantiles": _rebuild(quantile_error([0.2, 0.8]), lambda x: torch.stack([x, x], -1)),
    "codes": lambda x, mask: masked_reconstruction_loss(x, _codes(x), mask, code_error),
    "standardised": lambda x, mask: masked_reconstruction_loss(standardise_patches(x), torch.ones_like(x), mask),
    "tokens": lambda x, mask: score_tokens(x[mask], _codes(x)[mask], mask, len(x)).loss,
    "next token": lambda x, mask: next_token_loss(x, _codes(x), mask),
    "mixture": lambda x, _: mixture_segmentation_loss(
        x.unsqueeze(1).expand(-1, WIDTH, -1, -1), patch_sources(len(x), WIDTH, LENGTH)
    ),
    "colours": lambda x, mask: colourisation_loss((x * mask[..., None])[:, :, None], torch.ones_like(x)[:, :, None]),
    "entities": lambda x, mask: prompted_label_loss(x[:, 0], x.detach()[:, 1].softmax(-1), mask[:, 0]),
    "distillation": lambda x, mask: self_distillation_loss(
        x.transpose(0, 1), x.transpose(0, 1)[:2], torch.zeros(WIDTH)
    ),
    "diversity": lambda x, mask: code_diversity_loss(x.float().softmax(-1).flatten(0, 1)) if len(x) else x.sum(),
    "clusters": _clusters,
    "commitment": _commitment,
    "uncertainty": _uncertain,
    "soft labels": _soft_labels,
    "soft labels alone": lambda x, mask: _soft_labels(x, mask, 1.0),
    "region features": lambda x, mask: region_feature_loss(x, torch.ones_like(x), mask, mask | True),
    "region labels": lambda x, mask: region_label_loss(x, _codes(x), torch.ones_like(x)[..., 0], mask | True, mask),
    "regions": _regions,
    "spectrogram": lambda x, mask: spectrogram_loss([x, x * 2], torch.ones_like(x), mask),
    "stop": lambda x, mask: stop_loss(x[..., 2], mask),
    "groups": lambda x, _: _grouped(x),
    "noisy groups": lambda x, _: _grouped(x, noisy=True),
}
UNMASKED = ("mixture", "distillation", "diversity", "entities", "groups", "noisy groups")
LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "dense": lambda x: x,
    "transposed": lambda x: x.transpose(0, 2).contiguous().transpose(0, 2),
    "strided": lambda x: torch.stack([x, x], 3)[..., 0],
    "expanded": lambda x: x[:1].expand(len(x), -1, -1),
}


@settings(deadline=None, max_examples=10)
@given(
    rows=st.integers(0, 4),
    scale=st.sampled_from([0.0, 1.0, 100.0]),
    layout=st.sampled_from(sorted(LAYOUTS)),
    dtype=st.sampled_from([torch.float16, torch.bfloat16, torch.float32, torch.float64]),
    kept=st.sampled_from(["all", "none", "some"]),
    seed=st.integers(0, 50),
)
@example(rows=0, scale=1.0, layout="dense", dtype=torch.float32, kept="all", seed=0)
@example(rows=1, scale=100.0, layout="strided", dtype=torch.float16, kept="all", seed=1)
@example(rows=4, scale=1.0, layout="expanded", dtype=torch.bfloat16, kept="none", seed=2)
@pytest.mark.parametrize("name", LOSSES)
def test_any_finite_input_gives_a_finite_loss_and_gradient(
    name: str, rows: int, scale: float, layout: str, dtype: torch.dtype, kept: str, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    leaf = (torch.randn(rows, LENGTH, WIDTH, generator=generator) * scale).to(dtype).requires_grad_()
    mask = torch.rand(rows, LENGTH, generator=generator) < {"all": 2.0, "none": -1.0, "some": 0.5}[kept]
    loss = LOSSES[name](LAYOUTS[layout](leaf), mask)
    assert loss.shape == () and torch.isfinite(loss) and loss.dtype in (torch.float32, torch.float64, dtype)
    loss.backward()
    assert leaf.grad is None or torch.isfinite(leaf.grad).all()
    if rows == 0 or (kept == "none" and name not in (*UNMASKED, "colours")):
        assert float(loss.detach()) == 0


@pytest.mark.parametrize("noisy", [False, True])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_group_is_picked_whole_in_half_precision_too(dtype: torch.dtype, noisy: bool) -> None:
    scores = torch.randn(4, 3, 40, generator=torch.Generator().manual_seed(0)).to(dtype)
    picked = assign_groups(scores, noisy=noisy, generator=torch.Generator().manual_seed(1))
    largest = torch.nn.functional.one_hot(picked.argmax(1), 3).transpose(1, 2).float()
    torch.testing.assert_close(picked, largest, atol=1e-6, rtol=0)


@pytest.mark.parametrize("broken", [torch.nan, torch.inf])
@pytest.mark.parametrize("name", [name for name in LOSSES if name not in UNMASKED])
def test_broken_numbers_show_in_the_loss_where_they_count_and_nowhere_else(name: str, broken: float) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, LENGTH, WIDTH)
    mask = torch.tensor([[True, True, False], [True, False, True]])
    x[0, 1, 2] = broken
    assert not torch.isfinite(LOSSES[name](x, mask | True)), "not-a-number is not passed over in silence"
    if name not in ("colours", "next token", "uncertainty", "standardised"):
        x[0, 1, 2] = 0.5
        clean = LOSSES[name](x, mask)
        x[0, 2] = broken
        assert torch.equal(LOSSES[name](x, mask), clean), "a token that does not count has no part in the loss"


@pytest.mark.parametrize(
    "call",
    [
        lambda x, mask: masked_reconstruction_loss(x, x[:1], mask),
        lambda x, mask: masked_reconstruction_loss(x, x, mask, reduction="mean"),
        lambda x, mask: next_token_loss(x, _codes(x)[:1], mask),
        lambda x, mask: mixture_segmentation_loss(x[:, None], patch_sources(2, 2, LENGTH)),
        lambda x, mask: colourisation_loss(x[:, None], x),
        lambda x, mask: prompted_label_loss(x[:, 0], x[:1, 0], mask[:, 0]),
        lambda x, mask: self_distillation_loss(x, x[:, :1], torch.zeros(WIDTH)),
        lambda x, mask: UncertaintyWeights("a")({"b": x.sum()}),
        lambda x, mask: quantile_error([]),
        # Sizes of one are broadcast in silence where nothing looks at them.
        lambda x, mask: masked_reconstruction_loss(x, x[..., :1], mask),
        lambda x, mask: masked_reconstruction_loss(x[..., :1], x, mask, absolute_error),
        lambda x, mask: masked_reconstruction_loss(x[..., None], x, mask, quantile_error([0.2, 0.8])),
        lambda x, mask: masked_reconstruction_loss(x[..., None], x[..., None, None], mask, quantile_error([0.5])),
        lambda x, mask: chamfer_error(x, x[..., :1]),
        lambda x, mask: ClusterPrediction(WIDTH, 5)(x, _codes(x)[:1], mask),
        lambda x, mask: ClusterPrediction(WIDTH, 5)(x, _codes(x), mask[:, :1]),
        lambda x, mask: VectorQuantiser(WIDTH, 5)(x, mask[:, :2]),
        lambda x, mask: GumbelQuantiser(WIDTH, 5)(x, mask[:1]),
        lambda x, mask: AttributePrediction(WIDTH, WIDTH, 5, heads=2)(x, x[:1, 0], mask),
        lambda x, mask: AttributePrediction(WIDTH, WIDTH, 5, heads=2)(x, x[:, 0], mask[:, :2]),
        lambda x, mask: mix_patches(x[None], patch_sources(1, 2, 2)),
        lambda x, mask: replace_by_codes(x, x[:, :1], mask),
        lambda x, mask: self_distillation_loss(x, x, torch.zeros(1)),
        lambda x, mask: score_tokens(x[mask], _codes(x)[mask], mask, 2, soft=x[0, :1].softmax(-1), soft_share=0.4),
        lambda x, mask: score_tokens(x[mask], _codes(x)[mask], mask, 2, soft=x[mask][:, :1], soft_share=0.4),
        lambda x, mask: score_tokens(x[mask], _codes(x)[mask][:1], mask, 2),
        lambda x, mask: region_feature_loss(x, x[..., :1], mask, mask),
        lambda x, mask: region_feature_loss(x, x, mask[:1], mask),
        lambda x, mask: region_label_loss(x, _codes(x), mask[:, :1].float(), mask),
        lambda x, mask: region_label_loss(x, _codes(x) + WIDTH, mask.float(), mask),
        lambda x, mask: region_label_loss(x, _codes(x), mask * torch.nan, mask),
        lambda x, mask: MaskedRegionLoss(WIDTH, WIDTH, {"kind": 3})(x, x, mask, mask),
        lambda x, mask: spectrogram_loss([], x, mask),
        lambda x, mask: spectrogram_loss([x[:, :1]], x, mask),
        lambda x, mask: spectrogram_loss([x, x[..., :1]], x, mask),
        lambda x, mask: stop_loss(x[:, :1, 0], mask),
        lambda x, mask: stop_loss(x[..., 0], mask, positive_weight=-1.0),
        lambda x, mask: stop_loss(x[..., 0], mask, positive_weight=torch.nan),
        lambda x, mask: assign_groups(x[:, :0], noisy=False),
        lambda x, mask: assign_groups(x[0], noisy=True),
        lambda x, mask: grouped_patch_logits(x[:1, :2], x[:, :2], x, 5.0),
        lambda x, mask: grouped_patch_logits(x[:, :2], x, x, 5.0),
        lambda x, mask: grouped_patch_logits(x[:, :2], x[:, :2], x[:1], 5.0),
        lambda x, mask: grouped_patch_logits(x[:, :2], x[:, :2], x[..., :1], 5.0),
    ],
)
def test_sizes_that_do_not_fit_are_a_sentence(call: Callable[[Tensor, Tensor], object]) -> None:
    with pytest.raises(ValueError, match=r"; |\. "):
        call(torch.randn(2, LENGTH, WIDTH), torch.ones(2, LENGTH, dtype=torch.bool))
