"""Settings of the clusters that hidden frames are told by (torch-free)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from crossmod.errors import UserError
from crossmod.settings import Settings

if TYPE_CHECKING:
    from crossmod_speech.speecht5.label_file import FrameLabels


@dataclass(frozen=True, kw_only=True)
class ClusterTargets(Settings, ABC):
    """Where the cluster of every frame comes from.

    Args:
        clusters: Number of clusters (500 in SpeechT5, of HuBERT's sixth layer; 100 in HuBERT's first iteration).
    """

    clusters: int = 100

    def __post_init__(self) -> None:
        if not 2 <= self.clusters <= 32767:
            raise UserError(f"{type(self).__name__} has {self.clusters} clusters; take 2 to 32767.")

    @property
    @abstractmethod
    def spec(self) -> Mapping[str, Any]:
        """What of it belongs to a checkpoint, as JSON values."""


@dataclass(frozen=True, kw_only=True)
class CepstralClusters(ClusterTargets):
    """k-means of cepstra of the training recordings, as in HuBERT's first iteration (arXiv:2106.07447).

    Each frame of the encoder is told by the frame of 25 ms that sees the same samples.

    Args:
        coefficients: Cepstral coefficients, beside which stand their first and second differences (13).
        bins: Bands that they are computed of (23, Kaldi's default).
        centred: Take the mean over the utterance off, and with it much of voice and microphone (not in HuBERT).
        frames: Most frames that k-means sees.
        iterations: Of Lloyd's algorithm.
        seed: Of the first centroids.
    """

    coefficients: int = 13
    bins: int = 23
    centred: bool = True
    frames: int = 60_000
    iterations: int = 30
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 2 <= self.coefficients < self.bins or self.iterations < 1 or self.frames < self.clusters:
            raise UserError(
                f"CepstralClusters of {self.coefficients} coefficients of {self.bins} bins, {self.frames} frames and "
                f"{self.iterations} iterations cannot be learned; take 2 coefficients or more and fewer than bins, at "
                "least as many frames as clusters, and at least one iteration."
            )

    def build(self) -> None:
        """Nothing is read: the clusters are learned with the processor."""

    @property
    def spec(self) -> Mapping[str, Any]:
        """Every switch; the centroids have a hash of their own."""
        return {"targets": type(self).__name__, **asdict(self)}


@dataclass(frozen=True, kw_only=True)
class ClusterFile(ClusterTargets):
    """Clusters that another model gave, in HuBERT's two files; 50 a second.

    Args:
        manifest: Its first line is the folder, each further one a recording's path below it and its number of samples,
            parted by a tab.
        labels: For each recording a line of numbers parted by blanks.
    """

    manifest: str
    labels: str

    def build(self) -> FrameLabels:
        """Read both files; none where neither is there, as for a model that is only used.

        Raises:
            UserError: One of them is missing, or they do not belong together.
        """
        from crossmod_speech.speecht5.label_file import read_frame_labels

        return read_frame_labels(self.manifest, self.labels, self.clusters)

    @property
    def spec(self) -> Mapping[str, Any]:
        """The number of clusters: the files serve training alone."""
        return {"targets": type(self).__name__, "clusters": self.clusters}
