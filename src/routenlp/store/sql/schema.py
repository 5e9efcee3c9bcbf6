"""The schema and the way to it from every earlier version.

`MIGRATIONS[v]` leads from version v to v + 1. A migration that was ever released is never edited: a change is a
new one at the end. The version is SQLite's `user_version`, and `application_id` marks the file as ours.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from routenlp.errors import StoreError

APPLICATION_ID = 0x724E4C50
"""`rNLP`: in the header of every store."""

_VERSION_1 = """
CREATE TABLE traces (
  id TEXT PRIMARY KEY,
  at_s REAL NOT NULL,
  completion_id TEXT,
  task TEXT NOT NULL,
  key_id TEXT,
  policy TEXT NOT NULL,
  status TEXT NOT NULL,
  outcome TEXT NOT NULL,
  first_tier TEXT NOT NULL,
  tier TEXT,
  steps INTEGER NOT NULL,
  cost_nanos INTEGER NOT NULL,
  top_cost_nanos INTEGER,
  latency_s REAL NOT NULL,
  overhead_s REAL,
  audited INTEGER NOT NULL,
  audit_propensity REAL,
  features BLOB,
  detail TEXT NOT NULL
);
CREATE INDEX traces_by_time ON traces (at_s);
CREATE INDEX traces_by_completion ON traces (completion_id) WHERE completion_id IS NOT NULL;

CREATE TABLE content (
  trace_id TEXT PRIMARY KEY,
  at_s REAL NOT NULL,
  body TEXT NOT NULL
);
CREATE INDEX content_by_time ON content (at_s);

CREATE TABLE feedback (
  id TEXT PRIMARY KEY,
  about TEXT NOT NULL,
  at_s REAL NOT NULL,
  key_id TEXT,
  kind TEXT NOT NULL,
  value TEXT NOT NULL
);
CREATE INDEX feedback_by_subject ON feedback (about);

CREATE TABLE dropped (
  at_s REAL NOT NULL,
  records INTEGER NOT NULL,
  audits INTEGER NOT NULL
);

CREATE TABLE spend (
  key_id TEXT NOT NULL,
  task TEXT NOT NULL,
  day INTEGER NOT NULL,
  charges INTEGER NOT NULL,
  nanos INTEGER NOT NULL,
  PRIMARY KEY (key_id, task, day)
) WITHOUT ROWID;

CREATE TABLE keys (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  secret_sha256 TEXT NOT NULL UNIQUE,
  created_s REAL NOT NULL,
  revoked_s REAL,
  requests_per_minute INTEGER,
  budget_nanos INTEGER,
  budget_period TEXT,
  tasks TEXT
);

CREATE TABLE counters (
  name TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO counters (name, value) VALUES ('charges_through', 0), ('keys_version', 0);
"""

_VERSION_2 = """
ALTER TABLE traces ADD COLUMN task_source TEXT;

CREATE TABLE audits (
  trace_id TEXT PRIMARY KEY,
  at_s REAL NOT NULL,
  task TEXT NOT NULL,
  policy TEXT NOT NULL,
  propensity REAL NOT NULL CHECK (propensity > 0 AND propensity <= 1),
  tiers TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('pending', 'answered', 'graded', 'missing')),
  reason TEXT,
  tries INTEGER NOT NULL DEFAULT 0,
  changed_s REAL NOT NULL,
  claimed_by TEXT,
  claimed_until_s REAL
);
CREATE INDEX audits_by_state ON audits (state, at_s);
CREATE INDEX audits_by_task ON audits (task, at_s);

CREATE TABLE audit_answers (
  trace_id TEXT NOT NULL,
  tier TEXT NOT NULL,
  at_s REAL NOT NULL,
  asked_again INTEGER NOT NULL,
  model TEXT,
  input_tokens INTEGER,
  output_tokens INTEGER,
  cost_nanos INTEGER NOT NULL,
  latency_s REAL NOT NULL,
  score REAL,
  error TEXT,
  PRIMARY KEY (trace_id, tier)
) WITHOUT ROWID;

