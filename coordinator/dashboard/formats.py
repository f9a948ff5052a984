"""How numbers, names and hashes are written, on every page alike."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from markupsafe import Markup

from protocol.identity import name_of, peer_id_of, short, short_key
from protocol.limits import ADDRESS_BYTES, PPM, WHOLE_PERMILLE
from protocol.money.settlement import ETHER
from protocol.rows import Consent
from protocol.state import SHARES
from protos.gen import records_pb2 as pb

ROLES: Final[dict[int, str]] = {
    pb.ROLE_CONTRIBUTOR: "contributor",
    pb.ROLE_REVIEWER: "reviewer",
    pb.ROLE_TRAINER: "trainer",
    pb.ROLE_TREASURY: "treasury",
    pb.ROLE_HOLDER: "holder",
}
WAITING_REASONS: Final[dict[int, str]] = {
    pb.WAITING_IN_REVIEW: "a round is under way",
    pb.WAITING_FOR_SEAL: "for the next round",
    pb.WAITING_FOR_REVIEWERS: "nobody who may review stands by",
    pb.WAITING_PAUSED: "the campaign is paused",
}
# Why reviewers would not have an item, or could not say: the rest of "most found it".
REFUSALS: Final[dict[int, str]] = {
    pb.REFUSAL_UNSURE: "impossible to tell",
    pb.REFUSAL_UNAVAILABLE: "out of reach",
    pb.REFUSAL_MISMATCH: "not what its record says",
    pb.REFUSAL_UNREADABLE: "unreadable",
    pb.REFUSAL_OFF_TOPIC: "off topic",
    pb.REFUSAL_PERSONAL: "personal data",
    pb.REFUSAL_HARMFUL: "harmful",
}
# Largest first; what is shorter than a second is said in milliseconds.
_UNITS_MS: Final = (("day", 86_400_000), ("hour", 3_600_000), ("minute", 60_000), ("second", 1_000))
# Years that a log of this century can have; whatever a record says beyond is shown as a number.
_MOMENT_MS_MAX: Final = 253_402_300_799_000
_ETHER_DIGITS: Final = 18
# Enough to see whether it matters; the log has all of them.
_ETHER_DIGITS_SHOWN: Final = 6


def count(number: int) -> str:
    """1,234,567."""
    return f"{number:,}"


def micro(amount: int) -> str:
    """Millionths, with two decimals: shares, epsilon."""
    return f"{amount / PPM:,.2f}"


def percent(ppm: int, digits: int = 1) -> str:
    """Parts per million as percent, without the sign."""
    return f"{ppm * 100 / PPM:.{digits}f}"


def many(number: int, name: str) -> str:
    """A count with its noun: "1 licence", "2 licences"."""
    return f"{count(number)} {name}" if number == 1 else f"{count(number)} {name}s"


def bdi(text: str) -> Markup:
    """Text of others, escaped, so that whatever way it is written does not turn what stands around it."""
    return Markup("<bdi>{}</bdi>").format(text)


def moment(time_ms: int) -> str:
    """A time of the log: "2026-07-30 14:32:07 UTC"."""
    if not 0 <= time_ms <= _MOMENT_MS_MAX:
        return f"{count(time_ms)} ms since 1970"
    return datetime.fromtimestamp(time_ms / 1_000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def duration(length_ms: int) -> str:
    """How long, in the two largest units that say something: "1 hour 30 minutes"."""
    told, rest = [], length_ms
    for name, unit_ms in _UNITS_MS:
        whole, rest = divmod(rest, unit_ms)
        if whole:
            told.append(many(whole, name))
        elif told:
            break
    return " ".join(told[:2]) or f"{count(length_ms)} ms"


def units(number: int, asset: bytes) -> str:
    """An amount in the unit that people use for the asset, where it is known; else in its smallest."""
    if asset == SHARES:
        return micro(number)
    if asset == ETHER:
        whole, rest = divmod(number, 10**_ETHER_DIGITS)
        decimals = f"{rest:0{_ETHER_DIGITS}d}".rstrip("0") or "0"
        cut = "…" if len(decimals) > _ETHER_DIGITS_SHOWN else ""
        return f"{whole:,}.{decimals[:_ETHER_DIGITS_SHOWN]}{cut}"
    return count(number)


def amount(number: int, asset: bytes) -> str:
    """An amount with its unit."""
    unit = {SHARES: "shares", ETHER: "ether"}.get(asset, f"units of {shortened(asset)}")
    return f"{units(number, asset)} {unit}"


def asset_name(asset: bytes) -> str:
    """What an asset is called: its contract's address, but for the two that have a name."""
    return {SHARES: "shares", ETHER: "ether"}.get(asset, f"0x{asset.hex()}")


def shortened(data: bytes) -> str:
    """Enough of a hash or address to tell it from others."""
    prefix = "0x" if len(data) == ADDRESS_BYTES else ""
    return f"{prefix}{data[:4].hex()}…" if data else "none"


def size(octets: int) -> str:
    """Bytes in the unit that fits."""
    for limit, unit in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if octets >= limit:
            return f"{octets / limit:.1f} {unit}"
    return f"{octets} bytes"


def scope(consent: Consent | pb.Consent) -> str:
    """What a consent, or a dataset, covers."""
    given = [name for name in ("train", "redistribute", "commercial") if getattr(consent, name)]
    return ", ".join(given) or "nothing"


def worth(permille: int) -> str:
    """Items by what each is worth, of which a derivative is a part: "2", "1.5"."""
    whole, part = divmod(permille, WHOLE_PERMILLE)
    return count(whole) + (f".{part:03}".rstrip("0") if part else "")


def evidence(line: pb.RewardLine) -> str:
    """Why somebody got a line: the counts behind it, in words."""
    found = line.evidence
    match line.role:
        case pb.ROLE_CONTRIBUTOR if line.licence_id:
            licensed = worth(found.licensed_permille)
            items = "item" if licensed == "1" else "items"
            behind = f"behind the model of {line.job_id}, " if line.job_id else ""
            return f"{licensed} {items} in the dataset {behind}of licence {line.licence_id}"
        case pb.ROLE_CONTRIBUTOR:
            counts = {"accepted": found.accepted, "rejected": found.rejected}
            extra = {
                "copies": found.duplicates,
                "undecided": found.undecided,
                "derivatives": found.derivatives,
            }
            counts |= {name: number for name, number in extra.items() if number}
            told = ", ".join(f"{count(number)} {name}" for name, number in counts.items())
            repaid = found.repaid_micro / PPM
            return f"{told}, {repaid:g} repaid" if repaid else told
        case pb.ROLE_REVIEWER:
            told = many(found.answers, "answer")
            if found.gold_answers:
                told += f", {count(found.gold_right)} of {count(found.gold_answers)} gold right"
            if found.ring_size > 1:
                told += f", in a ring of {found.ring_size}"
            return told
        case pb.ROLE_TRAINER:
            sold = f", licensed as {line.licence_id}" if line.licence_id else ""
            return f"{many(found.updates, 'update')} to {line.job_id}{sold}"
        case pb.ROLE_HOLDER:
            return f"held {micro(found.shares_micro)} shares"
        case _:
            return "by the network's policy"


FILTERS: Final = {
    "asset_name": asset_name,
    "bdi": bdi,
    "count": count,
    "duration": duration,
    "moment": moment,
    "name": name_of,
    "unhex": bytes.fromhex,
    "worth": worth,
    "micro": micro,
    "percent": percent,
    "shortened": shortened,
    "size": size,
    "scope": scope,
    "short": short,
    "short_key": short_key,
    "peer_id": peer_id_of,
}
