"""A training job with real processes: a coordinator, a SuperLink, a ServerApp and partners."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from commonhold.demo.stage import Stage
from federated.signed_card import verify
from protocol.limits import PPM
from tests.federated_net import JOB, Net
from tests.live_coordinator import CLI

pytestmark = pytest.mark.timeout(400)

WIDE = {"COLUMNS": "400"}  # a reason stands in one line


@pytest.fixture
def net(tmp_path: Path) -> Iterator[Net]:
    with Stage(tmp_path) as stage:
        yield Net(stage, tmp_path)


def test_three_partners_train_a_model(net: Net) -> None:
    """One has a single label, and is told what that means; beside another's a daemon runs."""
    net.found(partners=3)
    net.relabel(net.partners[0], 7)
    net.stage.wait_ready(net.lab.start(net.partners[1]))
    opening = net.open()
    joining = net.join(net.partners)
    code, printed, said = net.end(opening)
    assert code == 0, said
    assert (printed["outcome"], printed["rounds"], printed["clients"]) == ("completed", 3, 3)
    assert (printed["trust"], printed["held_back"]) == ("committee", 50)
    assert 0 < printed["epsilon"] <= 3
    for server in joining:
        code, joined, said = net.end(server)
        assert code == 0, said
        assert (joined["outcome"], joined["updates"], joined["examples"]) == ("completed", 3, 40)
        assert joined["epsilon"] == pytest.approx(printed["epsilon"])
        assert bool(joined["warnings"]) == (server is joining[0])
    result = net.job().result
    assert result is not None
    signed = Path(printed["card"]).read_bytes()
    assert (result.card, result.artifact) == (sha256(signed), sha256_of(printed["artifact"]))
    key, card = verify(signed)
    with net.operator() as operator:
        assert key == operator.state.operator_key
    assert json.loads(card)["privacy"]["trust"] == "committee"
    assert_private(net)
    assert_shown(net)
    assert_accounted(net.partners[1].home.root)
    assert_attacked(net)


def sha256(raw: bytes) -> bytes:
    return hashlib.sha256(raw).digest()


def sha256_of(path: str) -> bytes:
    return sha256(Path(path).read_bytes())


def assert_private(net: Net) -> None:
    """Keys belong to their owner alone, and what the SuperLink kept is gone."""
    for node in net.partners:
        for name in ("transport.key", "budget.db", "duty.db"):
            assert stat.S_IMODE((node.home.root / name).stat().st_mode) == 0o600
    folder = net.lab.home.path / "federated" / JOB
    logs = {"serverapp.log", "superlink.log"}
    assert {path.name for path in folder.iterdir()} == {"initial.bin", "lock", *logs}


def assert_shown(net: Net) -> None:
    """Both homes show the job; a partner's shows what it cost."""
    homes = [net.lab.home.path, net.partners[0].home.root]
    shown = [status(home) for home in homes]
    for view in shown:
        assert [(job["id"], job["status"], job["round"]) for job in view["jobs"]] == [
            (JOB, "completed", 3)
        ]
    assert [len(view["spending"]) for view in shown] == [0, 1]
    assert shown[1]["spending"][0]["rounds"] == 3


def assert_attacked(net: Net) -> None:
    """The operator tries on the model what others might, with the partners' digits and as many others."""
    members, others = net.folder / "members", net.folder / "others"
    net.write(members, 120, 50)
    net.write(others, 120, 170)
    found = told(
        net.lab.home.path,
        *("attack", "--id", JOB, "--members", str(members), "--others", str(others)),
    )
    assert [each["name"] for each in found["attacks"]] == ["loss", "likelihood"]
    assert all(each["low"] <= 0.55 for each in found["attacks"]), "noise hides who was there"
    named = found["reconstruction"]
    assert found["known_ppm"] == PPM
    assert (named["candidates"], named["trials"]) == (50, 25)
    assert named["right"] <= 10, "epsilon lets no attacker be right as often"


def assert_accounted(home: Path) -> None:
    """What was spent is shown, raised on purpose, and not lost with its file: the log has it."""
    shown = told(home, "budget")
    [account] = shown["budgets"]
    everybody = account["standing"]["everybody"]
    assert 0 < everybody["spent"] == everybody["reserved"] <= everybody["limit"] == 3_000_000
    assert (shown["reserved"], shown["unknown"], shown["notes"]) == ([], [], [])
    [data] = account["data"]
    raised = told(
        home, "raise-limit", data[:8], "--epsilon-max", "5", "--reason", "agreed", "--yes"
    )
    assert (raised["before"]["epsilon_micro"], raised["after"]["epsilon_micro"]) == (
        3 * PPM,
        5 * PPM,
    )
    assert [each["reason"] for each in told(home, "budget")["decisions"]] == ["agreed"]
    page = (home / "reports" / f"{JOB}.html").read_text()
    assert "The job is complete" in page and page.count("<svg") >= 1
    (home / "budget.db").unlink()
    lost = told(home, "budget")
    assert (lost["budgets"], lost["unknown"]) == ([], [data])
    assert "3 rounds that you signed were in the log" in lost["notes"][0]
    told(home, "set-apart", data[:8], "--epsilon-max", "3", "--yes")
    [account] = told(home, "budget")["budgets"]
    assert account["standing"]["everybody"]["spent"] == everybody["spent"]


