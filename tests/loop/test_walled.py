"""A turn where only some tasks may use students: those learn, and a task of another cheap tier stays as it is."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from tests.loop import turn_world as world
from tests.loop.turn_world import Stages

from routenlp import wiring
from routenlp.cascade.commit import CommitPoint, CommitRule
from routenlp.cascade.committing import Committing, commit_rule
from routenlp.cascade.per_task import rule_of
from routenlp.cascade.policy import fingerprint
from routenlp.errors import SettingsError
from routenlp.loop.compared import from_evidence
from routenlp.router.per_task import router_of
from routenlp.settings import Settings
from routenlp.store import policies
from routenlp.store.policy_versions import read_versions
from routenlp.training.distil.chat_lines import ExportDistiller
from routenlp.worker.in_force import decides_on
from routenlp.worker.renewed import kept_ladders
from routenlp.worker.turn.export import export_lessons
from routenlp.worker.turn.run import plan_only
from routenlp.worker.turn.system import load_system, read_system

pytestmark = pytest.mark.slow
TAUGHT, OTHER = "generated_intent", "generated_entities"
STUDENTS = ("ngram", "words")
SETTINGS = """
portfolio:
  - {name: ngram, backend: student, model: ngram, price: {input_usd_per_mtok: 10, output_usd_per_mtok: 10}}
  - {name: words, backend: student, model: ngram, price: {input_usd_per_mtok: 20, output_usd_per_mtok: 20}}
  - {name: distilled, backend: recorded, price: {input_usd_per_mtok: 800, output_usd_per_mtok: 800}}
  - {name: human-labels, backend: recorded, price: {input_usd_per_mtok: 8000, output_usd_per_mtok: 8000}}
tasks:
  generated_intent:
    {metric: accuracy, student: classifier, serve_when: empirical, eps: 0.15,
     allowed_tiers: [ngram, words, human-labels]}
  generated_entities:
    {metric: entity_f1, student: tagger, handled_at: 0.8, serve_when: empirical, eps: 0.15,
     allowed_tiers: [distilled, human-labels]}
