"""Statements that read or write rows, all but those of reports. Parameterised: no value is put into a text of SQL."""

from __future__ import annotations

TRACE_COLUMNS = (
    "id",
    "at_s",
    "completion_id",
    "task",
    "key_id",
    "policy",
    "status",
    "outcome",
    "first_tier",
    "tier",
    "steps",
    "cost_nanos",
    "top_cost_nanos",
    "latency_s",
    "overhead_s",
    "audited",
    "audit_propensity",
    "features",
    "detail",
    "task_source",
)


def _insert(table: str, columns: tuple[str, ...], rows: int) -> str:
    one = "(" + ", ".join("?" * len(columns)) + ")"
    return f"INSERT OR IGNORE INTO {table} ({', '.join(columns)}) VALUES {', '.join([one] * rows)}"  # noqa: S608


# Many rows in one statement: SQLite is entered once, so that the interpreter's lock is fought for once, not once a row.
CHUNK = 64
_CONTENT_COLUMNS = ("trace_id", "at_s", "body")
_FEEDBACK_COLUMNS = ("id", "about", "at_s", "key_id", "kind", "value")
_AUDIT_COLUMNS = ("trace_id", "at_s", "task", "policy", "propensity", "tiers", "state", "reason", "changed_s")
_SHADOWED_COLUMNS = (
    "trace_id",
    "version",
    "at_s",
    "task",
    "served_tier",
    "served_nanos",
    "tier",
    "nanos",
    "same",
    "top",
)
INSERTS: dict[str, dict[int, str]] = {
    table: {rows: _insert(table, columns, rows) for rows in (CHUNK, 8, 1)}
    for table, columns in (
        ("traces", TRACE_COLUMNS),
        ("content", _CONTENT_COLUMNS),
        ("feedback", _FEEDBACK_COLUMNS),
        ("audits", _AUDIT_COLUMNS),
        ("shadowed", _SHADOWED_COLUMNS),
    )
}
"""By table and number of rows. A row whose id is there already is left as it is."""

INSERT_DROPPED = "INSERT INTO dropped (at_s, records, audits) VALUES (?, ?, ?)"
ADD_SPEND = """
INSERT INTO spend (key_id, task, day, charges, nanos) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (key_id, task, day) DO UPDATE SET charges = charges + excluded.charges, nanos = nanos + excluded.nanos
"""
SPEND_SINCE = "SELECT key_id, task, day, nanos FROM spend WHERE day >= ?"
SPEND_BEFORE = "SELECT key_id, task, sum(nanos) FROM spend WHERE day < ? GROUP BY key_id, task"
COUNTER = "SELECT value FROM counters WHERE name = ?"
SET_COUNTER = "UPDATE counters SET value = ? WHERE name = ?"
BUMP_COUNTER = "UPDATE counters SET value = value + 1 WHERE name = ?"
SWEEP_CONTENT = """
DELETE FROM content WHERE trace_id IN (SELECT trace_id FROM content WHERE at_s < ? ORDER BY at_s LIMIT ?)
"""

_KEY_COLUMNS = "id, name, secret_sha256, created_s, revoked_s, requests_per_minute, budget_nanos, budget_period, tasks"
INSERT_KEY = f"INSERT INTO keys ({_KEY_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
KEYS = f"SELECT {_KEY_COLUMNS} FROM keys ORDER BY created_s, id"  # noqa: S608
REVOKE_KEY = "UPDATE keys SET revoked_s = ? WHERE id = ? AND revoked_s IS NULL"

_TRACE_LIST = ", ".join(TRACE_COLUMNS)
TRACE = f"SELECT {_TRACE_LIST} FROM traces WHERE id = ? OR completion_id = ? ORDER BY at_s DESC LIMIT 1"  # noqa: S608
CONTENT_OF = "SELECT body FROM content WHERE trace_id = ?"
FEEDBACK_ABOUT = "SELECT at_s, kind, value, key_id FROM feedback WHERE about IN (?, ?) ORDER BY at_s, id"
REQUESTS_SINCE = """
SELECT task, tier, count(*), sum(outcome = 'ok'), sum(steps > 1), sum(cost_nanos),
       sum(CASE WHEN top_cost_nanos IS NOT NULL THEN cost_nanos END), sum(top_cost_nanos), sum(audited)
FROM traces WHERE at_s >= ? GROUP BY task, tier ORDER BY task, tier
"""
LATEST_STATUS = """
SELECT task, status, policy, max(at_s) FROM traces WHERE at_s >= ? GROUP BY task ORDER BY task
"""
DROPPED_SINCE = "SELECT coalesce(sum(records), 0), coalesce(sum(audits), 0) FROM dropped WHERE at_s >= ?"
FEEDBACK_SINCE = "SELECT kind, count(*) FROM feedback WHERE at_s >= ? GROUP BY kind ORDER BY kind"
SPEND_BY_KEY = "SELECT key_id, sum(charges), sum(nanos) FROM spend WHERE day >= ? GROUP BY key_id ORDER BY key_id"

