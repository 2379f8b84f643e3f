"""A spectrogram as a grey picture: time to the right, pitch upwards, loud is dark."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import numpy.typing as npt
from jaxtyping import Float
from torch import Tensor

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def spectrogram_picture(
    log_mel: Float[Tensor, "frames bins"],
    quietest: float,
    loudest: float,
    *,
    frame_pixels: int = 2,
    bin_pixels: int = 2,
) -> bytes:
    """PNG of a spectrogram.

    Args:
        log_mel: Logarithms of magnitudes.
        quietest: Drawn white, as is what is below.
        loudest: Drawn black.
        frame_pixels: Pixels of a frame to the right.
        bin_pixels: Pixels of a band upwards.

    Shape:
        log_mel: [frames, bins].
    """
    loud = ((log_mel.double().numpy() - quietest) / max(loudest - quietest, 1e-9)).clip(0, 1)
    grey = np.rint(255 * (1 - loud)).astype(np.uint8).T[::-1]
    return grey_png(grey.repeat(bin_pixels, 0).repeat(frame_pixels, 1))


def grey_png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """PNG (ISO 15948) of a grey picture, eight bits a pixel.

    Shape:
        pixels: [height, width].
    """
    height, width = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = np.concatenate([np.zeros((height, 1), np.uint8), pixels], axis=1)  # a filter byte before every row
    return b"".join(
        [SIGNATURE, _chunk(b"IHDR", header), _chunk(b"IDAT", zlib.compress(rows.tobytes(), 9)), _chunk(b"IEND", b"")]
    )


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
