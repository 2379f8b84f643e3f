"""The speakers of generated corpora: variants of the engine, each with an accent, a speed and a pitch of its own."""

from __future__ import annotations

from dataclasses import dataclass

from crossmod.contracts.corpus import SPLITS
from crossmod.sources.draw import Draw

SHARES = (0.65, 0.15, 0.20)
"""Train, validation and test: of voices within a language, of families of variants within a sex."""

ACCENTS = {
    "en": ("en-us", "en", "en-gb-x-rp", "en-gb-scotland", "en-us-nyc", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-029"),
    "de": ("de",),
    "fr": ("fr", "fr-be", "fr-ch"),
    "es": ("es", "es-419"),
    "it": ("it",),
}
"""By language, the engine's names of its accents."""

FEMALE = (
    *(("Andrea",), ("Annie",), ("anika",), ("aunty", "grandma"), ("belinda",), ("f1", "f4"), ("linda",)),
    ("steph", "steph2", "steph3"),
)
MALE = (
    *(("Andy", "AnxiousAndy"), ("Denis",), ("Diogo", "Henrique", "Hugo"), ("Lee",), ("Marco",), ("Storm",)),
    *(("antonio",), ("m1", "grandpa"), ("m2",), ("m3",), ("m4",), ("m5",), ("m6",), ("m7",), ("m8",)),
    *(("michel",), ("miguel",), ("travis",)),
)
UNSTATED = (
    *(("Alex",), ("Gene", "Gene2"), ("Jacky",), ("Mario",), ("Michael",), ("Mike", "mike2"), ("Nguyen",), ("Reed",)),
    *(("RicishayMax", "RicishayMax2", "RicishayMax3"), ("adam",), ("benjamin",), ("boris",), ("caleb",), ("david",)),
    *(("ed",), ("edward", "edward2"), ("gustave",), ("ian",), ("iven", "iven2", "iven3", "iven4"), ("john",)),
    *(("kaukovalta",), ("klatt", "klatt2", "klatt3", "klatt4", "klatt5", "klatt6"), ("marcelo",), ("max",)),
    *(("norbert",), ("pablo",), ("paul",), ("pedro",), ("quincy",), ("rob", "robert"), ("shelby",), ("zac",)),
)
"""Variants in families of edits of one another, by the sex that their files state; no family stands in two splits.

Left out are robots and whispers, and variants with breath (f2, f3, f5, Alicia, sandro, victor), which the engine draws
from the clock.
"""


@dataclass(frozen=True)
class Voice:
    """One speaker.

    Args:
        name: What tables call it.
        language: Two letters.
        accent: The engine's name of it.
        variant: The engine's name of the timbre.
        sex: What the variant's file states; empty where it states none.
        words_per_minute: Speed.
        pitch: 0 to 100.
        pitch_range: 0 to 100.
        split: Which part of the corpus it speaks in.
    """

    name: str
    language: str
    accent: str
    variant: str
    sex: str
    words_per_minute: int
    pitch: int
    pitch_range: int
    split: str

    @property
    def engine_name(self) -> str:
        """As the engine wants it."""
        return f"{self.accent}+{self.variant}"


def draw_voices(count: int, other_languages: float, seed: int) -> list[Voice]:
    """Voices of all languages, split within each; the variants of one split are in no other.

    Args:
        count: How many.
        other_languages: The share that speaks German, French, Spanish or Italian instead of English.
        seed: Draws variants, accents, speeds and pitches.
    """
    others = [code for code in ACCENTS if code != "en"]
    foreign = round(count * other_languages)
    spoken = {"en": count - foreign}
    spoken |= {code: foreign // len(others) + (place < foreign % len(others)) for place, code in enumerate(others)}
    casts = _casts(seed)
    used = dict.fromkeys(casts, 0)
    voices: list[Voice] = []
    for language, number in spoken.items():
        for place, split in enumerate(_splits(number, every=language == "en")):
            variant, sex = casts[split][used[split] % len(casts[split])]
            used[split] += 1
            voices.append(_voice(language, place, variant, sex, split, seed))
    return voices


def _voice(language: str, place: int, variant: str, sex: str, split: str, seed: int) -> Voice:
    name = f"{language}-{place + 1:03d}"
    draw = Draw(name, seed, "voice")
    return Voice(
        name=name,
        language=language,
        accent=draw.choose(ACCENTS[language]),
        variant=variant,
        sex=sex,
        words_per_minute=140 + draw.below(71),
        pitch=35 + draw.below(31),
        pitch_range=35 + draw.below(36),
        split=split,
    )


def _splits(number: int, *, every: bool) -> list[str]:
    """The splits of the voices of one language; `every` gives each split one at least."""
    test, validation = round(SHARES[2] * number), round(SHARES[1] * number)
    if every:
        test, validation = max(1, test), max(1, validation)
    return ["train"] * (number - validation - test) + ["validation"] * validation + ["test"] * test


def _casts(seed: int) -> dict[str, list[tuple[str, str]]]:
    """By split, the variants that speak in it with their sexes, in the order in which voices take them."""
    casts: dict[str, list[tuple[str, str]]] = {split: [] for split in SPLITS}
    for sex, families in (("female", FEMALE), ("male", MALE), ("", UNSTATED)):
        order = Draw(sex, seed, "families").order(families)
        first = round(SHARES[0] * len(order))
        second = first + max(1, round(SHARES[1] * len(order)))
        for split, part in zip(SPLITS, (order[:first], order[first:second], order[second:]), strict=True):
            casts[split] += [(variant, sex) for family in part for variant in family]
    return {split: Draw(split, seed, "cast").order(cast) for split, cast in casts.items()}
