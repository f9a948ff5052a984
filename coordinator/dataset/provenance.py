"""provenance.json: the dataset by the Data Provenance Standards, their 22 fields filled from the log.

Source: Data & Trust Alliance, Data Provenance Standards 1.0.0 (2024), in the names of its JSON schema; where
one field has two halves there (where data may and may not be processed), so it has here. What the log does
not say is null, and `unknown` says why.
"""

from __future__ import annotations

from typing import Any, Final

from commonground.counting import plural
from commonground.dataset.decided import moment
from commonground.dataset.layout import CROISSANT, POLICY, SCOPE
from commonground.dataset.policies import licence_url
from coordinator.dataset.facts import Facts

VERSION: Final = "1.0.0"
_CODES: Final = (
    "urn:commonhold:provenance:1"  # of our own codes, where the standard leaves them open
)
_PURPOSES: Final = {
    "train": "Training of models",
    "redistribute": "Redistribution",
    "commercial": "Commercial use",
}
_NOT_ASKED: Final = "contributors are not asked, and the log does not say"
_UNKNOWN: Final = {
    "provenance.origin": "contributors are persons, named by the hash of a key; croissant.json lists them",
    "provenance.origin-geography": _NOT_ASKED,
    "provenance.previous-date": "the log holds earlier snapshots of the campaign, if any, without dates",
    "use.processing-included": _NOT_ASKED,
    "use.processing-excluded": _NOT_ASKED,
    "use.storage-allowed": _NOT_ASKED,
    "use.storage-forbidden": _NOT_ASKED,
    "use.copyright": "contributors give a licence for each item; who else has rights in it, nobody checked",
    "use.patent": _NOT_ASKED,
    "use.trademark": _NOT_ASKED,
}
_NO_PERIOD: Final = "no answer to these items is in the log"


def describe_provenance(facts: Facts) -> dict[str, Any]:
    """The file's content."""
    unknown = dict(_UNKNOWN)
    if not facts.given:
        unknown["provenance.generation-period"] = _NO_PERIOD
    return {
        "source": _source(facts),
        "provenance": _provenance(facts),
        "use": _use(facts),
        "unknown": dict(sorted(unknown.items())),
    }


def _source(facts: Facts) -> dict[str, Any]:
    return {
        "version": VERSION,
        "title": facts.title,
        "id": facts.urn,
        "location": facts.url,
        "issuer": [{"name": facts.network_name, "address": [facts.url]}],
        "description": facts.description,
    }


def _provenance(facts: Facts) -> dict[str, Any]:
    period = {"start": moment(facts.first_ms), "end": moment(facts.last_ms)}
    return {
        "source": CROISSANT,
        "origin": None,
        "origin-geography": None,
        "date": facts.published,
        "previous-date": None,
        # Of the reviews: when content was made before it was submitted, nobody recorded.
        "generation-period": period if facts.given else None,
        "generation-method": [
            {"code": origin, "system": _CODES, "description": plural(count, "item")}
            for origin, count in sorted(facts.origins.items())
        ],
        "format": sorted(facts.formats),
    }


def _use(facts: Facts) -> dict[str, Any]:
    personal = (
        f"{plural(facts.personal, 'item')}, by their contributors' word (column personal_data)"
    )
    return {
        "classification": [
            {
                "regulation": {"code": "personal-data", "system": _CODES, "description": personal},
                "evaluated": facts.personal > 0,
            }
        ],
        "consents": [POLICY],
        "privacy-enhancing": [
            {
                "tool-category": {
                    "code": "pseudonyms",
                    "system": _CODES,
                    "description": "Contributors and reviewers are named by the hash of a key",
                },
                "tool": "commonhold",
            }
        ],
        "processing-included": None,
        "processing-excluded": None,
        "storage-allowed": None,
        "storage-forbidden": None,
        "license": [licence_url(each) for each in sorted(facts.licences)],
        "intended-purpose": [
            {"code": use, "system": _CODES, "description": _PURPOSES[use]}
            for use in SCOPE
            if use in facts.uses
        ],
        "copyright": None,
        "patent": None,
        "trademark": None,
    }
