import io
import json
import math
import pickle
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest

from crossmod.errors import UserError
from crossmod.text import ngrams
from crossmod.text.ngram_hash import hashed_ngrams
from crossmod.text.ngrams import NgramProcessor

TEXTS = ["red fish", "blue fish", "old red fish fish"]
ORDERS = {"word_orders": (1, 2), "character_orders": (3,)}


def fit(texts=TEXTS, buckets=2**20, **changes):
    return NgramProcessor.fit(texts, buckets=buckets, **{**ORDERS, **changes})


def word_bucket(word, buckets=2**20):
    return int(hashed_ngrams([f" {word} "], (1,), (), buckets).bucket[0])


def weights(processor, text):
    inputs = processor([text])
    return dict(zip(inputs.buckets.tolist(), inputs.weights.tolist(), strict=True))


@pytest.mark.parametrize(("frequency", "twice"), [("sqrt", math.sqrt(2)), ("log", 1 + math.log(2))])
def test_weights_are_tf_idf_of_unit_length(frequency, twice):
    processor = fit(word_orders=(1,), character_orders=(), frequency=frequency)
    idf = {word: math.log(4 / texts) for word, texts in (("red", 2), ("fish", 3), ("old", 1))}
    raw = {"old": idf["old"], "red": idf["red"], "fish": idf["fish"] * twice}
    norm = math.sqrt(sum(value**2 for value in raw.values()))
    expected = {word_bucket(word): value / norm for word, value in raw.items()}
    assert weights(processor, TEXTS[2]) == pytest.approx(expected, rel=1e-6)


def test_rare_ngrams_are_left_out():
    processor = fit(word_orders=(1,), character_orders=(), least_texts=2)
    assert set(weights(processor, "old red fish")) == {word_bucket("red"), word_bucket("fish")}


def test_a_text_of_unknown_ngrams_is_rejected_with_the_reason():
    processor = fit()
    processed = processor.process(["red", "qqqq", "", 7, "half \udc00", "blue"])
    assert processed.accepted.tolist() == [0, 5]
    assert processed.rejected[0] == (1, "none of its n-grams occurs in the training texts")
    assert [position for position, _ in processed.rejected] == [1, 2, 3, 4]
    assert len(processed.arrays["lengths"]) == 2
    assert processed.arrays["lengths"].sum() == len(processed.arrays["buckets"])


def test_chunks_do_not_show(monkeypatch):
    texts = [f"text {n} of many, {'long ' * (n % 5)}" for n in range(40)]
    whole = fit(texts)
    processed = whole.process([*texts, "", "ω"])
    monkeypatch.setattr(ngrams, "_CHUNK_CHARACTERS", 50)
    pieces = fit(texts)
    assert np.array_equal(pieces.idf, whole.idf)
    again = pieces.process([*texts, "", "ω"])
    assert again.rejected == processed.rejected
    for name, array in processed.arrays.items():
        assert np.array_equal(array, again.arrays[name])
        assert array.dtype == again.arrays[name].dtype


def test_inputs_of_parts_take_and_move():
    processor = fit()
    inputs = processor.inputs([processor.process(TEXTS[:1]), processor.process([]), processor.process(TEXTS[1:])])
    whole = processor(TEXTS)
    assert inputs.buckets.equal(whole.buckets)
    assert inputs.offsets.equal(whole.offsets)
    taken = inputs.take(inputs.offsets.new_tensor([2, 0, 2])).to("cpu")
    assert len(taken) == 3
    assert (
        dict(zip(taken.buckets.tolist(), taken.weights.tolist(), strict=True)).keys()
        >= weights(processor, TEXTS[2]).keys()
    )
    assert taken.take(taken.offsets.new_tensor([1])).weights.equal(processor(TEXTS[:1]).weights)


def test_spec_and_files_restore_it():
    processor = fit(frequency="log", lower_case=False)
    spec = json.loads(json.dumps(processor.spec))
    restored = NgramProcessor.load(spec, processor.files())
    assert restored.spec == processor.spec == spec
    assert weights(restored, TEXTS[2]) == weights(processor, TEXTS[2])


def test_the_file_is_plain_float32_numbers():
    (content,) = fit(buckets=100).files().values()
    idf = np.load(io.BytesIO(content), allow_pickle=False)
    assert (idf.dtype, idf.shape) == (np.float32, (100,))


def test_a_changed_file_or_hash_is_refused():
    processor = fit()
    other = fit([*TEXTS, "green fish"])
    with pytest.raises(UserError, match="not the file that the model was trained with"):
        NgramProcessor.load(processor.spec, other.files())
    with pytest.raises(UserError, match="hashed by 'md5'"):
        NgramProcessor.load({**processor.spec, "hash": "md5"}, processor.files())
    with pytest.raises(UserError, match="of kind 'byte pair'"):
        NgramProcessor.load({"kind": "byte pair"}, processor.files())


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"word_orders": (), "character_orders": ()}, "at least one order"),
        ({"word_orders": (0,)}, "none below 1"),
        ({"buckets": 0}, "buckets is 0"),
        ({"frequency": "raw"}, "frequency is 'raw'"),
        ({"texts": ["", None]}, "none of the 2 training items"),
    ],
)
def test_settings_that_cannot_work_are_refused(changes, reason):
    with pytest.raises(UserError, match=reason):
        fit(**changes)


def test_hostile_texts_are_read():
    hostile = ["👩🏽‍🔬 🇲🇹", "a\x00b\x1b[31m", "שלום \u202eabc", "e\u0301" * 100, "x" * 1_000_000, "a b " * 250_000]
    processor = fit(hostile, buckets=4096)
    processed = processor.process(hostile)
    assert not processed.rejected
    assert np.isfinite(processed.arrays["weights"]).all()
    assert processed.arrays["lengths"].max() <= 4096


def test_many_names_take_seconds():
    draw = np.random.default_rng(0)
    parts = np.array(["methyl", "oxy", "phenyl", "-2-", "(3R,4S)", "amino", " acid", "hydroxy", "benzo[a]", "ate "])
    names = ["".join(parts[row]) for row in draw.integers(0, len(parts), (6000, 16))]
    processor = NgramProcessor.fit(names, buckets=65536, word_orders=(1, 2), character_orders=(3, 4, 5))
    start = time.process_time()
    processor.process(names)
    # 120,000 names within 30 s of one core is the requirement; these are a twentieth.
    assert time.process_time() - start < 1.5


def test_a_spawned_worker_reads_the_same():
    processor = fit()
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        there = pool.submit(processor.process, TEXTS).result()
    for name, array in processor.process(TEXTS).arrays.items():
        assert np.array_equal(array, there.arrays[name])


def test_processing_does_not_import_torch():
    script = (
        "import pickle, sys; processor = pickle.loads(sys.stdin.buffer.read()); "
        "assert len(processor.process(['fish']).accepted) == 1; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], input=pickle.dumps(fit()), check=True)
