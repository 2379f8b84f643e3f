"""The phantoms: what the report says is what the voxels hold, and the same everywhere and every time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crossmod_medical.data import EmbeddedPhantoms
from crossmod_medical.drawing import WINDOWS_HU, draw_image, mosaic
from crossmod_medical.grid import VolumeGrid
from crossmod_medical.phantoms.anatomy import Anatomy
from crossmod_medical.phantoms.patients import SHARES, Abnormality, Patient, Study, draw_studies
from crossmod_medical.phantoms.phrases import FINDINGS
from crossmod_medical.phantoms.scanning import paint, write_scan
from crossmod_medical.phantoms.wording import write_report
from crossmod_medical.processors import read_volume
from crossmod_medical.sources import VolumeSource

BODY = Patient("phantom-0001", "F", 60, 1.0)


def study(*found: Abnormality, contrast: bool = False) -> Study:
    return Study("phantom-0001-a", BODY, 0, found, contrast, 1)


def changed(found: Abnormality) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Where a finding changes the volume, the volume with it, and the axes in millimetres (x, y, z)."""
    healthy, ill = paint(study(), 0, 0), paint(study(found), 0, 0)
    return np.abs(ill.hounsfield - healthy.hounsfield) > 60, ill.hounsfield, ill.axes


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("zone", ["upper", "middle", "lower"])
@pytest.mark.parametrize(("density", "hounsfield"), [("solid", 40.0), ("ground-glass", -450.0), ("calcified", 450.0)])
def test_a_nodule_lies_where_and_is_what_the_study_says(side: str, zone: str, density: str, hounsfield: float) -> None:
    nodule = Abnormality("lung nodule", side, zone, 26.0, density, hounsfield, (0.5, 0.5))
    where, volume, (x, _, z) = changed(nodule)
    at_z, _, at_x = (places.mean() for places in np.nonzero(where))
    assert (np.interp(at_x, range(len(x)), x) > 0) == (side == "right")
    height = np.interp(at_z, range(len(z)), z) - Anatomy(1.0).lung(side)[0][2]
    assert {"upper": height > 30, "middle": abs(height) < 25, "lower": height < -30}[zone]
    core = volume[round(at_z), round(np.nonzero(where)[1].mean()), round(at_x)]
    assert core == pytest.approx(hounsfield, abs=60)


@pytest.mark.parametrize("kind", [kind for kind in SHARES if kind not in ("cardiomegaly",)])
def test_every_kind_changes_voxels_and_none_everything(kind: str) -> None:
    found = next(one for one in draw_studies(80, 0) if one.has(kind))
    own = next(one for one in found.abnormalities if one.kind == kind)
    share = changed(own)[0].mean()
    assert 1e-5 < share < 0.1


def test_a_large_heart_is_larger() -> None:
    healthy, ill = (paint(study(*found), 0, 0) for found in ((), (Abnormality("cardiomegaly"),)))
    centre, _ = Anatomy(1.0).heart
    middle = ill.mask(centre, (90.0, 80.0, 80.0))
    soft = [((one.hounsfield > -50) & middle).sum() for one in (healthy, ill)]
    assert soft[1] > 1.2 * soft[0]


def test_reports_affirm_what_is_there_and_nothing_else() -> None:
    for one in draw_studies(60, 3):
        report = write_report(one, 3)
        for finding in FINDINGS:
            said = {finding.status(sentence) for sentence in report.findings.split(". ")} - {None}
            if one.has(finding.name):
                assert "negated" not in said, (finding.name, report.findings)
            else:
                assert "affirmed" not in said, (finding.name, report.findings)
                assert finding.status(report.impression) is None


def test_wording_varies() -> None:
    reports = [write_report(one, 0) for one in draw_studies(100, 0)]
    assert len({report.findings for report in reports}) > 0.98 * len(reports)
    assert any(report.impression.startswith("1. ") for report in reports)
    assert any("no " in report.findings.lower() for report in reports)


def test_no_wording_tells_which_finding_it_is_about() -> None:
    told = [write_report(one, 0).findings for one in draw_studies(300, 0)]
    sentences = [sentence.lower() for findings in told for sentence in findings.removesuffix(".").split(". ")]
    for finding in FINDINGS:
        for verb in ("is present", "is observed", "is seen", "is not present", "is not observed", "is not seen"):
            own = [one for one in sentences if any(one.startswith(f"{noun} {verb}") for noun in finding.nouns)]
            status = "negated" if "not" in verb else "affirmed"
            assert own and {finding.status(sentence) for sentence in own} == {status}, (finding.name, verb)


def test_a_patient_does_not_depend_on_how_many_others_there_are() -> None:
    few, many = list(draw_studies(5, 0)), list(draw_studies(50, 0))
    assert many[: len(few)] == few and list(draw_studies(5, 1)) != few
    assert any(one.number == 1 for one in many) and {one.reconstructions for one in many} == {1, 2}


def test_files_are_equal_to_the_byte_and_read_back_in_hounsfield_units(tmp_path: Path) -> None:
    first = next(draw_studies(1, 0))
    for name in ("a.nii.gz", "b.nii.gz"):
        write_scan(tmp_path / name, first, 0, 0)
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()
    canvas = paint(first, 0, 0)
    spacing = canvas.spacing_mm
    grid = VolumeGrid(spacing_mm=spacing, size=canvas.hounsfield.shape[::-1], cache="off")
    read = read_volume(VolumeSource(str(tmp_path / "a.nii.gz")), grid)
    assert np.abs(read.voxels - np.clip(canvas.hounsfield, -1024, 3071)).max() <= 1.0
    assert not read.air_is_odd


def test_the_corpus_is_written_where_it_says_and_only_once(tmp_path: Path) -> None:
    settings = EmbeddedPhantoms(patients=10, workers=0, folder=str(tmp_path))
    corpus = settings.build()
    folder = Path(str(corpus.facts["folder"]))
    scans = sorted(folder.glob("*.nii.gz"))
    assert len(scans) == len(corpus.columns["image"].items) and (folder / "reports.csv").is_file()
    times = [path.stat().st_mtime_ns for path in scans]
    scans[0].unlink()
    settings.build()
    assert [path.stat().st_mtime_ns for path in scans][1:] == times[1:] and scans[0].is_file()
    assert len((folder / "reports.csv").read_text().splitlines()) == 1 + len(set(corpus.ids))


def test_a_volume_is_drawn_in_three_windows(tmp_path: Path) -> None:
    write_scan(tmp_path / "scan.nii.gz", study(), 0, 0)
    picture = mosaic(VolumeSource(str(tmp_path / "scan.nii.gz")))
    assert picture.shape == (len(WINDOWS_HU) * 80, 3 * 96)
    drawn = draw_image(str(tmp_path / "scan.nii.gz"))
    assert drawn is not None and drawn.startswith(b"\x89PNG")
    assert draw_image("absent.nii.gz") is None and draw_image(None) is None
