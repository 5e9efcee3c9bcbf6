"""routenlp answers each NLP or LLM query at the least cost that keeps its task's quality floor.

A query runs through a policy by a machine that does no I/O:

    ask = start(policy, query)
    while isinstance(ask, Ask):
        ask = advance(policy, ask, backend_of(ask.tier).answer(ask.query))
    trace = ask.trace

Importing this package loads numpy and nothing heavier.
"""

from __future__ import annotations

from routenlp.cascade.machine import Ask, Done, advance, start
from routenlp.cascade.policy import Policy
from routenlp.errors import RouteNlpError
from routenlp.portfolio.prices import Price
from routenlp.portfolio.tiers import Portfolio, Tier
from routenlp.types import Answer, Call, Query, Route, Step, Stop, Task, Trace

__version__ = "0.1.0"

__all__ = [
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
    "start",
]
