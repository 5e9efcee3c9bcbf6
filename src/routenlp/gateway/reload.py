"""Settings and policy, read again while requests go on. What is wrong changes nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

import aiohttp

from routenlp import wiring
from routenlp.errors import RouteNlpError, SettingsError
from routenlp.gateway.assemble import Assembled, build_live, content_policy, task_budgets
from routenlp.settings import Settings

_LOG = logging.getLogger("routenlp.gateway")
FOLLOW_S = 1.0
"""How often the store is asked whether another policy serves now."""
_FIXED = ("host", "port", "admin_host", "admin_port", "admin_key_env", "auth")


class Reloader:
    """One reload at a time."""

    def __init__(
        self,
        assembled: Assembled,
        read: Callable[[], Settings],
        environ: Mapping[str, str],
        session: aiohttp.ClientSession,
    ) -> None:
        """`read`: the settings as they stand now; raises `SettingsError`."""
        self._assembled = assembled
        self._read = read
        self._environ = environ
        self._session = session
        self._one = asyncio.Lock()

    async def __call__(self) -> None:
        """Raises `RouteNlpError`, and then the last good settings stay in force."""
        async with self._one:
            gateway, record = self._assembled.gateway, self._assembled.record
            try:
                settings = await asyncio.to_thread(self._read)
                _check_fixed(gateway.live.settings, settings)
                live = await asyncio.to_thread(build_live, settings, self._environ, self._session, before=gateway.live)
            except RouteNlpError as exc:
                _LOG.error("reload refused, the last good settings stay: %s", exc)
                raise
            gateway.live = live
            if record is not None:
                record.ledger.task_budgets = task_budgets(settings)
                record.writer.content = content_policy(settings)
            _LOG.info("reloaded", extra={"policy": live.version})

    async def follow(self) -> None:
        """Reloads whenever the store's policies change: promoted, tried, or taken back. Until it is cancelled."""
        gateway, refused = self._assembled.gateway, -1
        while True:
            await asyncio.sleep(FOLLOW_S)
            try:
                now = await asyncio.to_thread(wiring.policies_in_force, gateway.live.settings)
            except RouteNlpError as exc:
                _LOG.warning("the store's policies cannot be read: %s", exc)
                continue
            if now.revision not in (gateway.live.revision, refused):
                await self.quietly()
                refused = now.revision  # what was refused once is not tried each second

    async def quietly(self) -> None:
        """For a signal, which nobody can be answered on: the log tells."""
        try:
            await self()
        except RouteNlpError:
            return


def _check_fixed(old: Settings, new: Settings) -> None:
    changed = [name for name in _FIXED if getattr(old.gateway, name) != getattr(new.gateway, name)]
    if changed:
        raise SettingsError(f"gateway.{changed[0]}", "cannot change while the gateway runs", "Start it again.")
    if old.store != new.store:
        raise SettingsError("store", "cannot change while the gateway runs", "Start it again.")