CREATE TABLE grades (
  trace_id TEXT NOT NULL,
  tier TEXT NOT NULL,
  source TEXT NOT NULL CHECK (source IN ('gold', 'judge', 'metric')),
  grader TEXT NOT NULL,
  at_s REAL NOT NULL,
  quality REAL NOT NULL CHECK (quality >= 0 AND quality <= 1),
  detail TEXT,
  PRIMARY KEY (trace_id, tier, source, grader)
) WITHOUT ROWID;

CREATE TABLE gold (
  trace_id TEXT PRIMARY KEY,
  at_s REAL NOT NULL,
  grader TEXT NOT NULL,
  reference TEXT NOT NULL
);

CREATE TABLE audit_spend (
  day INTEGER NOT NULL,
  task TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('tier', 'judge')),
  calls INTEGER NOT NULL,
  nanos INTEGER NOT NULL,
  PRIMARY KEY (day, task, kind)
) WITHOUT ROWID;
"""

_VERSION_3 = """
CREATE TABLE policy_versions (
  id TEXT PRIMARY KEY,
  digest TEXT NOT NULL UNIQUE,
  state TEXT NOT NULL
    CHECK (state IN ('draft', 'calibrated', 'shadow', 'canary', 'active', 'retired', 'rejected')),
  made_s REAL NOT NULL,
  origin TEXT NOT NULL,
  parent TEXT,
  detail TEXT NOT NULL
);
CREATE UNIQUE INDEX one_active_policy ON policy_versions (state) WHERE state = 'active';

CREATE TABLE policy_moves (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  at_s REAL NOT NULL,
  version TEXT NOT NULL,
  before TEXT,
  after TEXT NOT NULL,
  share REAL NOT NULL,
  who TEXT NOT NULL,
  evidence TEXT NOT NULL
);
CREATE INDEX policy_moves_by_version ON policy_moves (version, seq);

CREATE TABLE policy_pointer (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  revision INTEGER NOT NULL,
  active TEXT,
  previous TEXT,
  candidate TEXT,
  share REAL NOT NULL CHECK (share >= 0 AND share <= 1)
);
INSERT INTO policy_pointer (one, revision, share) VALUES (1, 0, 0);

CREATE TABLE gate_looks (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  at_s REAL NOT NULL,
  version TEXT NOT NULL,
  level REAL NOT NULL,
  rows TEXT NOT NULL
);

CREATE TABLE shadowed (
  trace_id TEXT NOT NULL,
  version TEXT NOT NULL,
  at_s REAL NOT NULL,
  task TEXT NOT NULL,
  served_tier TEXT NOT NULL,
  served_nanos INTEGER NOT NULL,
  tier TEXT,
  nanos INTEGER,
  same INTEGER,
  top INTEGER NOT NULL,
  PRIMARY KEY (version, trace_id)
) WITHOUT ROWID;
"""

_VERSION_4 = """
ALTER TABLE audits ADD COLUMN gold_propensity REAL;
"""

_VERSION_5 = """
CREATE TABLE detectors (
  task TEXT PRIMARY KEY,
  policy TEXT NOT NULL,
  since_s REAL NOT NULL,
  guarantee TEXT NOT NULL,
  target REAL NOT NULL,
  false_alarm_samples REAL NOT NULL,
  statistics TEXT NOT NULL,
  seen INTEGER NOT NULL
);

CREATE TABLE watched (
  trace_id TEXT PRIMARY KEY,
  task TEXT NOT NULL,
  at_s REAL NOT NULL,
  policy TEXT NOT NULL,
  x REAL,
  went_to TEXT NOT NULL CHECK (went_to IN ('detector', 'calibration', 'nobody'))
) WITHOUT ROWID;
CREATE INDEX watched_by_task ON watched (task, at_s);

CREATE TABLE alarms (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  task TEXT NOT NULL,
  raised_s REAL NOT NULL,
  policy TEXT NOT NULL,
  evidence TEXT NOT NULL,
  cleared_s REAL,
  cleared_by TEXT
);
CREATE UNIQUE INDEX one_open_alarm ON alarms (task) WHERE cleared_s IS NULL;
"""

_VERSION_6 = """
CREATE TABLE recalibrations (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  at_s REAL NOT NULL,
  task TEXT NOT NULL,
  trigger_word TEXT NOT NULL,
  result TEXT NOT NULL,
  version TEXT,
  evidence TEXT NOT NULL
);
CREATE INDEX recalibrations_by_task ON recalibrations (task, seq);

