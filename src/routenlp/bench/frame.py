"""The frame that every bench's --json has, and the checks in it."""

from __future__ import annotations

import platform
import resource
from collections.abc import Mapping, Sequence

from routenlp import __version__


def frame(
    bench: str,
    *,
    seed: int,
    seconds: float,
    rows: Sequence[Mapping[str, object]],
    checks: Sequence[Mapping[str, object]],
    **more: object,
) -> dict[str, object]:
    """`rows`: the table's, with their intervals. `checks`: from `at_most`. `more`: what this bench has beside them.

    `peak_rss_mb` is this process's up to now, unless `more` has one: of work that was done elsewhere, or before.
    """
    # Linux counts KiB, other systems bytes; the benches' memory targets are for Linux.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
    return {
        "bench": bench,
        "version": __version__,
        "seed": seed,
        "machine": {"python": platform.python_version(), "system": platform.system(), "processor": platform.machine()},
        "seconds": round(seconds, 1),
        "peak_rss_mb": round(peak),
        "rows": list(rows),
        "checks": list(checks),
        **more,
    }


def at_most(name: str, value: float, target: float) -> dict[str, object]:
    """A promise that holds where `value` is at most `target`."""
    return {"name": name, "value": value, "target": target, "holds": value <= target}


def at_least(name: str, value: float, target: float) -> dict[str, object]:
    """A promise that holds where `value` is `target` or more."""
    return {"name": f"{name} (at least)", "value": value, "target": target, "holds": value >= target}


def all_hold(checks: Sequence[Mapping[str, object]]) -> bool:
    """Whether no check misses its target: else the command ends with exit code 1."""
    return all(check["holds"] for check in checks)


def check_line(check: Mapping[str, object]) -> str:
    """`holds: seconds 212.1, target 1800`; what was not measured is said so, and `why` a miss came."""
    why = f" ({check['why']})" if check.get("why") else ""
    kept = "holds" if check["holds"] else f"MISSED{why}"
    value, target = ("not measured" if v is None else f"{v:.4g}" for v in (check["value"], check["target"]))
    return f"{kept}: {check['name']} {value}, target {target}"
