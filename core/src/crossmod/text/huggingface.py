"""The processor of a Hugging Face encoder: its tokenizer, carried as bytes so that a model folder is complete.

transformers reads the original folder once. From then on the tokenizers library alone does the work, since a worker
process that imported transformers would import torch with it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tokenizers import Tokenizer

from crossmod.contracts.processor import Processed, Processor
from crossmod.errors import UserError
from crossmod.text.fingerprint import require_file, require_kind, sha256
from crossmod.text.huggingface_folder import CONFIG, TOKENIZER, read_folder
from crossmod.text.packing import one_thread_in_workers, pack_tokens, token_inputs, truncation_counts
from crossmod.text.readable import readable_texts

if TYPE_CHECKING:
    from crossmod.text.inputs import TextInputs

KIND = "huggingface"


class HuggingFaceProcessor(Processor):
    """Texts to token ids as a Hugging Face tokenizer makes them, its special tokens included.

    A text that spells a special token stays text.

    Args:
        files: The tokenizer's files and the encoder's config.json, by file name.
        length: Most tokens a text keeps, specials included; longer texts are cut and counted.
        padding: The id that pads.
        restored: Whether it comes out of a model folder, which has the weights too.
    """

    def __init__(self, files: Mapping[str, bytes], length: int, padding: int, *, restored: bool = False) -> None:
        self._files = dict(files)
        self.length = length
        self.padding = padding
        self.restored = restored

    @classmethod
    def from_folder(cls, folder: str | Path, length: int) -> HuggingFaceProcessor:
        """Read the tokenizer of a model folder on this disk.

        Raises:
            UserError: transformers is not installed, the folder is not a text encoder's, or the length does not fit.
        """
        found = read_folder(Path(folder))
        processor = cls(found.files, length, found.padding)
        if not processor.specials < length <= found.longest:
            raise UserError(
                f"the text length is {length}; the encoder in {folder} takes {processor.specials + 1} to "
                f"{found.longest} tokens."
            )
        return processor

    @classmethod
    def load(cls, spec: Mapping[str, Any], files: Mapping[str, bytes]) -> HuggingFaceProcessor:
        """Restore the processor that a spec and its files describe; the original folder is not needed.

        Raises:
            UserError: The spec is of another kind, or a file is missing or was changed.
        """
        require_kind(spec, KIND, "files_sha256", "length", "padding")
        digests = {TOKENIZER: "", CONFIG: "", **spec["files_sha256"]}
        kept = {name: require_file(files, name, digest) for name, digest in digests.items()}
        return cls(kept, int(spec["length"]), int(spec["padding"]), restored=True)

    @property
    def spec(self) -> Mapping[str, Any]:
        return {
            "kind": KIND,
            "model_type": json.loads(self._files[CONFIG]).get("model_type"),
            "length": self.length,
            "padding": self.padding,
            "vocabulary": int(self._tokenizer.get_vocab_size()),
            "files_sha256": {name: sha256(content) for name, content in sorted(self._files.items())},
        }

    def files(self) -> Mapping[str, bytes]:
        return dict(self._files)

    @property
    def specials(self) -> int:
        """The number of special tokens that every text gets."""
        return int(self._tokenizer.num_special_tokens_to_add(False))

    def belongs_to(self, folder: str | Path) -> bool:
        """Whether a folder holds the encoder that this processor was made from."""
        path = Path(folder) / CONFIG
        return path.is_file() and path.read_bytes() == self._files[CONFIG]

    def process(self, items: Sequence[Any]) -> Processed:
        one_thread_in_workers()
        readable = readable_texts(items)
        rejected, accepted = list(readable.rejected), []
        kept: list[list[int]] = []
        long: dict[int, tuple[str, int]] = {}
        encodings = self._tokenizer.encode_batch_fast(readable.texts)
        for position, text, encoding in zip(readable.positions, readable.texts, encodings, strict=True):
            ids = encoding.ids
            if len(ids) <= self.specials:
                rejected.append((position, "the tokenizer finds no token in it"))
                continue
            if len(ids) > self.length:
                long[len(kept)] = (text, len(ids) - self.length)
            kept.append(ids)
            accepted.append(position)
        # Cut by the tokenizer itself, which knows where its special tokens go.
        cut = self._cutting_tokenizer.encode_batch_fast([text for text, _ in long.values()])
        for place, encoding in zip(long, cut, strict=True):
            kept[place] = encoding.ids
        return Processed(
            arrays=pack_tokens(kept),
            accepted=np.asarray(accepted, np.int64),
            rejected=sorted(rejected),
            counts=truncation_counts([dropped for _, dropped in long.values()], self.length),
        )

    def inputs(self, parts: Sequence[Processed]) -> TextInputs:
        return token_inputs(parts)

    def __getstate__(self) -> dict[str, Any]:
        return {name: self.__dict__[name] for name in ("_files", "length", "padding", "restored")}

    @cached_property
    def _tokenizer(self) -> Any:
        tokenizer = Tokenizer.from_str(self._files[TOKENIZER].decode())
        tokenizer.no_padding()
        tokenizer.no_truncation()
        tokenizer.encode_special_tokens = True
        return tokenizer

    @cached_property
    def _cutting_tokenizer(self) -> Any:
        tokenizer = Tokenizer.from_str(self._files[TOKENIZER].decode())
        tokenizer.no_padding()
        tokenizer.enable_truncation(self.length)
        tokenizer.encode_special_tokens = True
        return tokenizer
