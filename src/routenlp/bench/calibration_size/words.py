"""What the figures mean, in words."""

from __future__ import annotations

from routenlp.bench.calibration_size.answers import MEANS_THE_SAME, OTHER_DOMAIN
from routenlp.bench.calibration_size.measure import Figures
from routenlp.bench.calibration_size.published import PUBLISHED, PUBLISHED_SHIFT, SIZES, rows_behind
from routenlp.bench.calibration_size.rules import ALPHA, DELTA, PAPER
from routenlp.bench.calibration_size.run import Result


def percent(value: float) -> str:
    """`4.2%`."""
    return f"{value:.1%}"


def which_rate_it_was(result: Result) -> str:
    """What the published rate can and cannot have been, and what our table corrects: one paragraph."""
    paper = [f for f in result.same if f.rule == PAPER]
    return " ".join((_its_average(paper), _its_scatter(paper), _corrections(paper)))


def _its_average(paper: list[Figures]) -> str:
    means = [tier for f in paper for tier in f.tiers_escalated]
    fall = PUBLISHED[SIZES[0]].estimate, PUBLISHED[SIZES[-1]].estimate
    return (
        "**Which rate the published one must have been, and what this corrects.** The paper does not name it, and its "
        "numbers do not settle it. By the rule's own definition a violation is a correct answer that is escalated. "
        f"Averaged over calibrations with n0 correct answers, that rate is floor({ALPHA:g} (n0 + 1)) / (n0 + 1): at "
        f"most 5% at *every* n (here {percent(min(means))} to {percent(max(means))} over tasks, tiers and n), and "
        "*rising* towards 5% with n. P(failed | accepted) does fall with n, the threshold being a little laxer at "
        f"small n, but only by a factor of {_falls(paper)} from n = {SIZES[0]} to {SIZES[-1]:,}; the published rate "
        f"falls by a factor of {(fall[0] or 0.0) / (fall[1] or 1.0):.2f}. On the level of some 5% both fit some tasks."
    )


def _falls(paper: list[Figures]) -> str:
    def wrong(n: int) -> list[float]:
        return [f.failed_given_accepted.estimate or 0.0 for f in paper if f.n == n]

    falls = [first / max(last, 1e-9) for first, last in zip(wrong(SIZES[0]), wrong(SIZES[-1]), strict=True)]
    return f"{min(falls):.2f} to {max(falls):.2f}"


def _its_scatter(paper: list[Figures]) -> str:
    behind = ", ".join(f"{rows_behind(PUBLISHED[n]):,}" for n in SIZES)
    low, high = (_scatter(paper, n) for n in (SIZES[0], SIZES[-1]))
    return (
        f"The published intervals are as wide as {behind} tested rows make them: fewer than were calibrated on each "
        "time, and growing with them, so not one large set of fresh rows. Each published rate is best read as "
        "P(escalated | correct) of one calibration, or a few, on about as many test rows, and such a rate scatters: "
        f"here the worse tier's lies, from the 5% to the 95% quantile over calibrations, within {low} at n = "
        f"{SIZES[0]} and within {high} at n = {SIZES[-1]:,} on all tasks. All four published intervals hold 5%, so "
        "that the published fall with n is within chance."
    )


def _scatter(paper: list[Figures], n: int) -> str:
    mine = [f for f in paper if f.n == n]
    return f"{percent(min(f.risk_low or 0.0 for f in mine))} to {percent(max(f.risk_high or 0.0 for f in mine))}"


def _corrections(paper: list[Figures]) -> str:
    over = [f.over_target.estimate or 0.0 for f in paper]
    largest = [f for f in paper if f.n == SIZES[-1]]
    wrong = ", ".join(f"{percent(f.failed_given_accepted.estimate or 0.0)} on {f.calibrated_on}" for f in largest)
    cascade = ", ".join(percent(f.escalated_given_correct.estimate or 0.0) for f in largest)
    return (
        "Three corrections. (1) More labels narrow the scatter and do not lower the average; at every n a share "
        f"of calibrations ({percent(min(over))} to {percent(max(over))}) has a tier over 5%, because 5% is kept on "
        f"average and not with high probability. (2) The rate says nothing of wrong answers: at n = {SIZES[-1]:,} "
        f"P(failed | accepted) was {wrong}. (3) It holds of each tier on all queries; within the cascade a later tier "
        f"sees what the earlier one was unsure of, and P(escalated | correct) over both was {cascade} on the same "
        "tasks. What bounds wrong answers are the other three rules, each in all but 10% of calibrations."
    )


def notes(result: Result, *, seconds: float) -> list[str]:
    """What a reader must know to read the tables rightly."""
    draws = result.same[0].draws
    return [
        f"Each row of a table: {draws:,} calibrations, each on n rows drawn with replacement from the task's calibrate "
        "and gate folds, which no fit saw. Rows are drawn one by one, so that they are exchangeable by design even "
        "where several come from one contract or document.",
        "The first three rates are means over calibrations, on the rows that each did not draw, with Wilson's 95% "
        "interval for one calibration's fresh rows (all calibrations are tried on the same few thousand). P(escalated "
        "given correct) counts the answers that cheap tiers gave within the cascade. Calibrations that end at "
        "always-top have no cheap answers and are left out.",
        "Calibrations over target, with Wilson's interval: the rule's own quantity on all rows that are drawn from, "
        "which is the truth here (under shift: on all rows tried on). `paper`: P(escalated | correct) of any tier on "
        "all queries over 0.05. `joint`: P(accepted and failed) over 0.05. `conditional`: P(failed | accepted) over "
        f"its alpha. `quality_ratio`: quality ratio under 0.97. The last three promise at most {DELTA:.0%}.",
        "Says not given: `paper` has a tier with under 19 correct calibration answers; the other three found no proof, "
        "and the top tier serves.",
        "Two cheap tiers (n-grams, then MiniLM) before the human labels, which never fail; every query begins at the "
        "cheapest tier, no router. The three certified rules walk a ladder of thresholds fixed on training rows that "
        f"were held out of the students' fits. {_rows(result)}.",
        *_about_shift(result),
        f"Took {seconds:.0f} s.",
    ]


def _rows(result: Result) -> str:
    return "; ".join(
        f"{task}: {result.steps[task]} policies of {train:,} training rows, {pool:,} to draw from, {test:,} test rows"
        for task, (train, pool, test) in result.rows.items()
    )


def _about_shift(result: Result) -> list[str]:
    split = [f for f in result.shifted if f.fresh == f"{f.calibrated_on}, test split" and f.rule.startswith("joint")]
    over = ", ".join(f"{f.calibrated_on} {percent(f.over_target.estimate or 0.0)}" for f in split)
    same = ", ".join(f"{theirs} = {ours}" for theirs, ours in MEANS_THE_SAME.items())
    return [
        "Shift: a task's own test split (other contracts, documents, companies); a task's thresholds on another task's "
        f"queries, answered by that task's students; cs_intent's students and thresholds on {OTHER_DOMAIN} queries, "
        f"where every cheap answer counts as failed unless the intent has a namesake in meaning ({same}).",
        f"On test splits `joint` was over its target in: {over}. A promise at {DELTA:.0%} earned on rows drawn "
        "singly does not carry over to other contracts and documents, which is why routenlp calibrates on groups, and "
        "calls fewer than 30 of them EMPIRICAL.",
        f"The paper gives {PUBLISHED_SHIFT:.1%} under shift, and says neither which shift nor which rate.",
    ]
