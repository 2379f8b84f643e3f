"""Which tokens a phrase selects, and what it reads of them: check 2 of the sheet simcrop."""

from __future__ import annotations

import pytest
import torch

from crossmod.objectives.pairs import AttentionRead, read_selected, select_top_tokens


def _ragged() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    queries = torch.randn(3, 4, 6, generator=generator)
    tokens = torch.randn(3, 40, 6, generator=generator)
    mask = torch.arange(40) < torch.tensor([[40], [12], [3]])
    return queries, tokens, mask


def test_every_phrase_selects_k_distinct_real_tokens_of_largest_cosine() -> None:
    queries, tokens, mask = _ragged()
    found = select_top_tokens(queries, tokens, mask, share=0.25, least=4)
    cosine = torch.cosine_similarity(queries[:, :, None], tokens[:, None], dim=3)
    # max(4, 0.25 of 40), max(4, 0.25 of 12), and all of 3.
    for row, k in enumerate((10, 4, 3)):
        for phrase in range(4):
            place = found.place[row, phrase][found.mask[row, phrase]]
            assert len(place) == k == len(set(place.tolist())) and bool(mask[row, place].all())
            expected = cosine[row, phrase].masked_fill(~mask[row], -2).topk(k).indices
            assert set(place.tolist()) == set(expected.tolist())


def test_the_share_is_of_the_real_tokens_and_is_taken_as_whole() -> None:
    queries, tokens = torch.randn(1, 1, 6), torch.randn(1, 60, 6)
    for share, least, k in ((0.05, 1, 3), (0.05, 8, 8), (0.15, 8, 9), (0.3, 1, 18), (1.0, 1, 60)):
        assert int(select_top_tokens(queries, tokens, share=share, least=least).mask.sum()) == k


@pytest.mark.parametrize("temperature", [0.0, 0.1])
def test_gradient_flows_to_selected_tokens_alone_and_indices_carry_none(temperature: float) -> None:
    queries, tokens, mask = _ragged()
    queries.requires_grad_()
    tokens.requires_grad_()
    selected = select_top_tokens(queries, tokens, mask, share=0.1, least=2)
    assert not selected.place.requires_grad and not selected.mask.requires_grad
    read = read_selected(queries, tokens, selected, mask, temperature=temperature)
    (read.values * torch.randn(6)).sum().backward()
    touched = tokens.grad.abs().sum(2) > 0
    taken = torch.zeros_like(touched)
    for row in range(3):
        taken[row, selected.place[row][selected.mask[row]]] = True
    assert torch.equal(touched, taken)
    # The mean does not depend on the query once the choice is made; the weighted mean does.
    assert (queries.grad is not None and bool(queries.grad.any())) == (temperature > 0)


def test_a_read_is_the_unit_mean_of_unit_tokens_with_its_weights() -> None:
    queries, tokens, mask = _ragged()
    selected = select_top_tokens(queries, tokens, mask, share=0.1, least=2)
    unit = torch.nn.functional.normalize(tokens, dim=2)
    for temperature in (0.0, 0.1):
        read = read_selected(queries, tokens, selected, mask, temperature=temperature)
        torch.testing.assert_close(read.weights.sum(2), torch.ones(3, 4))
        for row in range(3):
            for phrase in range(4):
                place = selected.place[row, phrase][selected.mask[row, phrase]]
                chosen = unit[row, place]
                cosine = chosen @ torch.nn.functional.normalize(queries[row, phrase], dim=0)
                weights = (
                    (cosine / temperature).softmax(0) if temperature else torch.full((len(place),), 1 / len(place))
                )
                expected = torch.nn.functional.normalize(weights @ chosen, dim=0)
                torch.testing.assert_close(read.values[row, phrase], expected)
                torch.testing.assert_close(read.weights[row, phrase, place], weights)


def test_what_stands_in_the_padding_reaches_neither_choice_nor_gradient() -> None:
    queries, tokens, mask = _ragged()
    spoilt = tokens.masked_fill(~mask[..., None], torch.nan).requires_grad_()
    selected = select_top_tokens(queries, spoilt, mask)
    read = read_selected(queries, spoilt, selected, mask).values
    clean = read_selected(queries, tokens, select_top_tokens(queries, tokens, mask), mask).values
    torch.testing.assert_close(read, clean)
    attend = AttentionRead(6, 6, 5)
    attended = attend(queries, spoilt, mask)
    assert not bool(attended.weights[(~mask)[:, None].expand(-1, 4, -1)].any())
    (read.sum() + attended.values.sum()).backward()
    assert spoilt.grad is not None and bool(spoilt.grad.isfinite().all())


def test_attention_reads_as_one_head_of_cross_attention() -> None:
    queries, tokens, mask = _ragged()
    attend = AttentionRead(6, 6, 5)
    found = attend(queries, tokens, mask)
    for row in range(3):
        real = tokens[row, mask[row]]
        weights = (attend.query(queries[row]) @ attend.key(real).T / 5**0.5).softmax(1)
        expected = torch.nn.functional.normalize(weights @ attend.value(real), dim=1)
        torch.testing.assert_close(found.values[row], expected, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(found.weights[row, :, mask[row]], weights)


def test_gradients_are_those_of_finite_differences() -> None:
    queries, tokens, mask = (part.double() if part.dtype.is_floating_point else part for part in _ragged())
    selected = select_top_tokens(queries, tokens, mask)
    attend = AttentionRead(6, 6, 2).double()
    inputs = (queries.requires_grad_(), tokens.requires_grad_())
    for temperature in (0.0, 0.5):
        assert torch.autograd.gradcheck(
            lambda q, t, tau=temperature: read_selected(q, t, selected, mask, temperature=tau).values, inputs
        )
    assert torch.autograd.gradcheck(lambda q, t: attend(q, t, mask).values, inputs)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_scored_in_single(dtype: torch.dtype) -> None:
    queries, tokens, mask = (part.to(dtype) if part.dtype.is_floating_point else part for part in _ragged())
    half = select_top_tokens(queries, tokens, mask)
    single = select_top_tokens(queries.float(), tokens.float(), mask)
    assert torch.equal(half.place[half.mask], single.place[single.mask])
    assert read_selected(queries, tokens, half, mask).values.dtype == torch.float32


def test_input_that_does_not_fit_is_refused() -> None:
    queries, tokens, mask = _ragged()
    for options, sentence in (({"share": 1.5}, "select none"), ({"least": 0}, "select none")):
        with pytest.raises(ValueError, match=sentence):
            select_top_tokens(queries, tokens, mask, **options)
    with pytest.raises(ValueError, match="one batch"):
        select_top_tokens(queries[:2], tokens, mask)
    with pytest.raises(ValueError, match="one batch"):
        select_top_tokens(queries[..., :3], tokens, mask)
    with pytest.raises(ValueError, match="no real token"):
        select_top_tokens(queries, tokens, mask & (torch.arange(3) > 0)[:, None])
    with pytest.raises(ValueError, match="temperature"):
        read_selected(queries, tokens, select_top_tokens(queries, tokens), temperature=-1.0)
