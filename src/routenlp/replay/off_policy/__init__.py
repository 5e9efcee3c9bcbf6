"""What another policy would have cost, and how good it would have been, from the log of an exploring one.

report = evaluate(logged, target)
print(*in_words(report), sep="\\n")
"""

from routenlp.replay.off_policy.evaluation import OffPolicyReport, evaluate
from routenlp.replay.off_policy.logged import LoggedQueries
from routenlp.replay.off_policy.words import in_words

__all__ = ["LoggedQueries", "OffPolicyReport", "evaluate", "in_words"]
