"""The package is light: a command that only reports must not wait for an array library."""

from __future__ import annotations

import subprocess
import sys

import crossmod_report

SCRIPT = """
import sys, time
began = time.process_time()
import crossmod_report
spent = time.process_time() - began
print(spent, *sorted({"torch", "numpy", "matplotlib", "jinja2"} & set(sys.modules)))
"""


def test_importing_takes_under_a_tenth_of_a_second_and_no_heavy_library():
    answers = [
        subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True).stdout.split()
        for _ in range(3)
    ]
    assert [loaded for _, *loaded in answers] == [[], [], []]
    assert min(float(seconds) for seconds, *_ in answers) < 0.1


def test_every_public_name_exists_once_and_in_order():
    assert len(set(crossmod_report.__all__)) == len(crossmod_report.__all__)
    assert all(hasattr(crossmod_report, name) for name in crossmod_report.__all__)
