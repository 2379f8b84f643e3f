from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from crossmod.text.packed_tokens import Packing
from crossmod_speech.encoders.relative_attention import (
    RelativeAttention,
    RelativeKeyPositions,
    rotated,
    rotation,
)


def test_rotated_products_depend_on_distances_alone() -> None:
    triple = torch.randn(1, 3, 2, 8, dtype=torch.float64).expand(40, -1, -1, -1)
    query, key, value = rotated(triple, rotation(torch.arange(40), 8)).unbind(1)
    products = torch.einsum("ihs,jhs->hij", query, key)
    assert_close(products[:, 1:, 1:], products[:, :-1, :-1], atol=1e-5, rtol=1e-5)
    assert not torch.allclose(products[:, 0, 0], products[:, 0, 1], atol=1e-3)
    assert torch.equal(value, triple[:, 2])
    # A turn keeps lengths, and the first place is not turned.
    assert_close(query.norm(dim=-1), triple[:, 0].norm(dim=-1), atol=1e-5, rtol=1e-5)
    assert_close(query[0], triple[0, 0])


def test_learned_distances_equal_a_loop_over_pairs() -> None:
    positions = RelativeKeyPositions(4, reach=3)
    query = torch.randn(2, 3, 7, 4)
    expected = torch.empty(2, 3, 7, 7)
    for i in range(7):
        for j in range(7):
            vector = positions.distances.weight[min(max(i - j, -3), 2) + 3]
            expected[..., i, j] = query[..., i, :] @ vector / 2
    assert_close(positions(query), expected)
    assert_close(positions(query[:, :, :1]), expected[:, :, :1, :1])


def test_attention_with_distances_equals_a_softmax_written_out() -> None:
    attention = RelativeAttention(8, 2, positions="relative", reach=2)
    tokens = torch.randn(1, 5, 8)
    assert attention.distances is not None
    query, key, value = attention.query_key_value(tokens).view(1, 5, 3, 2, 4).permute(2, 0, 3, 1, 4)
    place = torch.arange(5)
    vectors = attention.distances.distances.weight[(place[:, None] - place).clamp(-2, 1) + 2]
    logits = (torch.einsum("bhis,bhjs->bhij", query, key) + torch.einsum("bhis,ijs->bhij", query, vectors)) / 2
    expected = attention.out((logits.softmax(-1) @ value).transpose(1, 2).reshape(1, 5, 8))
    assert_close(attention(tokens, torch.ones(1, 5, dtype=torch.bool)), expected)


@pytest.mark.parametrize("positions", ["rotary", "relative"])
def test_hidden_keys_have_no_part_and_nothing_to_see_gives_no_nan(positions: str) -> None:
    attention = RelativeAttention(8, 2, positions=positions)
    tokens = torch.randn(2, 6, 8, requires_grad=True)
    mask = torch.tensor([[True] * 4 + [False] * 2, [False] * 6])
    angles = rotation(torch.arange(6), 4) if positions == "rotary" else None
    read = attention(tokens, mask, angles)
    changed = torch.where(mask[..., None], tokens, tokens + 5)
    assert_close(attention(changed, mask, angles)[0, :4], read[0, :4])
    read.sum().backward()
    assert bool(torch.isfinite(read).all()) and bool(torch.isfinite(tokens.grad).all())
    assert attention(tokens[:, :0], mask[:, :0], None).shape == (2, 0, 8)


def test_packed_tokens_read_what_padded_ones_read() -> None:
    attention = RelativeAttention(16, 2)
    tokens = torch.randn(3, 7, 16)
    mask = torch.arange(7) < torch.tensor([7, 2, 5])[:, None]
    packing = Packing.of(mask)
    padded = attention(tokens, mask, rotation(torch.arange(7), 8))
    packed = attention(packing.pack(tokens), packing, rotation(packing.place % 7, 8))
    assert_close(packed, packing.pack(padded))
    with pytest.raises(ValueError, match="packed=False"):
        RelativeAttention(16, 2, positions="relative")(packing.pack(tokens), packing)


@pytest.mark.parametrize(("width", "heads"), [(8, 3), (6, 2), (8, 0)])
def test_heads_that_do_not_divide_the_width_are_refused(width: int, heads: int) -> None:
    with pytest.raises(ValueError, match=f"width {width} does not divide into {heads} heads"):
        RelativeAttention(width, heads)
