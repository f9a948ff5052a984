"""How the page says amounts, chances and times: for people, exactly."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from markupsafe import Markup

from commonground.counting import plural
from protocol.limits import PPM
from protocol.money.settlement import ETHER
from protocol.state import SHARES, State

_ETHER_DIGITS: Final = 18
_SHARE_DIGITS: Final = 6
# From so many ppm on a probability is called so.
_CERTAINTY: Final = (
    (999_000, "practically certain"),
    (990_000, "almost certain"),
    (950_000, "very likely"),
    (800_000, "likely"),
    (0, "unclear"),
)


def asset_name(state: State, asset: bytes) -> str:
    """An asset as people know it."""
    if asset == SHARES:
        return "shares"
    if state.deployment is not None and asset == state.deployment.share_token:
        return "shares"
    return "ether" if asset == ETHER else f"token 0x{asset.hex()}"


def amount_text(asset: str, amount: int) -> str:
    """An amount of an asset in whole units; of a token, whose unit we do not know, in its smallest."""
    digits = {"shares": _SHARE_DIGITS, "ether": _ETHER_DIGITS}.get(asset, 0)
    if not digits:
        return f"{amount:,}"
    whole, part = divmod(amount, 10**digits)
    shown = f"{part:0{digits}}".rstrip("0")
    return f"{whole:,}.{shown:0<2}"


def percent(ppm: int, digits: int = 1) -> str:
    """Parts per million as people read them."""
    return f"{ppm * 100 / PPM:.{digits}f}\N{NO-BREAK SPACE}%"


def certainty(ppm: int) -> str:
    """A probability in words, with the number: "almost certain, 99.4 %". Rounds down: no posterior
    is certainty, however many digits agree."""
    word = next(word for least, word in _CERTAINTY if ppm >= least)
    return f"{word}, {percent(min(ppm, PPM - 1) // 1_000 * 1_000)}"


def brief(amount: str) -> str:
    """An amount of `amount_text` for a first look: two decimals, unless they would show nothing."""
    whole, point, part = amount.partition(".")
    cut = part[:2]
    return amount if whole == "0" and not cut.strip("0") else f"{whole}{point}{cut}"


def moment(seconds: float) -> str:
    """A time as the owner's clock shows it; the page is read on the machine that it is served from."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M")


def quote(text: str) -> Markup:
    """Words of others, escaped, in quotes and isolated: from right to left, they turn nothing around."""
    return Markup("“<bdi>{}</bdi>”").format(text)


def told(sentence: str, *values: object) -> Markup:
    """A sentence of ours with values in it; those that are no markup are escaped."""
    return Markup(sentence).format(*values)  # noqa: S704  # the sentences are our own


def size(octets: int) -> str:
    """Bytes in the unit that fits."""
    for limit, unit in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if octets >= limit:
            return f"{octets / limit:.1f}\N{NO-BREAK SPACE}{unit}"
    return plural(octets, "byte")
