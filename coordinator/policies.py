"""A policy from options: percentages and whole shares become the numbers of the record."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Final

from protocol.errors import ConfigError, Reject
from protocol.limits import AMOUNT_MICRO_MAX, PPM
from protocol.log.strict import parse_amount
from protocol.policy import Policy
from protocol.rules.admission import TAKES_BONDS
from protocol.state import State
from protos.gen import records_pb2 as pb

EMISSION_SHARES_MAX: Final = AMOUNT_MICRO_MAX // PPM
COUNT_MAX: Final = 1_000_000  # of people or items: beyond it a budget is none
ADMISSIONS: Final = {
    "open": pb.ADMISSION_OPEN,
    "invitation": pb.ADMISSION_INVITATION,
    "bond": pb.ADMISSION_BOND,
    "invitation-or-bond": pb.ADMISSION_EITHER,
    "invitation-and-bond": pb.ADMISSION_BOTH,
}
OPEN_WARNING: Final = (
    "everybody may join this network, as often as they like: a thousand names of one person weigh as much as"
    " a thousand people, until the policy asks for invitations or bonds"
)
_PPM_PER_PERCENT: Final = PPM // 100


def read_terms(
    *,
    emission: int | None,
    contributors: float | None,
    reviewers: float | None,
    trainers: float | None,
    royalty: float | None,
    accept: float | None,
    admission: str | None,
    operator_invitations: int | None,
    member_invitations: int | None,
    invite_standing: int | None,
    newcomer_items: int | None,
    items_per_standing: int | None,
    bond: str | None,
    silence_tosses: int | None,
    silence_slash: float | None,
    model_grace: int | None,
) -> dict[str, int | str]:
    """Fields of the record, of the options that are said: whole shares, percentages, counts, wei, a word.

    Raises ConfigError that names the option.
    """
    terms = {
        "epoch_emission_micro": _whole("--emission", emission, EMISSION_SHARES_MAX, PPM),
        "contributors_ppm": _part("--contributors", contributors),
        "reviewers_ppm": _part("--reviewers", reviewers),
        "trainers_ppm": _part("--trainers", trainers),
        "royalty_ppm": _part("--royalty", royalty),
        "accept_ppm": _certainty("--accept", accept),
        "admission": _admission(admission),
        "operator_invitations": _count("--operator-invitations", operator_invitations, 0),
        "member_invitations": _count("--member-invitations", member_invitations, 0),
        "invite_standing": _count("--invite-standing", invite_standing, 1),
        "newcomer_items": _count("--newcomer-items", newcomer_items, 1),
        "items_per_standing": _count("--items-per-standing", items_per_standing, 0),
        "bond": _bond(bond),
        "silence_tosses": _count("--silence-tosses", silence_tosses, 0),
        "silence_ppm": _part("--silence-slash", silence_slash),
        "model_grace_epochs": _count("--model-grace", model_grace, 0),
    }
    return {name: value for name, value in terms.items() if value is not None}


def changed_policy(state: State, terms: dict[str, int | str]) -> pb.Policy:
    """What the next epoch is to have: what was announced for it, or else what is in force, with changes.

    Raises ConfigError without any, or where they do not go together with what stays.
    """
    if not terms:
        raise ConfigError("nothing is to change", "say what; `policy set --help` lists it")
    base = state.policy_to_come or state.policy
    present = {each.name: getattr(base, each.name) for each in fields(Policy)}
    present["bond"] = str(base.bond) if base.bond else ""
    made = pb.Policy(**present | terms)
    require_whole(made)
    return made


def require_whole(policy: pb.Policy) -> None:
    """Raises ConfigError if more is given away than there is, or one joins by a bond of nothing."""
    if policy.admission in TAKES_BONDS and not policy.bond:
        raise ConfigError("one joins by a bond of nothing", "say with --bond how many wei it takes")
    parts = {
        "contributors": policy.contributors_ppm,
        "reviewers": policy.reviewers_ppm,
        "trainers": policy.trainers_ppm,
    }
    if sum(parts.values()) > PPM:
        each = ", ".join(f"{who} {_percent(part)}" for who, part in parts.items())
        raise ConfigError(
            f"{each} are {_percent(sum(parts.values()))} of the emission together",
            "lower --contributors, --reviewers or --trainers to 100 % in all; what is left is the treasury's",
        )


def policy_data(policy: pb.Policy) -> dict[str, Any]:
    """All of it, for scripts."""
    return {each.name: getattr(policy, each.name) for each in fields(Policy)}


def _whole(option: str, number: int | None, most: int, unit: int = 1) -> int | None:
    if number is None:
        return None
    if not 1 <= number <= most:
        raise ConfigError(f"{option} is {number:,}", f"give a whole number from 1 to {most:,}")
    return number * unit


def _admission(word: str | None) -> int | None:
    return None if word is None else ADMISSIONS[word]


def _count(option: str, number: int | None, least: int) -> int | None:
    if number is not None and not least <= number <= COUNT_MAX:
        raise ConfigError(
            f"{option} is {number:,}", f"give a whole number from {least} to {COUNT_MAX:,}"
        )
    return number


def _bond(wei: str | None) -> str | None:
    """As the record has it: nothing where it asks for nothing."""
    if wei is None:
        return None
    try:
        amount = parse_amount(wei, "--bond")
    except Reject as error:
        raise ConfigError(
            f"{error}, of wei", "give digits alone: 100000000000000000 is a tenth of an ether"
        ) from error
    return str(amount) if amount else ""


def _part(option: str, percent: float | None) -> int | None:
    if percent is None:
        return None
    if not 0 <= percent <= 100:  # nor is it a number at all
        raise ConfigError(f"{option} is {percent:g} %", "give a percentage from 0 to 100")
    return round(percent * _PPM_PER_PERCENT)


def _certainty(option: str, percent: float | None) -> int | None:
    ppm = _part(option, percent)
    if ppm is not None and not PPM // 2 < ppm < PPM:
        raise ConfigError(
            f"{option} is {percent:g} %",
            "give a percentage above 50 and below 100: at a half both answers hold, and nothing is certain",
        )
    return ppm


def _percent(ppm: int) -> str:
    return f"{ppm / _PPM_PER_PERCENT:.9g} %"
