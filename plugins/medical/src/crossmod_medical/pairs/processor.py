"""Images with texts to the inputs of a tower that reads both (torch-free until `inputs`)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from crossmod.contracts.processor import Processed, Processor
from crossmod.errors import UserError
from crossmod_medical.image_processor import ImageProcessor
from crossmod_medical.pairs.item import ImageText, fault

if TYPE_CHECKING:
    from crossmod_medical.pairs.inputs import PairInputs

KINDS = {"": -1, "open": 0, "closed": 1}
TEXT = "text/"
"""Before the names of the text processor's own arrays."""


class PairProcessor(Processor):
    """Reads every distinct image once and every text by a text processor of its own.

    Args:
        image: Reads images.
        text: Reads texts.
        partial: Whether a pair may lack one side.
    """

    smallest_for_workers = 256
    items_a_chunk = 512

    def __init__(self, image: ImageProcessor, text: Processor, *, partial: bool) -> None:
        self.image, self.text, self.partial = image, text, partial

    @property
    def spec(self) -> Mapping[str, Any]:
        """The specs of both sides, and whether one may be missing."""
        parts = {"image": dict(self.image.spec), "text": dict(self.text.spec)}
        return {"kind": "image and text", "partial": self.partial, **parts}

    def files(self) -> Mapping[str, bytes]:
        """The text processor's files."""
        return self.text.files()

    def process(self, items: Sequence[Any]) -> Processed:
        """Read pairs; one whose image or text cannot be used is rejected with a reason."""
        reasons = {place: reason for place, item in enumerate(items) if (reason := self._fault(item))}
        usable = [place for place in range(len(items)) if place not in reasons]
        paths = list(dict.fromkeys(items[place].image for place in usable if items[place].image is not None))
        images, image_of, bad_images = _read(self.image, paths)
        texts, text_of, bad_texts = _read(self.text, [items[place].text for place in usable])
        path_at = {path: number for number, path in enumerate(paths)}
        kept: list[tuple[int, int, int]] = []
        for number, place in enumerate(usable):
            item: ImageText = items[place]
            at = -1 if item.image is None else path_at[item.image]
            reason = bad_images.get(at, "") or ("" if item.text is None else bad_texts.get(number, ""))
            if reason:
                reasons[place] = reason
                continue
            kept.append((place, image_of.get(at, -1), -1 if item.text is None else text_of[number]))
        held = np.array(kept, np.int64).reshape(-1, 3)
        arrays = {f"{TEXT}{name}": values for name, values in texts.arrays.items()}
        readable = [paths[number] for number in sorted(image_of)]
        arrays |= {"pixels": images.arrays["pixels"], "key": _keys(readable)}
        arrays |= {"picture": held[:, 1], "text": held[:, 2]}
        arrays["kind"] = np.array([KINDS[items[place].kind] for place in held[:, 0]], np.int8)
        counts = {**images.counts, **texts.counts}
        return Processed(arrays, held[:, 0].copy(), sorted(reasons.items()), counts)

    def _fault(self, item: Any) -> str:
        reason = fault(item)
        if not reason and not self.partial and (item.image is None or item.text is None):
            reason = f"it has no {'image' if item.image is None else 'text'}, and this tower reads both"
        return reason

    def inputs(self, parts: Sequence[Processed]) -> PairInputs:
        """Concatenate processed parts; an image that several parts read is kept once."""
        import torch

        from crossmod_medical.images import ImageInputs
        from crossmod_medical.pairs.inputs import PairInputs

        keys = _joined(parts, "key")
        pixels = np.concatenate([part.arrays["pixels"] for part in parts])
        _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
        counted = [np.concatenate([[0], np.cumsum([n(part) for part in parts])]) for n in (_images, _texts)]
        picture, text = (
            np.concatenate(
                [
                    np.where(part.arrays[name] >= 0, part.arrays[name] + start[number], -1)
                    for number, part in enumerate(parts)
                ]
            )
            for name, start in zip(("picture", "text"), counted, strict=True)
        )
        if len(keys):
            picture = np.where(picture >= 0, inverse.reshape(-1)[np.maximum(picture, 0)], -1)
        return PairInputs(
            ImageInputs(torch.from_numpy(np.ascontiguousarray(pixels[first]))),
            self.text.inputs([_text_part(part) for part in parts]),
            torch.from_numpy(picture.astype(np.int64)),
            torch.from_numpy(text.astype(np.int64)),
            torch.from_numpy(np.concatenate([part.arrays["kind"] for part in parts])),
        )


def load_pair_processor(
    image: ImageProcessor, text: Processor, spec: Mapping[str, Any], *, partial: bool
) -> PairProcessor:
    """The processor that a checkpoint's spec describes.

    Raises:
        UserError: The checkpoint holds something else.
    """
    if spec.get("kind") != "image and text":
        raise UserError(
            f"the checkpoint's inputs are {spec.get('kind')!r}, and this tower reads an image and a text; "
            "load it with the settings it was trained with."
        )
    return PairProcessor(image, text, partial=partial).require(spec)


def _read(processor: Processor, items: list[Any]) -> tuple[Processed, dict[int, int], dict[int, str]]:
    """What was read of items, the place there of each that was accepted, and why each other was not."""
    processed = processor.process(items)
    accepted = {int(place): number for number, place in enumerate(processed.accepted)}
    return processed, accepted, dict(processed.rejected)


def _keys(paths: Sequence[str]) -> npt.NDArray[np.uint64]:
    """64 bits of a hash of every path: what tells in another part that an image is there already."""
    digests = [hashlib.blake2b(path.encode("utf-8", "surrogatepass"), digest_size=8).digest() for path in paths]
    return np.array([int.from_bytes(digest, "little") for digest in digests], np.uint64)


def _joined(parts: Sequence[Processed], name: str) -> npt.NDArray[np.uint64]:
    return np.concatenate([part.arrays[name] for part in parts])


def _images(part: Processed) -> int:
    return len(part.arrays["key"])


def _texts(part: Processed) -> int:
    return len(part.arrays[f"{TEXT}lengths"])


def _text_part(part: Processed) -> Processed:
    arrays = {name.removeprefix(TEXT): values for name, values in part.arrays.items() if name.startswith(TEXT)}
    return Processed(arrays, part.accepted)
