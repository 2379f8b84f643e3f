import json
import pickle
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest

from crossmod.errors import UserError
from crossmod.text.byte_pair import END, SMALLEST_VOCABULARY, SPECIALS, START, BytePairProcessor

TEXTS = [f"the molecule is a {kind} acid with {n} carbons" for kind in ("fatty", "amino", "nucleic") for n in range(9)]


@pytest.fixture(scope="module")
def processor():
    return BytePairProcessor.fit(TEXTS, vocabulary=400, length=16)


def ids(processor, text):
    return processor([text]).ids.tolist()


def test_a_text_is_bracketed_and_spelled(processor):
    tokens = ids(processor, "the molecule")
    assert (tokens[0], tokens[-1]) == (START, END)
    assert processor.text(tokens) == "the molecule"
    assert min(tokens[1:-1]) >= len(SPECIALS)
    assert len(tokens) == 4, "both words are frequent enough to be one token each"


def test_unicode_forms_blanks_and_case_are_one_text(processor):
    plain = ids(processor, "amino acid 2 fi")
    assert ids(processor, "  Amino\u00a0ACID\n\n₂ ﬁ ") == plain
    cased = BytePairProcessor.fit(TEXTS, vocabulary=400, length=16, lower_case=False)
    assert ids(cased, "Acid") != ids(cased, "acid")
    assert (processor.lower_case, cased.lower_case) == (True, False)


def test_a_first_word_is_the_same_token_as_an_inner_one(processor):
    assert ids(processor, "acid acid")[1] == ids(processor, "acid acid")[2] == ids(processor, "acid")[1]


@pytest.mark.parametrize("special", SPECIALS)
def test_text_that_spells_a_special_token_stays_text(processor, special):
    assert min(ids(processor, f"a {special} b")[1:-1]) >= len(SPECIALS)


def test_long_texts_are_cut_and_counted(processor):
    processed = processor.process(["acid", "acid " * 14, "acid " * 15, "acid " * 100])
    assert processed.arrays["lengths"].tolist() == [3, 16, 16, 16]
    assert processed.counts == {
        "texts longer than 16 tokens": 2,
        "tokens dropped from texts longer than 16 tokens": 1 + 86,
    }
    assert processed.arrays["ids"][-1] == END


def test_unusable_items_are_rejected_with_their_position(processor):
    processed = processor.process(["acid", "", 5, "half \udc00", " \n", "fatty acid"])
    assert processed.accepted.tolist() == [0, 5]
    assert [position for position, _ in processed.rejected] == [1, 2, 3, 4]
    assert all(reason for _, reason in processed.rejected)
    with pytest.raises(UserError, match="item 1 cannot be used: the text is empty"):
        processor(["acid", ""])


def test_nothing_in_nothing_out(processor):
    processed = processor.process([])
    assert processed.arrays["ids"].dtype == np.int32
    assert len(processor.inputs([processed])) == 0


def test_hostile_texts_are_spelled_exactly(processor):
    long = BytePairProcessor(processor.files()["tokenizer.json"], length=4096)
    hostile = ["👩🏽‍🔬 🇲🇹", "a\x00b\x01\x1b[31m", "שלום مرحبا \u202eabc", "e\u0301\u0327" * 50, "\ufeffx", "\U0010ffff"]
    expected = [long._tokenizer.normalizer.normalize_str(text) for text in hostile]
    assert [long.text(ids(long, text)) for text in hostile] == expected


@pytest.mark.parametrize("letter", ["a", "a b-", "é"])
def test_a_megabyte_is_cut_not_refused(processor, letter):
    processed = processor.process([letter * (1_000_000 // len(letter.encode()))])
    assert processed.arrays["lengths"].tolist() == [16]
    assert processed.counts["tokens dropped from texts longer than 16 tokens"] > 1000


def test_learning_is_deterministic_and_blind_to_order(processor):
    again = BytePairProcessor.fit(TEXTS[::-1], vocabulary=400, length=16)
    assert again.files() == processor.files()


def test_learning_survives_hostile_training_texts():
    fitted = BytePairProcessor.fit(
        ["x" * 1_000_000, None, "", "\ud800", "\x00\x01", "😀 ok"], vocabulary=300, length=16
    )
    assert fitted.text(ids(fitted, "😀 ok")) == "😀 ok"


def test_spec_and_files_restore_it(processor):
    spec = json.loads(json.dumps(processor.spec))
    assert spec["vocabulary"] <= 400
    restored = BytePairProcessor.load(spec, processor.files())
    assert restored.spec == processor.spec == spec
    assert ids(restored, "a fatty acid") == ids(processor, "a fatty acid")


def test_a_changed_vocabulary_is_refused(processor):
    changed = {"tokenizer.json": processor.files()["tokenizer.json"].replace(b"acid", b"bcid")}
    with pytest.raises(UserError, match="not the file that the model was trained with"):
        BytePairProcessor.load(processor.spec, changed)
    with pytest.raises(UserError, match=r"has no tokenizer\.json"):
        BytePairProcessor.load(processor.spec, {})
    with pytest.raises(UserError, match="of kind 'n-gram bag'"):
        BytePairProcessor.load({"kind": "n-gram bag"}, processor.files())


def test_settings_that_cannot_work_are_refused():
    with pytest.raises(UserError, match=f"at least {SMALLEST_VOCABULARY}"):
        BytePairProcessor.fit(TEXTS, vocabulary=SMALLEST_VOCABULARY - 1, length=16)
    with pytest.raises(UserError, match="none of the 2 training items"):
        BytePairProcessor.fit(["", 3], vocabulary=400, length=16)
    with pytest.raises(UserError, match="at least 3"):
        BytePairProcessor.fit(TEXTS, vocabulary=400, length=2)


def test_the_smallest_vocabulary_spells_bytes():
    fitted = BytePairProcessor.fit(TEXTS, vocabulary=SMALLEST_VOCABULARY, length=64)
    assert fitted.vocabulary == SMALLEST_VOCABULARY
    assert fitted.text(ids(fitted, "ünïcode")) == "ünïcode"


def test_a_spawned_worker_reads_the_same(processor):
    processor.process(["used before it is pickled"])
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        there = pool.submit(processor.process, TEXTS).result()
    here = processor.process(TEXTS)
    assert np.array_equal(there.arrays["ids"], here.arrays["ids"])


def test_processing_does_not_import_torch(processor):
    script = (
        "import pickle, sys; processor = pickle.loads(sys.stdin.buffer.read()); "
        "assert len(processor.process(['acid']).accepted) == 1; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], input=pickle.dumps(processor), check=True)
