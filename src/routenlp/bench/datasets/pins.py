"""The public sources that can be downloaded: each at one commit, with the SHA-256 of what it holds there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Files:
    """Single files, fetched one by one."""

    sha256: Mapping[str, str]
    """Hash by path in the repository."""
    max_bytes: int = 32 * 2**20
    """No file may be larger."""


@dataclass(frozen=True, slots=True)
class Archive:
    """Many files, taken out of the repository's archive: a raw file host lists no folders."""

    wanted: tuple[str, ...]
    """Paths in the repository: a file, or a folder with its closing slash, of which every regular file is taken."""
    digest: str
    """SHA-256 of the SHA256SUMS text (`checksums.format_sums`) of the files taken. The archive's own bytes are no
    such promise: hosts pack the same commit differently over the years."""
    max_bytes: int = 256 * 2**20
    """The packed archive may not be larger."""
    max_unpacked_bytes: int = 2**30
    """Nor all its members together."""


@dataclass(frozen=True, slots=True)
class Pin:
    """One public source."""

    name: str
    repository: str
    """OWNER/NAME."""
    commit: str
    """All 40 digits."""
    licence: str
    content: Files | Archive


def _pins(*pins: Pin) -> Mapping[str, Pin]:
    return MappingProxyType({pin.name: pin for pin in pins})


PINS: Mapping[str, Pin] = _pins(
    Pin(
        name="banking77",
        repository="PolyAI-LDN/task-specific-datasets",
        commit="57ec275d8078af65b7731c2a98be812d844a6d6b",
        licence="CC BY 4.0",
        content=Files(
            {
                "banking_data/test.csv": "d12d6e3bc4c3103966ae786dc435913c0c563dfa328f5a3646d0e62cfeeb474d",
                "banking_data/train.csv": "b06e26ac675513959a63135f11b94ea7786ed02da65db93a5650d8838cbc664b",
            }
        ),
    ),
    Pin(
        name="clinc150",
        repository="clinc/oos-eval",
        commit="828f8093932c8fe6ca7936c3d2e52903b1c523de",
        licence="CC BY 3.0",
        content=Files({"data/data_full.json": "36923c3705a59e08fe9c3883d8bc2dd966ef93e22cb78ac41171782a698d56e0"}),
    ),
    Pin(
        name="unfair-tos",
        repository="nlp-unibo/Multilingual-Unfair-Clause-Detection",
        commit="04d9878bfca0e1e17e7dd1cf7bd17fc4ce5fcd12",
        licence="CC BY 4.0",
        content=Archive(
            wanted=("corpus/lists/", "corpus/sentences/en/original/", "corpus/tags/en/original/"),
            digest="feebb7c05b440276d25e6575da3ff964bf15758dae944560035a48c65fda97f8",
        ),
    ),
    Pin(
        name="ectsum",
        repository="rajdeep345/ECTSum",
        commit="6909f1fc543104c1c60cf9de63e799f6620d1b0a",
        licence="GPL-3.0",
        content=Archive(
            wanted=("data/final/",), digest="55ed3c36633a3c71631bd8b2f5eac15600e9dbd92db7bc1ef95cc5f58179e7c1"
        ),
    ),
    Pin(
        name="routellm",
        repository="lm-sys/RouteLLM",
        commit="0b64fdafe049e596a3f5657c219329f24af24198",
        licence="Apache-2.0",
        content=Archive(
            wanted=(
                "routellm/evals/gsm8k/gsm8k_responses.csv",
                "routellm/evals/mmlu/responses/",
                "routellm/evals/mt_bench/judgements.jsonl",
                "routellm/evals/mt_bench/question.jsonl",
            ),
            digest="48d5e21398aed8be72a6b17895161716448c4ef184e9fe80c5872acf75fffe01",
        ),
    ),
)
