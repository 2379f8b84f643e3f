from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from crossmod.errors import UserError
from crossmod.evaluation.context import EvaluationContext
from crossmod.evaluation.embed import embed
from crossmod.evaluation.run import evaluate
from crossmod.testing.tiny import TinyData, domain


def test_prints_the_tables_and_keeps_them(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(domain, run, name="retrieval", options=["--split=validation"]) == 0
    assert "retrieval, validation split of tiny points" in capsys.readouterr().out
    (table,) = json.loads((run / "evaluations" / "retrieval.json").read_text())
    assert table["rows"][0]["cells"]["direction"] == "point → text"


def test_json_is_all_that_is_printed(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate(domain, run, name="zero-shot", as_json=True)
    assert json.loads(capsys.readouterr().out)[0]["rows"][0]["cells"]["label"] == "upper"


def test_scores_another_corpus(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate(domain, run / "model", data=TinyData(points=60, seed=7))
    assert "          6" in capsys.readouterr().out
    shutil.rmtree(run / "model" / "evaluations")


def test_an_unknown_evaluation_lists_the_known(run: Path) -> None:
    with pytest.raises(UserError, match="no evaluation 'clarity'; it has retrieval, zero-shot, probe"):
        evaluate(domain, run, name="clarity")


def test_vectors_stand_beside_ids_groups_and_splits(run: Path, tmp_path: Path, context: EvaluationContext) -> None:
    embed(domain, run, modality="text", output=tmp_path / "text.parquet", split="test")
    table = pq.read_table(tmp_path / "text.parquet")
    assert table.column_names == ["id", "group", "split", "vector"]
    assert table.num_rows == 48 and set(table["split"].to_pylist()) == {"test"}
    vectors = np.stack(table["vector"].to_numpy(zero_copy_only=False))
    assert vectors.shape == (48, 16)
    corpus = context.prepared.corpus
    row = corpus.rows("test")[5]
    text = corpus.columns["text"].items[corpus.columns["text"].item[row]]
    assert table["id"][5].as_py() == corpus.ids[row] and table["group"][5].as_py() == corpus.group[row]
    assert np.allclose(vectors[5], context.model.embed("text", [text])[0].numpy(), atol=1e-5)


def test_all_splits_and_repeated_items_have_a_line_each(run: Path, tmp_path: Path) -> None:
    embed(domain, run, modality="point", output=tmp_path / "p.parquet")
    assert pq.read_table(tmp_path / "p.parquet").num_rows == 480


def test_what_is_not_there_is_named(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no modality 'voice'"):
        embed(domain, run, modality="voice", output=tmp_path / "x.parquet")
    with pytest.raises(UserError, match="no split 'dev'"):
        embed(domain, run, modality="text", output=tmp_path / "x.parquet", split="dev")
    with pytest.raises(UserError, match="holds no model"):
        embed(domain, tmp_path, modality="text", output=tmp_path / "x.parquet")
    assert list(tmp_path.iterdir()) == []