_VERSION_COLUMNS = "id, digest, state, made_s, origin, parent, detail"
INSERT_VERSION = f"INSERT INTO policy_versions ({_VERSION_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
VERSIONS = f"SELECT {_VERSION_COLUMNS} FROM policy_versions ORDER BY made_s, id"  # noqa: S608
VERSION = f"SELECT {_VERSION_COLUMNS} FROM policy_versions WHERE id = ?"  # noqa: S608
SET_STATE = "UPDATE policy_versions SET state = ? WHERE id = ? AND state = ?"
INSERT_MOVE = """
INSERT INTO policy_moves (at_s, version, before, after, share, who, evidence) VALUES (?, ?, ?, ?, ?, ?, ?)
"""
MOVES_OF = """
SELECT at_s, version, before, after, share, who, evidence FROM policy_moves WHERE version = ? ORDER BY seq
"""
POINTER = "SELECT revision, active, previous, candidate, share FROM policy_pointer"
SET_POINTER = """
UPDATE policy_pointer SET revision = revision + 1, active = ?, previous = ?, candidate = ?, share = ?
"""
INSERT_LOOK = "INSERT INTO gate_looks (at_s, version, level, rows) VALUES (?, ?, ?, ?)"
LOOKS = "SELECT version, level, rows FROM gate_looks ORDER BY seq"
SHADOWED_OF = """
SELECT task, served_tier, served_nanos, tier, nanos, same, top FROM shadowed WHERE version = ? ORDER BY trace_id
"""

# Audits calibrate, watch and judge: what judges is never learned from.
SERVED_SINCE = """
SELECT traces.id, traces.at_s, traces.task, traces.policy, traces.tier, traces.detail, traces.top_cost_nanos,
       content.body
FROM content JOIN traces ON traces.id = content.trace_id
WHERE traces.at_s > ? AND traces.outcome = 'ok' AND traces.tier IS NOT NULL AND NOT traces.audited
ORDER BY traces.at_s, traces.id
"""

TAGGED_CONTENT = """
SELECT traces.id, traces.task, traces.key_id, traces.audited, traces.audit_propensity, content.body
FROM content JOIN traces ON traces.id = content.trace_id
WHERE traces.task_source = 'tagged' OR (traces.task_source IS NULL AND traces.task <> 'default')
ORDER BY traces.id
"""

