"""Students by the kind that they are stored as."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from routenlp.backends.student.classifier import Classifier
from routenlp.backends.student.picker import SentencePicker
from routenlp.backends.student.reranker import RerankedReply
from routenlp.backends.student.retriever import NearestReply
from routenlp.backends.student.tagger import KIND as TAGGER
from routenlp.backends.student.tagger import Tagger
from routenlp.backends.student.vector_picker import VectorPicker
from routenlp.contracts import Encoder, Student
from routenlp.errors import ArtefactError
from routenlp.types import Parts

KINDS: Mapping[str, Callable[[Parts, Any], Student]] = {
    Classifier.KIND: Classifier.from_parts,
    TAGGER: Tagger.from_parts,
    SentencePicker.KIND: SentencePicker.from_parts,
    VectorPicker.KIND: VectorPicker.from_parts,
    NearestReply.KIND: NearestReply.from_parts,
    RerankedReply.KIND: RerankedReply.from_parts,
}


def load(parts: Parts, encoders: Sequence[Encoder]) -> Student:
    """The student that `parts` describe; one that needs vectors takes them from the encoder that it names."""
    build = KINDS.get(parts.kind)
    if build is None:
        raise ArtefactError(f"student of kind {parts.kind!r}", "is not known here", f"Known: {', '.join(KINDS)}.")
    wanted = parts.meta.get("encoder")
    return build(parts, next((e for e in encoders if e.name == wanted), None))
