"""What the operator writes in options and files: campaigns, durations, answers, policies."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from commonground.durations import duration_words, parse_duration
from coordinator.campaigns import build_campaign, parse_part
from coordinator.gold import read_answers, those_waiting
from coordinator.policies import changed_policy
from protocol.errors import ConfigError, Reject, StateError
from protocol.limits import PPM
from protocol.rows import Policy, row_of
from protocol.tasks.spec import encode_spec
from protos.gen import records_pb2 as pb
from tests.fold import ids, people
from tests.simulated import NETWORK, Network, policy


def build(file: Path | None = None, **given: Any) -> pb.Campaign:
    return build_campaign(NETWORK, file, given)


@pytest.fixture
def net() -> Network:
    return Network(*people("ada"))


class TestCampaigns:
    def test_a_few_words_make_a_campaign_that_the_rules_take(self, net: Network) -> None:
        body = build(id="cats", labels=["cat", "dog"])
        net.add(net.operator, "campaign", body)
        made = net.state.campaigns["cats"]
        assert made.title == "cats"
        assert made.spec == encode_spec({"labels": ["cat", "dog"]})
        assert [(part.name, part.media_types) for part in made.parts] == [
            ("content", ("image/png",))
        ]
        assert made.proposal == pb.PROPOSAL_REQUIRED
        assert (made.rounds.commit_ms, made.rounds.seal_wait_ms) == (86_400_000, 600_000)

    def test_a_kind_that_takes_no_proposals_needs_no_word_about_them(self, net: Network) -> None:
        spec = {"criteria": [{"name": "right", "text": "Is it right?", "needs_ppm": 900_000}]}
        parts = [
            "question:text/plain:1000",
            "answer:text/plain:1000",
            "note:text/plain:10:optional",
        ]
        body = build(id="answers", task="judge", spec=json.dumps(spec), parts=parts)
        net.add(net.operator, "campaign", body)
        made = net.state.campaigns["answers"]
        assert made.proposal == pb.PROPOSAL_NOT_TAKEN
        assert [part.optional for part in made.parts] == [False, False, True]

    def test_options_win_over_the_file_and_the_file_over_the_defaults(self, tmp_path: Path) -> None:
        file = tmp_path / "campaign.toml"
        file.write_text(
            """
            id = "steps"
            task = "rate"
            spec = {labels = ["bad", "good"]}
            commit_window = "2h"
            reveal_window = "30m"
            round_items = 50
            reviewers_per_item = 5
            [[parts]]
            name = "text"
            media_types = ["text/plain"]
            bytes_max = 500
            [[parts]]
            name = "picture"
            media_types = ["image/png", "image/jpeg"]
            bytes_max = 5000
            optional = true
            """
        )
        body = build(file, reveal_window="5s", title=None)
        assert (body.id, body.task, body.reviewers_per_item) == ("steps", "rate", 5)
        assert body.spec == encode_spec({"labels": ["bad", "good"]})
        assert (body.rounds.commit_ms, body.rounds.reveal_ms) == (7_200_000, 5_000)
        assert (body.rounds.items_max, body.rounds.seal_items) == (50, 50)
        assert [part.name for part in body.parts] == ["text", "picture"]

    def test_a_spec_may_rest_in_a_file(self, tmp_path: Path) -> None:
        file = tmp_path / "spec.json"
        file.write_text('{ "labels": ["b", "a"] }')
        assert build(id="x", spec=str(file)).spec == encode_spec({"labels": ["b", "a"]})

    @pytest.mark.parametrize(
        ("given", "says"),
        [
            ({"labels": ["a", "b"]}, "has no id"),
            ({"id": "x"}, "has no labels"),
            ({"id": "x", "task": "rate"}, "does not say what its rate task asks"),
            ({"id": "x", "task": "rate", "labels": ["a"]}, "labels are for a classify task"),
            ({"id": "x", "labels": ["a"], "spec": "{}"}, "labels are for a classify task"),
            ({"id": "x", "spec": "{"}, "the spec is not JSON"),
            ({"id": "x", "spec": "nowhere.json"}, "cannot read nowhere.json"),
            ({"id": "x", "labels": ["a", "b"], "privacy": "none"}, "privacy is open or reviewers"),
            ({"id": "x", "labels": ["a", "b"], "proposal": "no"}, "required or optional or none"),
            ({"id": "x", "labels": ["a", "b"], "commit_window": "1 day"}, "commit window"),
            (
                {"id": "x", "labels": ["a", "b"], "price_ppm": -1},
                "price_ppm is -1, not a whole number",
            ),
            (
                {"id": "x", "labels": ["a", "b"], "draws_max": "3"},
                "draws_max is '3', not a whole number",
            ),
        ],
    )
    def test_what_is_wrong_is_named(self, given: dict[str, Any], says: str) -> None:
        with pytest.raises(ConfigError, match=says):
            build(**given)

    def test_an_unknown_kind_is_refused_with_those_that_there_are(self) -> None:
        with pytest.raises(Reject, match='no kind of task "guess"') as caught:
            build(id="x", task="guess")
        assert "classify, rate" in caught.value.advice

    def test_an_unknown_field_of_a_file_is_named(self, tmp_path: Path) -> None:
        file = tmp_path / "campaign.toml"
        file.write_text('id = "x"\nlabel = ["a"]\n')
        with pytest.raises(ConfigError, match="no field 'label'") as caught:
            build(file)
        assert "labels" in caught.value.advice

    @pytest.mark.parametrize(
        "text", ["", "a", "a:text/plain", "a:text/plain:x", "a:text/plain:5:", "a:b:5:must", ":b:5"]
    )
    def test_a_malformed_part_says_how_to_write_it(self, text: str) -> None:
        with pytest.raises(ConfigError) as caught:
            parse_part(text)
        assert caught.value.advice == "write it as NAME:MEDIA/TYPE[,MEDIA/TYPE]:BYTES[:optional]"


@pytest.mark.parametrize(
    ("text", "duration_ms"),
    [("500ms", 500), ("2s", 2_000), ("30m", 1_800_000), ("24h", 86_400_000), ("7d", 604_800_000)],
)
def test_durations(text: str, duration_ms: int) -> None:
    assert parse_duration(text, "it") == duration_ms
    assert parse_duration(duration_words(duration_ms), "it") == duration_ms


@pytest.mark.parametrize("text", ["", "2", "2 s", "-1s", "1.5h", "1w", "9999999999s", "\u0661s"])
def test_no_durations(text: str) -> None:
    with pytest.raises(ConfigError, match="it is not a duration") as caught:
        parse_duration(text, "it")
    assert "24h" in caught.value.advice


def test_nothing_lasts_no_time() -> None:
    with pytest.raises(ConfigError, match="it is '0s': it has to be above zero"):
        parse_duration("0s", "it")


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("labels", "cat", "labels is 'cat', not a list"),
        ("licences", "MIT", "licences is 'MIT', not a list"),
        ("parts", "image:image/png:5", "not a list"),
        ("seal_items", "x", "seal_items is 'x', not a whole number"),
        ("reviewers_per_item", -3, "not a whole number from 0"),
        ("price_ppm", 1.5, "not a whole number"),
        ("id", 5, "id is 5, not a text"),
        ("spec", 5, "the spec is 5, not a JSON object"),
        ("spec", "[1]", "the spec is not a JSON object"),
        ("parts", [{"name": "a", "bytes_max": "5"}], "the part 'a' is malformed"),
    ],
)
def test_a_field_of_another_type_is_named(field: str, value: object, message: str) -> None:
    fields = {"id": "a", "labels": ["x", "y"]} | ({"labels": []} if field == "spec" else {})
    assert build_campaign(bytes(32), None, {"id": "a", "labels": ["x", "y"]}).id == "a"
    with pytest.raises(ConfigError, match=re.escape(message)):
        build_campaign(bytes(32), None, fields | {field: value})


class TestGold:
    def table(self, tmp_path: Path, *rows: str) -> Path:
        file = tmp_path / "gold.csv"
        file.write_text("\n".join(("item_id,answer", *rows)) + "\n")
        return file

    def test_answers_are_words_of_the_kind(self, tmp_path: Path, net: Network) -> None:
        net.submit(net.people[0], [net.item(1), net.item(7)])
        first, second = ids(net)
        file = self.table(tmp_path, f"{first.hex()},1", f"{second.hex()},7")
        assert read_answers(file, net.state) == {first: b"\0\x01", second: b"\0\x07"}

    def test_what_is_wrong_is_named_with_its_line(self, tmp_path: Path, net: Network) -> None:
        net.submit(net.people[0], [net.item(1)])
        [item_id] = ids(net)
        row = f"{item_id.hex()},1"
        for rows, says in (
            ([f"{item_id.hex()},ten"], "gold.csv:2: there is no label"),
            ([f"{item_id.hex()}"], "gold.csv:2: there is no label"),
            (["xyz,1"], "gold.csv:2: an item id has 64"),
            ([row, row], "gold.csv:3: this item stands twice"),
            ([], "holds no answers"),
        ):
            with pytest.raises(ConfigError, match=says):
                read_answers(self.table(tmp_path, *rows), net.state)
        with pytest.raises(StateError, match="nobody has submitted"):
            read_answers(self.table(tmp_path, f"{'00' * 32},1"), net.state)
        with pytest.raises(ConfigError, match="cannot read"):
            read_answers(tmp_path / "nothing.csv", net.state)

    def test_items_that_wait_no_more_are_left_out(self) -> None:
        net = Network(*people("ada", "ben"))
        net.submit(net.people[0], [net.item(1), net.item(2)])
        net.stand_by(net.people[1])
        first, second = ids(net)
        known = {first: b"\0\x01", second: b"\0\x02"}
        assert those_waiting(net.state, known) == known
        net.withdraw(net.people[0], [first])
        assert those_waiting(net.state, known) == {second: b"\0\x02"}
        net.seal()
        with pytest.raises(StateError, match="none of these items waits"):
            those_waiting(net.state, known)


class TestPolicies:
    def test_what_is_not_named_stays_as_it_is_to_be(self, net: Network) -> None:
        first = changed_policy(net.state, emission=5, accept_ppm=None)
        assert first.epoch_emission_micro == 5 * PPM
        assert row_of(Policy, first) == row_of(Policy, policy(epoch_emission_micro=5 * PPM))
        body = pb.PolicyChange(network=NETWORK, epoch=1, policy=first, serial=0)
        net.add(net.operator, "policy", body)
        second = changed_policy(net.state, emission=None, accept_ppm=800_000)
        assert (second.epoch_emission_micro, second.accept_ppm) == (5 * PPM, 800_000)

    def test_nothing_to_change_and_nonsense_are_refused(self, net: Network) -> None:
        with pytest.raises(ConfigError, match="nothing is to change"):
            changed_policy(net.state, emission=None, accept_ppm=None)
        with pytest.raises(ConfigError, match="out of range"):
            changed_policy(net.state, emission=None, accept_ppm=-1)
