"""One thread for linear algebra: in backtests, turns, benches of six tasks and the pilot, the gateway and its worker.

The matrices of a backtest are small: on two idle cores a second thread spared 5% of the time and cost 57% more of the
processor. On a busy machine threads spin while they wait for each other: beside three other processes on two cores, a
backtest of 12,000 queries took 48 s of processor time with two threads and 12 s with one.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext


def one_thread(*, everything: bool = False) -> AbstractContextManager[object]:
    """Holds BLAS to one thread meanwhile; with `everything`, OpenMP too.

    Without threadpoolctl, which the extras bring, it does nothing.
    """
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return nullcontext()
    limits: AbstractContextManager[object] = threadpool_limits(limits=1, user_api=None if everything else "blas")
    return limits
