from __future__ import annotations

import pytest
import torch

from crossmod.objectives.local.token_transformer import TokenTransformer, attention_visibility


def _visibility(mode: str, source: str = "") -> list[str]:
    mask = torch.tensor([[True] * 5 + [False]])
    marked = torch.tensor([[letter == "s" for letter in source]]) if source else None
    seen = attention_visibility(mask, mode, marked)
    return ["".join("x" if cell else "." for cell in row) for row in seen.expand(1, 6, 6)[0].tolist()]


def test_the_three_modes_are_those_written_by_hand() -> None:
    assert _visibility("encoder") == ["xxxxx."] * 6
    assert _visibility("decoder") == ["x.....", "xx....", "xxx...", "xxxx..", "xxxxx.", "xxxxx."]
    assert _visibility("encoder-decoder", "sstttt") == [
        "xx....",
        "xx....",
        "xxx...",
        "xxxx..",
        "xxxxx.",
        "xxxxx.",
    ]


def test_a_source_sees_no_target_and_a_target_none_behind_it() -> None:
    model = TokenTransformer(16, 2, 2).eval()
    tokens = torch.randn(2, 7, 16)
    mask = torch.ones(2, 7, dtype=torch.bool)
    seen = attention_visibility(mask, "encoder-decoder", torch.arange(7).expand(2, 7) < 3)
    states = model(tokens, mask, seen)
    for place in range(3, 7):
        other = tokens.clone()
        other[:, place] = torch.randn(2, 16)
        changed = model(other, mask, seen)
        assert torch.equal(changed[:, :place], states[:, :place])
        assert not torch.allclose(changed[:, place:], states[:, place:], atol=1e-4)


def test_full_and_causal_agree_for_one_token_and_for_the_last_of_two_in_one_layer() -> None:
    model = TokenTransformer(16, 1, 2).eval()
    for length in (1, 2):
        tokens, mask = torch.randn(1, length, 16), torch.ones(1, length, dtype=torch.bool)
        full = model(tokens, mask, attention_visibility(mask, "encoder"))
        causal = model(tokens, mask, attention_visibility(mask, "decoder"))
        assert torch.allclose(full[:, -1], causal[:, -1], atol=1e-6)
        assert length == 1 or not torch.allclose(full[:, 0], causal[:, 0], atol=1e-4)


def test_it_is_the_text_towers_block() -> None:
    model = TokenTransformer(16, 3, 4).eval()
    tokens, mask = torch.randn(2, 5, 16), torch.arange(5) < torch.tensor([[5], [3]])
    expected = tokens
    for block in model.blocks:
        expected = block(expected, mask)
    expected = model.norm(expected)
    assert torch.allclose(model(tokens, mask)[mask], expected[mask], atol=1e-6)


def test_padding_changes_nothing_and_comes_out_zero() -> None:
    model = TokenTransformer(16, 2, 2).eval()
    tokens = torch.randn(2, 4, 16)
    mask = torch.tensor([[True, True, True, False], [False] * 4])
    states = model(tokens, mask)
    assert torch.isfinite(states).all() and not states[~mask].any()
    assert torch.allclose(states[0, :3], model(tokens[:1, :3])[0], atol=1e-6)
    states.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())
    for batch, length in ((0, 4), (3, 0)):
        assert model(torch.randn(batch, length, 16), torch.ones(batch, length, dtype=torch.bool)).shape[:2] == (
            batch,
            length,
        )


def test_bad_requests_are_refused() -> None:
    with pytest.raises(ValueError, match="heads"):
        TokenTransformer(10, 1, 3)
    mask = torch.ones(1, 3, dtype=torch.bool)
    for mode, source in (("encoder-decoder", None), ("decoder", mask), ("causal", None)):
        with pytest.raises(ValueError, match="attention mode"):
            attention_visibility(mask, mode, source)


def test_among_visible_tokens_equals_forward_with_a_mask() -> None:
    transformer = TokenTransformer(8, depth=2, heads=2).double()
    tokens, visible = torch.randn(3, 5, 8, dtype=torch.float64), torch.rand(3, 5) < 0.6
    visible[1] = False
    torch.testing.assert_close(transformer.among(tokens, visible), transformer(tokens, visible), rtol=1e-9, atol=1e-9)
