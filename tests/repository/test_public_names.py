"""What `import routenlp` offers is a promise: a name is added or taken away on purpose, and here."""

from __future__ import annotations

import routenlp

PUBLIC = [
    "Answer",
    "Ask",
    "Call",
    "Done",
    "Policy",
    "Portfolio",
    "Price",
    "Query",
    "Route",
    "RouteNlpError",
    "Step",
    "Stop",
    "Task",
    "Tier",
    "Trace",
    "__version__",
    "advance",
    "backtest",
    "start",
]


def test_public_names_are_the_promised_ones() -> None:
    assert sorted(routenlp.__all__) == sorted(PUBLIC)


def test_every_public_name_exists() -> None:
    assert [name for name in PUBLIC if not hasattr(routenlp, name)] == []
