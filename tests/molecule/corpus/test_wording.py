from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter

import pytest

from crossmod.sources.draw import Draw
from crossmod_molecule.corpus.chemistry import Chemistry, measure
from crossmod_molecule.corpus.claims import Claim, holds
from crossmod_molecule.corpus.english import WORDS
from crossmod_molecule.corpus.sources import rdkit_folder, read_shipped
from crossmod_molecule.corpus.wording import FEWEST_WORDS, MOST_WORDS, Generated, describe
from crossmod_molecule.structures import UnusableStructure, canonical_smiles, parse_smiles

ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"
Sample = list[tuple[str, Chemistry, list[Generated]]]


@pytest.fixture(scope="module")
def sample() -> Sample:
    """About 300 molecules of the corpus, from all files."""
    found, _ = read_shipped(rdkit_folder())
    described: dict[str, tuple[Chemistry, list[Generated]]] = {}
    for item in found[::55]:
        try:
            smiles = canonical_smiles(item.smiles)
        except UnusableStructure:
            continue
        chemistry = measure(parse_smiles(smiles))
        described[smiles] = (chemistry, describe(chemistry, smiles, 4, 0))
    return [(smiles, *rest) for smiles, rest in described.items()]


def test_every_claim_is_true(sample: Sample) -> None:
    for _, chemistry, generated in sample:
        for item in generated:
            assert item.claims
            assert all(holds(claim, chemistry) for claim in item.claims)


def test_false_claims_do_not_hold() -> None:
    aspirin = measure(parse_smiles(ASPIRIN))
    assert not holds(Claim("group", "ester", 2), aspirin)
    assert not holds(Claim("absent", "ester", 0), aspirin)
    assert not holds(Claim("ring", "pyridine ring", 1), aspirin)
    assert not holds(Claim("adjective", "large"), aspirin)


def test_a_text_singles_out_its_molecule_among_three_hundred(sample: Sample) -> None:
    fitting = sorted(
        sum(all(holds(claim, other) for claim in item.claims) for _, other, _ in sample)
        for _, _, generated in sample[::4]
        for item in generated
    )
    assert len(sample) > 280
    assert fitting[len(fitting) // 2] == 1
    assert fitting[9 * len(fitting) // 10] <= 3


def test_lengths(sample: Sample) -> None:
    words = [len(item.text.split()) for _, _, generated in sample for item in generated]
    assert min(words) >= FEWEST_WORDS
    assert max(words) <= MOST_WORDS


def test_texts_of_one_molecule_differ_and_molecules_share_almost_none(sample: Sample) -> None:
    assert all(len({item.text for item in generated}) == 4 for _, _, generated in sample)
    counts = Counter(item.text for _, _, generated in sample for item in generated)
    assert sum(count > 1 for count in counts.values()) <= 0.005 * len(counts)


def test_wording_varies(sample: Sample) -> None:
    texts = [item.text for _, _, generated in sample for item in generated]
    openings = Counter(" ".join(text.split()[:3]) for text in texts)
    trigrams = [gram for text in texts for gram in zip(*(text.split()[i:] for i in range(3)), strict=False)]
    assert len(openings) > 150
    assert max(openings.values()) < 0.1 * len(texts)
    assert len(set(trigrams)) > 0.15 * len(trigrams)


def test_no_structure_leaks_into_a_text(sample: Sample) -> None:
    smiles_like = re.compile(r"[=#@\[\]\\]|[A-Z][a-z]?\d[A-Z]|c1|C\(")
    for smiles, _, generated in sample:
        for item in generated:
            text = item.text.replace("bicyclo[2.2.2]octane", "")
            assert smiles not in text
            assert not smiles_like.search(text), text


def test_grammar(sample: Sample) -> None:
    numerals = "|".join(WORDS[2:])
    wrong = {
        "article": re.compile(r"\b[Aa] (?=[aeio]|8-|11-|18-|N-|H-)|\b[Aa]n (?=[bcdfgjklmnpqrstvwxyz]|urea|uracil)"),
        "plural": re.compile(
            rf"(?<!-)\b({numerals}|[2-9]|\d\d) (?:(?!and )[a-z-]+ )*"
            r"(group|ring|atom|donor|acceptor|centre)\b(?!-| system| ketone| carbonyl)"
        ),
        "singular": re.compile(r"\b(one|an?|1) (?:[a-z]+ )?(groups|rings|atoms|donors|acceptors|centres)\b"),
        "digits": re.compile(r"\b\d+ \d"),
        "verb": re.compile(r"[Tt]here (are (an?|one|1) |is (two|three|four|[2-9]) )|are no [a-z ]*group\b"),
        "doubled": re.compile(r"\b(\w+) \1\b"),
        "spaces": re.compile(r"  | [.,;]|[{}]|\.\.|,,"),
    }
    for _, _, generated in sample:
        for item in generated:
            assert item.text[0].isupper() or item.text[0].isdigit()
            assert item.text.endswith(".")
            for kind, pattern in wrong.items():
                found = pattern.search(item.text)
                assert not found, f"{kind}: {found and found.group()!r} in {item.text}"


def test_seed_and_number_of_texts() -> None:
    aspirin = measure(parse_smiles(ASPIRIN))
    four = describe(aspirin, ASPIRIN, 4, 0)
    assert describe(aspirin, ASPIRIN, 2, 0) == four[:2]
    assert describe(aspirin, ASPIRIN, 4, 0) == four
    assert not {item.text for item in describe(aspirin, ASPIRIN, 4, 1)} & {item.text for item in four}


PROGRAM = """
from crossmod_molecule.corpus.assembly import describe_all
print([item.texts for item in describe_all(["OC(=O)c1ccccc1OC(C)=O", "CCO.Cl", "c1ccncc1C#N"], texts=3, seed=5)])
"""


def test_texts_are_the_same_in_every_process_and_hash_seed() -> None:
    def run(hash_seed: str) -> str:
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-c", PROGRAM]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    first = run("0")
    assert "ortho" in first or "benzene" in first
    assert run("1") == first == run("random")


def test_draws_do_not_depend_on_the_version_of_python() -> None:
    draw = Draw("CCO", 0)
    assert [draw.below(100) for _ in range(6)] == [1, 16, 88, 53, 3, 48]
