"""Who can choose the draw, and what the coin costs.

    python -m benchmarks.draw [--json]

Outcomes are counted, not argued: the seeds and assignments that differ among all that a coalition can do once
a round is sealed. Names stand down and up again in every combination; the operator, who is one of five
witnesses, drops, delays and orders their tosses in every way. Beside it, what the operator alone can choose
from, who foresees the coin: as many draws as seals that it tries before it logs one.

Times are processor milliseconds, the median of several.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from itertools import permutations
from statistics import median
from typing import Final

from nacl.signing import SigningKey

from benchmarks.report import is_json_wanted
from protocol.coin.dealing import check_deal, make_deal, open_value, public_shares, threshold_of
from protocol.coin.group import ORDER, Point, secret_of
from protocol.coin.toss import Share, check_share, combine, make_share
from protocol.rules import drawing
from tests.simulated import Network, Person

NAMES: Final = 10
HONEST: Final = 8
ITEMS: Final = 25
SEALS_TRIED: Final = 16
SIZES: Final = (5, 32)
REPEATS: Final = 9
PLACE: Final = bytes(range(32))

Draw = tuple[object, ...]


def sealed_round(*witnesses: Person, names: int = 0) -> Network:
    """A round in which `names` of one attacker and some honest people stand by; the first is the author."""
    author = Person("author")
    reviewers = [Person(f"honest {n}") for n in range(HONEST)]
    owned = [Person(f"name {n}") for n in range(names)]
    net = Network(author, *owned, *reviewers, *witnesses)
    if witnesses:
        net.change_witnesses(net.operator, *witnesses)
    net.submit(author, [net.item(n % 10) for n in range(ITEMS)])
    net.stand_by(*owned, *reviewers)
    net.seal()
    return net


def draw_of(net: Network) -> Draw:
    """Seed and assignments that everybody computes now."""
    seed, assigned = drawing.compute_draw(net.state, net.campaign())
    return seed, tuple(assigned.items())


def outcomes_of_names(count: int = NAMES) -> int:
    """How many draws differ, whichever of an attacker's names keep or break their word after the seal."""
    net = sealed_round(names=count)
    net.toss(net.operator)
    names, found = net.people[1 : count + 1], set()
    for step in range(1, 2**count + 1):
        found.add(draw_of(net))
        # In the order of a Gray code, in which one name changes its mind at a time.
        person = names[min((step & -step).bit_length() - 1, count - 1)]
        stands = ("digits", person.id) in net.state.standbys
        net.add(person, "standby", net.standby(person, stands=not stands))
    return len(found)


def outcomes_of_operator() -> int:
    """How many draws differ, whichever tosses of five witnesses the operator logs, in whatever order."""
    witnesses = [Person(f"witness {n}") for n in range(4)]
    net = sealed_round(*witnesses)
    five, found = (net.operator, *witnesses), set()
    for chosen in _sequences(five, net.state.coin.threshold):
        net.toss(*chosen)
        found.add(draw_of(net))
        net.state.tosses.clear("digits")
    return len(found)


def outcomes_of_one_alone(seals: int = SEALS_TRIED) -> int:
    """How many draws differ among some seals that somebody who foresees the coin may try."""
    found = set()
    for later_ms in range(seals):
        net = Network(*(Person(f"honest {n}") for n in range(HONEST)))
        net.submit(net.people[0], [net.item(n % 10) for n in range(ITEMS)])
        net.stand_by(*net.people)
        net.clock_ms += later_ms
        net.seal()
        net.toss(net.operator)
        found.add(draw_of(net))
    return len(found)


def _sequences(people: tuple[Person, ...], least: int) -> Iterator[tuple[Person, ...]]:
    for size in range(least, len(people) + 1):
        yield from permutations(people, size)


def milliseconds(work: Callable[[], object]) -> float:
    """Processor time of one call."""
    taken = []
    for _ in range(REPEATS):
        began = time.process_time()
        work()
        taken.append((time.process_time() - began) * 1_000)
    return round(median(taken), 3)


def costs(count: int) -> dict[str, float]:
    """What each step costs among so many witnesses."""
    seeds = [bytes([n]) * 32 for n in range(1, count + 1)]
    keys = [Point(bytes(SigningKey(seed).verify_key)) for seed in seeds]
    deals = [make_deal(seed, PLACE, keys) for seed in seeds]
    secrets = [secret_of(seed) for seed in seeds]

    def share_of(at: int) -> int:
        opened = [open_value(deal, PLACE, at, keys[at - 1], secrets[at - 1]) for deal in deals]
        return sum(value or 0 for value in opened) % ORDER

    public, threshold = public_shares(deals, count), threshold_of(count)
    tossed: dict[int, Share] = {
        at: make_share(PLACE, public[at - 1], share_of(at)) for at in range(1, threshold + 1)
    }
    points, share = {at: each.point for at, each in tossed.items()}, share_of(1)
    return {
        "deal": milliseconds(lambda: make_deal(seeds[0], PLACE, keys)),
        "check_deal": milliseconds(lambda: check_deal(deals[0], PLACE, count)),
        "open_all_deals": milliseconds(lambda: share_of(1)),
        "public_shares": milliseconds(lambda: public_shares(deals, count)),
        "toss": milliseconds(lambda: make_share(PLACE, public[0], share)),
        "check_toss": milliseconds(lambda: check_share(tossed[1], PLACE, public[0])),
        "combine": milliseconds(lambda: combine(PLACE, points)),
    }


def run() -> dict[str, object]:
    """How many outcomes each can choose among, and the milliseconds of each step by size of the set."""
    figures: dict[str, object] = {
        f"outcomes, {NAMES} free names": outcomes_of_names(),
        "outcomes, operator, who is one of five witnesses": outcomes_of_operator(),
        f"outcomes, operator alone, {SEALS_TRIED} seals tried": outcomes_of_one_alone(),
    }
    return figures | {f"CPU ms, {count} witnesses": costs(count) for count in SIZES}


def main() -> None:
    as_json = is_json_wanted(__doc__)
    figures = run()
    if as_json:
        print(json.dumps(figures, indent=2))
        return
    for name, figure in figures.items():
        shown = figure
        if isinstance(figure, dict):
            shown = ", ".join(f"{step.replace('_', ' ')} {taken}" for step, taken in figure.items())
        print(f"{name:48}{shown}")


if __name__ == "__main__":
    main()
