"""The processor of a Hugging Face speech encoder: waveforms, and the configuration, which a model folder then holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crossmod.text.fingerprint import require_file, sha256
from crossmod.text.huggingface_folder import CONFIG
from crossmod_speech.encoders.pretrained_folder import front_end_of, read_folder
from crossmod_speech.processors import WaveformProcessor


@dataclass(frozen=True)
class PretrainedSpeechProcessor(WaveformProcessor):
    """Waveforms for an encoder whose folder says what it hears.

    Args:
        folder_files: The folder's configuration files, by name.
        restored: Whether it comes out of a model folder, which has the weights too.
    """

    folder_files: Mapping[str, bytes] = field(default_factory=dict)
    restored: bool = False

    @classmethod
    def from_folder(cls, folder: str | Path, longest_seconds: float) -> PretrainedSpeechProcessor:
        """Read what a folder says.

        Raises:
            UserError: The folder is not that of a speech encoder.
        """
        files = read_folder(Path(folder))
        return cls(front_end_of(files), longest_seconds, files)

    @classmethod
    def load(
        cls, spec: Mapping[str, Any], files: Mapping[str, bytes], longest_seconds: float
    ) -> PretrainedSpeechProcessor:
        """Restore the processor that a model folder holds; the encoder's own folder is not needed.

        Raises:
            UserError: A file is missing or was changed, or the spec is another.
        """
        digests = {CONFIG: "", **spec.get("files_sha256", {})}
        kept = {name: require_file(files, name, digest) for name, digest in digests.items()}
        return cls(front_end_of(kept), longest_seconds, kept, restored=True).require(spec)

    @property
    def spec(self) -> Mapping[str, Any]:
        """As that of every waveform processor, and what the folder's files hash to."""
        digests = {name: sha256(content) for name, content in sorted(self.folder_files.items())}
        return {**super().spec, "files_sha256": digests}

    def files(self) -> Mapping[str, bytes]:
        """The folder's configuration files."""
        return dict(self.folder_files)

    def belongs_to(self, folder: str | Path) -> bool:
        """Whether a folder holds the encoder that this processor was made from."""
        path = Path(folder) / CONFIG
        return path.is_file() and path.read_bytes() == self.folder_files[CONFIG]
