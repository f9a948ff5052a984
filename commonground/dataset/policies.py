"""What may be done with an item, from its licence and its author's consent: for programs that ask first.

Sources: ODRL Information Model 2.2 and its Vocabulary (W3C, 15 February 2018); the vocabulary of AI usage
preferences (IETF, draft-ietf-aipref-vocab-08, 14 September 2026: a structured field whose keys are uses, y
allows and n does not, and a use that is absent is one of which nothing is said).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from commonground.dataset.layout import SCOPE, scope_names
from protocol.rows import Consent, Description

CONTEXT: Final = "http://www.w3.org/ns/odrl.jsonld"
PROFILE: Final = "urn:commonhold:odrl:1"
"""Our profile adds one action to ODRL's: `train`, which is included in `use`."""

# ODRL's own actions, where it has one.
_ACTIONS: Final = {
    "train": f"{PROFILE}:train",
    "redistribute": "distribute",
    "commercial": "commercialize",
}
# What the names of licences say for themselves; whatever else they ask is in their text.
_ATTRIBUTED: Final = "CC-BY"
_NOT_COMMERCIAL: Final = "-NC"


@dataclass(frozen=True, slots=True, order=True)
class Policy:
    """A licence, and the uses that a contributor agreed to. Items with both alike have one policy."""

    licence: str
    uses: tuple[str, ...]

    @property
    def uid(self) -> str:
        """Its name in policy.jsonld."""
        uses = "+".join(self.uses) or "nothing"
        return f"urn:commonhold:policy:{quote(self.licence, safe='')}:{uses}"


def policy_of(described: Description) -> Policy:
    """The policy of an item."""
    return Policy(described.licence, tuple(scope_names(described.consent)))


def preference(consent: Consent) -> str:
    """The aipref string. Nobody was asked about search, so nothing is said of it."""
    return f"train-ai={'y' if consent.train else 'n'}"


def licence_url(spdx: str) -> str:
    """Where the text of a licence on the SPDX list is."""
    return f"https://spdx.org/licenses/{quote(spdx, safe='', errors='replace')}.html"


def describe_policies(policies: Iterable[Policy], target: str, assigner: str) -> dict[str, Any]:
    """policy.jsonld: an ODRL offer for each policy. `target`: the dataset; `assigner`: who offers it."""
    offers = (_offer(policy, target, assigner) for policy in sorted(policies))
    return {"@context": [CONTEXT, {"dct": "http://purl.org/dc/terms/"}], "@graph": list(offers)}


def _offer(policy: Policy, target: str, assigner: str) -> dict[str, Any]:
    refused = {use for use in SCOPE if use not in policy.uses}
    if policy.licence.startswith("CC-") and _NOT_COMMERCIAL in policy.licence:
        refused.add("commercial")
    return {
        "@type": "Offer",
        "uid": policy.uid,
        "profile": PROFILE,
        "target": target,
        "assigner": assigner,
        "dct:license": {"@id": licence_url(policy.licence)},
        "permission": [
            {"action": _ACTIONS[use]} | _duty(policy.licence, use)
            for use in SCOPE
            if use not in refused
        ],
        "prohibition": [{"action": _ACTIONS[use]} for use in SCOPE if use in refused],
    }


def _duty(licence: str, use: str) -> dict[str, Any]:
    named = use == "redistribute" and licence.startswith(_ATTRIBUTED)
    return {"duty": [{"action": "attribute"}]} if named else {}
