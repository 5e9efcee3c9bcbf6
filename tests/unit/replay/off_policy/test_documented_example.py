"""The example of docs/off-policy.md prints what the page says."""

from __future__ import annotations

import re
from pathlib import Path

from routenlp.bench.off_policy.run import true_figures
from routenlp.bench.off_policy.worlds import Spec, world

PAGE = Path(__file__).resolve().parents[4] / "docs" / "off-policy.md"


def test_the_example_prints_what_the_page_says(capsys):
    text = PAGE.read_text(encoding="utf-8")
    code = next(block for block in re.findall(r"```python\n(.*?)```", text, re.S) if "in_words" in block)
    exec(compile(code, str(PAGE), "exec"), {})
    printed = capsys.readouterr().out
    assert printed in text.replace("```", "")
    truth = true_figures(world(Spec(epsilon=0.1), seed=0))
    assert f"The truth is {1 - truth['savings']:.1%} and {truth['quality_ratio']:.1%}." in text
