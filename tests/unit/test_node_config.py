"""Settings: what is written is read back; what is wrong is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from node.chat_terms import ChatTerms
from node.config import (
    Limits,
    NodeConfig,
    NodeDirectory,
    load_config,
    locate,
    read_reviewers,
    write_config,
)
from protocol.errors import ConfigError
from protocol.log.link import NetworkLink
from protocol.log.note import Verifier
from protocol.rows import Campaign
from tests.simulated import campaign

LINK = NetworkLink(
    "localhost", 7600, "my network", bytes(32), Verifier("log", bytes(32)), "http://h"
)


@pytest.fixture
def home(tmp_path: Path) -> NodeDirectory:
    directory = NodeDirectory(tmp_path / "node")
    directory.create()
    return directory


def test_settings_come_back_as_they_were_written(home: NodeDirectory) -> None:
    config = NodeConfig(
        LINK,
        listen=("/ip4/127.0.0.1/tcp/0", "/ip6/::1/tcp/0"),
        rpc_url='http://"quoted"\\',
        stand_by=False,
        review_campaigns=("digits", "letters"),
        review_kinds=("rate",),
        tell_seconds=True,
        reviewers={"*": "constant:3", "digits": 'command:"true" --a=b'},
        chat=ChatTerms(allow_remote=True, key_file='/a "key"', answer_seconds=5),
        limits=Limits(1, 2),
    )
    write_config(home, config)
    assert load_config(home) == config
    write_config(home, NodeConfig(LINK))
    assert load_config(home) == NodeConfig(LINK)


def test_everything_is_private(home: NodeDirectory) -> None:
    write_config(home, NodeConfig(LINK))
    assert home.root.stat().st_mode & 0o777 == 0o700
    assert home.config.stat().st_mode & 0o777 == 0o600


def test_where_the_directory_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("COMMONHOLD_NODE", raising=False)
    assert locate().root == tmp_path / ".commonhold" / "node"
    monkeypatch.setenv("COMMONHOLD_NODE", str(tmp_path / "a"))
    assert locate().root == tmp_path / "a"
    assert locate(tmp_path / "b").root == tmp_path / "b"


def test_no_node_yet(home: NodeDirectory) -> None:
    with pytest.raises(ConfigError, match="no node") as caught:
        load_config(home)
    assert "node init" in caught.value.advice


@pytest.mark.parametrize(
    ("line", "match"),
    [
        ("nonsense = 1", "nonsense"),
        ("stand_by = 3", "stand_by"),
        ('listen = "/ip4"', "listen"),
        ('review_campaigns = ["Not An Id"]', "not the id of a campaign"),
        ('review_campaigns = "digits"', "review_campaigns"),
        ('review_kinds = ["guess"]', 'task "guess"'),
        ("[reviewers]\ndigits = 3", "reviewers.digits"),
        ('[reviewers]\n"a b" = "constant:3"', "not the id of a campaign"),
        ("[limits]\nreview_bytes_max = 0", "review_bytes_max"),
        ("[limits]\nmore = 1", "more"),
        ("[chat]\nmore = 1", "chat.more"),
        ('[chat]\nallow_remote = "false"', "chat.allow_remote is 'false'"),
        ("[chat]\nallow_remote = 1", "chat.allow_remote is 1"),
        ("[chat]\nanswer_seconds = true", "chat.answer_seconds is True"),
        ("[chat]\nanswer_seconds = 0", "chat.answer_seconds is 0"),
        ("[chat]\nanswer_seconds = 3601", "chat.answer_seconds is 3601"),
        ("[chat]\nkey_file = 3", "chat.key_file"),
        ("chat = 3", "chat"),
        ('listen = ["anywhere"]', '"anywhere" is no address'),
        ('rpc_url = "localhost:8545"', "rpc_url"),
        ("= broken", "TOML"),
    ],
)
def test_a_wrong_setting_is_named(home: NodeDirectory, line: str, match: str) -> None:
    home.config.write_text(f"network = '{LINK}'\n{line}\n")
    with pytest.raises(ConfigError, match=match) as caught:
        load_config(home)
    assert caught.value.advice


def test_a_setting_with_control_characters_is_not_written(home: NodeDirectory) -> None:
    with pytest.raises(ConfigError, match="holds what cannot be seen"):
        write_config(home, NodeConfig(LINK, reviewers={"*": "a\nstand_by = true"}))


@pytest.mark.parametrize(
    ("changes", "offered"),
    [
        ({}, {"digits", "stars", "pairs"}),
        ({"stand_by": False}, set()),
        ({"review_campaigns": ("digits",)}, {"digits"}),
        ({"review_kinds": ("rate", "prefer")}, {"stars", "pairs"}),
        ({"review_kinds": ("rate",), "review_campaigns": ("digits", "stars")}, {"stars"}),
    ],
)
def test_the_owner_chooses_where_to_review(changes: dict[str, Any], offered: set[str]) -> None:
    config = NodeConfig(LINK, **changes)
    kinds = {"digits": "classify", "stars": "rate", "pairs": "prefer"}
    rows = [Campaign.of(campaign(id=name, task=kind)) for name, kind in kinds.items()]
    assert {row.id for row in rows if config.stands_by_for(row)} == offered


def test_each_campaign_may_have_a_reviewer_of_its_own() -> None:
    read = read_reviewers(["stars=constant:3", "command:look --at=it"])
    config = NodeConfig(LINK, reviewers=read)
    assert config.reviewer_for("stars") == "constant:3"
    assert config.reviewer_for("digits") == "command:look --at=it"
    assert NodeConfig(LINK).reviewer_for("digits") == ""
    assert read_reviewers(["*=digits"]) == read_reviewers(["digits"])
    with pytest.raises(ConfigError, match="two reviewers"):
        read_reviewers(["constant:1", "constant:2"])
