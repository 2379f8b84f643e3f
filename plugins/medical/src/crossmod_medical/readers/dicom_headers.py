"""What readers take from DICOM headers: geometry, scaling and kind, and never a tag that names a patient.

Names, birth dates, numbers and free texts are not among the tags that are asked for, so they are not even parsed;
messages of the library are dropped, since some quote values.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from crossmod_medical.readers.reasons import UnusableScan

TAGS = (
    *("SOPClassUID", "Modality", "SeriesInstanceUID", "SeriesNumber", "ImageType", "PhotometricInterpretation"),
    *("Rows", "Columns", "SamplesPerPixel", "BitsAllocated", "NumberOfFrames", "PixelSpacing", "PixelPaddingValue"),
    *("PixelRepresentation", "ImagePositionPatient", "ImageOrientationPatient", "SliceThickness", "RescaleSlope"),
    *("RescaleIntercept", "WindowCenter", "WindowWidth", "VOILUTFunction"),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence", "SegmentSequence", "SegmentationType"),
)

DECODERS = "JPEG 2000, RLE, baseline JPEG and uncompressed pixels can be decoded"


def read_header(path: Path) -> Any | None:
    """The tags above of a DICOM file; None where it is no DICOM file.

    Raises:
        UnusableScan: It is one, and broken.
    """
    import pydicom
    from pydicom.errors import InvalidDicomError

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(TAGS))
        except InvalidDicomError:
            return None
        except Exception:  # a hostile file can raise anything, and the message may quote what it holds
            raise UnusableScan(f"the DICOM header of {path.name} is broken") from None


def decode(path: Path, frame: int = 0) -> Any:
    """The stored values of one frame, [rows, columns].

    Raises:
        UnusableScan: Its compression has no decoder here, or its pixels are broken.
    """
    from pydicom.pixels import pixel_array

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            values = pixel_array(path, index=frame)
        except (NotImplementedError, RuntimeError):
            raise UnusableScan(f"the pixels of {path.name} cannot be decoded; {DECODERS}") from None
        except Exception:  # as above
            raise UnusableScan(f"the pixels of {path.name} are broken or cut off") from None
    if values.ndim != 2:
        raise UnusableScan(f"the pixels of {path.name} are {' x '.join(map(str, values.shape))}, not one grey plane")
    return values


def numbers(header: Any, keyword: str, count: int) -> tuple[float, ...] | None:
    """A tag of so many finite numbers; None where it is absent or something else."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = header.get(keyword)
            found = [value] if isinstance(value, (str, int, float)) else list(value or ())
            parsed = tuple(float(number) for number in found)
    except Exception:  # a broken value surfaces only when it is asked for
        return None
    finite = all(abs(number) < float("inf") for number in parsed)
    return parsed if len(parsed) == count and finite else None


def number(header: Any, keyword: str, otherwise: float) -> float:
    """A tag of one number, or what stands for it."""
    found = numbers(header, keyword, 1)
    return otherwise if found is None else found[0]


def words(header: Any, keyword: str) -> Sequence[str]:
    """A tag of several words."""
    value = header.get(keyword) or ()
    return [value] if isinstance(value, str) else [str(word) for word in value]