# Audits are taken in the order of their ids' random digits: where not all can be run, those that are stay random.
CLAIMABLE = """
SELECT trace_id FROM audits
WHERE state = ? AND (claimed_until_s IS NULL OR claimed_until_s NOT BETWEEN ? AND ?) AND tries < ?
ORDER BY substr(trace_id, 13), trace_id LIMIT ?
"""
CLAIM = """
UPDATE audits SET claimed_by = ?, claimed_until_s = ?, tries = tries + 1, changed_s = ? WHERE trace_id = ?
"""
AUDIT = """
SELECT audits.trace_id, audits.at_s, audits.task, audits.propensity, audits.tiers, audits.tries, audits.state,
       traces.detail, content.body
FROM audits JOIN traces ON traces.id = audits.trace_id LEFT JOIN content ON content.trace_id = audits.trace_id
WHERE audits.trace_id = ?
"""
MOVE_AUDIT = """
UPDATE audits SET state = ?, reason = ?, claimed_by = NULL, claimed_until_s = NULL, changed_s = ?,
                  tries = CASE WHEN state = ? THEN tries ELSE 0 END
WHERE trace_id = ? AND state <> 'missing'
"""
FREE_AUDIT = "UPDATE audits SET claimed_by = NULL, claimed_until_s = NULL, tries = tries - 1 WHERE trace_id = ?"
PUT_OFF_AUDIT = "UPDATE audits SET claimed_until_s = ? WHERE trace_id = ?"
MISS_OLD_AUDITS = """
UPDATE audits SET state = 'missing', reason = coalesce(reason, ?), changed_s = ?
WHERE state = 'pending' AND at_s < ? AND (claimed_until_s IS NULL OR claimed_until_s NOT BETWEEN ? AND ?)
"""
PUT_AUDIT_ANSWER = """
INSERT INTO audit_answers
  (trace_id, tier, at_s, asked_again, model, input_tokens, output_tokens, cost_nanos, latency_s, score, error)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (trace_id, tier) DO UPDATE SET
  at_s = excluded.at_s, asked_again = excluded.asked_again, model = excluded.model,
  input_tokens = excluded.input_tokens, output_tokens = excluded.output_tokens, cost_nanos = excluded.cost_nanos,
  latency_s = excluded.latency_s, score = excluded.score, error = excluded.error
"""
AUDIT_ANSWERS = """
SELECT tier, asked_again, model, input_tokens, output_tokens, cost_nanos, latency_s, score, error
FROM audit_answers WHERE trace_id = ? ORDER BY tier
"""
SET_CONTENT = "UPDATE content SET body = ? WHERE trace_id = ?"
ADD_AUDIT_SPEND = """
INSERT INTO audit_spend (day, task, kind, calls, nanos) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (day, task, kind) DO UPDATE SET calls = calls + excluded.calls, nanos = nanos + excluded.nanos
"""
AUDIT_SPEND_ON = "SELECT coalesce(sum(nanos), 0) FROM audit_spend WHERE day = ?"
PUT_GRADE = """
INSERT INTO grades (trace_id, tier, source, grader, at_s, quality, detail) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (trace_id, tier, source, grader) DO UPDATE SET
  at_s = excluded.at_s, quality = excluded.quality, detail = excluded.detail
"""
GRADES_OF = "SELECT tier, source, grader, at_s, quality, detail FROM grades WHERE trace_id = ? ORDER BY tier, source"
PUT_GOLD = """
INSERT INTO gold (trace_id, at_s, grader, reference) VALUES (?, ?, ?, ?)
ON CONFLICT (trace_id) DO UPDATE SET at_s = excluded.at_s, grader = excluded.grader, reference = excluded.reference
"""
GOLD_OF = "SELECT reference, grader FROM gold WHERE trace_id = ?"
AUDIT_COUNTS = """
SELECT task, state, coalesce(reason, ''), count(*) FROM audits WHERE at_s >= ?
GROUP BY task, state, reason ORDER BY task, state, reason
"""
LABELABLE = """
SELECT audits.trace_id FROM audits JOIN content ON content.trace_id = audits.trace_id
WHERE audits.task = ? AND audits.state IN ('answered', 'graded') ORDER BY audits.trace_id
"""
ANSWERED_SINCE = """
SELECT trace_id FROM audits WHERE state IN ('answered', 'graded') AND at_s >= ? ORDER BY at_s, trace_id
"""
GOLD_SHARES = "SELECT trace_id, gold_propensity FROM audits WHERE task = ? AND gold_propensity IS NOT NULL"
TASKS_BY_NEED = """
SELECT task FROM audits GROUP BY task ORDER BY
  EXISTS (SELECT 1 FROM alarms WHERE alarms.task = audits.task AND cleared_s IS NULL) DESC,
  (SELECT count(DISTINCT grades.trace_id) FROM grades JOIN audits AS its ON its.trace_id = grades.trace_id
   WHERE its.task = audits.task AND grades.source <> 'judge'),
  task
"""
DRAW_GOLD = """
UPDATE audits SET gold_propensity = max(coalesce(gold_propensity, 0), ?)
WHERE task = ? AND state IN ('answered', 'graded') AND trace_id IN (SELECT trace_id FROM content)
"""

GRADED_AUDITS = """
SELECT audits.trace_id, audits.at_s, audits.policy, audits.propensity, audits.gold_propensity, audits.tiers,
       traces.tier, traces.status, traces.detail
FROM audits JOIN traces ON traces.id = audits.trace_id
WHERE audits.task = ? AND audits.state = 'graded' AND audits.at_s >= ? ORDER BY audits.at_s, audits.trace_id
"""
ANSWERS_OF_GRADED = """
SELECT audit_answers.trace_id, audit_answers.tier, asked_again, model, input_tokens, output_tokens, cost_nanos,
       latency_s, score, error
FROM audit_answers JOIN audits ON audits.trace_id = audit_answers.trace_id
WHERE audits.task = ? AND audits.state = 'graded' AND audits.at_s >= ?
"""
GRADES_OF_GRADED = """
SELECT grades.trace_id, grades.tier, grades.source, grades.quality
FROM grades JOIN audits ON audits.trace_id = grades.trace_id
WHERE audits.task = ? AND audits.state = 'graded' AND audits.at_s >= ?
"""