CREATE TABLE leases (
  name TEXT PRIMARY KEY,
  holder TEXT NOT NULL,
  until_s REAL NOT NULL
) WITHOUT ROWID;

CREATE TABLE paused (
  name TEXT PRIMARY KEY,
  at_s REAL NOT NULL,
  by_whom TEXT NOT NULL
) WITHOUT ROWID;
"""

_VERSION_7 = """
CREATE TABLE judge_detectors (
  task TEXT PRIMARY KEY,
  about TEXT NOT NULL,
  since_s REAL NOT NULL,
  false_alarm_samples REAL NOT NULL,
  counts TEXT NOT NULL,
  statistics TEXT NOT NULL
);

CREATE TABLE compared (
  trace_id TEXT PRIMARY KEY,
  task TEXT NOT NULL,
  at_s REAL NOT NULL,
  judge TEXT NOT NULL,
  gap REAL
) WITHOUT ROWID;
"""

_VERSION_8 = """
CREATE TABLE policy_tasks (
  policy TEXT NOT NULL,
  task TEXT NOT NULL,
  decides TEXT NOT NULL,
  PRIMARY KEY (policy, task)
) WITHOUT ROWID;
"""

_VERSION_9 = """
ALTER TABLE audits ADD COLUMN pair_propensity REAL;

CREATE TABLE pairs (
  trace_id TEXT PRIMARY KEY,
  at_s REAL NOT NULL,
  served_tier TEXT NOT NULL,
  top_tier TEXT NOT NULL,
  same INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE ratings (
  id TEXT PRIMARY KEY,
  trace_id TEXT NOT NULL,
  rater TEXT NOT NULL,
  served_first INTEGER NOT NULL,
  verdict TEXT CHECK (verdict IN ('win', 'tie', 'loss')),
  rated_s REAL,
  UNIQUE (trace_id, rater)
) WITHOUT ROWID;
"""

_VERSION_10 = """
CREATE TABLE audit_rates (
  task TEXT PRIMARY KEY, at_s REAL NOT NULL, rate REAL NOT NULL, why TEXT NOT NULL,
  alarm_days REAL, requests_a_day REAL, graded INTEGER NOT NULL) WITHOUT ROWID;
"""

MIGRATIONS: tuple[str, ...] = (
    _VERSION_1,
    _VERSION_2,
    _VERSION_3,
    _VERSION_4,
    _VERSION_5,
    _VERSION_6,
    _VERSION_7,
    _VERSION_8,
    _VERSION_9,
    _VERSION_10,
)
SCHEMA_VERSION = len(MIGRATIONS)


def migrate(connection: sqlite3.Connection, where: str, migrations: Sequence[str] = MIGRATIONS) -> int:
    """Brings the store at `where` to the newest schema; returns the version it had.

    All missing steps are one transaction: a store that is interrupted keeps its old version whole. Raises `StoreError`
    for a file that is not a store, and for one of a later version, which is never touched.
    """
    before = check(connection, where, migrations)
    if before == len(migrations):
        return before
    connection.execute("BEGIN EXCLUSIVE")
    try:
        # Another process may have migrated while this one waited for the lock.
        version = _pragma(connection, "user_version")
        for script in migrations[version:]:
            _run(connection, script)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(migrations)}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    return before


def check(connection: sqlite3.Connection, where: str, migrations: Sequence[str] = MIGRATIONS) -> int:
    """The store's version, at most the newest; 0 for an empty file. Raises `StoreError` for anything else."""
    version, owner = _pragma(connection, "user_version"), _pragma(connection, "application_id")
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if owner != APPLICATION_ID and (tables or owner or version):
        raise StoreError(where, "is a database of another program", "Name another file in store.url.")
    if version > len(migrations):
        raise StoreError(
            where,
            f"has schema version {version}, this routenlp knows up to {len(migrations)}",
            "Update routenlp; a store is never taken back to an older schema.",
        )
    return version


def _run(connection: sqlite3.Connection, script: str) -> None:
    """Statement by statement, because `executescript` would commit what is open."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            connection.execute(statement)
            statement = ""
    if statement.strip():
        connection.execute(statement)


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])
