"""What the operator writes in options and files: campaigns, durations, answers, policies."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from commonground.durations import duration_words, parse_duration
from coordinator.campaigns import read_draft
from coordinator.config import Config, Home
from coordinator.founding import found
from coordinator.gold import keep_those_waiting, read_answers, those_waiting
from coordinator.parts import parse_part
from coordinator.policies import changed_policy, read_terms
from coordinator.sealed import validate_known
from protocol.errors import ConfigError, Ignore, Reject, StateError
from protocol.limits import PPM
from protocol.policy import Policy
from protocol.rows import ItemId, row_of
from protocol.tasks.spec import encode_spec
from protos.gen import records_pb2 as pb
from tests.fold import ids, people
from tests.simulated import NETWORK, Network, campaign, part, policy


def build(file: Path | None = None, **given: Any) -> pb.Campaign:
    return read_draft(NETWORK, file, given).whole()


def terms(**said: Any) -> dict[str, int | str]:
    names = (
        *("emission", "contributors", "reviewers", "trainers", "royalty", "accept"),
        *("admission", "operator_invitations", "member_invitations", "invite_standing"),
        *("newcomer_items", "items_per_standing", "bond"),
        *("silence_tosses", "silence_slash", "model_grace"),
    )
    return read_terms(**(dict.fromkeys(names) | said))


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
            spec = {steps = ["bad", "good"], tolerance = 0}
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
        assert body.spec == encode_spec({"steps": ["bad", "good"], "tolerance": 0})
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
            ({"id": "x", "task": "rate", "labels": ["a"]}, "--label is for a classify task"),
            ({"id": "x", "labels": ["a"], "spec": "{}"}, "--label is for a classify task"),
            ({"id": "x", "spec": "{"}, "the spec is not JSON"),
            ({"id": "x", "spec": "nowhere.json"}, "cannot read nowhere.json"),
            ({"id": "x", "labels": ["a", "b"], "privacy": "none"}, "--privacy is 'none'"),
            ({"id": "x", "labels": ["a", "b"], "proposal": "no"}, "--proposal is 'no'"),
            ({"id": "x", "labels": ["a", "b"], "commit_window": "1 day"}, "--commit-window is"),
            ({"id": "x", "labels": ["a", "b"], "seal_wait": "0s"}, "--seal-wait is '0s'"),
            (
                {"id": "x", "labels": ["a", "b"], "reveal_window": "32d"},
                "--reveal-window is '32d', longer than 31d",
            ),
            ({"id": "x", "labels": ["a", "b"], "reviewers_per_item": 0}, "--reviewers is 0"),
            ({"id": "x", "labels": ["a", "b"], "round_items": 8_193}, "--round-items is 8193"),
            ({"id": "x", "labels": ["a", "b"], "seal_items": -1}, "--seal-items is -1"),
            (
                {"id": "x", "labels": ["a", "b"], "seal_items": 60, "round_items": 50},
                r"--seal-items is 60, more than a round has \(--round-items: 50\)",
            ),
            ({"id": "x", "labels": ["a", "b"], "item_bytes_max": 0}, "--item-bytes-max is 0"),
            ({"id": "x", "labels": ["a", "b"], "parts": ["p:text/plain:0"]}, "part 'p' is 0"),
            (
                {
                    "id": "x",
                    "labels": ["a", "b"],
                    "parts": ["p:text/plain:9"],
                    "item_bytes_max": 5,
                },
                "--item-bytes-max is for items of one part",
            ),
            ({"id": "x", "task": "judge", "spec": "{}", "proposal": "required"}, "--proposal is"),
            ({"id": "x", "task": "rate", "spec": ""}, "--spec is ''"),
            ({"id": "x", "labels": ["a", "b"], "title": "\udcff"}, "not text"),
            ({"id": "x", "labels": ["a", "b"], "draws_max": 9}, "--draws-max is 9"),
        ],
    )
    def test_what_is_wrong_is_named(self, given: dict[str, Any], says: str) -> None:
        with pytest.raises(ConfigError, match=says) as caught:
            build(**given)
        assert caught.value.advice

    def test_a_field_of_a_file_is_called_as_it_is_there(self, tmp_path: Path) -> None:
        file = tmp_path / "campaign.toml"
        file.write_text('id = "x"\nlabels = ["a", "b"]\nreviewers_per_item = 0\nprice_ppm = 0\n')
        with pytest.raises(ConfigError, match=r"reviewers_per_item in .*campaign.toml is 0"):
            build(file)
        with pytest.raises(ConfigError, match="--reviewers is 40"):
            build(file, reviewers_per_item=40)
        with pytest.raises(ConfigError, match=r"price_ppm in .*campaign.toml is 0"):
            build(file, reviewers_per_item=4)

    def test_windows_may_be_as_long_as_the_rules_allow(self, net: Network) -> None:
        names = ("seal_wait", "commit_window", "reveal_window")
        given: dict[str, Any] = {"id": "slow", "labels": ["a", "b"]} | dict.fromkeys(names, "31d")
        body = build(**given)
        net.add(net.operator, "campaign", body)
        assert net.state.campaigns["slow"].rounds.commit_ms == 31 * 86_400_000

    def test_an_unknown_kind_is_refused_with_those_that_there_are(self) -> None:
        with pytest.raises(Reject, match='no kind of task "guess"') as caught:
            build(id="x", task="guess")
        assert "classify, rate" in caught.value.advice

    def test_an_unknown_field_of_a_file_is_named(self, tmp_path: Path) -> None:
        file = tmp_path / "campaign.toml"
        file.write_text('id = "x"\nlabel = ["a"]\nlabels = ["b", "c"]\n')
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
        ("labels", "cat", "--label is 'cat', not a list"),
        ("licences", "MIT", "--licence is 'MIT', not a list"),
        ("parts", "image:image/png:5", "not a list"),
        ("seal_items", "x", "--seal-items is 'x'"),
        ("reviewers_per_item", -3, "--reviewers is -3"),
        ("price_ppm", 1.5, "--price-ppm is 1.5"),
        ("labels", [1, 2], "--label holds 1, 2: no text"),
        ("id", 5, "id is 5, not a text"),
        ("spec", 5, "--spec is 5, not a JSON object"),
        ("spec", "[1]", "the spec is not a JSON object"),
        ("parts", [{"name": "a", "bytes_max": "5"}], "the part 'a' is malformed"),
    ],
)
def test_a_field_of_another_type_is_named(field: str, value: object, message: str) -> None:
    fields = {"id": "a", "labels": ["x", "y"]} | ({"labels": []} if field == "spec" else {})
    assert read_draft(bytes(32), None, {"id": "a", "labels": ["x", "y"]}).whole().id == "a"
    with pytest.raises(ConfigError, match=re.escape(message)):
        read_draft(bytes(32), None, fields | {field: value}).whole()


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

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("gold.csv", "\ufeffitem_id,answer\n{0},1\n"),
            ("gold.csv", "answer;item_id\r\n1;{0}\r\n"),
            ("gold.tsv", "item_id\tanswer\n{0}\t1\n"),
            ("gold.csv", "Item_ID, Answer \n{0},1\n"),
            ("gold.jsonl", '{{"item_id": "{0}", "answer": "1"}}\n'),
        ],
    )
    def test_tables_are_read_as_contributors_are(
        self, tmp_path: Path, net: Network, name: str, content: str
    ) -> None:
        net.submit(net.people[0], [net.item(1)])
        [item_id] = ids(net)
        file = tmp_path / name
        file.write_bytes(content.format(item_id.hex()).encode())
        assert read_answers(file, net.state) == {item_id: b"\0\x01"}

    def test_what_is_wrong_is_named_with_its_line(self, tmp_path: Path, net: Network) -> None:
        net.submit(net.people[0], [net.item(1)])
        [item_id] = ids(net)
        row = f"{item_id.hex()},1"
        for rows, says in (
            ([f"{item_id.hex()},ten"], "gold.csv:2: there is no label"),
            ([f"{item_id.hex()}"], "line 2: expected 2 fields, found 1"),
            ([f"{item_id.hex()},1,ten"], "line 2: expected 2 fields, found 3"),
            (["xyz,1"], 'gold.csv:2: "xyz" is not an item'),
            ([row, row], f"gold.csv:3: the item {item_id.hex()[:12]} is there twice"),
            ([], "holds no answers"),
        ):
            with pytest.raises(ConfigError, match=says) as caught:
                read_answers(self.table(tmp_path, *rows), net.state)
            assert caught.value.advice
        (tmp_path / "label.csv").write_text(f"item_id,label\n{row.upper()}\n")
        assert list(read_answers(tmp_path / "label.csv", net.state)) == [item_id]
        (tmp_path / "other.csv").write_text(f"item,label\n{row}\n")
        with pytest.raises(
            ConfigError, match="does not have the columns item_id and answer"
        ) as caught:
            read_answers(tmp_path / "other.csv", net.state)
        assert "item_id,answer" in caught.value.advice
        with pytest.raises(StateError, match="nobody has submitted"):
            read_answers(self.table(tmp_path, f"{'00' * 32},1"), net.state)
        with pytest.raises(ConfigError, match="cannot read"):
            read_answers(tmp_path / "nothing.csv", net.state)

    def test_on_the_page_of_one_campaign_others_items_are_refused(self, tmp_path: Path) -> None:
        net = Network(*people("ada"))
        texts = campaign(id="texts", spec=encode_spec({"labels": ["1", "2"]}), parts=[part("text")])
        net.add(net.operator, "campaign", texts)
        net.submit(net.people[0], [net.item(0, c="texts")], c="texts")
        [item_id] = ids(net)
        file = self.table(tmp_path, f"{item_id.hex()},1")
        assert read_answers(file, net.state) == read_answers(file, net.state, "texts")
        with pytest.raises(
            ConfigError, match=r'gold\.csv:2: this item is one of "texts"'
        ) as caught:
            read_answers(file, net.state, "digits")
        assert caught.value.advice

    def test_another_case_is_another_answer(self, tmp_path: Path) -> None:
        net = Network(*people("ada"))
        texts = campaign(
            id="texts", spec=encode_spec({"labels": ["ham", "spam"]}), parts=[part("text")]
        )
        net.add(net.operator, "campaign", texts)
        net.submit(net.people[0], [net.item(0, c="texts")], c="texts")
        [item_id] = ids(net)
        assert read_answers(self.table(tmp_path, f"{item_id.hex()},ham"), net.state)
        with pytest.raises(ConfigError, match='"Ham" is written "ham"') as caught:
            read_answers(self.table(tmp_path, f"{item_id.hex()},Ham"), net.state)
        assert caught.value.advice

    def test_a_round_that_begins_meanwhile_takes_only_its_own_items_along(self) -> None:
        def network() -> Network:
            made = Network(*people("ada", "ben"))
            made.submit(made.people[0], [made.item(1), made.item(2)])
            return made

        before, now = network(), network()
        first, second = ids(now)
        known = {first: b"\0\x01", second: b"\0\x02"}
        now.withdraw(now.people[0], [first])

        class Server:
            """Its rule, and what two looks at the log show."""

            def __init__(self, later: Network) -> None:
                self.state, self.later, self.tried = before.state, later.state, 0

            def refresh(self) -> None:
                self.state = self.later

            def import_gold(self, answers: Mapping[ItemId, bytes]) -> None:
                self.tried += 1
                validate_known(now.state, answers)

        server = Server(now)
        assert keep_those_waiting(server, known) == 1
        assert server.tried == 2
        with pytest.raises(Ignore):  # another look shows nothing else: the server's word stands
            keep_those_waiting(Server(before), known)

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
        first = changed_policy(net.state, terms(emission=5))
        assert first.epoch_emission_micro == 5 * PPM
        assert row_of(Policy, first) == row_of(Policy, policy(epoch_emission_micro=5 * PPM))
        body = pb.PolicyChange(network=NETWORK, epoch=1, policy=first, serial=0)
        net.add(net.operator, "policy", body)
        second = changed_policy(net.state, terms(accept=80))
        assert (second.epoch_emission_micro, second.accept_ppm) == (5 * PPM, 800_000)

    def test_nothing_to_change_and_nonsense_are_refused(self, net: Network) -> None:
        with pytest.raises(ConfigError, match="nothing is to change"):
            changed_policy(net.state, terms())
        with pytest.raises(
            ConfigError, match=r"contributors 90 %.* are 120 % of the emission"
        ) as all_:
            changed_policy(net.state, terms(contributors=90))
        assert "100 % in all" in all_.value.advice

    @pytest.mark.parametrize(
        ("said", "says", "advises"),
        [
            ({"accept": -5.0}, "--accept is -5 %", "from 0 to 100"),
            ({"accept": 200.0}, "--accept is 200 %", "from 0 to 100"),
            ({"accept": 50.0}, "--accept is 50 %", "above 50 and below 100"),
            ({"accept": 99.99999}, "--accept is 100 %", "above 50 and below 100"),
            ({"royalty": float("nan")}, "--royalty is nan %", "from 0 to 100"),
            ({"trainers": float("inf")}, "--trainers is inf %", "from 0 to 100"),
            ({"emission": 0}, "--emission is 0", "from 1 to 9,223,372,036,854"),
            ({"emission": 10**19}, "--emission is 10,000,000,000,000,000,000", "from 1 to"),
            ({"newcomer_items": 0}, "--newcomer-items is 0", "from 1 to 1,000,000"),
            ({"operator_invitations": -1}, "--operator-invitations is -1", "from 0 to 1,000,000"),
        ],
    )
    def test_an_option_out_of_range_is_named(
        self, said: dict[str, Any], says: str, advises: str
    ) -> None:
        with pytest.raises(ConfigError, match=re.escape(says)) as caught:
            terms(**said)
        assert advises in caught.value.advice

    def test_options_may_be_as_large_as_the_rules_allow(self, net: Network) -> None:
        most = terms(emission=9_223_372_036_854, accept=99.9999, royalty=100)
        body = pb.PolicyChange(
            network=NETWORK, epoch=1, policy=changed_policy(net.state, most), serial=0
        )
        net.add(net.operator, "policy", body)
        assert net.state.policy_to_come is not None

    def test_a_network_that_breaks_a_rule_leaves_nothing_behind(self, tmp_path: Path) -> None:
        for name, wrong in (("x ", policy()), ("x", policy(contributors_ppm=900_000))):
            with pytest.raises(ConfigError):
                found(Home(tmp_path / "net"), Config(name), wrong)
            assert not (tmp_path / "net").exists()
        found(Home(tmp_path / "net"), Config("x"), policy())
