"""Every pairwise loss has the gradient of finite differences, its temperature included, and autocast reaches none."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import gradcheck
from torch.nn.functional import normalize

from crossmod.objectives import (
    CodebookGrounding,
    ContinuousContrastLoss,
    HardestNegativeHinge,
    IdentityContrastLoss,
    InfoNCELoss,
    LateInteractionLoss,
    LocalAlignmentLoss,
    ModalityGapPenalty,
    MomentumKeys,
    Phrases,
    Read,
    Side,
    SigmoidPairLoss,
    SmoothedInfoNCELoss,
    TokenSet,
    cosine_logits,
    from_groups,
    global_local_contrast,
    hardest_negative_hinge,
    identity_contrast,
    intra_modal_contrast,
    local_alignment,
    momentum_contrast,
    multi_view_infonce,
    noise_adaptive_infonce,
    nt_xent,
    one_to_many_infonce,
    phrase_negatives,
    read_selected,
    select_top_tokens,
    soft_target_infonce,
    triple_contrast,
)
from crossmod.state.logit_scale import LogitScale

ROWS, WIDTH = 5, 4
GROUP = torch.tensor([0, 1, 1, 2, 3])
Loss = Callable[[Tensor, Tensor, Tensor, torch.dtype], Tensor]
"""Of a and b [5, 4] and the scale; the type is that of its constants, which are seeded."""


def _constant(*shape: int, seed: int, dtype: torch.dtype) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def _temperature(scale: Tensor) -> LogitScale:
    """A logit scale that is the given tensor, so that a module's temperature is an input to differentiate."""
    module = LogitScale(2.0, bias=-1.0)
    module.forward = lambda: scale
    return module


def _module(make: Callable[[LogitScale], nn.Module], *, unit: bool = False) -> Loss:
    def loss(a: Tensor, b: Tensor, scale: Tensor, _: torch.dtype) -> Tensor:
        rows = (normalize(x, dim=1) for x in (a, b)) if unit else (a, b)
        value: Tensor = make(_temperature(scale))(*rows, GROUP).loss
        return value

    return loss


def _soft_targets(a: Tensor, b: Tensor, scale: Tensor, _: torch.dtype) -> Tensor:
    logits = cosine_logits(a, b, scale)
    targets = from_groups(GROUP, like=logits)
    return soft_target_infonce(logits, logits.t(), targets, targets).loss


def _views(a: Tensor, b: Tensor, scale: Tensor, dtype: torch.dtype) -> Tensor:
    views = {"a": a, "b": b, "c": _constant(ROWS, WIDTH, seed=1, dtype=dtype)}
    loss = InfoNCELoss(_temperature(scale))
    unit = {name: normalize(view, dim=1) for name, view in views.items()}
    return multi_view_infonce(unit, [("a", "b"), ("a", "c"), ("b", "c")], loss, GROUP).loss


def _continuous(a: Tensor, b: Tensor, scale: Tensor, dtype: torch.dtype, sides: str = "ab", **options: float) -> Tensor:
    sources = [
        _constant(ROWS, 3, seed=seed, dtype=dtype) if side in sides else None for seed, side in ((2, "ab"), (3, "ba"))
    ]
    value: Tensor = ContinuousContrastLoss(_temperature(scale), **options)(a, b, *sources).loss
    return value


def _one_to_many(a: Tensor, b: Tensor, scale: Tensor, _: torch.dtype, compat: bool = False) -> Tensor:
    keys, group = torch.cat([b, a.flip(1)]), torch.arange(ROWS)
    return one_to_many_infonce(a, keys, scale, group, group.repeat(2), release_compat=compat).loss


def _noise(a: Tensor, b: Tensor, scale: Tensor, _: torch.dtype, queries: bool = False) -> Tensor:
    posterior = torch.tensor([0.0, 0.3, 0.9, 1.0, 0.5])
    return noise_adaptive_infonce(
        torch.stack([a, a.roll(1, 1)], 1) if queries else a, b, scale, posterior, group=GROUP
    ).loss


