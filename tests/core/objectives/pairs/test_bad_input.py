"""Whatever a pairwise loss is fed: a finite value and gradient, not-a-number for broken input, or a sentence."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crossmod.objectives import (
    CodebookGrounding,
    ContinuousContrastLoss,
    InfoNCELoss,
    LateInteractionLoss,
    LocalAlignmentLoss,
    MomentumKeys,
    Phrases,
    Read,
    Side,
    SigmoidPairLoss,
    SmoothedInfoNCELoss,
    TokenReducer,
    TokenSet,
    best_matched,
    best_query_logits,
    cosine_logits,
    from_groups,
    global_local_contrast,
    hardest_negative_hinge,
    identity_contrast,
    intra_modal_contrast,
    late_interaction,
    local_alignment,
    modality_gap_penalty,
    momentum_contrast,
    multi_view_infonce,
    noise_adaptive_infonce,
    nt_xent,
    one_to_many_infonce,
    phrase_negatives,
    pooled_scores,
    read_selected,
    select_top_tokens,
    soft_target_infonce,
    token_similarities,
    triple_contrast,
)
from crossmod.state.logit_scale import LogitScale

Loss = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


def _late(a: torch.Tensor, b: torch.Tensor, group: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    sets = [TokenSet(x.unflatten(1, (2, 2)), torch.ones(len(x), 2, dtype=torch.bool)) for x in (a, b)]
    return LateInteractionLoss(LogitScale(float(scale), largest=100.0))(*sets, group).loss


def _module(module: Callable[[LogitScale], torch.nn.Module]) -> Loss:
    def loss(a: torch.Tensor, b: torch.Tensor, group: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        value: torch.Tensor = module(LogitScale(float(scale), largest=100.0))(a, b, group).loss
        return value

    return loss


def _clip(a: torch.Tensor, b: torch.Tensor, group: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    rows = (torch.nn.functional.normalize(x.to(torch.promote_types(x.dtype, torch.float32)), dim=1) for x in (a, b))
    value: torch.Tensor = InfoNCELoss(LogitScale(float(scale), largest=100.0))(*rows, group).loss
    return value


def _siglip(a: torch.Tensor, b: torch.Tensor, group: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    rows = (torch.nn.functional.normalize(x.to(torch.promote_types(x.dtype, torch.float32)), dim=1) for x in (a, b))
    value: torch.Tensor = SigmoidPairLoss(LogitScale(float(scale), largest=100.0, bias=-2.0))(*rows, group).loss
    return value


def _views(a: torch.Tensor, b: torch.Tensor, group: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    loss = InfoNCELoss(LogitScale(float(scale), largest=100.0))
    rows = [torch.nn.functional.normalize(x.to(torch.promote_types(x.dtype, torch.float32)), dim=1) for x in (a, b)]
    return multi_view_infonce({"a": rows[0], "b": rows[1]}, [("a", "b"), ("b", "a")], loss, group).loss


def _primitive(a: torch.Tensor, b: torch.Tensor, group: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    logits = cosine_logits(a, b, scale)
    targets = from_groups(group, like=logits)
    return soft_target_infonce(logits, logits.t(), targets, targets).loss


def _queries(a: torch.Tensor, b: torch.Tensor, group: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    queries = torch.stack([a, -a], 1)
    if len(a) == len(b):
        assert not bool((best_query_logits(queries, b) < cosine_logits(a, b) - 1e-4).any())
    return noise_adaptive_infonce(queries, b, scale, torch.full((len(a),), 0.3), group=group).loss


def _triple(a: torch.Tensor, b: torch.Tensor, group: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    local = torch.nn.functional.normalize(b.to(torch.promote_types(b.dtype, torch.float32)), dim=1)[:, None]
    sides = Side(a, MomentumKeys(a), local), Side(b, MomentumKeys(b))
    return triple_contrast(*sides, scale, group=group).loss


def _aligned(a: torch.Tensor, b: torch.Tensor, group: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    cosines = cosine_logits(a, b, torch.tensor(1.0))
    owner = torch.arange(len(a))
    return local_alignment(cosines, owner, scale, phrase_negatives(owner, None, group)).loss


def _phrases(a: torch.Tensor, b: torch.Tensor, group: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    real = torch.ones(len(a), 2, dtype=torch.bool)
    phrases = Phrases(a.unflatten(1, (2, 2)), real, torch.arange(2 * len(a)).view(-1, 2))
    places = TokenSet(b.unflatten(1, (2, 2)), torch.ones(len(b), 2, dtype=torch.bool))
    value: torch.Tensor = LocalAlignmentLoss(LogitScale(float(scale), largest=100.0))(
        phrases, places, _read, group
    ).loss
    return value


def _read(queries: torch.Tensor, tokens: torch.Tensor, mask: torch.Tensor) -> Read:
    return read_selected(queries, tokens, select_top_tokens(queries, tokens, mask, least=1), mask, temperature=0.1)


LOSSES: dict[str, Loss] = {
    "clip": _clip,
    "siglip": _siglip,
    "soft targets": _primitive,
    "view pairs": _views,
    "noise of queries": _queries,
    "triple": _triple,
    "filip": _late,
    "smoothed": _module(SmoothedInfoNCELoss),
    "cwcl": lambda a, b, g, s: ContinuousContrastLoss(LogitScale(float(s), largest=100.0))(a, b, b).loss,
    "cwcl sharpened": lambda a, b, g, s: ContinuousContrastLoss(LogitScale(float(s)), sharpen=0.1)(a, b, b).loss,
    "hinge": lambda a, b, g, s: hardest_negative_hinge(a, b, group=g).loss,
    "identities": lambda a, b, g, s: identity_contrast(a, b, g, scale=s).loss,
    "gap": lambda a, b, g, s: modality_gap_penalty(a, b),
    "views": lambda a, b, g, s: nt_xent(a, b, s, group=g),
    "momentum": lambda a, b, g, s: momentum_contrast(a, b, s, MomentumKeys(a), MomentumKeys(b), group=g).loss,
    "intra-modal": lambda a, b, g, s: intra_modal_contrast(a, b, s, group=g),
    "local": lambda a, b, g, s: global_local_contrast(a, torch.nn.functional.normalize(b)[:, None], s, group=g),
    "noise": lambda a, b, g, s: noise_adaptive_infonce(a, b, s, torch.full((len(a),), 0.3), group=g).loss,
    "one to many": lambda a, b, g, s: one_to_many_infonce(a, b, s, g, g).loss,
    "aligned reads": _aligned,
    "phrases": _phrases,
}
PAIRED = [name for name in LOSSES if name not in ("gap",)]

LAYOUTS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "dense": lambda x: x,
    "transposed": lambda x: x.t().contiguous().t(),
    "strided": lambda x: torch.stack([x, x], 2)[:, :, 0],
    "expanded": lambda x: x[:1].expand(len(x), -1),
}


@pytest.mark.parametrize("name", LOSSES)
@settings(max_examples=25, deadline=None)
@given(
    batch=st.integers(1, 5),
    groups=st.integers(1, 5),
    dtype=st.sampled_from([torch.float64, torch.float32, torch.float16, torch.bfloat16]),
    layout=st.sampled_from(sorted(LAYOUTS)),
    scale=st.sampled_from([1.0, 14.3, 100.0]),
    place=st.sampled_from([None, 0.0, 1e4, 1e-6]),
    seed=st.integers(0, 10**6),
)
@example(batch=1, groups=1, dtype=torch.float16, layout="dense", scale=100.0, place=None, seed=0)
@example(batch=4, groups=1, dtype=torch.bfloat16, layout="expanded", scale=100.0, place=None, seed=1)
@example(batch=4, groups=4, dtype=torch.float16, layout="transposed", scale=1.0, place=1e4, seed=2)
def test_finite_input_gives_a_finite_loss_and_finite_gradients(
    name: str,
    batch: int,
    groups: int,
    dtype: torch.dtype,
    layout: str,
    scale: float,
    place: float | None,
    seed: int,
) -> None:
    generator = torch.Generator().manual_seed(seed)
    a, b = torch.randn(2, batch, 4, generator=generator)
    if place is not None:
        a[0] *= place
    leaves = [x.to(dtype).requires_grad_() for x in (a, b)]
    group = torch.randint(0, groups, (batch,), generator=generator)
    loss = LOSSES[name](*(LAYOUTS[layout](x) for x in leaves), group, torch.tensor(scale))
    assert loss.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert math.isfinite(float(loss.detach())) and float(loss.detach()) > -1e-5
    if loss.requires_grad:
        loss.backward()
    if dtype == torch.float16 and place in (0.0, 1e-6):
        # Normalising divides the gradient by the length, or by its floor of 1e-8: float16 ends at 65,504.
        return
    for leaf in leaves:
        assert leaf.grad is None or bool(torch.isfinite(leaf.grad).all())


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("batch", [1, 3])
def test_broken_input_is_never_mistaken_for_a_loss(name: str, broken: float, batch: int) -> None:
    a, b = torch.randn(2, batch, 4)
    a[0, 1] = broken
    loss = LOSSES[name](a, b, torch.arange(batch), torch.tensor(10.0))
    assert not bool(torch.isfinite(loss))


@pytest.mark.parametrize("name", [name for name in LOSSES if name != "phrases"])
def test_an_empty_batch_is_refused_in_a_sentence(name: str) -> None:
    nothing = torch.zeros(0, 4)
    with pytest.raises(ValueError, match=r"empty|at least one"):
        LOSSES[name](nothing, nothing, torch.zeros(0, dtype=torch.int64), torch.tensor(10.0))


@pytest.mark.parametrize("samples", [0, 3])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_no_phrase_costs_a_zero_with_gradient(samples: int, dtype: torch.dtype) -> None:
    # Reports may say nothing; eight tokens of 1e4 exceed float16 when they are added.
    tokens = torch.full((samples, 8, 2), 1e4, dtype=dtype, requires_grad=True)
    values = torch.full((samples, 2, 2), 1e4, dtype=dtype, requires_grad=True)
    phrases = Phrases(values, torch.zeros(samples, 2).bool(), torch.zeros(samples, 2, dtype=torch.int64))
    places = TokenSet(tokens, torch.ones(samples, 8, dtype=torch.bool))
    loss = LocalAlignmentLoss()(phrases, places, _read).loss
    loss.backward()
    assert loss.dtype == (torch.float64 if dtype == torch.float64 else torch.float32) and float(loss.detach()) == 0
    for leaf in (tokens, values):
        assert leaf.grad is not None and not bool(leaf.grad.any())


@pytest.mark.parametrize("ids", [1, 4])
def test_owners_and_identities_of_other_phrases_are_refused_in_a_sentence(ids: int) -> None:
    owner, group = torch.arange(3), torch.arange(3)
    with pytest.raises(ValueError, match="phrase"):
        phrase_negatives(owner, torch.zeros(ids, dtype=torch.int64), group)
    negatives = phrase_negatives(owner, None, group)
    for wrong in (torch.zeros(ids, dtype=torch.int64), owner[:, None]):
        with pytest.raises(ValueError, match="owner has shape"):
            local_alignment(torch.randn(3, 3), wrong, torch.tensor(5.0), negatives)
    real = torch.ones(3, 2, dtype=torch.bool)
    places, values = TokenSet(torch.randn(3, 2, 2), real), torch.randn(3, 2, 2)
    fits = Phrases(values, real, torch.zeros(3, 2, dtype=torch.int64))
    for phrases in (fits._replace(mask=real[:, :1]), fits._replace(identity=fits.identity[:1])):
        with pytest.raises(ValueError, match="has shape"):
            LocalAlignmentLoss()(phrases, places, _read)


@pytest.mark.parametrize("name", PAIRED)
def test_sides_of_different_sizes_are_refused_in_a_sentence(name: str) -> None:
    with pytest.raises(ValueError, match=r"\w+ .*\w+"):
        LOSSES[name](torch.randn(3, 4), torch.randn(2, 4), torch.arange(3), torch.tensor(10.0))


UNGROUPED = ("cwcl", "cwcl sharpened", "gap")


@pytest.mark.parametrize("name", [name for name in LOSSES if name not in UNGROUPED])
@pytest.mark.parametrize("ids", [1, 4])
def test_groups_of_other_rows_are_refused_in_a_sentence(name: str, ids: int) -> None:
    with pytest.raises(ValueError, match=r"\w+ .*\w+"):
        LOSSES[name](torch.randn(3, 4), torch.randn(3, 4), torch.zeros(ids, dtype=torch.int64), torch.tensor(10.0))


def _ground(tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return CodebookGrounding(4, 4, codes=5, width=4, temperature=1.0)("a", tokens.float(), mask).embedding


def _real(part: TokenSet) -> torch.Tensor:
    assert bool(part.mask.any(1).all())
    return part.tokens[part.mask]


# Every function of tokens: what it makes of a set in which real tokens are true.
ON_TOKENS: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "late interaction": lambda t, m: late_interaction(t, t, m, m).ab,
    "chunked": lambda t, m: late_interaction(t, t, m, m, chunk_size=2).ba,
    "loss": lambda t, m: LateInteractionLoss()(TokenSet(t, m), TokenSet(t, m)).loss,
    "selected": lambda t, m: LateInteractionLoss(kept_share=0.5)(TokenSet(t, m), TokenSet(t, m)).loss,
    "best matched": lambda t, m: _real(best_matched(TokenSet(t, m), TokenSet(t, m), 0.5)),
    "map": lambda t, m: token_similarities(TokenSet(t, m), TokenSet(t, m)).clamp(min=-9)[m],
    "locals": lambda t, m: global_local_contrast(torch.ones(len(t), 4), t.float(), torch.tensor(5.0), m),
    "codebook": _ground,
    "pooled scores": lambda t, m: pooled_scores(t, m),
    "reducer": lambda t, m: TokenReducer(4, 2, groups=2)(t.float(), m).tokens,
}


@pytest.mark.parametrize("name", ON_TOKENS)
@settings(max_examples=15, deadline=None)
@given(
    batch=st.integers(1, 4),
    length=st.integers(1, 4),
    dtype=st.sampled_from([torch.float64, torch.float32, torch.float16, torch.bfloat16]),
    expanded=st.booleans(),
    rubbish=st.sampled_from([math.nan, math.inf, 1e4]),
    seed=st.integers(0, 10**6),
)
def test_tokens_of_any_mask_give_numbers_and_a_masked_row_a_sentence(
    name: str, batch: int, length: int, dtype: torch.dtype, expanded: bool, rubbish: float, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randn(1 if expanded else batch, length, 4, generator=generator).to(dtype)
    tokens = tokens.expand(batch, -1, -1)
    mask = torch.rand(batch, length, generator=generator) < 0.5
    mask[:, 0] = True
    if not expanded:
        tokens = tokens.masked_fill(~mask[..., None], rubbish)
    torch.manual_seed(seed)
    assert bool(torch.isfinite(ON_TOKENS[name](tokens, mask)).all())
    mask[batch - 1] = False
    with pytest.raises(ValueError, match=rf"sample {batch - 1} of .* has no real token"):
        ON_TOKENS[name](tokens, mask)


@pytest.mark.parametrize("name", ON_TOKENS)
def test_no_tokens_at_all_are_refused_in_a_sentence(name: str) -> None:
    for shape in ((0, 2, 4), (2, 0, 4)):
        with pytest.raises(ValueError, match="at least one"):
            ON_TOKENS[name](torch.zeros(shape), torch.ones(shape[:2], dtype=torch.bool))