UNWATCHED = """
SELECT audits.trace_id, audits.at_s, audits.task, audits.policy, traces.status, traces.tier, traces.first_tier,
       traces.steps
FROM audits JOIN traces ON traces.id = audits.trace_id
WHERE audits.state = 'graded' AND NOT EXISTS (SELECT 1 FROM watched WHERE watched.trace_id = audits.trace_id)
ORDER BY audits.at_s, audits.trace_id LIMIT ?
"""
QUALITIES_OF = "SELECT tier, source, quality FROM grades WHERE trace_id = ?"
PUT_WATCHED = "INSERT OR IGNORE INTO watched (trace_id, task, at_s, policy, x, went_to) VALUES (?, ?, ?, ?, ?, ?)"
DETECTOR = """
SELECT policy, since_s, guarantee, target, false_alarm_samples, statistics, seen FROM detectors WHERE task = ?
"""
PUT_DETECTOR = """
INSERT OR REPLACE INTO detectors (task, policy, since_s, guarantee, target, false_alarm_samples, statistics, seen)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
BOTH_GRADED = """
SELECT trace_id, at_s, task, gold_propensity FROM audits
WHERE state = 'graded' AND gold_propensity IS NOT NULL
  AND EXISTS (SELECT 1 FROM grades AS judged WHERE judged.trace_id = audits.trace_id AND judged.source = 'judge')
  AND NOT EXISTS (
    SELECT 1 FROM grades AS judged WHERE judged.trace_id = audits.trace_id AND judged.source = 'judge' AND NOT EXISTS (
      SELECT 1 FROM grades WHERE grades.trace_id = judged.trace_id AND grades.tier = judged.tier AND source <> 'judge'))
  AND NOT EXISTS (SELECT 1 FROM compared WHERE compared.trace_id = audits.trace_id)
ORDER BY at_s, trace_id LIMIT ?
"""
GRADES_IN_ORDER = "SELECT tier, source, grader, quality FROM grades WHERE trace_id = ? ORDER BY at_s, grader, tier"
JUDGE_DETECTOR = "SELECT about, since_s, false_alarm_samples, counts, statistics FROM judge_detectors WHERE task = ?"
PUT_JUDGE_DETECTOR = """
INSERT OR REPLACE INTO judge_detectors (task, about, since_s, false_alarm_samples, counts, statistics)
VALUES (?, ?, ?, ?, ?, ?)
"""
PUT_COMPARED = "INSERT OR IGNORE INTO compared (trace_id, task, at_s, judge, gap) VALUES (?, ?, ?, ?, ?)"
NEWEST_POLICY = "SELECT policy FROM audits WHERE task = ? ORDER BY at_s DESC, trace_id DESC LIMIT 1"
GRADED_BY_PEOPLE = """
SELECT count(DISTINCT audits.trace_id) FROM audits JOIN grades ON grades.trace_id = audits.trace_id
WHERE audits.task = ? AND audits.state = 'graded' AND audits.at_s >= ? AND grades.source <> 'judge'
"""
RESTS_ON_JUDGE = """
SELECT EXISTS (
  SELECT 1 FROM audits WHERE task = ? AND state = 'graded'
    AND NOT EXISTS (SELECT 1 FROM grades WHERE grades.trace_id = audits.trace_id AND source <> 'judge'))
"""
OPEN_ALARMS = "SELECT task, raised_s, policy, evidence FROM alarms WHERE cleared_s IS NULL ORDER BY task"
ALARMS = "SELECT task, raised_s, policy, evidence, cleared_s, cleared_by FROM alarms ORDER BY seq"
RAISE_ALARM = "INSERT INTO alarms (task, raised_s, policy, evidence) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
CLEAR_ALARM = "UPDATE alarms SET cleared_s = ?, cleared_by = ? WHERE task = ? AND cleared_s IS NULL"
TOUCH_POINTER = "UPDATE policy_pointer SET revision = revision + 1"
AUDIT_RATES = "SELECT task, at_s, rate, why, alarm_days, requests_a_day, graded FROM audit_rates ORDER BY task"
PUT_AUDIT_RATE = "INSERT OR REPLACE INTO audit_rates VALUES (?, ?, ?, ?, ?, ?, ?)"
FIRST_DRAWN = "SELECT min(at_s) FROM audits WHERE task = ? AND at_s <= ?"
DRAWN_STAND_FOR = "SELECT sum(1.0 / propensity) FROM audits WHERE task = ? AND at_s > ? AND at_s <= ?"

LAST_ALARM = "SELECT max(raised_s) FROM alarms WHERE task = ?"
LAST_SEEN = """
SELECT max(at_s) FROM (
  SELECT at_s FROM watched WHERE task = ? AND went_to = 'detector'
  UNION ALL SELECT raised_s FROM alarms WHERE task = ?)
