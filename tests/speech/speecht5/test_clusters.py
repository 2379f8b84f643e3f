"""k-means, the cepstra that it parts, and clusters that a file states."""

from __future__ import annotations

from pathlib import Path

import kaldi_native_fbank
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from crossmod.errors import UserError
from crossmod_speech.readers.reasons import UnusableSpeech
from crossmod_speech.sources import SpeechSource
from crossmod_speech.speecht5.cepstra import Cepstra, differences
from crossmod_speech.speecht5.k_means import k_means, nearest_centroids
from crossmod_speech.speecht5.label_file import FrameLabels, read_frame_labels


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_finds_clusters_that_lie_apart() -> None:
    centres = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    points = (centres[:, None] + 0.1 * torch.randn(3, 50, 2, generator=generator())).flatten(0, 1)
    found = k_means(points, 3, generator=generator(1)).centroids
    assert torch.cdist(centres, found).min(1).values.max() < 0.1
    own = nearest_centroids(points, found).view(3, 50)
    assert all(len(torch.unique(row)) == 1 for row in own) and len(torch.unique(own)) == 3


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 12), st.integers(0, 1000))
def test_inertia_never_rises_and_is_the_distance_to_the_centroids(clusters: int, seed: int) -> None:
    points = torch.randn(40, 3, generator=generator(seed), dtype=torch.float64)
    found = k_means(points, clusters, iterations=50, generator=generator(seed))
    assert (found.inertia.diff() <= 1e-9).all()
    apart = torch.cdist(points, found.centroids).square().min(1).values.mean()
    torch.testing.assert_close(found.inertia[-1], apart)


def test_at_the_end_every_centroid_is_the_mean_of_its_points() -> None:
    points = torch.randn(200, 2, generator=generator(), dtype=torch.float64)
    centroids = k_means(points, 5, iterations=200, generator=generator()).centroids
    own = nearest_centroids(points, centroids)
    means = torch.stack([points[own == number].mean(0) for number in range(5)])
    torch.testing.assert_close(centroids, means)


def test_repeated_points_leave_no_cluster_undefined() -> None:
    found = k_means(torch.ones(6, 2), 4, generator=generator())
    assert torch.isfinite(found.centroids).all() and found.inertia[-1] == 0


@pytest.mark.parametrize("points", [torch.randn(3, 2), torch.tensor([[0.0], [torch.nan], [1.0], [2.0], [3.0]])])
def test_refuses_too_few_points_and_broken_ones(points: torch.Tensor) -> None:
    with pytest.raises(ValueError, match=r"3 points cannot|not finite"):
        k_means(points, 4, generator=generator())


def test_cepstra_are_kaldis_up_to_the_scale_of_the_cosines() -> None:
    samples = 0.3 * torch.randn(1, 8000, generator=generator()).clamp(-3, 3)
    options = kaldi_native_fbank.MfccOptions()
    options.frame_opts.dither = 0.0
    options.mel_opts.num_bins = 23
    options.num_ceps = 13
    options.use_energy = False
    options.cepstral_lifter = 0.0
    reference = kaldi_native_fbank.OnlineMfcc(options)
    reference.accept_waveform(16000, (samples[0] * 32768).tolist())
    reference.input_finished()
    kaldi = np.stack([reference.get_frame(frame) for frame in range(reference.num_frames_ready)])
    own = Cepstra(13, 23, centred=False)(samples, torch.tensor([8000])).values[0, :, :13]
    # Kaldi's cosines are orthonormal and of the power; ours give amplitudes of the magnitude.
    scale = torch.full((13,), 2 * (23 / 2) ** 0.5)
    scale[0] = 2 * 23**0.5
    torch.testing.assert_close(own * scale, torch.from_numpy(kaldi[::2]), atol=2e-3, rtol=1e-3)


def test_differences_of_a_line_are_its_slope() -> None:
    line = (3.0 * torch.arange(20.0) + 1)[None, :, None].repeat(2, 1, 1)
    slope = differences(line, torch.tensor([20, 12]))[..., 0]
    torch.testing.assert_close(slope[0, 2:18], torch.full((16,), 3.0))
    # Behind its end an utterance repeats its last frame, whatever stands there.
    line[1, 12:] = 1e4
    torch.testing.assert_close(differences(line, torch.tensor([20, 12]))[1, :12], slope[1, :12, None])


def test_centred_cepstra_do_not_hear_the_level() -> None:
    samples, lengths = 0.1 * torch.randn(2, 6000, generator=generator()), torch.tensor([6000, 4000])
    quiet, loud = Cepstra()(samples, lengths), Cepstra()(4 * samples, lengths)
    torch.testing.assert_close(loud.values, quiet.values, atol=1e-3, rtol=1e-3)
    assert not torch.allclose(Cepstra(centred=False)(4 * samples, lengths).values, quiet.values, atol=0.1)


def write(folder: Path, labels: str, manifest: str = "a.wav\t16000\nb/c.wav\t8000\n") -> tuple[str, str]:
    (folder / "train.tsv").write_text(f"{folder}\n{manifest}", encoding="utf-8")
    (folder / "train.km").write_text(labels, encoding="utf-8")
    return str(folder / "train.tsv"), str(folder / "train.km")


def test_reads_huberts_files(tmp_path: Path) -> None:
    found = read_frame_labels(*write(tmp_path, "1 2 3\n4 5\n"), 6)
    assert found.of(SpeechSource(str(tmp_path / "b" / "c.wav")), 2).tolist() == [4, 5]
    assert found.of(SpeechSource(str(tmp_path / "other.wav")), 2).tolist() == []


def test_labels_fit_within_one_frame() -> None:
    labels = FrameLabels({str(Path("/a.wav")): np.arange(10, dtype=np.int16)})
    source = SpeechSource("/a.wav")
    assert labels.of(source, 9).tolist() == list(range(9))
    assert labels.of(source, 11).tolist() == [*range(10), 9]
    assert labels.of(source, 4, cut=True).tolist() == [0, 1, 2, 3]
    assert labels.of(SpeechSource("/a.wav", 0.04, 0.12), 4).tolist() == [2, 3, 4, 5]
    for frames in (8, 12):
        with pytest.raises(UnusableSpeech, match=f"10 clusters are stated for its {frames} frames"):
            labels.of(source, frames)


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [("1 2\n", "2 recordings"), ("1 x\n3\n", "line 1"), ("1\n9\n", "cluster 9"), ("1\n99999999\n", "line 2")],
)
def test_refuses_files_that_do_not_fit(tmp_path: Path, labels: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        read_frame_labels(*write(tmp_path, labels), 6)


def test_one_file_without_the_other_is_refused_and_none_is_no_label(tmp_path: Path) -> None:
    manifest, labels = write(tmp_path, "1\n2\n")
    Path(labels).unlink()
    with pytest.raises(UserError, match=r"there is no file .*train.km"):
        read_frame_labels(manifest, labels, 6)
    Path(manifest).unlink()
    assert not read_frame_labels(manifest, labels, 6).of_path
