"""Generated queries to a shop: which of twelve matters is this about?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

from routenlp.bench.datasets.generated.conversation import Draft, Speaker, common_first, filled

UNDECIDABLE_SHARE = 0.06
"""Of the queries: their label is drawn from several that fit, so no model can be right on all."""
REMARK_SHARE = 0.4
"""Of the queries: they also mention another matter."""
TWO_MATTERS_SHARE = 0.18
"""Of the queries: they state another matter in full and say that it is solved; only the order of words decides."""

SLOTS: Mapping[str, Sequence[str]] = {
    "order": ("order", "order", "parcel", "package", "delivery", "shipment", "stuff"),
    "item": ("jacket", "lamp", "kettle", "headphones", "book", "rug", "backpack", "camera", "chair", "mug"),
    "when": ("yesterday", "last week", "on Monday", "two days ago", "this morning", "a fortnight ago"),
    "shop": ("your shop", "you", "the website", "your app"),
}

WORDINGS: Mapping[str, Sequence[str]] = {
    "track_order": (
        "where is my {order}?",
        "can you tell me when my {order} will arrive",
        "my {order} was due {when} and is still not here",
        "I want to follow my {order}",
        "the courier page has not moved since {when}",
        "how long until the {item} gets to my door",
        "has it left the warehouse yet?",
        "still waiting for the {item} I bought {when}",
    ),
    "cancel_order": (
        "I want to cancel my {order}",
        "please stop the {order} I placed {when}",
        "changed my mind about the {item}, do not send it",
        "can you call off the {order} before it ships",
        "I bought the {item} by mistake {when}, undo that",
        "no longer need the {item}, it has not shipped yet",
        "how do I withdraw from a purchase that is being packed",
    ),
    "return_item": (
        "how do I return the {item}?",
        "I would like to send the {item} back",
        "the {item} does not suit me, where do I post it to",
        "can I get a return label for my {order}",
        "the {item} is too small, I do not want to keep it",
        "what is the deadline for bringing the {item} back",
        "who collects a {item} that I am not keeping",
    ),
    "refund_status": (
        "where is my refund?",
        "I sent the {item} back {when} and have no money yet",
        "when do I get my money for the returned {item}",
        "you promised to pay me back {when}",
        "the refund for my {order} has not shown up",
        "my bank sees nothing from {shop} although the {item} reached you",
        "how many days until I am reimbursed",
    ),
    "change_address": (
        "I need to change the address of my {order}",
        "please deliver the {item} to my office instead",
        "I moved {when}, send the {order} to the new flat",
        "the house number on my {order} is wrong",
        "can the {order} go to my neighbour",
        "wrong postcode entered {when}, please correct it",
        "I will be away, redirect the {item} to my sister",
    ),
    "damaged_item": (
        "the {item} arrived damaged",
        "my {item} is broken",
        "the {item} came with a big crack in it",
        "the box was crushed and the {item} does not work",
        "there is a scratch all over the {item} from {shop}",
        "it fell apart as soon as I opened the {order}",
        "the {item} that came {when} will not switch on",
    ),
    "wrong_item": (
        "you sent me the wrong {item}",
        "this is not the {item} I ordered",
        "I got a {item} in another colour than I chose",
        "somebody else's {order} came to me",
        "I asked for a large {item} and a small one came",
        "the {order} holds a completely different product",
        "what came {when} does not match the picture of the {item}",
    ),
    "missing_item": (
        "the {item} is missing from my {order}",
        "my {order} came but the {item} was not in it",
        "only half of my {order} arrived",
        "one piece short: no {item} in the box",
        "I paid for two and received one {item}",
        "the {order} was empty when I opened it {when}",
        "there should be a {item} in here as well",
    ),
    "payment_declined": (
        "my payment was declined",
        "the card does not go through for the {item}",
        "{shop} will not accept my card",
        "checkout fails at the last step since {when}",
        "I tried to pay for the {item} three times and it says no",
        "my bank says all is fine but the purchase is refused",
        "cannot complete the purchase, error after entering the number",
    ),
    "charged_twice": (
        "I was charged twice for the {item}",
        "there are two payments for one {order}",
        "you took the money two times {when}",
        "my statement shows the {item} double",
        "why is the same amount on my card again",
        "paid once, billed once more {when}",
        "a second debit from {shop} appeared for one {order}",
    ),
    "reset_password": (
        "I forgot my password",
        "cannot log in to {shop}",
        "the reset mail never comes",
        "my account is locked since {when}",
        "how do I choose a new password",
        "it says the code has expired when I sign in",
        "locked out, need to get back to my profile",
    ),
    "invoice_request": (
        "please send me the invoice for my {order}",
        "I need a receipt for the {item}",
        "where can I download the bill",
        "my company needs a document with VAT for the {item}",
        "can you put the tax number on the paper for the {order}",
        "the accountant asks for proof of purchase from {when}",
        "no paperwork came with the {order}",
    ),
}

REMARKS: Mapping[str, Sequence[str]] = {
    "track_order": ("the late {order}", "where the {item} is"),
    "cancel_order": ("the {order} I cancelled", "calling off the {item}"),
    "return_item": ("the {item} I returned", "the return label"),
    "refund_status": ("the refund", "the money for the {item}"),
    "change_address": ("my new address", "the wrong house number"),
    "damaged_item": ("the broken {item}", "the crack in the {item}"),
    "wrong_item": ("the wrong {item}", "the other colour"),
    "missing_item": ("the missing {item}", "the half empty box"),
    "payment_declined": ("the declined card", "the failed checkout"),
    "charged_twice": ("the double charge", "the second payment"),
    "reset_password": ("my password", "the locked account"),
    "invoice_request": ("the invoice", "the receipt for the {item}"),
}

BEFORE = (
    "this is not about {remark}, ",
    "{remark} is settled, thanks, but ",
    "I wrote {when} about {remark}, now something else: ",
    "forget {remark}. ",
)
AFTER = (
    ". It has nothing to do with {remark}",
    ", and {remark} can wait",
    ". By the way {remark} is all right now",
)

TWO_MATTERS = (
    "I wrote {when}: {other}. That is solved. Now {words}",
    "last time {other}. This time {words}",
    "{words}. Last time {other}",
    "{words}. My message from {when} ({other}) is solved",
)

UNDECIDABLE: Mapping[str, Sequence[str]] = {
    "something is wrong with my {order}": ("damaged_item", "wrong_item", "missing_item", "track_order"),
    "I am not happy with the {item}": ("return_item", "damaged_item", "wrong_item"),
    "there is a problem with the payment for the {item}": ("payment_declined", "charged_twice", "refund_status"),
    "I need help with the {order} from {when}": ("track_order", "change_address", "cancel_order"),
    "I want my money back for the {item}": ("refund_status", "return_item", "cancel_order"),
    "it does not work": ("damaged_item", "payment_declined", "reset_password"),
}


def intent_query(speaker: Speaker) -> Draft:
    """One query with its intent."""
    chance = speaker.chance
    if chance.random() < UNDECIDABLE_SHARE:
        wording = chance.choice(tuple(UNDECIDABLE))
        return Draft(speaker.says(filled(chance, wording, SLOTS)), chance.choice(UNDECIDABLE[wording]))
    intent = chance.choice(tuple(WORDINGS))
    words = _stated(chance, intent)
    kind = chance.random()
    if kind < TWO_MATTERS_SHARE:
        slots = {**SLOTS, "words": (words,), "other": (_stated(chance, _another(chance, intent)),)}
        words = filled(chance, chance.choice(TWO_MATTERS), slots)
    elif kind < TWO_MATTERS_SHARE + REMARK_SHARE:
        words = _with_remark(chance, words, _another(chance, intent))
    return Draft(speaker.says(words), intent)


def _stated(chance: Random, intent: str) -> str:
    return filled(chance, common_first(chance, WORDINGS[intent]), SLOTS)


def _another(chance: Random, intent: str) -> str:
    return chance.choice([name for name in WORDINGS if name != intent])


def _with_remark(chance: Random, words: str, other: str) -> str:
    slots = {**SLOTS, "remark": (filled(chance, chance.choice(REMARKS[other]), SLOTS),)}
    if chance.random() < 0.5:
        return filled(chance, chance.choice(BEFORE), slots) + words
    return words.rstrip("?") + filled(chance, chance.choice(AFTER), slots)
