"""Campaigns from draft to close, and items that are taken down, with real processes."""

from __future__ import annotations

import asyncio
from pathlib import Path

from typer.testing import CliRunner

from commonhold.cli.root import build
from commonhold.demo.stage import Stage
from coordinator.operator import Operator
from node.items import taken_down
from node.statement import explain_item
from protocol.lifecycle import CampaignStatus, ItemStatus
from tests.integration.test_coordinator_cli import run, run_json
from tests.live_coordinator import found_network, serving_process
from tests.node_lab import Lab, standing_by, until, wait_for


def refused(home: Path, file: Path) -> str:
    """What `campaign check` says of a draft that could not be opened."""
    command = ["coordinator", "campaign", "check", str(file), "--dir", str(home)]
    done = CliRunner().invoke(build("coordinator"), command)
    assert done.exit_code == 2, done.stdout + done.stderr
    return done.stdout


def test_a_campaign_lives_from_its_draft_to_its_close(tmp_path: Path) -> None:
    home, file = found_network(tmp_path / "net"), tmp_path / "mine.toml"
    with serving_process(home):
        new = ["coordinator", "campaign", "new", "classify", str(file), "--id", "mine"]
        assert "is written" in CliRunner().invoke(build("coordinator"), new).stderr
        assert "is there already" in CliRunner().invoke(build("coordinator"), new).stderr
        found = run_json(home.path, "campaign", "check", str(file))
        assert (found["good"], found["errors"], found["advice"]) == (True, [], [])
        assert found["cost"]["item_micro"] > 0
        good = file.read_text()
        file.write_text(good.replace("CC-BY-4.0", "CC BY 4.0").replace("text/plain", "image/PNG"))
        said = refused(home.path, file)
        assert "Did you mean CC-BY-4.0?" in said and "image/PNG" in said
        assert "mine cannot be opened" in said
        assert "image/PNG" in run(home.path, "campaign", "create", str(file), code=4)
        file.write_text(good)
        run(home.path, "campaign", "create", str(file))
        assert "there is a campaign 'mine' already" in refused(home.path, file)
        said = run(home.path, "campaign", "change", "mine", str(file), "--yes", code=4)
        assert "has these terms already" in said
        file.write_text(good.replace("1_000_000", "500_000"))
        changed = run_json(home.path, "campaign", "change", "mine", str(file), "--yes")
        assert {"-price_ppm: 1,000,000", "+price_ppm: 500,000"} < set(changed["changed"])
        assert changed["revision"] == 1
        change = ("campaign", "change", "mine")
        changed = run_json(home.path, *change, "--seal-wait", "7s", "--title", "Yours", "--yes")
        assert {"-seal_wait: 10m", "+seal_wait: 7s", "+title: Yours"} < set(changed["changed"])
        marked = [line for line in changed["changed"] if line[0] in "+-"]
        assert len(marked) == 4, "the rest stays as it is"
        assert changed["revision"] == 2
        assert "that changes nothing" in run(home.path, *change, "--seal-wait", "7s", code=2)
        for words in ((), (str(file), "--title", "Both")):
            assert "what to change" in run(home.path, *change, *words, code=2)
        assert "not a duration" in run(home.path, *change, "--seal-wait", "soon", code=2)
        file.write_text(good.replace('privacy = "open"', 'privacy = "reviewers"'))
        said = run(home.path, "campaign", "change", "mine", str(file), "--yes", code=2)
        assert "who sees content, which cannot be changed" in said.replace("\n", " ")
        run(home.path, "campaign", "pause", "mine")
        assert run_json(home.path, "campaign", "close", "mine", "--yes")["undecided"] == 0
        assert "closed already" in run(home.path, "campaign", "close", "mine", "--yes", code=4)
        said = run(home.path, "campaign", "resume", "mine", code=4)
        assert "campaign 'mine' is closed" in said
        assert "closed" in run(home.path, "campaign", "list")
    assert run_json(home.path, "fsck")["kinds"]["close-campaign"] == 1


def test_what_is_taken_down_is_served_by_nobody_and_its_author_is_told(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        lab = Lab(stage, tmp_path)
        lab.found()
        with Operator(lab.home) as operator:
            lab.open_campaign(operator, reviewers=1)
            author = lab.node("author", stand_by=False)
            reviewer = lab.node("ben", reviewer="constant:3")
            files = lab.write_digits(2, "3")
            ready = [lab.start(reviewer)]
            stage.wait_ready(*ready)
            wait_for(operator, lambda s: standing_by(s, reviewer), "a stand-by")
            asyncio.run(author.submit(files))
            stage.wait_ready(lab.start(author))
            with author.store() as store:
                rows = list(store.items())
            gone, kept = rows[0], rows[1]
            wait_for(
                operator,
                lambda s: all(s.items[r.item_id].status is ItemStatus.ACCEPTED for r in rows),
                "the verdict",
            )
            place = lab.home.path
            said = run(place, "takedown", gone.item_id.hex()[:12], "--reason", "Hers.", code=2)
            assert "not an item's id" in said
            named = ["takedown", gone.item_id.hex(), "--reason", "<b>Hers.", "--code", "rights"]
            change = ("campaign", "change", "digits", "--title", "Others")
            for asks in (named, ("campaign", "close", "digits"), change):
                assert "no terminal to ask at" in run(place, *asks, code=2)
            assert run_json(place, *named, "--yes")["code"] == "rights"
            other = ["takedown", gone.item_id.hex(), "--reason", "Again.", "--yes"]
            assert "taken down already" in run(place, *other, code=4)
            blobs = author.home.blobs
            until(
                lambda: not any(blobs.glob(f"*/{gone.parts[0].commitment.hex()}")) or None,
                "the content to be erased",
            )
            assert any(blobs.glob(f"*/{kept.parts[0].commitment.hex()}"))
            operator.refresh()
            [(item_id, item)] = taken_down(operator.state, author.keys.person)
            assert item_id == gone.item_id
            why = explain_item(operator.state, item)
            assert why.endswith("since somebody else holds rights in it: <b>Hers.")
            run(place, "campaign", "close", "digits", "--yes")
            operator.refresh()
            assert operator.state.campaigns["digits"].status is CampaignStatus.CLOSED
            # Copies can be contested until the end of the next epoch.
            for _ in range(2):
                assert standing_by(operator.state, reviewer)
                operator.close_epoch(operator.state.epoch)
            wait_for(operator, lambda s: not standing_by(s, reviewer), "the end of the stand-by")
            audited = stage.run("verify", lab.link)
            assert (audited["erased"], audited["items"]["taken_down"]) == (0, 1)
