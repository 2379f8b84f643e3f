"""The language model is causal, and drawing with kept keys and values is drawing from it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from crossmod_speech.unitts.sampling import CachedStates, SamplingOptions, draw_tokens, nucleus
from crossmod_speech.unitts.tower import SpokenLanguageTower

Language = Callable[..., SpokenLanguageTower]


def documents(tower: SpokenLanguageTower, count: int, length: int) -> torch.Tensor:
    return torch.randint(tower.tokens.size, (count, length), generator=torch.Generator().manual_seed(1))


def test_no_token_sees_what_follows(language: Language) -> None:
    tower = language()
    ids = documents(tower, 2, 12)
    whole = tower.states(ids, torch.ones_like(ids, dtype=torch.bool))
    changed = ids.clone()
    changed[:, 7:] = documents(tower, 2, 12)[:, :5].flip(1)
    other = tower.states(changed, torch.ones_like(ids, dtype=torch.bool))
    assert torch.allclose(whole[:, :7], other[:, :7], atol=1e-6) and not torch.allclose(whole[:, 7:], other[:, 7:])
    mask = torch.arange(12) < torch.tensor([[12], [6]])
    padded = tower.states(ids.masked_fill(~mask, 0), mask)
    assert torch.allclose(padded[1, :6], whole[1, :6], atol=1e-6) and not padded[1, 6:].any()


def test_features_are_of_the_last_token(language: Language) -> None:
    tower = language()
    inputs = tower.processor(["a i", "u i e a"])
    features = tower(inputs)
    last = inputs.lengths() - 1
    assert torch.equal(features.pooled, features.tokens[torch.arange(2), last])
    assert tower(inputs.take(torch.zeros(0, dtype=torch.int64))).pooled.shape == (0, tower.width)
    with pytest.raises(ValueError, match="a document of 41 tokens"):
        tower.states(documents(tower, 1, 41), torch.ones(1, 41, dtype=torch.bool))


def test_states_that_grow_are_those_of_the_whole(language: Language) -> None:
    tower = language()
    ids = documents(tower, 3, 10)
    with torch.no_grad():
        whole, states = tower.states(ids, torch.ones_like(ids, dtype=torch.bool)), CachedStates(tower, 3)
        for place in range(10):
            assert torch.allclose(states.append(ids[:, place]), whole[:, place], atol=1e-5)


def test_the_likeliest_tokens_are_those_of_the_whole_model_at_every_step(language: Language) -> None:
    tower = language()
    tokens, options = tower.tokens, SamplingOptions(longest=9, temperature=0.0)
    prompts = [documents(tower, 1, length)[0] for length in (3, 6, 1)]
    allowed = tokens.speakable(tokens.end)
    drawn = draw_tokens(tower, prompts, allowed, tokens.end, options)
    for prompt, found in zip(prompts, drawn, strict=True):
        expected: list[int] = []
        while len(expected) < 9:
            ids = torch.cat([prompt, torch.tensor(expected, dtype=torch.int64)])[None]
            logits = tower.logits(tower.states(ids, torch.ones_like(ids, dtype=torch.bool)))[0, -1]
            best = int(logits.masked_fill(~allowed, -torch.inf).argmax())
            if best == tokens.end:
                break
            expected.append(best)
        assert found.tolist() == expected
    assert any(len(found) for found in drawn)


def test_drawing_ends_where_the_end_is_drawn_and_where_positions_end(language: Language) -> None:
    tower = language()
    end, prompt = tower.tokens.end, torch.tensor([1, 2])
    only_end = torch.zeros(tower.tokens.size, dtype=torch.bool)
    only_end[end] = True
    assert draw_tokens(tower, [prompt], only_end, end, SamplingOptions())[0].tolist() == []
    never = tower.tokens.is_code(torch.arange(tower.tokens.size))
    assert len(draw_tokens(tower, [prompt], never, end, SamplingOptions(longest=100))[0]) == 38
    assert len(draw_tokens(tower, [prompt], never, end, SamplingOptions(longest=5))[0]) == 5
    assert draw_tokens(tower, [], never, end, SamplingOptions()) == []
    seeds = [torch.Generator().manual_seed(seed) for seed in (0, 0, 1)]
    first, same, other = (draw_tokens(tower, [prompt], never, end, SamplingOptions(), seed)[0] for seed in seeds)
    assert torch.equal(first, same) and not torch.equal(first, other)
    with pytest.raises(ValueError, match="prompts have 40 to 40 tokens"):
        draw_tokens(tower, [torch.zeros(40, dtype=torch.int64)], never, end, SamplingOptions())


def test_the_nucleus_is_the_smallest_set_that_reaches_the_share() -> None:
    p = torch.tensor([[0.1, 0.4, 0.2, 0.3], [0.97, 0.01, 0.01, 0.01]])
    assert torch.equal(nucleus(p, 0.6) > 0, torch.tensor([[False, True, False, True], [True, False, False, False]]))
    assert torch.equal(nucleus(p, 1.0), p) and torch.equal((nucleus(p, 1e-6) > 0).sum(1), torch.tensor([1, 1]))
    draws = torch.multinomial(nucleus(p[:1], 0.6).expand(4000, 4), 1, generator=torch.Generator().manual_seed(0))
    assert float((draws == 1).float().mean()) == pytest.approx(4 / 7, abs=0.03)


@pytest.mark.parametrize("options", [{"longest": 0}, {"temperature": -1.0}, {"top_p": 0.0}, {"top_p": 1.1}])
def test_options_that_draw_nothing_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="draw nothing"):
        SamplingOptions(**options)


def test_codes_can_start_at_the_codec_s_codebook(language: Language) -> None:
    tower, codebook = language(), 3 + torch.randn(16, 32, generator=torch.Generator().manual_seed(0))
    text = tower.embedding.weight[: tower.tokens.first_code].clone()
    tower.embed_codes(codebook)
    codes = tower.embedding.weight[tower.tokens.first_code :].detach()
    assert torch.equal(tower.embedding.weight[: tower.tokens.first_code], text)
    assert float(codes.std()) == pytest.approx(0.02, rel=1e-3)
    apart, expected = torch.cdist(codes, codes), torch.cdist(codebook, codebook)
    assert torch.allclose(apart / apart.mean(), expected / expected.mean(), atol=1e-4)
    with pytest.raises(ValueError, match=r"codebook of \[16, 8\]"):
        tower.embed_codes(codebook[:, :8])