def _keys(dtype: torch.dtype, seed: int) -> MomentumKeys:
    batch, queue = _constant(ROWS, WIDTH, seed=seed, dtype=dtype), _constant(3, WIDTH, seed=seed + 1, dtype=dtype)
    return MomentumKeys(batch, queue, torch.tensor([1, 7, 8]))


def _momentum(a: Tensor, b: Tensor, scale: Tensor, dtype: torch.dtype, share: float = 0.4) -> Tensor:
    return momentum_contrast(a, b, scale, _keys(dtype, 4), _keys(dtype, 6), group=GROUP, share=share).loss


def _intra(a: Tensor, b: Tensor, scale: Tensor, dtype: torch.dtype) -> Tensor:
    keys = _keys(dtype, 4)
    rows = a + b
    return intra_modal_contrast(rows, keys.batch, scale, queue=keys.queue, group=GROUP, queue_group=keys.queue_group)


def _local(a: Tensor, b: Tensor, scale: Tensor, dtype: torch.dtype) -> Tensor:
    local = normalize(_constant(ROWS, 3, WIDTH, seed=8, dtype=dtype), dim=2)
    mask = torch.tensor([[1, 1, 0], [1, 0, 0], [1, 1, 1], [0, 1, 1], [0, 0, 1]]).bool()
    return global_local_contrast(a + b, local, scale, mask, group=GROUP)


def _triple(a: Tensor, b: Tensor, scale: Tensor, dtype: torch.dtype, compat: bool = False) -> Tensor:
    local = normalize(_constant(ROWS, 2, WIDTH, seed=9, dtype=dtype), dim=2)
    sides = Side(a, _keys(dtype, 4), local), Side(b, _keys(dtype, 6))
    return triple_contrast(*sides, scale, group=GROUP, release_compat=compat).loss


def _late(a: Tensor, b: Tensor, scale: Tensor, _: torch.dtype, **options: float) -> Tensor:
    mask = torch.tensor([[1, 1, 0], [1, 0, 0], [1, 1, 1], [0, 1, 1], [0, 0, 1]]).bool()
    sets = [TokenSet(torch.stack([x, x.roll(1, 1), x.roll(1, 0)], 1), mask) for x in (a, b)]
    value: Tensor = LateInteractionLoss(_temperature(scale), **options)(*sets, GROUP).loss
    return value


def _aligned(a: Tensor, b: Tensor, scale: Tensor, _: torch.dtype) -> Tensor:
    owner = torch.tensor([0, 0, 1, 3, 4])
    negatives = phrase_negatives(owner, torch.tensor([7, 8, 7, 9, 9]), GROUP)
    return local_alignment(cosine_logits(a, b, scale * 0 + 1), owner, scale, negatives).loss


def _phrases(a: Tensor, b: Tensor, scale: Tensor, _: torch.dtype, temperature: float = 0.5, least: int = 3) -> Tensor:
    """Two phrases a sample, some of them absent or with the same words, that read three tokens."""

    def read(queries: Tensor, tokens: Tensor, mask: Tensor) -> Read:
        selected = select_top_tokens(queries, tokens, mask, least=least)
        return read_selected(queries, tokens, selected, mask, temperature=temperature)

    real = torch.tensor([[1, 1], [0, 1], [0, 0], [1, 0], [1, 1]]).bool()
    same = torch.tensor([[0, 1], [9, 0], [9, 9], [2, 9], [3, 4]])
    mask = torch.tensor([[1, 1, 0], [1, 0, 0], [1, 1, 1], [0, 1, 1], [0, 0, 1]]).bool()
    said = Phrases(torch.stack([a, a.roll(1, 1)], 1), real, same)
    places = TokenSet(torch.stack([b, b.roll(1, 1), b.roll(1, 0)], 1), mask)
    value: Tensor = LocalAlignmentLoss(_temperature(scale))(said, places, read, GROUP).loss
    return value


