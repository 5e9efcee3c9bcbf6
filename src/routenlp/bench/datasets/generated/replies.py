"""Generated conversations with a shop's agent: what does the agent say next?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from routenlp.bench.datasets.generated.conversation import Draft, Speaker, common_first


@dataclass(frozen=True, slots=True)
class Situation:
    """What customers say, and how agents answer; agents differ, so no reply can be foretold for sure."""

    customer: Sequence[str]
    agent: Sequence[str]


SITUATIONS = (
    Situation(
        (
            "I want to book a table for {count} in {place}",
            "table for {count} people please, somewhere in {place}",
            "could we eat in {place}, {count} of us",
        ),
        (
            "What time should I book the table in {place} for?",
            "At what time would you like the table for {count}?",
        ),
    ),
    Situation(
        ("{time} would be good", "make it {time}", "around {time} if possible"),
        (
            "Please confirm: a table for {count} in {place} at {time}.",
            "So that is {count} people in {place} at {time}. Is this right?",
        ),
    ),
    Situation(
        ("yes, that is right", "correct", "yes please go ahead"),
        (
            "Your reservation is made, {name}. Your number is {number}. Can I help with anything else?",
            "It is booked under number {number}. Is there anything else?",
        ),
    ),
    Situation(
        ("no that is all, thanks", "nothing else, bye", "that was everything"),
        ("You are welcome, {name}. Have a nice day!", "Have a good day."),
    ),
    Situation(
        ("what is the weather like in {place}?", "will it rain in {place} tomorrow"),
        (
            "In {place} it will be {count} degrees with little chance of rain.",
            "Tomorrow {place} expects about {count} degrees and sun.",
        ),
    ),
    Situation(
        ("how much is the bus to {place}?", "I need a bus ticket to {place}, what does it cost"),
        (
            "The bus to {place} leaves at {time} and costs {number} dollars. Shall I buy the ticket?",
            "There is a bus at {time} for {number} dollars. How many people travel?",
        ),
    ),
    Situation(
        ("just me", "{count} of us are going", "for {count} passengers"),
        (
            "Please confirm: {count} tickets to {place}, leaving at {time}.",
            "You want {count} seats on the bus to {place} at {time}, correct?",
        ),
    ),
    Situation(
        ("do they have live music?", "is there parking", "is it expensive there?"),
        ("I am afraid that I do not know this. Shall I call them?", "Yes, they do. Shall I book it for you?"),
    ),
    Situation(
        ("play something by {name}", "I feel like hearing {name}"),
        (
            "Shall I play the newest song by {name} in the kitchen?",
            "Do you want to hear {name} on the kitchen speaker?",
        ),
    ),
    Situation(
        ("wait, change it to {time}", "sorry, I meant {count} people", "could it be in {place} instead"),
        (
            "Let me confirm again: {count} people in {place} at {time}.",
            "No problem. So it is {place} at {time} for {count}, correct?",
        ),
    ),
)
"""The rarer, the later."""

PLACES = ("Oakland", "San Jose", "Fresno", "Napa", "Davis", "Los Gatos", "Berkeley")
TIMES = ("6 pm", "half past seven", "11:30 in the morning", "7:15 pm", "noon")
COUNTS = ("two", "three", "four", "five", "six")


def reply_query(speaker: Speaker) -> Draft:
    """A conversation of one to three exchanges, the last one unanswered, with the reply that the agent gave."""
    chance = speaker.chance
    slots = {
        "name": speaker.name,
        "place": chance.choice(PLACES),
        "time": chance.choice(TIMES),
        "count": chance.choice(COUNTS),
        "number": str(chance.randrange(20, 9999)),
    }
    turns = []
    reply = ""
    for _ in range(chance.randint(1, 3)):
        if reply:
            turns.append(f"Agent: {reply}")
        situation = common_first(chance, SITUATIONS)
        words = common_first(chance, situation.customer).format(**slots)
        turns.append(f"Customer: {speaker.says(words, greets=not turns)}")
        reply = chance.choice(situation.agent).format(**slots)
    return Draft("\n".join(turns), reply)
