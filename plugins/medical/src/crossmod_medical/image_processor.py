"""Brings 2-D images to a tower's grid: pictures of films, exported slices, DICOM (torch-free until `inputs`)."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from crossmod.contracts.processor import Processed, Processor
from crossmod_medical.grid import ImageGrid
from crossmod_medical.processors import read_volume
from crossmod_medical.readers.dicom_headers import decode, number, numbers, read_header
from crossmod_medical.readers.reasons import UnusableScan
from crossmod_medical.sources import SliceSource, VolumeSource
from crossmod_medical.voxel_cache import VoxelCache

if TYPE_CHECKING:
    from PIL.Image import Image

    from crossmod_medical.images import ImageInputs

LARGEST_IMAGE_PIXELS = 1 << 27
"""More than any detector (a mammogram has 25 million)."""


@dataclass(frozen=True)
class ImageProcessor(Processor):
    """Paths of images to pixels on one grid.

    Args:
        grid: The grid.
    """

    grid: ImageGrid
    smallest_for_workers = 64
    items_a_chunk = 64

    @property
    def spec(self) -> Mapping[str, Any]:
        """Size, channels and fit."""
        return {
            "kind": "2-D image",
            "unit": "grey 0-255",
            "size": list(self.grid.size),
            "channels": self.grid.channels,
            "fit": self.grid.fit,
        }

    def process(self, items: Sequence[Any]) -> Processed:
        """Read images onto the grid; one that cannot be used is rejected with a reason."""
        images: list[npt.NDArray[np.uint8]] = []
        accepted: list[int] = []
        rejected: list[tuple[int, str]] = []
        for place, item in enumerate(items):
            try:
                images.append(read_image(item, self.grid))
            except UnusableScan as reason:
                rejected.append((place, str(reason)))
                continue
            accepted.append(place)
        empty = np.empty((0, self.grid.channels, *self.grid.size), np.uint8)
        return Processed(
            arrays={"pixels": np.stack(images) if images else empty},
            accepted=np.array(accepted, np.int64),
            rejected=rejected,
        )

    def inputs(self, parts: Sequence[Processed]) -> ImageInputs:
        """Concatenate processed parts into one minibatch or one whole corpus."""
        import torch

        from crossmod_medical.images import ImageInputs

        arrays = [part.arrays["pixels"] for part in parts]
        return ImageInputs(torch.from_numpy(arrays[0] if len(arrays) == 1 else np.concatenate(arrays)))


def read_image(item: Any, grid: ImageGrid) -> npt.NDArray[np.uint8]:
    """One image on a grid.

    Shape:
        [channels, height, width].

    Raises:
        UnusableScan: It cannot be used; the message says why.
    """
    if isinstance(item, SliceSource):
        return read_slice(item, grid)
    if not isinstance(item, str) or not item.strip() or "\0" in item:
        raise UnusableScan("a path was expected")
    path = Path(item)
    try:
        is_file = path.is_file()
    except OSError:
        is_file = False
    if not is_file:
        raise UnusableScan("there is no such file")
    image = _dicom_image(path) if path.suffix.lower() in (".dcm", ".dicom") else _picture(path)
    pixels = np.asarray(_fitted(image.convert("L" if grid.channels == 1 else "RGB"), grid))
    return np.ascontiguousarray(pixels[None] if grid.channels == 1 else pixels.transpose(2, 0, 1))


def read_slice(source: SliceSource, grid: ImageGrid) -> npt.NDArray[np.uint8]:
    """One axial slice of a volume in its windows, in eight bits; row 0 is the back, as towers of slices see it.

    Shape:
        [channels, height, width].

    Raises:
        UnusableScan: The volume cannot be used, or its slices do not fit the image's grid.
    """
    windows = source.grid.windows_hu
    if source.grid.shape[1:] != grid.size or len(windows) not in (1, grid.channels):
        raise UnusableScan(
            f"slices of {list(source.grid.shape[1:])} in {len(windows)} windows are no images of {list(grid.size)} "
            f"with {grid.channels} channels"
        )
    if not 0 <= source.index < source.grid.shape[0]:
        raise UnusableScan(f"there is no slice {source.index} among {source.grid.shape[0]}")
    volume = VoxelCache.of(source.grid).read(VolumeSource(source.path), source.grid, read_volume)
    hounsfield = volume.voxels[source.index].astype(np.float64)
    channels = [_scaled(hounsfield, low, high) for low, high in windows]
    return np.stack(channels * (grid.channels // len(windows)))


def _picture(path: Path) -> Image:
    from PIL import Image, UnidentifiedImageError

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that of a large image; its size is checked below
        try:
            with Image.open(path) as image:
                _require_modest(image.width, image.height)
                image.load()
                return _grey(image) if image.mode.startswith(("I", "F")) else image.copy()
        except UnusableScan:
            raise
        except UnidentifiedImageError:
            raise UnusableScan("it is no image of a known kind") from None
        except Image.DecompressionBombError:
            raise UnusableScan("its header claims more pixels than any image of a patient") from None
        except (OSError, SyntaxError, ValueError, EOFError):
            raise UnusableScan("the image is broken or cut off") from None


def _dicom_image(path: Path) -> Image:
    """A DICOM image in the window that it asks for, or over its whole range; negatives are turned around."""
    from PIL import Image

    header = read_header(path)
    if header is None or "Rows" not in header:
        raise UnusableScan("it is no DICOM image, whatever its name says")
    if number(header, "NumberOfFrames", 1) > 1 or number(header, "SamplesPerPixel", 1) > 1:
        raise UnusableScan("it holds several frames or colours, not one grey image")
    _require_modest(int(header.Columns), int(header.Rows))
    values = decode(path).astype(np.float64) * number(header, "RescaleSlope", 1.0)
    values += number(header, "RescaleIntercept", 0.0)
    centre, width = numbers(header, "WindowCenter", 1), numbers(header, "WindowWidth", 1)
    if centre is not None and width is not None and width[0] > 0:
        low, high = centre[0] - width[0] / 2, centre[0] + width[0] / 2
    else:
        low, high = float(values.min()), float(values.max())
    grey = _scaled(values, low, high)
    return Image.fromarray(255 - grey if header.get("PhotometricInterpretation") == "MONOCHROME1" else grey)


def _grey(image: Image) -> Image:
    """An image of more than eight bits over its whole range."""
    from PIL import Image

    values = np.asarray(image, np.float64)
    if not np.isfinite(values).all():
        raise UnusableScan("it holds pixels that are not finite numbers")
    return Image.fromarray(_scaled(values, float(values.min()), float(values.max())))


def _scaled(values: npt.NDArray[np.float64], low: float, high: float) -> npt.NDArray[np.uint8]:
    share = (values - low) / max(high - low, 1e-9)
    return np.rint(255 * np.clip(share, 0.0, 1.0)).astype(np.uint8)


def _require_modest(width: int, height: int) -> None:
    if not 0 < width * height <= LARGEST_IMAGE_PIXELS:
        raise UnusableScan(f"its header claims {width} x {height} pixels, which is no image of a patient")


def _fitted(image: Image, grid: ImageGrid) -> Image:
    from PIL import Image, ImageOps

    size = (grid.size[1], grid.size[0])
    if grid.fit == "stretch":
        return image.resize(size, Image.Resampling.BICUBIC)
    if grid.fit == "crop":
        return ImageOps.fit(image, size, Image.Resampling.BICUBIC)
    return ImageOps.pad(image, size, Image.Resampling.BICUBIC)
