"""Torch may be absent on a bare machine, where its tests skip; under ROUTENLP_REQUIRE_DATA=1 that is a failure."""

from __future__ import annotations

import os
from importlib.util import find_spec

if os.environ.get("ROUTENLP_REQUIRE_DATA") == "1" and find_spec("torch") is None:
    raise RuntimeError(
        "torch is not installed, and ROUTENLP_REQUIRE_DATA=1 makes this a failure: make test installs it"
    )
