"""A domain from end to end, through the command itself: train, interrupt, resume, evaluate, embed, load."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from torch import Tensor

from crossmod.cli.main import main
from crossmod.errors import UserError
from crossmod.evaluation.context import EvaluationContext
from crossmod.recipe import Recipe
from crossmod.runs.checkpoint import read_checkpoint
from crossmod.runs.model_folder import load_model, load_model_and_recipe
from crossmod.testing.conformance.installed import installed
from crossmod.testing.conformance.subject import Conformance, modality_names
from crossmod.testing.difference import difference
from crossmod.training.fit import Fit


class RunConformance(Conformance):
    """Ten steps of the small run, in this process and on the processor.

    Attributes:
        steps: How many steps the run takes; it is interrupted after four of them.
    """

    steps: ClassVar[int] = 10

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def installation(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
        """The command finds the domain by its name, installed or not."""
        with installed(cls.domain, tmp_path_factory.mktemp("site")):
            yield

    @pytest.fixture(scope="class")
    @classmethod
    def words(cls, options: list[str]) -> list[str]:
        """The command line of the run, but for its folder."""
        own = [f"--run.steps={cls.steps}", "--run.log_every=1", "--run.evaluate_every=5", "--run.accelerator=cpu"]
        return ["train", cls.domain.name, *options, *own]

    @pytest.fixture(scope="class")
    @classmethod
    def finished(cls, words: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
        """The folder of an uninterrupted run."""
        folder = tmp_path_factory.mktemp("runs") / "whole"
        assert main([*words, f"--run.folder={folder}"]) == 0
        return folder

    def test_leaves_a_model_and_a_report(self, finished: Path) -> None:
        assert len(_losses(finished)) == self.steps
        assert all(np.isfinite(loss) for loss in _losses(finished))
        assert {"recipe.yaml", "report.html", "model", "rejects.tsv"} <= {path.name for path in finished.iterdir()}

    def test_interrupted_and_resumed_is_uninterrupted(
        self, finished: Path, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        after_step = Fit._after_step

        def interrupted(fit: Fit, terms: Mapping[str, Tensor]) -> None:
            if fit.module.step == 4:
                signal.raise_signal(signal.SIGTERM)
            after_step(fit, terms)

        folder = tmp_path / "cut"
        with monkeypatch.context() as patch:
            patch.setattr(Fit, "_after_step", interrupted)
            assert main([*words, f"--run.folder={folder}"]) == 128 + signal.SIGTERM
        assert not (folder / "model").exists()
        torch.manual_seed(999)  # nothing of this process may matter
        assert main(["train", "--resume", str(folder)]) == 0
        assert _losses(folder) == _losses(finished)
        assert difference(_weights(finished, self.steps), _weights(folder, self.steps), "weights") is None

    def test_evaluates_retrieval(self, finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["evaluate", str(finished), "--on", "retrieval", "--json"]) == 0
        [table] = json.loads(capsys.readouterr().out)
        assert {"direction", "mrr", "queries"} <= {column["key"] for column in table["columns"]}
        scored = [row["cells"] for row in table["rows"] if row["role"] != "reference"]
        assert scored and all(0 < cells["mrr"] <= 1 and cells["queries"] > 0 for cells in scored)
        assert (finished / "evaluations" / "retrieval.json").is_file()

    def test_embeds_what_the_loaded_model_embeds(self, finished: Path, modality: str, tmp_path: Path) -> None:
        output = tmp_path / "vectors.parquet"
        assert main(["embed", str(finished), "--modality", modality, "--output", str(output)]) == 0
        table = pq.read_table(output)
        assert table.column_names == ["id", "group", "split", "vector"]
        model, recipe, _ = load_model_and_recipe(finished, self.domain)
        ids, items = _rows(EvaluationContext(model, recipe), modality)
        assert table["id"].to_pylist() == ids
        vectors = torch.tensor(table["vector"].to_pylist())
        assert vectors.shape == (len(ids), recipe.embedding.width)
        torch.testing.assert_close(vectors.norm(dim=1), torch.ones(len(ids)), atol=1e-5, rtol=0.0)
        few = slice(0, self.samples)
        torch.testing.assert_close(load_model(finished).embed(modality, items[few]), vectors[few], atol=1e-5, rtol=1e-5)

    def test_a_model_of_another_domain_is_refused(
        self, finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        foreign = _copy(finished, tmp_path, {"domain": "another-domain"})
        with pytest.raises(UserError, match="another-domain"):
            load_model(foreign, self.domain)
        assert main(["evaluate", str(foreign)]) == 2
        assert "another-domain" in capsys.readouterr().err

    def test_weights_for_other_inputs_are_refused(self, finished: Path, modality: str, tmp_path: Path) -> None:
        modalities = json.loads((finished / "model" / "spec.json").read_text(encoding="utf-8"))["modalities"]
        modalities[modality]["processor"]["unit"] = "furlongs"
        with pytest.raises(UserError, match=f"{modality} with unit = 'furlongs'"):
            load_model(_copy(finished, tmp_path, {"modalities": modalities}), self.domain)

    def test_the_recipe_of_the_run_reads_back(self, finished: Path, recipe: Recipe) -> None:
        _, kept, _ = load_model_and_recipe(finished, self.domain)
        assert (kept.data, kept.towers, kept.objectives) == (recipe.data, recipe.towers, recipe.objectives)
        assert list(kept.towers.modalities) == modality_names(self.domain)


def _losses(folder: Path) -> list[float]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [line["loss"] for line in lines if line["split"] == "train"]


def _weights(folder: Path, step: int) -> dict[str, Tensor]:
    return dict(read_checkpoint(folder / "checkpoints" / f"step-{step:08d}.safetensors").tensors)


def _rows(context: EvaluationContext, modality: str) -> tuple[list[str], list[Any]]:
    """The ids and items of the rows that hold the modality."""
    corpus = context.prepared.corpus
    column = corpus.columns[modality]
    rows = [row for row, place in enumerate(column.item.tolist()) if place >= 0]
    return [corpus.ids[row] for row in rows], [column.items[column.item[row]] for row in rows]


def _copy(finished: Path, folder: Path, changes: Mapping[str, Any]) -> Path:
    """A copy of a run's model whose spec says something else."""
    copy = Path(shutil.copytree(finished / "model", folder / "model"))
    spec = json.loads((copy / "spec.json").read_text(encoding="utf-8"))
    (copy / "spec.json").write_text(json.dumps({**spec, **changes}), encoding="utf-8")
    return copy
