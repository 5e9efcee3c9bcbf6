"""The OpenAPI documents say what is there, all of it and nothing else."""

from __future__ import annotations

import json
import time

import pytest
from starlette.routing import Route

from routenlp.gateway.access import Access
from routenlp.gateway.admin import admin_app
from routenlp.gateway.aim import Aim
from routenlp.gateway.app import public_app
from routenlp.gateway.course import Course
from routenlp.gateway.headers import about
from routenlp.gateway.live import Live, served_tasks
from routenlp.gateway.metrics import Metrics
from routenlp.gateway.openapi.documents import admin_document, public_document
from routenlp.gateway.openapi.schemas import ABOUT
from routenlp.gateway.state import Gateway, NoRecords
from routenlp.settings import load
from routenlp.store.rates import RateLimiter

SETTINGS = load(
    None,
    {},
    default="portfolio: [{name: a, backend: recorded, price: {input_usd_per_mtok: 1, output_usd_per_mtok: 1}}]",
)
LIVE = Live(SETTINGS, {}, served_tasks(SETTINGS, {}), None)


async def reload() -> None:
    """Nothing to read."""


@pytest.fixture
def apps():
    access = Access(None, None, RateLimiter(), time.perf_counter, time.time)
    gateway = Gateway(LIVE, access, NoRecords(), Metrics(), time.perf_counter, time.time, bytes)
    return {"public": public_app(gateway), "admin": admin_app(gateway, "key", reload)}


@pytest.mark.parametrize(("which", "document"), [("public", public_document()), ("admin", admin_document())])
def test_every_route_is_in_the_document_and_nothing_else(apps, which, document):
    routes: dict[str, set[str]] = {}
    for route in apps[which].routes:
        assert isinstance(route, Route)
        methods = {method.lower() for method in route.methods or {"POST"}} - {"head"}
        routes[route.path.replace(":path}", "}")] = methods
    documented = {path: set(about) - {"parameters"} for path, about in json.loads(document)["paths"].items()}
    assert documented == routes


def test_every_header_of_ours_is_in_the_document():
    served = LIVE.tasks["default"]
    course = Course("t", Aim(served, served.tiers, False, ""), 0.0, lambda: 1.0)
    assert {name.decode() for name, _ in about(course, LIVE, "a", cost_known=True)} == set(ABOUT)
