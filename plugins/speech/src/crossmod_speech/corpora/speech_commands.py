"""Reads a Speech Commands tree: one word a clip, and seconds of background noise in which nothing is said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from crossmod.contracts.corpus import Rejected
from crossmod.errors import UserError
from crossmod.sources.rows import UnusableRow
from crossmod.sources.splits import by_hash, random_split
from crossmod.sources.tables import text_lines
from crossmod_speech.corpora.settings import SpeechCommands
from crossmod_speech.corpora.utterances import Classes, Reading, Utterance, word_prompts
from crossmod_speech.sources import SpeechSource

COMMANDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
LISTS = {"validation_list.txt": "validation", "testing_list.txt": "test"}
NOISE, UNKNOWN, SILENCE = "_background_noise_", "_unknown_", "_silence_"
NOISE_SHARES = (0.8, 0.1, 0.1)


def read_speech_commands(settings: SpeechCommands) -> Reading:
    """Walk the tree.

    Raises:
        UserError: There is no folder of clips, or a list is damaged.
    """
    root = Path(settings.root)
    words = sorted(path for path in root.glob("[!.]*") if path.is_dir() and path.name != NOISE)
    if not words:
        raise UserError(f"{root} has no folders of words; give the tree of Speech Commands with --data.root.")
    listed = {
        name.strip(): split
        for table, split in LISTS.items()
        if (root / table).is_file()
        for name in text_lines(root / table)
        if name.strip()
    }
    rejected: list[Rejected] = []
    # The separate archive of test clips holds these folders and no lists.
    others = "train" if listed or not (root / UNKNOWN).is_dir() else "test"
    utterances = [one for folder in words for one in _clips(folder, listed, others, rejected)]
    utterances += _background(root / NOISE, settings, utterances)
    spoken = sorted({one.labels["word"] for one in utterances if "word" in one.labels})
    templates = settings.templates
    labels = (
        Classes("command", {name: word_prompts(name, templates) for name in (*COMMANDS, "unknown", "silence")}),
        Classes("word", {name: word_prompts(name, templates) for name in spoken}),
    )
    facts = {
        "source": "Speech Commands (arXiv:1804.03209)",
        "licence": "CC BY 4.0",
        "split": "its own lists, by speaker; seconds of background noise at random",
    }
    return Reading("Speech Commands", utterances, labels, facts, rejected)


def _clips(folder: Path, listed: dict[str, str], others: str, rejected: list[Rejected]) -> Iterator[Utterance]:
    for path in sorted(folder.glob("*.wav")):
        name = f"{folder.name}/{path.name}"
        split = listed.get(name, others)
        if folder.name == SILENCE:
            yield Utterance(name, "", split, SpeechSource(str(path)), 1, (), {"command": "silence"})
            continue
        word, speaker = folder.name, path.stem.partition("_nohash_")[0]
        if folder.name == UNKNOWN:
            word, _, speaker = speaker.partition("_")
        if not word or not speaker:
            rejected.append(
                UnusableRow("speech", name, "its name has no word and speaker, as yes/0a7c2a8d_nohash_0.wav has").at(1)
            )
            continue
        labels = {"word": word, "command": word if word in COMMANDS else "unknown"}
        yield Utterance(name, speaker, split, SpeechSource(str(path)), 1, (word.replace("_", " "),), labels)


def _background(folder: Path, settings: SpeechCommands, clips: Sequence[Utterance]) -> Iterator[Utterance]:
    """Seconds of the noises, in every split at most the share that the settings name."""
    import soundfile

    seconds: dict[str, SpeechSource] = {}
    for path in sorted(folder.glob("*.wav")) if folder.is_dir() else ():
        try:
            whole = int(soundfile.info(path).duration)
        except soundfile.LibsndfileError:
            # One source for all of it, of which the reader of recordings says what is wrong.
            seconds[path.name] = SpeechSource(str(path))
            continue
        for start in range(whole):
            name = f"{NOISE}/{path.name} from {start} s"
            seconds[name] = SpeechSource(str(path), float(start), start + 1.0, name=name)
    names = by_hash(list(seconds), 0)
    left = {
        split: round(settings.silence * count / max(1e-9, 1 - settings.silence))
        for split, count in Counter(one.split for one in clips).items()
    }
    for name, split in zip(names, random_split(names, NOISE_SHARES, 0) if names else (), strict=True):
        if left.get(split, 0) > 0:
            left[split] -= 1
            yield Utterance(name, "", split, seconds[name], 1, (), {"command": "silence"})
