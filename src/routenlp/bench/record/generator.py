"""A language model that answers many queries in batches: from prompts to candidates with probabilities and sizes."""

from __future__ import annotations

import codecs
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from routenlp.bench.record.shards import Candidate, Candidates, in_shards
from routenlp.training.distil import language_model
from routenlp.training.distil.chat_lines import asked
from routenlp.types import Query

if TYPE_CHECKING:
    from routenlp.bench.record.decoding import Written

SLOTS_ON_CARD, SLOTS_ON_CPU = 400_000, 24_000
MOST_ROWS_ON_CARD, MOST_ROWS_ON_CPU = 768, 32


@dataclass(frozen=True, slots=True)
class Way:
    """How answers are written."""

    temperatures: tuple[float, ...]
    """One answer for each; 0: the likeliest, token by token."""
    most_tokens: int
    seed: int = 0


@dataclass(slots=True, eq=False)
class Generator:
    """`key`: names weights and all else that answers depend on, so that kept ones can be told from others'."""

    model: Any
    tokenizer: Any
    key: str
    system: str | None
    slots: int
    """Tokens, of prompts and of answers to come, whose keys and values are held at once: 46 KB each here."""
    most_rows: int
    _bytes: dict[int, bytes] = field(default_factory=dict)

    def answer(
        self, queries: Sequence[Query], way: Way, folder: Path, advance: Callable[[int, int], None]
    ) -> Iterator[Candidates]:
        """In batches of prompts of like length, not in order of `queries`; what lies in `folder` is not made again."""
        from routenlp.bench.record.decoding import write_answers

        prompts = {query.id: self._tokens(query) for query in queries}
        order = sorted(prompts, key=lambda name: (len(prompts[name]), name))
        batches = list(self._batches(order, prompts, way))
        keys = [self._key(way, [prompts[name] for name in batch]) for batch in batches]

        def write(number: int) -> list[Candidates]:
            asked_ = [prompts[name] for name in batches[number]]
            written = write_answers(
                self.model,
                asked_,
                way.temperatures,
                end=self.tokenizer.eos_token_id,
                most_tokens=way.most_tokens,
                seed=way.seed + number,
            )
            named = zip(batches[number], asked_, written, strict=True)
            return [Candidates(name, len(p), tuple(map(self._candidate, answers))) for name, p, answers in named]

        done = 0
        for found in in_shards(folder, batches, keys, write):
            done += len(found)
            advance(done, len(order))
            yield from found

    def _tokens(self, query: Query) -> list[int]:
        text = self.tokenizer.apply_chat_template(asked(query, self.system), add_generation_prompt=True, tokenize=False)
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def _batches(self, order: Sequence[str], prompts: dict[str, list[int]], way: Way) -> Iterator[list[str]]:
        own = len(way.temperatures) * way.most_tokens
        batch: list[str] = []
        for name in order:
            if batch and (len(batch) == self.most_rows or (len(batch) + 1) * (len(prompts[name]) + own) > self.slots):
                yield batch
                batch = []
            batch.append(name)
        if batch:
            yield batch

    def _key(self, way: Way, prompts: Sequence[Sequence[int]]) -> str:
        of = [self.key, way.temperatures, way.most_tokens, way.seed, list(prompts)]
        return hashlib.sha256(json.dumps(of).encode()).hexdigest()

    def _candidate(self, written: Written) -> Candidate:
        text, sizes = texts_of([self._raw(token) for token in written.tokens])
        return Candidate(text, tuple(round(p, 6) for p in written.probs), sizes, written.ended)

    def _raw(self, token: int) -> bytes:
        """The bytes that a token stands for; none for special ones."""
        if token not in self._bytes:
            special = token in self.tokenizer.all_special_ids
            name = "" if special else self.tokenizer.convert_ids_to_tokens(token)
            self._bytes[token] = bytes(_BYTE_OF[char] for char in name if char in _BYTE_OF)
        return self._bytes[token]


def texts_of(pieces: Sequence[bytes]) -> tuple[str, tuple[int, ...]]:
    """The text that pieces of UTF-8 make, and how many of its bytes came with each; what is no UTF-8 is left out."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="ignore")
    parts = [decoder.decode(piece) for piece in pieces]
    return "".join(parts), tuple(len(part.encode()) for part in parts)


def _byte_names() -> dict[str, int]:
    """GPT-2's names of bytes: printable ones stand for themselves, the others for characters from 256 on."""
    shown = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    hidden = [b for b in range(256) if b not in shown]
    return {chr(b): b for b in shown} | {chr(256 + i): b for i, b in enumerate(hidden)}


_BYTE_OF = _byte_names()


def load_generator(base: Path, adapter: Path | None, key: str, system: str | None, share: float = 1.0) -> Generator:
    """On a card where there is one. `share`: of its memory, where processes run side by side."""
    import torch

    model, tokenizer = language_model.load(base, adapter)
    if not torch.cuda.is_available():
        return Generator(model, tokenizer, key, system, SLOTS_ON_CPU, MOST_ROWS_ON_CPU)
    torch.cuda.empty_cache()
    torch.set_float32_matmul_precision("high")
    slots, most = round(share * SLOTS_ON_CARD), MOST_ROWS_ON_CARD
    return Generator(model.to("cuda"), tokenizer, key, system, slots, most)