"""
"""Both students are the same model: what differs is who may use them."""
COMMIT = CommitRule(CommitPoint(8), 0.1)


def walls(settings: Settings, **tiers: list[str]) -> Settings:
    """The same settings with other walls, by task."""
    tasks = {
        name: msgspec.structs.replace(settings.tasks[name], allowed_tiers=tuple(its)) for name, its in tiers.items()
    }
    return msgspec.structs.replace(settings, tasks={**settings.tasks, **tasks})


def with_commits(root: Path) -> None:
    """Streams of the recorded model have a commit rule, with which its task was proved."""
    folder = Path(str(world.settings_in(root).policy.folder))
    policy = policies.load(folder / wiring.POLICY, wiring.router_encoder(folder / wiring.ROUTER_ENCODER))
    rule = Committing(policy.stop_rule, policy.portfolio.names, {OTHER: {"distilled": COMMIT}})
    bare = replace(policy, stop_rule=rule, certificates={})
    bound = {task: replace(its, proved_for=bare.proved_for()) for task, its in policy.certificates.items()}
    shutil.rmtree(folder / wiring.POLICY)
    policies.save(folder / wiring.POLICY, replace(bare, certificates=bound))


def system_in(root: Path, settings: Settings):
    return read_system(settings, Path(str(settings.policy.folder)), world.encoders(root))


def folders_of(root: Path, ended) -> tuple[Path, Path]:
    """What serves, and the candidate."""
    with read_versions(world.store_in(root)) as versions:
        return versions.folder(versions.pointer().active), versions.folder(ended.version)


def files_of(folder: Path, task: str) -> dict[str, bytes]:
    parts = [path for name in ("tiers", "held-out", "rows") for path in (folder / name).rglob(f"{task}.*")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in parts}


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("walled")
    world.make(root, SETTINGS)
    with_commits(root)
    return root


@pytest.fixture(scope="module")
def turned(served, tmp_path_factory):
    root = world.copy(served, tmp_path_factory.mktemp("turned") / "world")
    ended = world.turn(root)
    assert ended.outcome == "shadow", ended.reasons
    return root, ended, *folders_of(root, ended)


@pytest.fixture(scope="module")
def both(turned):
    """The policy in force and the candidate."""
    root, _, *folders = turned
    return [wiring.serving_policy(world.settings_in(root), folder).policy for folder in folders]


def test_the_task_of_students_is_taught_and_gated_and_the_other_is_named(turned):
    ended = turned[1]
    assert [task["task"] for task in ended.evidence["plan"]["tasks"]] == [TAUGHT]
    assert [found["task"] for found in ended.evidence["gate"]["quality"]] == [TAUGHT]
    why = "it may use distilled, and a turn refits students alone"
    assert ended.evidence["plan"]["unteachable"] == {OTHER: why}
    assert ended.reasons[-1] == f"Task {OTHER} stays as it is: {why}."


def test_its_new_rule_knows_the_tiers_that_it_may_use(turned, both):
    before, after = both
    assert before.tiers_of(TAUGHT) == after.tiers_of(TAUGHT) == (*STUDENTS, "human-labels")
    assert router_of(after.router, TAUGHT).tiers == (*STUDENTS, "human-labels")
    assert {f"tiers/{tier}/{TAUGHT}.json" for tier in STUDENTS} <= set(files_of(turned[3], TAUGHT))


def test_the_other_task_has_the_same_rows_router_rules_and_ladder_and_still_no_student(turned, both):
    *_, before, after = turned
    assert files_of(before, OTHER) == files_of(after, OTHER)
    assert {name.split("/")[0] for name in files_of(after, OTHER)} == {"rows"}
    old, new = both
    pairs = [
        (router_of(old.router, OTHER), router_of(new.router, OTHER)),
        (rule_of(old.stop_rule, OTHER), rule_of(new.stop_rule, OTHER)),
        (kept_ladders(before)[OTHER], kept_ladders(after)[OTHER]),
    ]
    for then, now in pairs:
        assert fingerprint(then.parts()) == fingerprint(now.parts())
    assert commit_rule(new.stop_rule, OTHER, "distilled") == COMMIT


def test_its_certificate_goes_on_and_audits_of_before_and_after_say_the_same_of_it(both):
    old, new = (policy.certificates[OTHER] for policy in both)
    assert replace(new, proved_for=old.proved_for) == old
    assert [policy.status(OTHER) for policy in both] == [old.status] * 2
    before, after = map(decides_on, both)
    assert before[OTHER] == after[OTHER]
    assert before[TAUGHT] != after[TAUGHT]


def test_where_no_task_is_left_the_refusal_names_tasks_and_tiers(served):
    every = walls(world.settings_in(served), **{TAUGHT: ["ngram", "distilled", "human-labels"]})
    with pytest.raises(SettingsError) as refused:
        load_system(every, Path(str(every.policy.folder)), world.encoders(served))
    for task in (TAUGHT, OTHER):
        assert f"{task}: it may use distilled, and a turn refits students alone" in str(refused.value)


def test_a_turn_of_such_a_task_alone_is_refused(served):
    given = world.settings_in(served), world.store_in(served), replace(world.LENIENT, tasks=frozenset({OTHER}))
    with pytest.raises(SettingsError, match=f"{OTHER}: it may use distilled"):
        plan_only(*given, world.encoders(served), now_s=world.NOW_S, stages=Stages())


@pytest.mark.parametrize(
    ("tiers", "why"),
    [
        (["human-labels"], "human-labels alone may answer it"),
        (["ngram", "words"], "words, its dearest tier, is a student itself"),
        (["ngram", "words", "distilled", "human-labels"], "it may use distilled"),
    ],
)
def test_a_task_without_a_student_under_a_teacher_cannot_learn(served, tiers, why):
    system = system_in(served, walls(world.settings_in(served), **{TAUGHT: tiers}))
    assert why in system.unteachable[TAUGHT].reason
    assert set(system.rows) == set()


def test_a_task_that_no_student_was_fitted_to_cannot_learn(served):
    system = system_in(served, walls(world.settings_in(served), **{OTHER: ["ngram", "human-labels"]}))
    assert "ngram has no student of it" in system.unteachable[OTHER].reason
    assert set(system.rows) == {TAUGHT}


@pytest.fixture(scope="module")
def less(served, tmp_path_factory):
    """A turn once the task was walled off from one of its two students."""
    root = world.copy(served, tmp_path_factory.mktemp("less") / "world")
    file = root / "demo" / "routenlp.yaml"
    text = file.read_text()
    assert "[ngram, words, human-labels]" in text
    file.write_text(text.replace("[ngram, words, human-labels]", "[ngram, human-labels]"))
    ended = world.turn(root)
    assert ended.outcome == "shadow", ended.reasons
    return root, ended, *folders_of(root, ended)


def test_a_student_that_the_task_may_not_use_is_not_refitted(less):
    *_, before, after = less
    old, new = files_of(before, TAUGHT), files_of(after, TAUGHT)
    changed = {name.rsplit("/", 1)[0] for name in old if old[name] != new[name]}
    assert set(old) == set(new)
    assert changed == {"tiers/ngram", "held-out/ngram", "rows"}


def test_its_new_policy_does_without_it_and_is_compared_with_the_top_tier_that_served_meanwhile(less):
    root, ended, *folders = less
    before, after = (wiring.serving_policy(world.settings_in(root), folder).policy for folder in folders)
    assert before.tiers_of(TAUGHT) == (*STUDENTS, "human-labels")
    assert after.tiers_of(TAUGHT) == ("ngram", "human-labels")
    with read_versions(world.store_in(root)) as versions:
        moves = versions.moves(ended.version)
    (rows,) = from_evidence(next(move.evidence for move in moves if move.evidence["kind"] == "gate rows"))
    assert rows.current_usd.tolist() == rows.top_usd.tolist()
    assert rows.candidate_usd.sum() < rows.top_usd.sum()


def test_lessons_are_exported_of_tasks_that_no_turn_can_refit(served, tmp_path):
    settings = walls(world.settings_in(served), **{TAUGHT: ["ngram", "words", "distilled", "human-labels"]})
    assert not system_in(served, settings).rows
    (made,) = export_lessons(
        settings,
        world.store_in(served),
        world.LENIENT,
        world.encoders(served),
        ExportDistiller("distilled", "some-model"),
        tmp_path,
        now_s=world.NOW_S,
        stages=Stages(),
    )
    lines = [json.loads(line) for line in (made.folder / "lessons.jsonl").read_text().splitlines()]
    assert len(lines) == made.lessons > 0
