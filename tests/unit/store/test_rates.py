from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from routenlp.store.rates import BURST_S, RateLimiter


def test_a_burst_passes_then_one_at_a_time() -> None:
    limiter = RateLimiter()
    passed = [limiter.admit("k", 60, 100.0) is None for _ in range(20)]
    assert passed == [True] * 11 + [False] * 9
    assert limiter.admit("k", 60, 101.0) is None
    assert limiter.admit("k", 60, 101.0) is not None


def test_who_waits_as_told_is_let_in() -> None:
    limiter = RateLimiter()
    for _ in range(20):
        late = limiter.admit("k", 60, 100.0)
    assert late is not None
    assert limiter.admit("k", 60, 100.0 + late.retry_after_s + 1e-6) is None


def test_one_key_does_not_slow_another() -> None:
    limiter = RateLimiter()
    for _ in range(20):
        limiter.admit("a", 60, 100.0)
    assert limiter.admit("b", 60, 100.0) is None


def test_the_smallest_limit_lets_one_a_minute_pass() -> None:
    limiter = RateLimiter()
    passed = [now for now in range(0, 181) if limiter.admit("k", 1, float(now)) is None]
    assert passed == [0, 50, 110, 170]


@given(st.lists(st.floats(0.0, 5.0), max_size=200), st.integers(1, 600))
def test_no_more_pass_than_promised(pauses_s: list[float], per_minute: int) -> None:
    limiter, now, passed = RateLimiter(), 0.0, 0
    for pause_s in pauses_s:
        now += pause_s
        passed += limiter.admit("k", per_minute, now) is None
    assert passed <= 1 + (now + BURST_S) * per_minute / 60 + 1e-6
