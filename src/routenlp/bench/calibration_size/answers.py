"""What the project's own students answer: to the training rows held out of their fit, and to rows no fit ever saw."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from routenlp import wiring
from routenlp.backends.recorded import RecordedBackend
from routenlp.backends.student.backend import StudentBackend
from routenlp.bench.datasets import six_tasks
from routenlp.bench.progress import Progress
from routenlp.bench.six_tasks import workload
from routenlp.contracts import Encoder, TokenEncoder
from routenlp.errors import MissingData
from routenlp.grading.metrics import metric
from routenlp.portfolio.tiers import Tier
from routenlp.replay.folds import Folds
from routenlp.replay.recorded import Recorded, record
from routenlp.scoring.token_uncertainty import TokenUncertainty
from routenlp.settings import Settings
from routenlp.training import students
from routenlp.training.students import Fitted
from routenlp.types import Answer, Example, Prediction

OTHER_DOMAIN = "CLINC150"
OTHER_DOMAIN_TASK = "cs_intent"
"""Whose students and thresholds are tried on the other domain's queries."""
OTHER_DOMAIN_ROWS = 2_000
MEANS_THE_SAME: Mapping[str, str] = MappingProxyType(
    {
        "card_declined": "declined_card_payment",
        "exchange_rate": "exchange_rate",
        "pin_change": "change_pin",
        "replacement_card_duration": "card_delivery_estimate",
        "report_lost_card": "lost_or_stolen_card",
    }
)
"""CLINC150 intents that a Banking77 label answers rightly. To a query of any other intent every cheap answer fails."""


@dataclass(frozen=True, slots=True)
class TaskAnswers:
    """One task's rows x tiers, three times."""

    train: Recorded
    """Training rows, students by models that had not seen the row: what ladders are fixed on."""
    untrained: Recorded
    """The calibrate and gate folds: what calibrations and fresh rows are drawn from."""
    test: Recorded
    """The test fold as its source split it off: other contracts, companies, documents."""
    shifted: Recorded | None = None
    """The same students on queries of another domain."""


def answer(
    settings: Settings, tasks: Sequence[str], environment: str | None, progress: Progress
) -> dict[str, TaskAnswers]:
    """Fit each task's students on its training fold, once, and let every tier answer every row.

    `environment` is the value of ROUTENLP_DATA. Raises `MissingData` where the six tasks' rows cannot be found: what
    this bench measures cannot be made up.
    """
    found = workload.find(settings, environment)
    if found is None:
        raise MissingData("data_dir", "names no data, and none lies nearby", "Set data_dir or ROUTENLP_DATA.")
    rows = workload.load(settings, environment, quick=False, only=tasks)
    with progress.stage("loading the encoder"):
        encoder = wiring.minilm(settings, lambda _: None)
    plain, rich = (wiring.cached(encoder.with_pooling(rich=r), settings) for r in (False, True))
    out: dict[str, TaskAnswers] = {}
    for name, folds in rows.folds.items():
        with progress.stage(f"fitting the students of {name}"):
            fitted = _fit(settings, name, folds, plain, rich)
        with progress.stage(f"answering {name}"):
            out[name] = _answers(settings, name, folds, fitted)
            if name == OTHER_DOMAIN_TASK and (found.six_tasks / six_tasks.FILES["cs_intent_oos"]).is_file():
                others = other_domain(six_tasks.load(found.six_tasks, "cs_intent_oos").test)
                out[name] = replace(out[name], shifted=_recorded(settings, name, others, _predict(fitted, others)))
    return out


def other_domain(examples: Sequence[Example], *, rows: int = OTHER_DOMAIN_ROWS) -> list[Example]:
    """Every k-th CLINC150 query, asked as a query of the intent task; its reference a Banking77 label where one fits.

    References that no student knows stay as they are, so that no cheap answer is ever right about them.
    """
    step = max(len(examples) // rows, 1)
    return [
        Example(
            replace(e.query, task=OTHER_DOMAIN_TASK),
            MEANS_THE_SAME.get(e.reference, f"{OTHER_DOMAIN}/{e.reference}"),
            e.group,
        )
        for e in examples[::step][:rows]
    ]


def _fit(settings: Settings, name: str, folds: Folds, encoder: TokenEncoder, rich: Encoder) -> list[Fitted]:
    """One a cheap tier, cheapest first."""
    task = settings.tasks[name]
    models = [tier.model for tier in settings.portfolio if tier.backend == "student"]
    job = students.Job(folds.train, encoder, rich, task.handled_at, settings.seed)
    fits = students.fit(task.student, models, job)
    return [fits[str(model)] for model in models]


def _answers(settings: Settings, name: str, folds: Folds, fitted: Sequence[Fitted]) -> TaskAnswers:
    known = [e for e in folds.train.examples if all(e.query.id in f.held_out for f in fitted)]
    held_out = [[f.held_out[e.query.id] for e in known] for f in fitted]
    untrained = [*folds.calibrate.examples, *folds.gate.examples]
    return TaskAnswers(
        _recorded(settings, name, known, held_out),
        _recorded(settings, name, untrained, _predict(fitted, untrained)),
        _recorded(settings, name, folds.test.examples, _predict(fitted, folds.test.examples)),
    )


def _predict(fitted: Sequence[Fitted], examples: Sequence[Example]) -> list[Sequence[Prediction]]:
    queries = [e.query for e in examples]
    return [f.student.predict(queries) for f in fitted]


def _recorded(
    settings: Settings, name: str, examples: Sequence[Example], predictions: Sequence[Sequence[Prediction]]
) -> Recorded:
    *cheap, top = wiring.portfolio(settings).tiers
    human = RecordedBackend(top, {e.query.id: e.reference for e in examples})
    columns = [_priced(tier, examples, said) for tier, said in zip(cheap, predictions, strict=True)]
    columns.append([human.answer(e.query) for e in examples])
    task = settings.tasks[name]
    rows = list(zip(*columns, strict=True))
    return record(name, task.handled_at, examples, rows, metric(task.metric).quality, TokenUncertainty())


def _priced(tier: Tier, examples: Sequence[Example], predictions: Sequence[Prediction]) -> list[Answer]:
    backend = StudentBackend(tier, {}, time.perf_counter)
    return [backend.priced(e.query, p, 0.0) for e, p in zip(examples, predictions, strict=True)]
