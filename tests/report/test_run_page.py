"""The page of a run shows the result first, hides no warning, and works from a run that barely began."""

from __future__ import annotations

import math
from xml.etree import ElementTree

from crossmod_report import (
    Column,
    Exhibit,
    MetricsLog,
    Row,
    RunRecord,
    Table,
    metric_warnings,
    rank_histogram,
    read_metrics,
    render_page,
    retrieval_sheet,
    run_report,
    write_page,
)

BARE = {"name": "try", "domain": "molecule", "corpus": "pairs", "seed": 7, "command": "train", "recipe": "seed: 7"}


def full_run(metrics: MetricsLog) -> RunRecord:
    item = Exhibit(caption="an item")
    table = Table(
        title="Held out",
        columns=[Column(key="m", title="model"), Column(key="r", title="recall@1", better="higher")],
        rows=[Row(cells={"m": "this run", "r": 0.5}), Row(cells={"m": "chance", "r": 0.01}, role="reference")],
    )
    return RunRecord(
        **BARE,
        status="finished",
        environment={"python": "3.11", "git": {"commit": "abc", "dirty": False}, "devices": ["one", "two"]},
        metrics=metrics,
        results=[table],
        figures=[rank_histogram([1, 2], 10)],
        sheets=[retrieval_sheet([item], [item], [[1.0]], [{0}], title="text to item")],
        warnings=["3 rows were rejected."],
        usage={"resume": "train --resume runs/x"},
        facts={"pairs": 1234},
    )


def test_sections_stand_in_reading_order():
    page = run_report(full_run(MetricsLog(rows=[{"step": 5, "loss": 1.0}], unreadable_lines=1)))
    assert [section.title for section in page.sections] == [
        "Result",
        "Warnings (2)",
        "Curves",
        "Retrieval",
        "What was trained",
        "Load and resume",
        "Recipe",
        "Environment",
    ]
    assert page.summary == "molecule · pairs · seed 7 · 5 steps · finished · 2 warnings"


def test_everything_that_was_given_is_on_the_page():
    text = render_page(run_report(full_run(MetricsLog(rows=[{"step": 5, "loss": 1.0}]))))
    body = " ".join(ElementTree.fromstring(text.removeprefix("<!DOCTYPE html>")).itertext())
    given = ["this run", "chance", "3 rows were rejected.", "text to item", "1234", "train --resume runs/x", "seed: 7"]
    for expected in [*given, "git.commit", "abc", "one, two", "Rank of the true item"]:
        assert expected in body, expected


def test_a_run_that_logged_nothing_has_a_page_that_says_so():
    page = run_report(RunRecord(**BARE))
    text = render_page(page)
    assert "No evaluation has been run." in text
    assert "No metrics were logged." in text
    assert "Warnings" not in text


def test_warnings_name_the_quantity_the_count_and_the_first_step():
    rows = [
        {"step": 1, "loss": 1.0},
        {"step": 2, "loss": math.nan},
        {"step": 3, "loss": math.inf},
        {"step": 1, "loss": 0.9},
    ]
    assert metric_warnings(MetricsLog(rows=rows, unreadable_lines=2)) == [
        "2 lines of the metrics left out as unreadable, as after a killed process.",
        "1 value logged twice at the same step, as after a resume: the later is shown.",
        "loss (train): 2 values not finite, the first at step 2.",
    ]
    assert metric_warnings(MetricsLog(rows=rows[:1])) == []


def test_a_run_folder_becomes_the_same_file_every_time(tmp_path):
    log = tmp_path / "metrics.jsonl"
    log.write_text('{"step": 0, "time": 0.0, "loss": 2.0}\n{"step": 1, "time": 1.5, "loss": 1.0}\n{"step": 2, "ti')
    first = write_page(run_report(full_run(read_metrics(log))), tmp_path / "a.html")
    second = write_page(run_report(full_run(read_metrics(log))), tmp_path / "b.html")
    assert first.read_bytes() == second.read_bytes()
    assert "1 line of the metrics left out as unreadable" in first.read_text()
