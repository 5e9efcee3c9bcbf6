"""A router for each task: what is hard about one task says little about another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from routenlp.contracts import Router
from routenlp.router.nested import joined, part_of
from routenlp.types import Parts, Query, Route


def router_of(router: Router, task: str) -> Router | None:
    """What routes this task's queries; None for a task that goes to the top tier unasked."""
    return router.routers.get(task) if isinstance(router, RouterPerTask) else router


@dataclass(frozen=True, slots=True)
class RouterPerTask:
    """`Router` that asks the one of the query's task. A task without one goes to `top`."""

    routers: Mapping[str, Router]
    top: str
    """The top tier's name."""

    KIND: ClassVar[str] = "router/per_task"

    def route(self, query: Query) -> Route:
        """What the task's own router says."""
        router = self.routers.get(query.task)
        if router is None:
            return Route(query.task, self.top, (), "nothing was learned about this task: top tier")
        return router.route(query)

    def parts(self) -> Parts:
        """For storage, with every router's inside."""
        inner = {f"router{at}": self.routers[task].parts() for at, task in enumerate(sorted(self.routers))}
        return joined(self.KIND, {"tasks": sorted(self.routers), "top": self.top}, inner)

    @classmethod
    def from_parts(cls, parts: Parts, build: Callable[[Parts], Router]) -> RouterPerTask:
        """The inverse of `parts`; `build` makes the routers inside. Raises `KeyError` where a part is missing."""
        meta: Any = parts.meta
        routers = {task: build(part_of(parts, f"router{at}")) for at, task in enumerate(meta["tasks"])}
        return cls(routers, str(meta["top"]))
