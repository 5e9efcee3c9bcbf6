"""What decides for one task, whether each has its own or all share one."""

from __future__ import annotations

from routenlp.cascade.per_task import RulePerTask, rule_of
from routenlp.cascade.stop_rules import FirstAnswer, ThresholdCascade
from routenlp.router.per_task import RouterPerTask, router_of


def test_of_rules_a_task_it_is_the_tasks_own_and_a_shared_one_is_everybodys():
    own, shared = FirstAnswer(), ThresholdCascade(("small", "top"), {"a": {"small": 0.5}})
    each = RulePerTask({"a": own}, "top")
    assert rule_of(each, "a") is own
    assert rule_of(each, "b") is None
    assert rule_of(shared, "a") is shared


def test_of_routers_likewise():
    shared = RouterPerTask({"a": RouterPerTask({}, "top")}, "top")
    assert router_of(shared, "a") is shared.routers["a"]
    assert router_of(shared, "b") is None