def told(home: Path, command: str, *arguments: str) -> dict[str, Any]:
    """What a command about budgets says."""
    done = subprocess.run(
        [*CLI, "federated", command, *arguments, "--dir", str(home), "--json"],
        capture_output=True,
        check=True,
        timeout=120,
    )
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def status(home: Path) -> dict[str, list[dict[str, object]]]:
    done = subprocess.run(
        [*CLI, "federated", "status", "--dir", str(home), "--json"],
        capture_output=True,
        check=True,
        timeout=60,
    )
    shown: dict[str, list[dict[str, object]]] = json.loads(done.stdout)
    return shown


def test_a_partner_that_is_killed_is_not_waited_for_twice(net: Net) -> None:
    """The rounds go on with the rest; a second death leaves no quorum, and ends the job."""
    net.found(partners=3)
    opening = net.open("--rounds", "200", "--spare-rounds", "0", "--round-seconds", "5")
    joining = net.join(net.partners)
    net.await_rounds(2)
    joining[0].process.kill()
    alone = net.partners[0].keys.person
    net.await_rounds(len(net.job().rounds) + 4)
    assert [alone in each.partners for each in net.job().rounds[-2:]] == [False, False]
    joining[1].process.kill()
    code, printed, said = net.end(opening)
    assert code == 5, said
    assert printed["outcome"] == "ended"
    # It was killed before its update was there, or while the committee opened the sum.
    assert "1 of the 2 " in printed["reason"]
    assert "did not answer in time" in printed["reason"]
    code, joined, said = net.end(joining[2])
    assert (code, joined["outcome"], joined["reason"]) == (0, "ended", printed["reason"]), said


def test_a_quorum_that_does_not_come_ends_the_job(net: Net) -> None:
    net.found(partners=2)
    opening = net.open("--join-seconds", "15")
    joining = net.join(net.partners[:1])
    watching = [watch(home) for home in (net.lab.home.path, net.partners[0].home.root)]
    code, printed, said = net.end(opening)
    assert code == 5, said
    assert "1 of 2 partners joined within 15 s; a round needs 2" in printed["reason"]
    code, joined, said = net.end(joining[0])
    assert (code, joined["updates"], joined["epsilon"]) == (0, 0, 0), said
    for each in watching:
        first, *_, last = each.communicate(timeout=60)[0].splitlines()
        assert first.startswith(f"{JOB} open: round 0 of 3")
        assert last == f"{JOB} ended: round 0 of 3; {printed['reason']}"
        assert each.returncode == 0


def watch(home: Path) -> subprocess.Popen[str]:
    """Says the steps of the jobs in the log of a home, until none is under way."""
    command = [*CLI, "federated", "status", "--watch", "--dir", str(home)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | WIDE)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_the_job_open_and_its_operator_ends_it(
    net: Net, number: signal.Signals
) -> None:
    net.found(partners=1)
    opening = net.open(quorum=1)
    opening.process.send_signal(number)
    code, _, said = net.end(opening)
    assert (code, "Traceback" in said) == (130, False), said
    assert "federated resume --id digits-1" in said
    assert net.job().result is None
    code, _, said = net.end(net.start("again", *net.open_arguments(quorum=1)))
    assert (code, "is open already, after 0 of 3 rounds" in said.replace("\n", " ")) == (2, True), (
        said
    )
    home = str(net.lab.home.path)
    ending = ("federated", "end", "--dir", home, "--id", JOB, "--reason", "nobody came")
    ended = json.loads(subprocess.check_output([*CLI, *ending, "--json"], timeout=60))
    assert (ended["outcome"], ended["rounds"]) == ("ended", 0)
    result = net.job().result
    assert result is not None
    assert result.reason == "nobody came"
    folder = net.lab.home.path / "federated" / JOB
    assert {path.name for path in folder.iterdir()} == {"initial.bin", "lock", "superlink.log"}
    code, _, said = net.end(net.resume())
    assert (code, "is over" in said) == (5, True), said


def test_a_partner_refuses_before_the_log_has_its_name(net: Net) -> None:
    """Each reason in words of its own; afterwards it may still join."""
    net.found(partners=2)
    stranger = net.lab.node("stranger")
    net.data(stranger).symlink_to(net.data(net.partners[0]))
    opening = net.open()
    partner = net.partners[0]
    empty = net.folder / "empty"
    empty.mkdir()
    mislabelled = shutil.copytree(net.data(partner), net.folder / "mislabelled")
    labels = mislabelled / "labels.csv"
    labels.write_text(labels.read_text().replace(",7\n", ",seven\n", 1))
    for node, options, code, says in (
        (stranger, [], 2, "not invited to the job"),
        (partner, ["--column", "image"], 2, "reads the column 'label' of your data"),
        (partner, ["--epsilon-max", "2"], 5, "its limit is 2"),
        (partner, ["--data", str(empty)], 2, "labels.csv"),
        (
            partner,
            ["--data", str(mislabelled)],
            2,
            "there is no label 'seven' to learn, which example",
        ),
        (partner, ["--job", "other"], 2, "there is no job 'other'"),
    ):
        ended, _, said = net.end(net.start("refused", *net.join_arguments(node, *options)))
        assert (ended, says in said.replace("\n", " ")) == (code, True), said
        (opening.log.parent / "refused.log").unlink()
    assert net.joined() == 0
    opening.process.terminate()
    net.end(opening)
