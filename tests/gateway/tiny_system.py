"""A system that is trained on generated queries in a few seconds, without weights: what the demo leaves, but small."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from io import StringIO
from pathlib import Path
from zlib import crc32

from tests.contracts.letters import LetterCounts
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from routenlp import wiring
from routenlp.backends.recorded import RecordedBackend
from routenlp.bench.datasets import generated
from routenlp.bench.demo.folder import DemoFolder
from routenlp.bench.progress import LineProgress
from routenlp.bench.six_tasks.prepare import prepare
from routenlp.bench.six_tasks.replayed import Replayed, labels_on_top
from routenlp.bench.six_tasks.workload import Workload
from routenlp.replay.folds import split
from routenlp.settings import Settings, load
from routenlp.types import Example

TASKS = ("generated_intent", "generated_entities")
SETTINGS = """
portfolio:
  - {name: ngram, backend: student, model: ngram, price: {input_usd_per_mtok: 10, output_usd_per_mtok: 10}}
  - {name: human-labels, backend: recorded, price: {input_usd_per_mtok: 8000, output_usd_per_mtok: 8000}}
tasks:
  generated_intent: {metric: accuracy, student: classifier, serve_when: empirical, eps: 0.15}
  generated_entities: {metric: entity_f1, student: tagger, handled_at: 0.8, serve_when: empirical, eps: 0.15}
"""


@dataclass(frozen=True)
class Letters(LetterCounts):
    """Letter counts, with a tokenizer of words for encoders that are distilled from it."""

    words: str = ""

    @cached_property
    def tokenizer_json(self) -> str:
        tokenizer = Tokenizer(models.WordLevel(unk_token="[UNK]"))
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        tokenizer.train_from_iterator([self.words.lower()], trainers.WordLevelTrainer(special_tokens=["[UNK]"]))
        return tokenizer.to_str()


@dataclass(frozen=True)
class Tiny:
    """The folder, and the held-out queries that its recording answers."""

    folder: DemoFolder
    settings: Settings
    tested: tuple[Example, ...]


def train(root: Path, *, rows: int = 400, tested: int = 60, eps: float = 0.15, text: str = SETTINGS) -> Tiny:
    """Trains and calibrates the tiers of `text`, two by default, on two tasks.

    A recorded tier under the top one says what the labels say, but for a fifth of the rows, which it has wrong.
    """
    settings = load(None, {}, default=text.replace("eps: 0.15", f"eps: {eps}"))
    supplied = {task: generated.generate(task) for task in TASKS}
    folds = {task: split(task, s.train[:rows], s.test[:tested]) for task, s in supplied.items()}
    words = " ".join(e.query.text for s in supplied.values() for e in s.train[:rows])
    encoder = Letters(words=words)
    folder = DemoFolder(root)
    workload = Workload(folds, "generated", True, True)
    replayed = _replayed(settings, workload)
    prepare(settings, workload, encoder, replace(encoder), folder.system, LineProgress(StringIO()), replayed)
    examples = tuple(e for f in folds.values() for e in f.test.examples)
    folder.write(settings, examples)
    return Tiny(folder, settings, examples)


def _replayed(settings: Settings, workload: Workload) -> dict[str, Replayed]:
    every = [e for f in workload.folds.values() for k in (f.train, f.calibrate, f.test) for e in k.examples]
    poor = {e.query.id: "wrong" if crc32(e.query.id.encode()) % 5 == 0 else e.reference for e in every}
    cheap = [tier for tier in wiring.portfolio(settings).tiers[:-1] if tier.backend == "recorded"]
    return {**labels_on_top(settings, workload), **{tier.name: RecordedBackend(tier, poor) for tier in cheap}}
