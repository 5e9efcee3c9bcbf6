"""An endpoint that fails again and again is left alone, then tried by one request."""

from __future__ import annotations

from routenlp.backends.remote.breaker import FAILURES, REST_S, Breaker, State
from routenlp.backends.remote.endpoints import Endpoint, choose


def failed(times: int, now_s: float = 0.0) -> Breaker:
    breaker = Breaker()
    for _ in range(times):
        breaker.failed(now_s)
    return breaker


def test_it_opens_after_failures_in_a_row_only():
    assert failed(FAILURES - 1).allows(0.0)
    assert not failed(FAILURES).allows(0.0)
    breaker = failed(FAILURES - 1)
    breaker.succeeded()
    breaker.failed(0.0)
    assert breaker.state(0.0) is State.CLOSED


def test_after_a_rest_one_request_may_try():
    breaker = failed(FAILURES)
    assert breaker.state(REST_S) is State.HALF_OPEN
    assert breaker.allows(REST_S)
    breaker.began(REST_S)
    assert not breaker.allows(REST_S + 0.1)
    breaker.succeeded()
    assert breaker.state(REST_S + 0.1) is State.CLOSED


def test_a_try_that_fails_opens_it_again_and_one_that_is_lost_is_forgotten():
    breaker = failed(FAILURES)
    breaker.began(REST_S)
    breaker.failed(REST_S + 1)
    assert breaker.state(2 * REST_S) is State.OPEN
    lost = failed(FAILURES)
    lost.began(REST_S)
    assert lost.allows(2 * REST_S + 1)


def test_the_least_busy_endpoint_is_chosen():
    a, b, c = Endpoint("a", 2), Endpoint("b", 1), Endpoint("c", 1)
    assert choose([a, b, c], 0.0) is b
    assert choose([a, b, c], 0.0, avoid=b) is c
    assert choose([b], 0.0, avoid=b) is b


def test_with_every_breaker_open_only_a_last_resort_is_asked():
    broken = Endpoint("a", breaker=failed(FAILURES))
    assert choose([broken], 0.0) is None
    assert choose([broken], 0.0, last_resort=True) is broken
    sound = Endpoint("b", 9)
    assert choose([broken, sound], 0.0) is sound
