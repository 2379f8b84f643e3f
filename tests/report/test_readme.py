"""The example of the README runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

README = Path(__file__).parents[2] / "packages" / "report" / "README.md"


def test_the_example_writes_a_report(tmp_path, monkeypatch):
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)
    folder = tmp_path / "runs" / "x"
    folder.mkdir(parents=True)
    (folder / "recipe.yaml").write_text("seed: 0\n")
    (folder / "metrics.jsonl").write_text('{"step": 0, "loss": 1.0}\n')
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "README.md", "exec"), {})
    assert "Held-out retrieval" in (folder / "report.html").read_text(encoding="utf-8")