WHERE at_s <= ?
"""

PUT_RECALIBRATION = """
INSERT INTO recalibrations (at_s, task, trigger_word, result, version, evidence) VALUES (?, ?, ?, ?, ?, ?)
"""
RECALIBRATIONS = """
SELECT at_s, task, trigger_word, result, version, evidence FROM recalibrations
WHERE ? IS NULL OR task = ? ORDER BY seq
"""
LAST_RECALIBRATION = """
SELECT at_s, task, trigger_word, result, version, evidence FROM recalibrations WHERE task = ? ORDER BY seq DESC LIMIT 1
"""
RECALIBRATION_COUNTS = "SELECT trigger_word, result, count(*) FROM recalibrations GROUP BY trigger_word, result"
GRADED_COUNT = "SELECT count(*) FROM audits WHERE task = ? AND state = 'graded' AND at_s >= ?"
LEASE = "SELECT holder, until_s FROM leases WHERE name = ?"
TAKE_LEASE = "INSERT OR REPLACE INTO leases (name, holder, until_s) VALUES (?, ?, ?)"
END_LEASE = "DELETE FROM leases WHERE name = ? AND holder = ?"
PAUSED = "SELECT at_s, by_whom FROM paused WHERE name = ?"
PAUSE = "INSERT OR REPLACE INTO paused (name, at_s, by_whom) VALUES (?, ?, ?)"
RESUME = "DELETE FROM paused WHERE name = ?"

LAST_GRADED = "SELECT max(at_s) FROM audits WHERE task = ? AND state = 'graded'"
REQUESTS_OF = "SELECT count(*), min(at_s) FROM traces WHERE task = ? AND at_s > ?"
MISSING_REASONS = """
SELECT coalesce(reason, 'an unknown reason'), count(*) FROM audits
WHERE task = ? AND state = 'missing' AND at_s >= ? GROUP BY 1 ORDER BY 2 DESC, 1
"""
MISSING_CHEAP = """
SELECT count(*) FROM audits JOIN traces ON traces.id = audits.trace_id
WHERE audits.task = ? AND audits.state = 'missing' AND audits.policy = ? AND traces.tier <> ?
  AND audits.reason IS NOT ?
"""
LAST_CLEARED = """
SELECT max(ended_s) FROM (SELECT coalesce(cleared_s, raised_s) AS ended_s FROM alarms WHERE task = ?) WHERE ended_s <= ?
"""
COVERAGE = """
SELECT coalesce(sum(steps = 1), 0), count(*) FROM (
  SELECT traces.steps AS steps FROM audits JOIN traces ON traces.id = audits.trace_id
  WHERE audits.task = ? AND audits.state = 'graded' AND traces.tier IS NOT NULL
    AND traces.first_tier <> json_extract(audits.tiers, '$[#-1]')
    AND (SELECT max(quality) FROM grades WHERE grades.trace_id = audits.trace_id AND tier = traces.first_tier) >= ?
  ORDER BY audits.at_s DESC LIMIT ?)
"""
SEEN_BEFORE_ALARM = """
SELECT trace_id FROM watched WHERE task = ? AND went_to = 'detector'
  AND EXISTS (SELECT 1 FROM alarms WHERE alarms.task = watched.task AND cleared_s IS NULL)
"""
ACCEPTED_AND_FAILED = """
SELECT count(*), coalesce(sum(quality < ?), 0) FROM (
  SELECT (SELECT quality FROM grades WHERE grades.trace_id = audits.trace_id AND grades.tier = traces.tier
          ORDER BY CASE source WHEN 'gold' THEN 0 WHEN 'metric' THEN 1 ELSE 2 END LIMIT 1) AS quality
  FROM audits JOIN traces ON traces.id = audits.trace_id
  WHERE audits.task = ? AND audits.state = 'graded' AND audits.policy = ? AND traces.tier <> ?)
