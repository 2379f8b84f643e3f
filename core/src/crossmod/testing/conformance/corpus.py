"""What a domain's reader gives: columns that agree, groups that stay in one split, the same corpus every time."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest

from crossmod.contracts.corpus import SPLITS, Column, Corpus, Rejected
from crossmod.recipe import Recipe
from crossmod.testing.conformance.subject import Conformance, modality_names
from crossmod.testing.difference import difference


class CorpusConformance(Conformance):
    """The corpus of the small run."""

    def test_has_every_modality(self, corpus: Corpus) -> None:
        missing = set(modality_names(self.domain)) - set(corpus.columns)
        assert not missing, f"the recipe has towers for {sorted(missing)}, which the corpus lacks"

    def test_lengths_agree(self, corpus: Corpus) -> None:
        assert len(corpus) > 0 and corpus.name
        lengths = {name: len(column.item) for name, column in corpus.columns.items()}
        lengths |= {"group": len(corpus.group), "split": len(corpus.split)}
        lengths |= {} if corpus.subject is None else {"subject": len(corpus.subject)}
        lengths |= {f"label {name}": len(label.values) for name, label in corpus.labels.items()}
        lengths |= {f"attribute {name}": len(values) for name, values in corpus.attributes.items()}
        assert {name: length for name, length in lengths.items() if length != len(corpus.ids)} == {}

    def test_rows_point_at_items(self, corpus: Corpus) -> None:
        for name, column in corpus.columns.items():
            assert column.item.dtype == np.int64, name
            assert column.item.min() >= -1 and column.item.max() < len(column.items), name
            assert column.lines is None or len(column.lines) == len(column.items), name
        held = np.stack([column.item >= 0 for column in corpus.columns.values()])
        assert held.any(0).all(), "a row holds no item at all"

    def test_groups_are_numbers_and_ids_texts(self, corpus: Corpus) -> None:
        assert np.issubdtype(corpus.group.dtype, np.integer)
        assert all(isinstance(name, str) and name for name in corpus.ids)

    def test_splits_are_known(self, corpus: Corpus) -> None:
        assert set(corpus.split.tolist()) <= {*SPLITS, ""}

    def test_no_group_is_in_two_splits(self, corpus: Corpus) -> None:
        # Rows without a split are candidates only, which a group's other rows may have beside them.
        rows = corpus.rows(*SPLITS)
        taking_part = zip(corpus.group[rows].tolist(), corpus.split[rows].tolist(), strict=True)
        pairs = sorted(set(taking_part))
        shared = [f"group {one[0]}: {one[1]}, {other[1]}" for one, other in pairwise(pairs) if one[0] == other[0]]
        assert shared == []

    def test_no_subject_is_in_two_splits(self, corpus: Corpus) -> None:
        if corpus.subject is None:
            pytest.skip("the corpus states no subjects beside its groups")
        rows = corpus.rows(*SPLITS)
        pairs = sorted(set(zip(corpus.subject[rows].tolist(), corpus.split[rows].tolist(), strict=True)))
        assert [f"{one}, {other}" for one, other in pairwise(pairs) if one[0] == other[0]] == []

    def test_there_is_something_to_learn_and_to_test(self, corpus: Corpus) -> None:
        for split in ("train", "test"):
            rows = corpus.rows(split)
            held = [int((corpus.columns[name].item[rows] >= 0).sum()) for name in modality_names(self.domain)]
            assert min(held) > 1, f"the {split} rows hold {held} items of {modality_names(self.domain)}"

    def test_reads_the_same_twice(self, corpus: Corpus, recipe: Recipe) -> None:
        assert difference(corpus, recipe.data.build(), "corpus") is None

    def test_facts_are_json(self, corpus: Corpus) -> None:
        facts = dict(corpus.facts)
        assert json.loads(json.dumps(facts, allow_nan=False)).keys() == facts.keys()

    def test_labels_name_their_classes(self, corpus: Corpus) -> None:
        for name, label in corpus.labels.items():
            assert label.modality in corpus.columns, name
            assert set(label.prompts) <= set(label.classes), name
            known = label.values[~np.isnan(label.values)]
            if label.classes:
                assert ((known >= 0) & (known < len(label.classes)) & (known == np.floor(known))).all(), name

    def test_rejected_rows_have_a_line_and_a_reason(self, corpus: Corpus) -> None:
        for entry in corpus.rejected:
            assert isinstance(entry, Rejected) and entry.modality in corpus.columns
            assert entry.line >= 1 and entry.reason.strip(), entry

    def test_training_items_are_held_by_training_rows(self, corpus: Corpus) -> None:
        for name, column in corpus.columns.items():
            training = [_key(item) for item in corpus.training_items(name)]
            assert len(training) <= len(column.items)
            rows = corpus.rows("train")
            attached = [entry for entry in corpus.attached.values() if entry.modality == name]
            further = [int(i) for entry in attached for i in entry.item[np.isin(entry.row, rows)]]
            assert not set(training) - _held(column, rows) - {_key(column.items[i]) for i in further}, name


def _held(column: Column, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> set[str]:
    return {_key(column.items[place]) for place in np.unique(column.item[rows]).tolist() if place >= 0}


def _key(item: object) -> str:
    if isinstance(item, np.ndarray):
        return f"{item.shape} {item.tobytes()!r}"
    return repr(item)
