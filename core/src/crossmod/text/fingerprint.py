"""What ties a processor's spec to its files: the kind of processor and the hash of what it learned (torch-free)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from crossmod.errors import UserError


def sha256(content: bytes) -> str:
    """The SHA-256 of bytes, as hexadecimal text."""
    return hashlib.sha256(content).hexdigest()


def require_kind(spec: Mapping[str, Any], kind: str, *entries: str) -> None:
    """Refuse a spec of another kind of processor, or one that lacks an entry.

    Raises:
        UserError: The spec's kind is not `kind`, or an entry is missing.
    """
    if spec.get("kind") != kind:
        raise UserError(
            f"the text processor of this model is of kind {spec.get('kind')!r}, and these settings read "
            f"{kind!r}; use the settings that the model was trained with."
        )
    missing = [entry for entry in entries if entry not in spec]
    if missing:
        raise UserError(
            f"the spec of the {kind} text processor has no {', '.join(missing)}; "
            "the model folder is incomplete, export it again."
        )


def require_file(files: Mapping[str, bytes], name: str, digest: str) -> bytes:
    """The content of a file, which must hash to `digest`.

    Raises:
        UserError: The file is missing or is not the one that the spec describes.
    """
    if name not in files:
        raise UserError(f"the model folder has no {name} for its text processor; export the model again.")
    if sha256(files[name]) != digest:
        raise UserError(
            f"{name} of the model folder is not the file that the model was trained with "
            f"(SHA-256 {sha256(files[name])[:12]}..., expected {digest[:12]}...); restore the original file."
        )
    return files[name]


def require_setting(spec: Mapping[str, Any], name: str, value: Any) -> None:
    """Refuse a setting that would silently lose to the model's own.

    Raises:
        UserError: The spec's entry `name` differs from `value`.
    """
    if spec[name] != value:
        raise UserError(
            f"the model's text processor has {name} {spec[name]!r} and the settings ask for {value!r}; "
            f"set {name} of the text tower to {spec[name]!r}."
        )
