"""The corpus of nodules: splits by patient, groups by what is said, labels, slices, and rows that cannot be used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from crossmod.contracts.corpus import Corpus
from crossmod.errors import UserError
from crossmod_medical.grid import ImageGrid, VolumeGrid
from crossmod_medical.image_processor import read_image
from crossmod_medical.nodules.data import LidcNodules
from crossmod_medical.nodules.lidc import filled_slices
from crossmod_medical.processors import VolumeProcessor
from crossmod_medical.readers.reasons import UnusableScan
from crossmod_medical.sources import SliceSource

WINDOWS = ((-1000.0, 400.0), (-160.0, 240.0), (-300.0, 1200.0))


def captions_of(corpus: Corpus, split: str) -> dict[str, set[str]]:
    texts = corpus.columns["text"]
    found: dict[str, set[str]] = {}
    for row in corpus.rows(split):
        found.setdefault(corpus.ids[row], set()).add(texts.items[texts.item[row]])
    return found


def test_patients_part_and_only_training_nodules_have_several_captions(nodules: Path) -> None:
    corpus = LidcNodules(root=str(nodules), held_back=0.25, captions=4).build()
    assert corpus.subject is not None
    patients = {split: set(corpus.subject[corpus.rows(split)].tolist()) for split in ("train", "validation", "test")}
    assert [len(patients[split]) for split in patients] == [18, 6, 12]
    assert not (patients["train"] & patients["validation"]) and not (patients["train"] & patients["test"])
    assert {len(told) for told in captions_of(corpus, "train").values()} == {4}
    assert {len(told) for told in captions_of(corpus, "test").values()} == {1}
    assert not corpus.rejected and len(captions_of(corpus, "test")) == 12


def test_nodules_of_which_equal_things_are_said_share_a_group(table_of: Callable[..., Path]) -> None:
    same = {"diameter_mm": 8.2, "malignancy": "Indeterminate", "malignancy_value": 3, "texture": "Solid"}
    root = table_of({}, same, same | {"diameter_mm": 8.4}, same | {"diameter_mm": 9.4}, same | {"margin": "Near Sharp"})
    corpus = LidcNodules(root=str(root), held_back=0.0, captions=3).build()
    group = {name: set(corpus.group[np.array(corpus.ids) == name].tolist()) for name in corpus.ids}
    assert all(len(found) == 1 for found in group.values())
    of = [next(iter(group[f"P{number}_R_{number}"])) for number in range(5)]
    assert of[1] == of[2] and len(set(of)) == 4


def test_malignancy_leaves_the_undecided_out_and_has_prompts(nodules: Path) -> None:
    corpus = LidcNodules(root=str(nodules)).build()
    label = corpus.labels["malignancy"]
    assert label.classes == ("benign", "malignant") and label.prompts
    rated = [int(name.split("_R_")[1]) for name in corpus.ids]
    malignancy = np.array([1 + ((number - 100 if number >= 100 else number) * 2) % 5 for number in rated])
    assert np.array_equal(np.isnan(label.values), malignancy == 3)
    assert np.array_equal(label.values == 1.0, malignancy > 3)
    assert np.isfinite(corpus.labels["diameter_mm"].values).all()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"split": "dev"}, "neither train nor val"),
        ({"name": ""}, "no name or no patient"),
        ({"malignancy_value": "often"}, "malignancy_value is 'often'"),
        ({"malignancy_value": 7}, "not from 1 to 5"),
        ({"diameter_mm": "nan"}, "diameter_mm is 'nan'"),
        ({"name": "../../../etc/passwd"}, "leads out of the root"),
    ],
)
def test_a_row_that_cannot_be_used_is_set_aside_with_its_reason(
    table_of: Callable[..., Path], change: dict[str, object], reason: str
) -> None:
    corpus = LidcNodules(root=str(table_of({}, change, {})), held_back=0.0).build()
    assert [(fault.line, reason in fault.reason) for fault in corpus.rejected] == [(3, True)]
    assert len(set(corpus.ids)) == 2


def test_folders_that_are_no_corpus_are_refused(table_of: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nodules\.csv"):
        LidcNodules(root=str(tmp_path / "absent")).build()
    with pytest.raises(UserError, match="no usable nodule; the first: line 2"):
        LidcNodules(root=str(table_of({"split": "x"}))).build()
    with pytest.raises(UserError, match="patient P0 has nodules in train and in val"):
        LidcNodules(root=str(table_of({}, {"patient_id": "P0", "split": "val"}))).build()
    with pytest.raises(UserError, match="held_back is 1"):
        LidcNodules(root="x", held_back=1.0)


def test_slices_lie_in_what_the_scan_fills() -> None:
    grid = VolumeGrid(size=(16, 16, 12), spacing_mm=(1.0, 1.0, 2.0))
    settings = LidcNodules(root="x", slices=5, grid=grid)
    assert filled_slices(100.0, settings) == [1, 3, 6, 8, 10]
    assert filled_slices(6.0, settings) == [4, 5, 6]
    assert filled_slices(0.5, settings) == [5]


def test_a_slice_as_an_image_is_what_a_volume_tower_sees_of_it(nodules: Path) -> None:
    grid = VolumeGrid(size=(16, 12, 8), spacing_mm=(1.0, 1.0, 2.0), windows_hu=WINDOWS)
    corpus = LidcNodules(root=str(nodules), slices=3, grid=grid).build()
    item = corpus.columns["image"].items[1]
    assert isinstance(item, SliceSource)
    pixels = read_image(item, ImageGrid(size=(12, 16), channels=3))
    volume = VolumeProcessor(grid)([item.path])
    seen = volume.x[0, :, item.index]
    torch.testing.assert_close(torch.from_numpy(pixels) / 255.0, seen, rtol=0, atol=0.5 / 255 + 1e-6)
    assert float(seen[0].max()) > 0.2 and float(seen.std()) > 0.01


def test_a_slice_that_does_not_fit_is_refused(nodules: Path) -> None:
    grid = VolumeGrid(size=(16, 12, 8), windows_hu=WINDOWS)
    path = LidcNodules(root=str(nodules)).build().columns["image"].items[0]
    for image, index, reason in (
        (ImageGrid(size=(16, 12), channels=3), 0, "are no images of"),
        (ImageGrid(size=(12, 16), channels=1), 0, "in 3 windows"),
        (ImageGrid(size=(12, 16), channels=3), 8, "no slice 8 among 8"),
    ):
        with pytest.raises(UnusableScan, match=reason):
            read_image(SliceSource(path, grid, index), image)
    with pytest.raises(UnusableScan):
        read_image(SliceSource(path + ".absent", grid, 0), ImageGrid(size=(12, 16), channels=3))


def test_the_real_nodules_are_read_whole(medical_data: Path) -> None:
    corpus = LidcNodules(root=str(medical_data / "lidc_nodules")).build()
    label = corpus.labels["malignancy"].values
    test = corpus.rows("test")
    assert not corpus.rejected and len(set(corpus.ids)) == 717 and len(test) == 96
    assert [int((label[test] == value).sum()) for value in (0.0, 1.0)] == [40, 29]
    assert int(np.isnan(label[test]).sum()) == 27
    assert len({corpus.ids[row] for row in (*corpus.rows("train"), *corpus.rows("validation"))}) == 621
    assert len(set(corpus.subject[test].tolist())) == 51