def _discrete(a: Tensor, b: Tensor, scale: Tensor, dtype: torch.dtype, **options: str) -> Tensor:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        grounding = CodebookGrounding(WIDTH, WIDTH, codes=12, width=6, temperature=1.0, **options).to(dtype)
    found = []
    for side, rows in (("a", a), ("b", b)):
        # Scores come from a learned network, which autocast may run in half precision; the contrast it may not.
        with torch.autocast("cpu", enabled=False):
            found.append(grounding(side, torch.stack([rows, rows.roll(1, 1)], 1)).embedding)
    value: Tensor = InfoNCELoss(_temperature(scale))(*found, GROUP).loss
    return value


LOSSES: dict[str, Loss] = {
    "clip": _module(InfoNCELoss, unit=True),
    "siglip": _module(SigmoidPairLoss, unit=True),
    "soft targets": _soft_targets,
    "views of several kinds": _views,
    "cwcl": _continuous,
    "cwcl the other way": partial(_continuous, sides="ba"),
    "cwcl powered": partial(_continuous, power=2.0),
    "cwcl sharpened": partial(_continuous, sharpen=0.3),
    "one to many": _one_to_many,
    "one to many released": partial(_one_to_many, compat=True),
    "smoothed": _module(partial(SmoothedInfoNCELoss, amount=0.2)),
    "noise": _noise,
    "noise of queries": partial(_noise, queries=True),
    "hinge": lambda a, b, s, d: hardest_negative_hinge(a, b, group=GROUP, margin=0.7).loss,
    "hinge mean": _module(lambda _: HardestNegativeHinge(0.7, "mean")),
    "identities": _module(IdentityContrastLoss),
    "identities without a scale": lambda a, b, s, d: identity_contrast(a, b, GROUP).loss,
    "identities released": lambda a, b, s, d: identity_contrast(a, b, GROUP, scale=s, target_norm="l2").loss,
    "identities shared": lambda a, b, s, d: identity_contrast(a, b, GROUP, scale=s, divergence="cross-entropy").loss,
    "gap": _module(lambda _: ModalityGapPenalty()),
    "two views": lambda a, b, s, d: nt_xent(a, b, s, group=GROUP),
    "momentum": _momentum,
    "momentum without distillation": partial(_momentum, share=0.0),
    "intra-modal": _intra,
    "local": _local,
    "triple": _triple,
    "triple released": partial(_triple, compat=True),
    "filip": _late,
    "filip selected": partial(_late, kept_share=0.5),
    "filip in chunks": partial(_late, chunk_size=2),
    "aligned reads": _aligned,
    "phrases": _phrases,
    "phrases that select": partial(_phrases, temperature=0.0, least=1),
    "fdt": _discrete,
    "fdt softmax": partial(_discrete, normaliser="softmax", pooling="mean"),
    "fdt sigmoid": partial(_discrete, normaliser="sigmoid", pooling="sum"),
}


DISTILLED = ("momentum", "triple", "triple released")
"""Whose targets, constants to the gradient, follow the temperature, so that a finite difference moves them too."""


@pytest.mark.parametrize("name", LOSSES)
def test_the_gradient_is_that_of_finite_differences(name: str) -> None:
    a, b = torch.randn(2, ROWS, WIDTH, dtype=torch.float64)
    scale = torch.tensor(3.0, dtype=torch.float64, requires_grad=name not in DISTILLED)
    leaves = [a.requires_grad_(), b.requires_grad_(), scale]
    assert gradcheck(lambda x, y, s: LOSSES[name](x, y, s, torch.float64), leaves)


@pytest.mark.parametrize("name", LOSSES)
def test_autocast_reaches_neither_the_loss_nor_its_gradient(name: str) -> None:
    found = []
    for inside in (False, True):
        torch.manual_seed(1)
        leaves = [x.requires_grad_() for x in (*torch.randn(2, ROWS, WIDTH), torch.tensor(60.0))]
        with torch.autocast("cpu", torch.bfloat16, enabled=inside):
            loss = LOSSES[name](*leaves, torch.float32)
        loss.backward()
        found.append([loss.detach(), *(leaf.grad for leaf in leaves if leaf.grad is not None)])
    assert found[1][0].dtype == torch.float32 and len(found[0]) == len(found[1]) > 2
    for plain, mixed in zip(*found, strict=True):
        assert torch.allclose(mixed, plain, rtol=1e-5, atol=1e-6)
