"""Which reader a path needs: NIfTI by its suffix, DICOM for a folder or a DICOM file."""

from __future__ import annotations

from pathlib import Path

from crossmod_medical.readers.reasons import UnusableScan
from crossmod_medical.readers.scan import Scan
from crossmod_medical.sources import VolumeSource


def open_scan(source: VolumeSource) -> Scan:
    """The scan that a source names; only headers are read yet.

    Raises:
        UnusableScan: There is nothing there, or nothing that can be read as a scan.
    """
    try:
        path = Path(source.path)
        is_folder, is_file = path.is_dir(), path.is_file()
    except (OSError, ValueError):
        raise UnusableScan("the path is not one that this machine can open") from None
    if is_folder:
        from crossmod_medical.readers.dicom_series import DicomSeries

        return DicomSeries(sorted(entry for entry in path.iterdir() if entry.is_file()))
    if not is_file:
        raise UnusableScan("there is no such file")
    name = path.name.lower()
    if name.endswith((".nii", ".nii.gz")):
        from crossmod_medical.readers.nifti import NiftiScan

        return NiftiScan(source)
    if name.endswith((".dcm", ".dicom")) or _has_dicom_mark(path):
        from crossmod_medical.readers.dicom_frames import open_dicom_file

        return open_dicom_file(path)
    raise UnusableScan(f"its name ends in {path.suffix or 'nothing'!r}: neither NIfTI (.nii, .nii.gz) nor DICOM")


def _has_dicom_mark(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(132)[128:] == b"DICM"
