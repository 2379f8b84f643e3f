"""Words of raw sentences: the important one, the ones that are single tokens, and where a token of one stands."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import one_hot

from crossmod.errors import UserError
from crossmod.evaluation.context import EvaluationContext
from crossmod.robustness.words import important_words, token_places, token_words, with_word

WORTH = {"a": 0.1, "large": 3.0, "nodule": 2.0, "seen": 0.5, "the": 9.0}


def _encode(texts):
    """Every word adds its worth to an axis of its own."""
    axes = list(WORTH)
    rows = [
        sum((WORTH[w] * one_hot(torch.tensor(axes.index(w)), len(axes)) for w in text.split()), torch.zeros(len(axes)))
        for text in texts
    ]
    return torch.stack(rows)


@given(st.lists(st.sampled_from(list(WORTH)), min_size=1, max_size=6))
def test_the_important_word_is_the_one_whose_loss_changes_the_embedding_most(words):
    (found,) = important_words(_encode, [" ".join(words)], {"the"})
    if len(words) == 1 or set(words) == {"the"}:
        assert found == -1
        return
    whole = _encode([" ".join(words)])[0].double().softmax(0)
    told = {}
    for place, word in enumerate(words):
        if word != "the":
            rest = _encode([" ".join(words[:place] + words[place + 1 :])])[0].double().softmax(0)
            told[place] = float((whole * (whole / rest).log()).sum())
    assert told[found] == pytest.approx(max(told.values()), abs=1e-9)


@given(st.lists(st.sampled_from(list(WORTH)), min_size=2, max_size=6), st.data())
def test_one_word_changes_and_no_other(words, data):
    place = data.draw(st.integers(-1, len(words) - 1))
    (changed,) = with_word([" ".join(words)], [place], "opacity")
    assert [i for i, word in enumerate(changed.split()) if word == "opacity"] == ([place] if place >= 0 else [])
    assert sum(a != b for a, b in zip(changed.split(), words, strict=True)) == int(place >= 0)


def test_token_words_are_read_back_as_they_are_and_are_no_stop_words(context: EvaluationContext):
    model, tower = context.model, context.model.tower("text")
    texts = ["A point at the far left, number 12", "seen at the RIGHT"]
    found = token_words(model, "text", texts, {"the", "at", "a"})
    assert list(found.words) == sorted(found.words) and set(found.words) <= {"point", "far", "number", "seen", "RIGHT"}
    assert {"far", "number"} <= set(found.words)
    for word, token, vector in zip(found.words, found.tokens, found.vectors, strict=True):
        tokens = tower.tokenise(tower.processor([word]))
        assert tokens.targets[tokens.mask].tolist() == [int(token)]
        assert torch.equal(tower.embedding.weight[token], vector)
    with pytest.raises(UserError, match="none of the 1 words of text is a single token"):
        token_words(model, "text", ["zyxwvq 12 the"], {"the"})
    with pytest.raises(UserError, match="the tower of point is a VectorTower, which takes no tokens"):
        token_words(model, "point", texts, set())


def test_the_place_of_a_words_token_counts_specials_and_words_of_several_tokens(context: EvaluationContext):
    model, tower = context.model, context.model.tower("text")
    words = token_words(model, "text", ["far point"], set())
    far = int(words.tokens[list(words.words).index("far")])
    texts = ["far point", "point zyxwvq, far left", "point " + "left, " * 30 + "far"]
    places = [0, 2, 31]
    found = token_places(model, "text", texts, places, far)
    assert found[0] == 1, "after the leading special"
    assert found[2] == -1, "cut off"
    for text, place in zip(texts[:2], found[:2], strict=True):
        tokens = tower.tokenise(tower.processor([text]))
        assert (tokens.targets[0] == far).nonzero()[:, 0].tolist() == [place]
    with pytest.raises(UserError, match="reads word 1 of 'far point' as another token"):
        token_places(model, "text", ["far point"], [1], far)
