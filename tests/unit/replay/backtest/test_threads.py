from __future__ import annotations

import sys

import pytest

from routenlp.replay.backtest.threads import one_thread


def blas_threads() -> set[int]:
    threadpoolctl = pytest.importorskip("threadpoolctl")
    return {pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"}


def test_linear_algebra_has_one_thread_meanwhile_and_what_it_had_afterwards():
    before = blas_threads()
    with one_thread():
        assert blas_threads() <= {1}
    assert blas_threads() == before


def test_without_threadpoolctl_nothing_is_held(monkeypatch):
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    with one_thread():
        pass
