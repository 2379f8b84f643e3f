"""The text side: one word at most, never a stop word, at the position that a person would count."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from crossmod.errors import UserError
from crossmod.robustness.budget import Budget
from crossmod.robustness.substitution import WordSubstitution, set_level_guidance

VOCABULARY = ["the", "a", "large", "small", "nodule", "mass", "lung", "liver", "[UNK]"]
STOPS = frozenset({"the", "a"})


def _vectors():
    table = torch.randn(len(VOCABULARY), 6, generator=torch.Generator().manual_seed(0))
    table[-1] = 0.0
    return table


def encode(texts):
    """A sentence is the sum of its words, more of the earlier ones."""
    table = _vectors()
    rows = []
    for text in texts:
        words = text.split()
        rows.append(sum((table[VOCABULARY.index(w)] / (1 + 0.1 * i) for i, w in enumerate(words)), torch.zeros(6)))
    return torch.stack(rows)


def candidates(words, place):
    return VOCABULARY[:-1]


ATTACK = WordSubstitution(candidates, STOPS)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(VOCABULARY[:-1]), max_size=7), st.integers(0, 50))
def test_at_most_one_word_changes_never_a_stop_word_and_never_for_the_better(words, seed):
    text, guide = " ".join(words), torch.randn(6, generator=torch.Generator().manual_seed(seed))
    changed = ATTACK(encode, text, guide).split()
    differ = [(was, now) for was, now in zip(words, changed, strict=True) if was != now]
    assert len(differ) <= 1
    assert all(was not in STOPS and now not in STOPS for was, now in differ)
    before, after = encode([text, " ".join(changed)]) @ guide
    assert after <= before


def test_the_word_that_matters_most_goes_first_by_a_slow_transcription():
    words = ["the", "large", "nodule", "a", "lung"]
    whole = torch.softmax(encode([" ".join(words)])[0], 0)
    importance = {}
    for place, word in enumerate(words):
        if word not in STOPS:
            hidden = [*words[:place], "[UNK]", *words[place + 1 :]]
            other = torch.softmax(encode([" ".join(hidden)])[0], 0)
            importance[place] = float(sum(p * (p.log() - q.log()) for p, q in zip(whole, other, strict=True)))
    expected = sorted(importance, key=importance.get, reverse=True)
    assert ATTACK.by_importance(encode, words) == expected
    assert set(expected) == {1, 2, 4}


def test_sentences_that_are_encoded_together_are_ranked_as_each_alone():
    sentences = [["the", "large", "nodule"], ["the", "a"], [], ["lung", "mass", "small", "lung"]]
    together = ATTACK.by_importance_of_each(encode, sentences)
    assert together == [ATTACK.by_importance(encode, words) for words in sentences]
    assert together[1] == together[2] == [] and sorted(together[3]) == [0, 1, 2, 3]
    assert ATTACK.by_importance_of_each(encode, [["the"], []]) == [[], []]


def test_candidates_are_asked_for_the_words_own_position():
    asked = []

    def recording(words, place):
        asked.append((place, words[place]))
        return []

    words = ["the", "large", "nodule", "lung"]
    assert WordSubstitution(recording, STOPS)(encode, " ".join(words), torch.ones(6)) == " ".join(words)
    assert sorted(asked) == [(1, "large"), (2, "nodule"), (3, "lung")]


def test_a_masked_language_model_with_special_tokens_is_read_at_the_words_own_token():
    """Word k is token k + 1 behind [CLS]; the released code reads token k, the prediction of the word before it."""
    alike = {"large": "small", "nodule": "mass", "lung": "liver"}

    def predictions(words):
        tokens = ["[CLS]", *words, "[SEP]"]
        return [[alike[token]] if token in alike else [] for token in tokens]

    words, guide = (
        ["the", "large", "nodule", "lung"],
        -_vectors()[[VOCABULARY.index(new) for new in alike.values()]].sum(0),
    )
    right = WordSubstitution(lambda words, place: predictions(words)[place + 1], STOPS)
    released = WordSubstitution(lambda words, place: predictions(words)[place], STOPS)

    def replaced(attack):
        found = attack(encode, " ".join(words), guide).split()
        return [(was, now) for was, now in zip(words, found, strict=True) if was != now]

    [(was, now)] = replaced(right)
    assert alike[was] == now
    assert all(alike[was] != now for was, now in replaced(released))


def test_where_nothing_is_worse_than_the_word_the_next_one_is_tried():
    words, table = ["large", "nodule"], _vectors()
    first, second = ATTACK.by_importance(encode, words)
    towards = table[VOCABULARY.index("liver")] - table[VOCABULARY.index(words[first])]
    away = table[VOCABULARY.index(words[second])] - table[VOCABULARY.index("mass")]
    # Along this direction `liver` says more than the first word, and `mass` less than the second.
    guide = torch.linalg.lstsq(torch.stack((towards, away)), torch.ones(2, 1)).solution[:, 0]
    attack = WordSubstitution(lambda words, place: ["liver"] if place == first else ["mass"], STOPS)
    found = attack(encode, " ".join(words), guide).split()
    assert (found[first], found[second]) == (words[first], "mass")


def test_only_so_many_candidates_are_tried():
    assert WordSubstitution(candidates, most_candidates=0)(encode, "large", torch.ones(6)) == "large"


def test_a_candidate_of_two_words_is_refused():
    with pytest.raises(UserError, match="'ground glass' is not one whole word"):
        WordSubstitution(lambda words, place: ["ground glass"])(encode, "nodule", torch.ones(6))


def test_text_and_samples_are_attacked_in_turn():
    texts, owner = ["large nodule", "the liver mass", "small lung"], [0, 0, 1]
    clean = torch.stack([encode([texts[0], texts[1]]).mean(0), encode([texts[2]])[0]])
    budget = Budget(0.25)
    values, changed = set_level_guidance(
        lambda x: torch.nn.functional.normalize(x, dim=1), clean, encode, texts, owner, budget, ATTACK
    )
    assert float((values - clean).abs().max()) <= 0.25
    pairs = list(zip(texts, changed, strict=True))
    assert all(sum(a != b for a, b in zip(t.split(), c.split(), strict=True)) <= 1 for t, c in pairs)
    before = (encode(texts) * clean[owner]).sum()
    assert (encode(changed) * values[owner]).sum() < before
    with pytest.raises(UserError, match="3 sentences and 1 owners"):
        set_level_guidance(lambda x: x, clean, encode, texts, [0], budget, ATTACK)
