import random

import numpy as np
import pytest

from crossmod.text.ngram_hash import hashed_ngrams, normalised

WORD = 1 << 64


def mixed(value, salt):
    value = (value + (salt + 1) * 0x9E3779B97F4A7C15) % WORD
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9 % WORD
    value = (value ^ (value >> 27)) * 0x94D049BB133111EB % WORD
    return value ^ (value >> 31)


def polynomial(run):
    return sum((ord(character) + 1) * 0x100000001B3**k for k, character in enumerate(run)) % WORD


def slow_ngrams(text, word_orders, character_orders, buckets):
    """The n-grams of one text, one at a time and in Python's own integers."""
    words, counts = text.split(" ")[1:-1], {}
    hashes = []
    for order in character_orders:
        for word in words:
            marked = f" {word} "
            runs = [marked[i : i + order] for i in range(len(marked) - order + 1)]
            hashes += [mixed(polynomial(run), order) for run in runs if order > 1 or run != " "]
    for order in word_orders:
        for i in range(len(words) - order + 1):
            value = 0
            for k, word in enumerate(words[i : i + order]):
                value = (mixed(value, k) + polynomial(word)) % WORD
            hashes.append(mixed(value, 1000 + order))
    for value in hashes:
        counts[value % buckets] = counts.get(value % buckets, 0) + 1
    return counts


def as_counts(grams, texts):
    counts = [{} for _ in range(texts)]
    for text, bucket, times in zip(*(values.tolist() for values in grams), strict=True):
        assert bucket not in counts[text]
        counts[text][bucket] = times
    return counts


@pytest.mark.parametrize(
    ("word_orders", "character_orders"), [((1, 2), (3, 4, 5)), ((3,), (1, 2)), ((), (4,)), ((2,), ())]
)
@pytest.mark.parametrize("buckets", [7, 65536, 2**31 - 1])
def test_equals_the_slow_reference(word_orders, character_orders, buckets):
    draw = random.Random(0)
    texts = ["".join(draw.choices("ab cé😀-", k=draw.randint(1, 40))) for _ in range(60)]
    texts = [normalised(text, True) for text in [*texts, "a", "a a a a", "ab", "x" * 300] if text.strip()]
    grams = hashed_ngrams(texts, word_orders, character_orders, buckets)
    expected = [slow_ngrams(text, word_orders, character_orders, buckets) for text in texts]
    assert as_counts(grams, len(texts)) == expected


def test_the_numbers_of_saved_models_never_change():
    grams = hashed_ngrams([" benzoic acid "], (1, 2), (5,), 2**20)
    assert grams.bucket.tolist() == [
        58514,
        224858,
        230862,
        285310,
        360086,
        387649,
        428973,
        673720,
        846805,
        907400,
    ]


def test_a_text_does_not_depend_on_its_neighbours():
    alone = hashed_ngrams([" fatty acid "], (1, 2), (3, 4), 1000)
    among = hashed_ngrams([" amino acid ", " fatty acid ", " a "], (1, 2), (3, 4), 1000)
    inside = among.text == 1
    assert np.array_equal(alone.bucket, among.bucket[inside])
    assert np.array_equal(alone.times, among.times[inside])


def test_no_texts_and_texts_without_words():
    assert len(hashed_ngrams([], (1, 2), (3,), 100).bucket) == 0
    assert len(hashed_ngrams(["  "], (1, 2), (3,), 100).bucket) == 0


def test_buckets_fill_evenly():
    texts = [f" {n} " for n in range(20_000)]
    filled = np.bincount(hashed_ngrams(texts, (1,), (), 100).bucket, minlength=100)
    # Poisson counts of mean 200 have a deviation of 14: seven of them is no accident of the sample.
    assert abs(filled - 200).max() < 100


def test_normal_form():
    assert normalised("  Ｆatty\u00a0 ACID\n₂ ", True) == " fatty acid 2 "
    assert normalised("ACID", False) == " ACID "
