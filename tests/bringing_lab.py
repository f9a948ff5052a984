"""What tests of other tools' exports share: campaigns, files, and what is said of each item."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from node.bringing.sources import Asked, bring
from node.drafts import Draft
from protocol.rows import Campaign
from protocol.tasks.spec import encode_spec
from protos.gen import records_pb2 as pb
from tests.simulated import Network, campaign, part

PNG = b"\x89PNG\r\n\x1a\n and more"  # nothing is decoded here


@cache
def campaigns_of_exports() -> dict[str, Campaign]:
    """One of each kind that exports are brought to."""
    net = Network()
    words, stars = encode_spec({"labels": ["ham", "spam"]}), ["poor", "fair", "good"]
    for body in (
        campaign(id="texts", spec=words, parts=[part("text")]),
        campaign(
            id="tagged",
            task="tags",
            spec=encode_spec({"tags": ["cat", "dog", "outdoors"]}),
            parts=[part("text")],
        ),
        campaign(
            id="mixed",
            spec=words,
            parts=[part("text", "text/plain", "image/png")],
            proposal=pb.PROPOSAL_NOT_TAKEN,
        ),
        campaign(
            id="stars",
            task="rate",
            spec=encode_spec({"steps": stars, "tolerance": 0}),
            parts=[part("text")],
        ),
        campaign(
            id="pairs",
            task="prefer",
            spec=encode_spec({"ties": True}),
            parts=[part("answer_a"), part("answer_b")],
            proposal=pb.PROPOSAL_OPTIONAL,
        ),
        campaign(
            id="pictures",
            spec=encode_spec({"labels": ["cat", "dog"]}),
            parts=[part("image", "image/png")],
        ),
        campaign(
            id="pile",
            spec=encode_spec({"labels": ["cat", "dog"]}),
            parts=[part("image", "image/png")],
            proposal=pb.PROPOSAL_NOT_TAKEN,
        ),
        campaign(
            id="boxed",
            task="judge",
            spec=encode_spec(
                {
                    "criteria": [
                        {"name": "complete", "text": "Has every cat a box?", "needs_ppm": 900_000}
                    ]
                }
            ),
            parts=[
                part("picture", "image/png"),
                part("boxes", "application/vnd.commonhold.boxes+json"),
            ],
            proposal=pb.PROPOSAL_NOT_TAKEN,
        ),
    ):
        net.add(net.operator, "campaign", body)
    return dict(net.state.campaigns.scan())


def write(path: Path, found: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(found if isinstance(found, str) else json.dumps(found))
    return path


def pictures(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(PNG + name.encode())


def said(asked: Asked, campaign: Campaign) -> dict[str, str]:
    """Answers by item, reasons of what is left out."""
    return {
        each.name: each.words if isinstance(each, Draft) else f"! {each.reason}"
        for each in bring(asked, campaign).drafts
    }
