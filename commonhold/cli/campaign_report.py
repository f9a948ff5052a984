"""What `commonhold node campaigns` says: what the network asks for, and how far each round is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from commonground.copying import copy_words
from commonground.counting import plural
from commonground.durations import duration_words
from protocol.limits import NAME_CHARS_MAX, PPM
from protocol.rows import Campaign
from protocol.state import State, waits_of
from protocol.tasks.question import question_of
from protos.gen import records_pb2 as pb


def campaigns(state: State) -> dict[str, Any]:
    """What the network asks for, and how far it is."""
    return {"campaigns": [_campaign(state, each) for _, each in state.campaigns.scan()]}


def _campaign(state: State, each: Campaign) -> dict[str, Any]:
    question, round_ = question_of(each), state.round_of(each.id)
    return {
        "id": each.id,
        "title": each.title,
        "guidelines": each.guidelines,
        "task": each.task,
        "asks": question.kind.asks(question.spec),
        "choices": question.kind.choices(question.spec),
        "parts": [asdict(part) for part in each.parts],
        "proposal": _PROPOSALS[each.proposal],
        "licences": list(each.licences),
        "reviewers_per_item": each.reviewers_per_item,
        "price_ppm": each.price_ppm,
        "derivative_permille": each.derivative_permille,
        "published": each.is_open,
        "withdrawal": "repays" if each.withdrawal == pb.WITHDRAWAL_REPAYS else "keeps",
        "automation": AUTOMATION[each.automation],
        "rounds": asdict(each.rounds),
        "copies": asdict(each.copies),
        "copy_words": copy_words(each),
        "status": each.status.name.lower(),
        "revision": each.revision,
        "terms_logged_at": each.logged_at,
        "round": round_.number,
        "phase": round_.phase.name.lower(),
        "waiting": waits_of(state, each.id),
    }


_PROPOSALS: Final[Mapping[int, str]] = {
    pb.PROPOSAL_REQUIRED: "required",
    pb.PROPOSAL_OPTIONAL: "optional",
    pb.PROPOSAL_NOT_TAKEN: "none",
}


# What programs may review, in a word for scripts.
AUTOMATION: Final[Mapping[int, str]] = {
    pb.AUTOMATION_LOCAL: "local",
    pb.AUTOMATION_ANYWHERE: "anywhere",
    pb.AUTOMATION_NONE: "none",
}
_PROGRAMS: Final = {
    "local": "may answer where their owner runs them",
    "anywhere": "may answer, and content be sent to them",
    "none": "may not answer: people only",
}


def campaigns_text(data: dict[str, Any]) -> list[str]:
    """`campaigns` for people."""
    shown = [line for each in data["campaigns"] for line in ["", *_campaign_text(each)]]
    return shown[1:] or ["The network has no campaign yet."]


def _campaign_text(each: dict[str, Any]) -> list[str]:
    first, *more = each["asks"]
    # A list of names reads on one line; what is longer, like a criterion, has a line of its own.
    names = all(len(line) <= NAME_CHARS_MAX for line in more)
    asks = [first, *([", ".join(more)] if more and names else more)]
    rounds = each["rounds"]
    windows = ", ".join(
        f"{name} {duration_words(rounds[key])}"
        for name, key in (
            ("answers", "commit_ms"),
            ("opening", "reveal_ms"),
        )
    )
    lines = [
        *(("asks" if not at else "", text) for at, text in enumerate(asks)),
        *(("items" if not at else "", _part_text(part)) for at, part in enumerate(each["parts"])),
        ("answer", _ANSWERS[each["proposal"]]),
        ("licences", ", ".join(each["licences"])),
        ("price", f"{each['price_ppm'] / PPM:g}; {_CONTENT[each['published']]}"),
        ("", f"{each['derivative_permille'] / 10:g} % of it for a derivative of another item"),
        ("review", f"{plural(each['reviewers_per_item'], 'reviewer')} an item; {windows}"),
        (
            "rounds",
            f"sealed at {plural(rounds['seal_items'], 'item')}, or when one has waited"
            f" {duration_words(rounds['seal_wait_ms'])}",
        ),
        *(("copies" if not at else "", text) for at, text in enumerate(each["copy_words"])),
        ("programs", _PROGRAMS[each["automation"]]),
        ("now", _now_text(each)),
    ]
    if each["revision"]:
        entry = each["terms_logged_at"]
        lines.append(
            ("changed", f"by log entry {entry}; items from before keep the terms they came under")
        )
    head = f"{each['id']}  {each['title']}".rstrip()
    return [f"{head} ({each['task']})", *(f"  {name:<9} {text}" for name, text in lines)]


_ANSWERS: Final = {
    "required": "you propose one with each item",
    "optional": "you may propose one with each item",
    "none": "you propose none",
}
_CONTENT: Final = {True: "content is published", False: "only reviewers see content"}


def _part_text(part: dict[str, Any]) -> str:
    optional = " (optional)" if part["optional"] else ""
    types = ", ".join(part["media_types"])
    return f"{part['name']}: {types} of at most {part['bytes_max']:,} bytes{optional}"


def _now_text(each: dict[str, Any]) -> str:
    if each["status"] == "paused":
        return "paused: it takes no submissions"
    if each["status"] == "closed":
        under_way = "" if each["phase"] == "open" else f"; round {each['round']} ends"
        return f"closed: it takes nothing more{under_way}"
    waiting = plural(each["waiting"], "item waits", "items wait")
    if each["phase"] == "open":
        return f"{waiting} for round {each['round'] + 1}"
    return f"round {each['round']} is {each['phase']}; {waiting} for the next"
