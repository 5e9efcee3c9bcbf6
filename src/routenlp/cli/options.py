"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

SettingsFile = Annotated[Path | None, typer.Option("--settings", help="YAML settings in place of the built-in ones.")]
JsonTarget = Annotated[str | None, typer.Option("--json", help="Write the figures as JSON: a file, or - for stdout.")]
Generated = Annotated[bool, typer.Option("--generated", help="Work on the built-in generated queries, not on data.")]
RecordingsFolder = Annotated[
    Path | None,
    typer.Option("--recordings", help="What `bench record` wrote; else `recordings`, here or in the checkout."),
]