WHERE quality IS NOT NULL
"""
SERVED_BY_POLICY = """
SELECT count(*), coalesce(sum(steps > 1), 0),
       sum(CASE WHEN top_cost_nanos IS NOT NULL THEN cost_nanos END), sum(top_cost_nanos)
FROM traces WHERE task = ? AND policy = ?
"""
WATCHED_X = "SELECT x FROM watched WHERE task = ? AND at_s >= ? AND went_to = 'detector' AND x IS NOT NULL"
WATCHED_OF = "SELECT x FROM watched WHERE task = ? AND policy = ? AND x IS NOT NULL ORDER BY at_s, trace_id"
QUALITY_OF_TIER = """
SELECT avg(quality) FROM grades JOIN audits ON audits.trace_id = grades.trace_id
WHERE audits.task = ? AND audits.state = 'graded' AND grades.tier = ?
"""
ALARMED_LATER = """
SELECT EXISTS (
  SELECT 1 FROM alarms WHERE task = :task AND raised_s > :at_s AND raised_s <= :now_s AND (policy = :policy OR EXISTS (
    SELECT 1 FROM policy_tasks AS one JOIN policy_tasks AS its ON its.task = one.task AND its.decides = one.decides
    WHERE one.policy = :policy AND one.task = :task AND its.policy = alarms.policy)))
"""
TASKS_OF_POLICY = "SELECT count(*) FROM policy_tasks WHERE policy = ?"
PUT_POLICY_TASK = "INSERT OR IGNORE INTO policy_tasks (policy, task, decides) VALUES (?, ?, ?)"
SERVED_ALIKE = """
SELECT EXISTS (
  SELECT 1 FROM policy_tasks AS one JOIN policy_tasks AS its ON its.task = one.task AND its.decides = one.decides
  WHERE one.task = ? AND one.policy = ? AND its.policy = ?)
"""

EVERY_MOVE = "SELECT at_s, version, before, after, share, who, evidence FROM policy_moves ORDER BY seq"

AUDIT_SPEND = "SELECT task, kind, sum(calls), sum(nanos) FROM audit_spend GROUP BY task, kind"
AUDIT_STATES = "SELECT task, state, count(*) FROM audits GROUP BY task, state"
ALL_TRACES = "SELECT count(*) FROM traces"
ALL_WATCHED = "SELECT count(*) FROM watched"
ANSWERED_AUDITS = "SELECT count(*) FROM audits WHERE task = ? AND state IN ('answered', 'graded')"
UNLABELLED_AUDITS = """
SELECT trace_id, task FROM audits
WHERE state = 'answered' AND NOT EXISTS (SELECT 1 FROM gold WHERE gold.trace_id = audits.trace_id)
"""

PAIRABLE = """
SELECT audits.trace_id, traces.tier FROM audits
JOIN traces ON traces.id = audits.trace_id JOIN content ON content.trace_id = audits.trace_id
WHERE audits.task = ? AND audits.state IN ('answered', 'graded') AND traces.tier <> ?
  AND json_extract(audits.tiers, '$[#-1]') = ? ORDER BY audits.trace_id
"""
DRAW_PAIR = "UPDATE audits SET pair_propensity = max(coalesce(pair_propensity, 0), ?) WHERE trace_id = ?"
PAIR_SHARES = "SELECT trace_id, pair_propensity FROM audits WHERE task = ? AND pair_propensity IS NOT NULL"
PUT_PAIR = "INSERT OR IGNORE INTO pairs (trace_id, at_s, served_tier, top_tier, same) VALUES (?, ?, ?, ?, ?)"
ASK_RATER = """
INSERT INTO ratings (id, trace_id, rater, served_first) VALUES (?, ?, ?, ?) ON CONFLICT (trace_id, rater) DO NOTHING
"""
_RATING = "SELECT ratings.id, ratings.trace_id, rater, served_first, served_tier, top_tier, verdict FROM ratings"
RATING = f"{_RATING} JOIN pairs ON pairs.trace_id = ratings.trace_id WHERE ratings.id = ?"
RATING_OF = f"{_RATING} JOIN pairs ON pairs.trace_id = ratings.trace_id WHERE ratings.trace_id = ? AND rater = ?"
PUT_VERDICT = "UPDATE ratings SET verdict = ?, rated_s = ? WHERE id = ? AND verdict IS NOT ?"
