"""Reading a Hugging Face model folder: from this disk only, safetensors only, none of its code (torch-free)."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from crossmod.errors import UserError

CONFIG = "config.json"
TOKENIZER = "tokenizer.json"

_SAFE: Mapping[str, Any] = {"local_files_only": True, "trust_remote_code": False}
"""How every file of a folder is read: nothing is downloaded, and Python files beside it are not run."""

_POSITIONS_AFTER_PADDING = frozenset(
    {
        *("camembert", "data2vec-text", "esm", "ibert", "longformer", "luke", "mpnet", "roberta"),
        *("roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl", "xmod"),
    }
)
"""The encoders that number positions from the padding id onward, and so reach that many fewer tokens."""


class Folder(NamedTuple):
    """What a model folder says of its texts.

    Args:
        files: The tokenizer's files as transformers saves them, and the folder's config.json; by file name.
        padding: The id that pads; 0 where the tokenizer has none, as the mask hides it.
        longest: Most tokens of a text, specials included.
    """

    files: Mapping[str, bytes]
    padding: int
    longest: int


def read_folder(folder: Path) -> Folder:
    """Read the tokenizer and the configuration of a text encoder.

    Raises:
        UserError: transformers is not installed, or the folder is not that of a text encoder.
    """
    library = _transformers()
    if not folder.is_dir():
        raise UserError(f"the Hugging Face folder {folder} does not exist; give the path of a downloaded model.")
    if not (folder / CONFIG).is_file():
        raise UserError(f"{folder} holds no {CONFIG}; give the folder of a Hugging Face model, not its parent.")
    config = _read_config(library, folder)
    tokenizer = _read_tokenizer(library, folder)
    if len(tokenizer) > config.vocab_size:
        raise UserError(
            f"the tokenizer in {folder} has {len(tokenizer)} tokens and the encoder embeds {config.vocab_size}; "
            "the tokenizer and the config.json do not belong together."
        )
    padding = int(tokenizer.pad_token_id or 0)
    positions = int(getattr(config, "max_position_embeddings", 2**31))
    if config.model_type in _POSITIONS_AFTER_PADDING:
        positions -= padding + 1
    with TemporaryDirectory() as copy:
        tokenizer.save_pretrained(copy)
        files = {path.name: path.read_bytes() for path in sorted(Path(copy).iterdir()) if path.is_file()}
    files[CONFIG] = (folder / CONFIG).read_bytes()
    return Folder(files, padding, min(int(tokenizer.model_max_length), positions))


def read_weights(folder: Path, unused: str) -> Any:
    """The encoder of a folder with its weights, in float32.

    Args:
        folder: A Hugging Face model folder.
        unused: Prefix of weights that the folder may lack because nothing reads them; empty for none.

    Raises:
        UserError: There are no safetensors, or they lack weights of the encoder.
    """
    library = _transformers()
    options = {"use_safetensors": True, "output_loading_info": True, **_SAFE}
    try:
        model, info = library.AutoModel.from_pretrained(str(folder), **options)
    except Exception as error:
        raise UserError(
            f"the weights in {folder} cannot be read ({_first_line(error)}); crossmod reads model.safetensors only."
        ) from error
    missing = sorted(name for name in info["missing_keys"] if not (unused and name.startswith(unused)))
    if missing:
        raise UserError(
            f"the weights in {folder} lack {len(missing)} tensors of the encoder ({missing[0]}, ...), which would "
            "start untrained; choose a pooling that does not need them, or another model."
        )
    return model.float()


def untrained(config: bytes) -> Any:
    """The encoder that the content of a config.json describes, its weights drawn at random, in float32.

    Raises:
        UserError: transformers is not installed, or the content is not the configuration of a text encoder.
    """
    library = _transformers()
    with TemporaryDirectory() as copy:
        (Path(copy) / CONFIG).write_bytes(config)
        described = _read_config(library, Path(copy))
    return library.AutoModel.from_config(described, trust_remote_code=False).float()


def _transformers() -> Any:
    try:
        return importlib.import_module("transformers")
    except ImportError as error:
        raise UserError(
            "a Hugging Face text encoder takes the transformers library, which is not installed; "
            'run: pip install "crossmod[huggingface]"'
        ) from error


def _read_config(library: Any, folder: Path) -> Any:
    # transformers raises what its parsers raise: OSError, ValueError, KeyError, and bare Exceptions from Rust.
    try:
        config = library.AutoConfig.from_pretrained(str(folder), **_SAFE)
    except Exception as error:
        raise UserError(f"{folder / CONFIG} cannot be read ({_first_line(error)}).") from error
    if config.is_encoder_decoder or not hasattr(config, "hidden_size") or not hasattr(config, "vocab_size"):
        raise UserError(
            f"{folder} holds a model of type {config.model_type!r}, which is no plain text encoder; "
            "take an encoder such as BERT, RoBERTa or ModernBERT."
        )
    return config


def _read_tokenizer(library: Any, folder: Path) -> Any:
    try:
        tokenizer = library.AutoTokenizer.from_pretrained(str(folder), **_SAFE)
    except Exception as error:
        raise UserError(f"the tokenizer in {folder} cannot be read ({_first_line(error)}).") from error
    # Without a vocabulary file transformers makes a tokenizer that knows no word, and says nothing.
    names = {TOKENIZER, *tokenizer.vocab_files_names.values()}
    if not any((folder / name).is_file() for name in names):
        raise UserError(f"{folder} holds no tokenizer; it takes one of {', '.join(sorted(names))}.")
    if not tokenizer.is_fast:
        raise UserError(
            f"the tokenizer in {folder} has no form that the tokenizers library can read; "
            f"convert it to a {TOKENIZER} and put that into the folder."
        )
    return tokenizer


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".")
