"""The statements of `reported`: they read, and change nothing."""

from __future__ import annotations

# Of each request, how it came to its tier: see `reported.Way`.
TRAFFIC = """
SELECT task, day, way, covered, count(*), sum(outcome = 'ok'), sum(steps > 1), sum(cost_nanos), sum(top_cost_nanos),
       sum(audit_propensity), sum(audited), min(audit_propensity), max(audit_propensity), min(at_s), max(at_s)
FROM (
  SELECT *, CAST(at_s / 86400 AS INTEGER) AS day, audit_propensity IS NOT NULL AS covered,
    CASE
      WHEN top_cost_nanos IS NOT NULL THEN 'routed'
      WHEN json_extract(detail, '$.route_reason') = ? THEN 'named'
      WHEN json_extract(detail, '$.route_reason') = ? THEN 'off'
      WHEN json_extract(detail, '$.route_reason') IN (?, 'task ' || task || ' is ' || status) THEN 'by rule'
      ELSE 'unknown'
    END AS way
  FROM traces WHERE at_s >= ? AND at_s < ? AND (? IS NULL OR task = ?)
)
GROUP BY task, day, way, covered ORDER BY task, day, way, covered
"""
_REPORTED_OF = "WHERE audits.at_s >= ? AND audits.at_s < ? AND (? IS NULL OR audits.task = ?)"
REPORTED_AUDITS = f"""
SELECT audits.trace_id, audits.at_s, audits.task, audits.propensity, audits.gold_propensity, audits.tiers, audits.state,
       coalesce(audits.reason, ''), traces.tier, traces.cost_nanos, traces.top_cost_nanos, traces.detail
FROM audits JOIN traces ON traces.id = audits.trace_id {_REPORTED_OF} ORDER BY audits.at_s, audits.trace_id
"""  # noqa: S608
REPORTED_ANSWERS = f"""
SELECT audit_answers.trace_id, audit_answers.tier, asked_again, cost_nanos
FROM audit_answers JOIN audits ON audits.trace_id = audit_answers.trace_id {_REPORTED_OF} AND error IS NULL
"""  # noqa: S608
REPORTED_GRADES = f"""
SELECT grades.trace_id, grades.tier, grades.source, grades.quality
FROM grades JOIN audits ON audits.trace_id = grades.trace_id {_REPORTED_OF}
"""  # noqa: S608
AUDIT_SPEND_BETWEEN = """
SELECT task, kind, sum(calls), sum(nanos) FROM audit_spend
WHERE day >= ? AND day < ? AND (? IS NULL OR task = ?) GROUP BY task, kind ORDER BY task, kind
"""
DROPPED_BETWEEN = """
SELECT coalesce(sum(records), 0), coalesce(sum(audits), 0) FROM dropped WHERE at_s >= ? AND at_s < ?
"""
FEEDBACK_BETWEEN = """
SELECT kind, count(*) FROM feedback WHERE at_s >= ? AND at_s < ? GROUP BY kind ORDER BY kind
"""
CONTENT_BETWEEN = """
SELECT count(*), coalesce(sum(json_extract(body, '$.redacted') = 1), 0) FROM content WHERE at_s >= ? AND at_s < ?
"""
SHADOWED_BETWEEN = "SELECT count(*) FROM shadowed WHERE at_s >= ? AND at_s < ?"
POLICIES_SERVED = """
SELECT policy, min(at_s), max(at_s), count(*) FROM traces GROUP BY policy ORDER BY min(at_s)
"""
REPORTED_PAIRS = f"""
SELECT pairs.trace_id, audits.task, audits.propensity * audits.pair_propensity, pairs.top_tier, pairs.same,
       traces.detail
FROM pairs JOIN audits ON audits.trace_id = pairs.trace_id JOIN traces ON traces.id = pairs.trace_id
{_REPORTED_OF} ORDER BY pairs.trace_id
"""  # noqa: S608
REPORTED_RATINGS = f"""
SELECT ratings.trace_id, rater, verdict, served_first
FROM ratings JOIN audits ON audits.trace_id = ratings.trace_id
{_REPORTED_OF} AND verdict IS NOT NULL ORDER BY ratings.trace_id, rater
"""  # noqa: S608
