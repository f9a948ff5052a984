"""A coordinator, an author and reviewers as real processes: what is withdrawn is nowhere afterwards.

Every byte of every file in every home is searched, with all processes running.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from commonhold.cli.output import EXIT_REFUSED, EXIT_STATE, EXIT_UNREACHABLE, EXIT_USAGE
from commonhold.demo.stage import Server, Stage
from coordinator.operator import Operator
from node.follower import Follower
from protocol.lifecycle import ItemStatus, RoundPhase
from protocol.log.link import parse_link
from tests.node_lab import Lab, Node, digit, standing_by, until, wait_for
from tests.traces import found_in, traces_of

pytestmark = pytest.mark.timeout(240)

COMMAND = (sys.executable, "-m", "commonhold", "node", "withdraw")
PROPOSAL_SALT = "salt of the proposal"


def withdraw(node: Node, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`commonhold node withdraw` with nobody at the terminal."""
    return subprocess.run(
        [*COMMAND, *arguments, "--dir", str(node.home.root)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def traces_in(node: Node, files: dict[Path, str]) -> dict[bytes, dict[str, bytes]]:
    """By item, what its author's home has of it now."""
    contents = {path.name: path.read_bytes() for path in files}
    found = {}
    with node.store() as store:
        for row in store.items():
            submission = store.outbox_row(row.submission)
            assert submission is not None
            place = [each.item_id for each in submission.outgoing.openings].index(row.item_id)
            leaf = submission.outgoing.leaves[place]
            found[row.item_id] = traces_of(row, leaf, contents[row.name])
    return found


def is_gone(traces: dict[str, bytes], *homes: Path) -> bool | None:
    return None if any(found_in(home, traces) for home in homes) else True


def wait_accepted(operator: Operator, *item_ids: bytes) -> None:
    wait_for(
        operator,
        lambda s: all(s.items[each].status is ItemStatus.ACCEPTED for each in item_ids),
        "the verdict",
    )
    epoch = operator.state.epoch
    operator.close_epoch(epoch)
    assert operator.state.closed_epoch == epoch


def kill(stage: Stage, server: Server) -> None:
    server.process.kill()
    server.process.wait()
    stage.stop(server)


def test_a_reviewed_and_accepted_item_is_erased_everywhere(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        lab = Lab(stage, tmp_path)
        lab.found()
        with Operator(lab.home) as operator:
            lab.open_campaign(operator, reviewers=2)
            author = lab.node("author", stand_by=False)
            reviewers = [lab.node(name, reviewer="constant:3") for name in ("ben", "cyn")]
            files = lab.write_digits(3, "3")
            running = {each.name: lab.start(each) for each in reviewers}
            stage.wait_ready(*running.values())
            wait_for(operator, lambda s: standing_by(s, *reviewers), "stand-bys")
            asyncio.run(author.submit(files))
            running["author"] = lab.start(author)
            stage.wait_ready(running["author"])
            items = traces_in(author, files)
            wait_accepted(operator, *items)

            gone, later, kept = items
            homes = [lab.home.path, *(each.home.root for each in (author, *reviewers))]
            public = {name: t for name, t in items[gone].items() if name != PROPOSAL_SALT}
            for home in homes:
                until(lambda h=home: "leaf" in found_in(h, public) or None, "the log")  # type: ignore[misc]

            # One reviewer is away: its home has to be erased when it comes back.
            kill(stage, running["cyn"])
            done = withdraw(author, gone.hex()[:12], "--yes")
            assert done.returncode == 0, done.stderr
            assert "1 item is withdrawn" in done.stdout
            until(lambda: is_gone(public, *homes[:3]), "the item to be erased")
            # The verdict opened the proposal, and stays; nowhere else is its salt.
            assert set(found_in(author.home.root, items[gone])[PROPOSAL_SALT]) <= {
                "node.db",
                "node.db-wal",
            }
            assert not any(author.home.blobs.glob(f"*/{items[gone]['content commitment'].hex()}"))
            stage.wait_ready(lab.start(reviewers[1]))
            until(lambda: is_gone(public, *homes), "the reviewer who was away")

            _refusals(author, reviewers[0], gone, kept)
            kill(stage, running["author"])
            _after_kills(lab, author, later, items[later], homes)
            _still_whole(lab, operator, items)

            # The same picture comes in again, and is an item like any other.
            again = lab.folder / "0.png"
            asyncio.run(author.submit({again: "3"}))
            operator.refresh()
            [fresh] = [each for each, _ in operator.state.items.scan() if each not in items]
            wait_accepted(operator, fresh)


def _refusals(author: Node, reviewer: Node, gone: bytes, kept: bytes) -> None:
    twice = withdraw(author, gone.hex(), "--yes")
    assert (twice.returncode, "withdrawn already" in twice.stderr) == (EXIT_REFUSED, True)
    foreign = withdraw(reviewer, kept.hex(), "--yes")
    assert (foreign.returncode, "not your item" in foreign.stderr) == (EXIT_USAGE, True)
    unknown = withdraw(author, "00" * 32, "--yes")
    assert (unknown.returncode, "there is no item" in unknown.stderr) == (EXIT_USAGE, True)
    unasked = withdraw(author, kept.hex())
    assert (unasked.returncode, "--yes" in unasked.stderr) == (EXIT_USAGE, True)


def _after_kills(
    lab: Lab, author: Node, item_id: bytes, traces: dict[str, bytes], homes: list[Path]
) -> None:
    """Nobody can be reached, and everybody is killed: the withdrawal is made all the same."""
    public = {name: trace for name, trace in traces.items() if name != PROPOSAL_SALT}
    kill(lab.stage, lab.server)
    kept = withdraw(author, item_id.hex(), "--yes")
    assert kept.returncode == EXIT_UNREACHABLE, kept.stderr
    assert "nothing is lost" in kept.stderr
    assert "content" in found_in(author.home.root, public), "not before the log has it"
    _serve_again(lab)
    lab.stage.wait_ready(lab.start(author))
    until(lambda: is_gone(public, *homes), "the item to be erased by those who came back")


def _serve_again(lab: Lab) -> None:
    """On the ports that everybody knows."""
    link = parse_link(lab.link)
    config = lab.home.config_path
    config.write_text(
        config.read_text()
        .replace("grpc_port = 0", f"grpc_port = {link.port}")
        .replace("http_port = 0", f"http_port = {link.http_url.rsplit(':', 1)[1]}")
    )
    lab.server = lab.serve(lab.home)


def _still_whole(lab: Lab, operator: Operator, items: dict[bytes, dict[str, bytes]]) -> None:
    checked = lab.stage.run("coordinator", "fsck", "--dir", str(lab.home.path))
    assert (checked["leaves"] > 3, checked["erased"]) == (True, 2)
    copy = lab.folder / "copy"
    audited = lab.stage.run("verify", lab.link, "--save", str(copy))
    assert (audited["erased"], audited["items"]["withdrawn"]) == (2, 2)
    assert lab.stage.run("verify", str(copy))["root"] == audited["root"]
    late = lab.node("late", stand_by=False)
    lab.stage.run("node", "campaigns", "--dir", str(late.home.root))
    operator.refresh()
    with late.store() as store:
        assert store.alarms() == []
        follower = Follower(store, parse_link(late.link))
        follower.replay()
    assert list(follower.state.rows()) == list(operator.state.rows())
    for item_id, traces in items.items():
        if operator.state.items[item_id].status is ItemStatus.WITHDRAWN:
            public = {name: t for name, t in traces.items() if name != PROPOSAL_SALT}
            assert found_in(late.home.root, public) == found_in(copy, public) == {}


def test_an_item_that_is_being_reviewed_has_to_wait(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        lab = Lab(stage, tmp_path)
        lab.found()
        with Operator(lab.home) as operator:
            lab.open_campaign(operator, reviewers=1)
            author, person = lab.node("author", stand_by=False), lab.node("person")
            files = lab.write_digits(2, "3")
            stage.wait_ready(lab.start(person))
            wait_for(operator, lambda s: standing_by(s, person), "a stand-by")
            asyncio.run(author.submit(files))
            stage.wait_ready(lab.start(author))
            reviewing = RoundPhase.COMMITTING
            wait_for(operator, lambda s: s.round_of("digits").phase is reviewing, "the draw")
            first = next(iter(traces_in(author, files)))
            another = lab.folder / "another.png"
            another.write_bytes(digit(99))
            asyncio.run(author.submit({another: "3"}))
            *_, fresh = traces_in(author, {**files, another: "3"})

            named = withdraw(author, first.hex(), fresh.hex(), "--yes")
            assert named.returncode == EXIT_STATE
            assert "1 item is being reviewed" in named.stderr
            assert "after round 1 of digits" in named.stderr.replace("\n", " ")
            operator.refresh()
            assert operator.state.items[fresh].status is ItemStatus.SUBMITTED, "all or none"

            everything = withdraw(author, "--all-of", "digits", "--yes")
            assert everything.returncode == EXIT_STATE
            assert "2 items are being reviewed" in everything.stderr
            assert "1 item is withdrawn" in everything.stdout
            operator.refresh()
            assert operator.state.items[fresh].status is ItemStatus.WITHDRAWN
