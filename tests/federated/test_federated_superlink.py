"""The SuperLink's doors: what partners reach, what strangers reach, and whose code runs where."""

from __future__ import annotations

import datetime
import io
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import flwr.supernode.node_auth_http_interceptor
import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.cli.build import build_fab_from_files
from flwr.clientapp import ClientApp
from flwr.supercore.date import now as present

from federated.flower import control
from federated.flower import supernode as supernode_module
from federated.flower.control import SuperLink
from federated.flower.layout import BODY_BYTES_MAX
from federated.flower.parent import await_word
from federated.flower.supernode import SuperNode
from federated.transport import load_key, public_pem, require_valid, self_signed
from protocol.errors import ConfigError, Reject, StateError, Unreachable
from tests.processes import child_of, kill

PROTOBUF = "application/protobuf"

# The server's app: asks every node that connects, once, and writes down what came.
SERVER = """
import os, time
from pathlib import Path
from flwr.app import ConfigRecord, Message, RecordDict
from flwr.serverapp import ServerApp

app = ServerApp()

@app.main()
def main(grid, context):
    while not (nodes := list(grid.get_nodes())):
        time.sleep(0.05)
    record = RecordDict({"asked": ConfigRecord({"number": 20})})
    [sent] = grid.push_messages([Message(record, nodes[0].node_id, "train", ttl=60)])
    while not (replies := list(grid.pull_messages([sent]))):
        time.sleep(0.05)
    said = replies[0].error.reason if replies[0].has_error() else replies[0].content["given"]["number"]
    Path(os.environ["TEST_ANSWER"]).write_text(f"{said} by {nodes[0].name}")
"""


PATIENT = """
import os
from pathlib import Path
from flwr.serverapp import ServerApp
from federated.flower.parent import await_word

app = ServerApp()

@app.main()
def main(grid, context):
    Path(os.environ["TEST_ANSWER"] + ".ready").touch()
    await_word()
    Path(os.environ["TEST_ANSWER"]).write_text("told")
"""


@pytest.fixture
def link(tmp_path: Path) -> Iterator[SuperLink]:
    with SuperLink(tmp_path, "127.0.0.1", 0) as running:
        running.ready()
        yield running


def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def app_that(refuses: bool) -> ClientApp:
    app = ClientApp()

    @app.train()
    def train(message: Message, _: Context) -> Message:
        if refuses:
            raise Reject("not with me")
        asked = message.content.config_records["asked"]["number"]
        assert isinstance(asked, int)
        given = RecordDict({"given": ConfigRecord({"number": asked + 1})})
        return Message(given, reply_to=message)

    return app


def answer_of(link: SuperLink, folder: Path, app: ClientApp, clientapp: str = "x:app") -> str:
    """Runs SERVER against one partner; gives what the partner answered."""
    (folder / "asking.py").write_text(SERVER)
    answer = folder / "answer"
    mine = key()
    link.admit(public_pem(mine), "partner")
    settings = {"TEST_ANSWER": str(answer), "PYTHONPATH": f"{Path.cwd()}:{folder}"}
    process = link.start("asking:app", clientapp, "job", settings)
    with SuperNode(link.endpoint, link.certificate, mine) as supernode:
        assert supernode.activate()
        supernode.run(app, answer.exists)
    assert process.wait(60) == 0
    return answer.read_text()


def test_a_partner_answers_with_the_app_it_was_given(link: SuperLink, tmp_path: Path) -> None:
    assert answer_of(link, tmp_path, app_that(refuses=False)) == "21 by partner"


def test_an_app_that_is_ready_waits_for_the_word(link: SuperLink, tmp_path: Path) -> None:
    (tmp_path / "asking.py").write_text(PATIENT)
    answer, ready = tmp_path / "answer", tmp_path / "answer.ready"
    settings = {"TEST_ANSWER": str(answer), "PYTHONPATH": f"{Path.cwd()}:{tmp_path}"}
    process = link.start("asking:app", "x:app", "job", settings)
    deadline = time.monotonic() + 60
    while not ready.exists():
        assert time.monotonic() < deadline and not link.app_has_ended
        time.sleep(0.05)
    assert not answer.exists()
    link.go()
    assert process.wait(60) == 0
    assert (answer.read_text(), link.app_has_ended) == ("told", True)


def test_no_word_is_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("go\n"))
    await_word()
    with pytest.raises(EOFError, match="has gone"):
        await_word()


def test_a_server_that_is_killed_before_it_is_ready_is_started_again(tmp_path: Path) -> None:
    with SuperLink(tmp_path, "127.0.0.1", 0) as starting:
        kill(child_of(os.getpid(), "superlink").process_id)
        starting.ready()
        with SuperNode(starting.endpoint, starting.certificate, key()) as supernode:
            assert not supernode.activate(), "it serves"


def test_a_refusal_reaches_the_server_in_its_own_words(link: SuperLink, tmp_path: Path) -> None:
    assert answer_of(link, tmp_path, app_that(refuses=True)) == "not with me by partner"


def test_code_that_the_server_sends_is_never_run_by_a_partner(
    link: SuperLink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The FAB holds an app that leaves a trace wherever it is imported, and still nothing happens."""
    trace = tmp_path / "trace"
    evil = f"from pathlib import Path\nPath({str(trace)!r}).write_text('ran')\napp = None\n"

    def build(files: dict[str, bytes]) -> tuple[bytes, object]:
        return build_fab_from_files(files | {"evil.py": evil.encode()})

    monkeypatch.setattr(control, "build_fab_from_files", build)
    said = answer_of(link, tmp_path, app_that(refuses=False), clientapp="evil:app")
    assert (said, trace.exists()) == ("21 by partner", False)
    [installed] = tmp_path.glob("superlink/flwr/apps/*/evil.py")  # it was in there
    subprocess.run([sys.executable, installed], check=True)
    assert trace.exists()  # and would have left its trace


def test_a_key_that_nobody_admitted_is_kept_waiting(link: SuperLink) -> None:
    mine = key()
    with SuperNode(link.endpoint, link.certificate, mine) as supernode:
        assert not supernode.activate()
        link.admit(public_pem(mine), "partner")
        assert supernode.activate()


def test_a_newer_process_of_a_partner_takes_its_place_at_once_and_the_older_is_told(
    link: SuperLink, tmp_path: Path
) -> None:
    """A killed one would hold it for a minute. Both have the key: here they are two in one process."""
    mine, app = key(), app_that(refuses=False)
    link.admit(public_pem(mine), "partner")
    with SuperNode(link.endpoint, link.certificate, mine) as older:
        assert older.activate()
        with SuperNode(link.endpoint, link.certificate, mine) as newer:
            assert newer.activate()
            with pytest.raises(StateError, match="another process trains for this partner"):
                older.run(app, lambda: False)
            newer.run(app, iter([False, True]).__next__)  # asks once, and is answered


def test_a_server_that_starts_again_is_the_same_and_partners_come_back_by_themselves(
    link: SuperLink, tmp_path: Path
) -> None:
    mine, address = key(), (link.endpoint, link.certificate)
    link.admit(public_pem(mine), "partner")
    with SuperNode(*address, mine) as supernode:
        assert supernode.activate()
        link.restart()
        assert (link.endpoint, link.certificate) == address
        (tmp_path / "asking.py").write_text(SERVER)
        answer = tmp_path / "answer"
        link.admit(public_pem(mine), "partner")
        settings = {"TEST_ANSWER": str(answer), "PYTHONPATH": f"{Path.cwd()}:{tmp_path}"}
        link.start("asking:app", "x:app", "job", settings)
        supernode.run(app_that(refuses=False), answer.exists)
    assert answer.read_text() == "21 by partner"


@pytest.mark.parametrize("host", ["127.0.0.1", "trainer.example"])
def test_a_server_that_stays_away_is_given_up_and_the_proxy_in_between_is_named(
    monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    certificate, _ = self_signed("127.0.0.1")
    monkeypatch.setattr(supernode_module, "OUTAGE_SECONDS_MAX", 0.0)
    monkeypatch.setattr("federated.flower.supernode.time.sleep", lambda _: None)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("https_proxy", "http://me:word@127.0.0.1:9")
    with (
        SuperNode(f"{host}:1", certificate, key()) as supernode,
        pytest.raises(Unreachable, match="does not answer") as lost,
    ):
        supernode.run(app_that(refuses=False), lambda: False)
    between = "the proxy http://127.0.0.1:9; without it: no_proxy=trainer.example"
    assert (between in lost.value.advice) is (host == "trainer.example")
    assert ("proxy" in lost.value.advice) is (host == "trainer.example")
    monkeypatch.setenv("https_proxy", "socks5://127.0.0.1:9")
    with pytest.raises(ConfigError, match="a proxy that the environment names"):
        SuperNode(f"{host}:1", certificate, key())


def test_no_proxy_stands_between_us_and_our_own_loopback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "grpc_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with SuperLink(tmp_path, "127.0.0.1", 0) as link:
        link.ready()
        mine = key()
        link.admit(public_pem(mine), "partner")
        with SuperNode(link.endpoint, link.certificate, mine) as supernode:
            assert supernode.activate()


@pytest.mark.parametrize(
    ("hours", "words"), [(1, "60 minutes ahead of"), (-1, "60 minutes behind")]
)
def test_a_clock_that_is_an_hour_off_is_named(
    link: SuperLink, monkeypatch: pytest.MonkeyPatch, hours: int, words: str
) -> None:
    mine, seconds = key(), time.time
    link.admit(public_pem(mine), "partner")
    with SuperNode(link.endpoint, link.certificate, mine) as supernode:
        assert supernode.activate()
    signing = flwr.supernode.node_auth_http_interceptor
    off = datetime.timedelta(hours=hours)
    monkeypatch.setattr(signing, "now", lambda: present() + off)
    monkeypatch.setattr(
        "federated.flower.supernode.time.time", lambda: seconds() + off.total_seconds()
    )
    with (
        SuperNode(link.endpoint, link.certificate, mine) as supernode,
        pytest.raises(Unreachable, match=words) as lost,
    ):
        supernode.run(app_that(refuses=False), lambda: False)
    assert "set the clock" in lost.value.advice


def test_a_certificate_out_of_its_time_is_refused_before_anything_is_signed() -> None:
    certificate, _ = self_signed("127.0.0.1")
    now = datetime.datetime.now(datetime.UTC)
    require_valid(certificate)
    for days in (-2, 91):
        with pytest.raises(StateError, match="this machine's clock says"):
            require_valid(certificate, now + datetime.timedelta(days=days))
    with pytest.raises(StateError, match="cannot be read"):
        require_valid(b"no certificate")


def test_another_server_than_the_job_names_is_not_talked_to(link: SuperLink) -> None:
    other, _ = self_signed("127.0.0.1")
    with (
        SuperNode(link.endpoint, other, key()) as supernode,
        pytest.raises(Unreachable, match="does not answer"),
    ):
        supernode.activate()


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/fleet/activate-node", 401),  # without a signature
        ("/v1/control/start-run", 404),
        ("/v1/runtime/acquire-task", 404),
        ("/docs", 404),
        ("/v1/fleet/../control/start-run", 404),
    ],
)
def test_partners_reach_the_fleet_api_alone(
    link: SuperLink, tmp_path: Path, path: str, status: int
) -> None:
    assert post(link, f"https://{link.endpoint}{path}").status_code == status


def test_runs_are_controlled_with_the_secret_alone(link: SuperLink) -> None:
    private = f"https://{link._private}"
    assert post(link, private + "/v1/control/list-runs").status_code == 403
    secret = {"x-commonhold-secret": link._secret.hex()}
    assert post(link, private + "/v1/control/list-runs", secret).status_code == 200
    assert post(link, private + "/v1/runtime/acquire-task").status_code == 401


def test_a_request_says_how_long_it_is_and_keeps_below_the_limit(link: SuperLink) -> None:
    url = f"https://{link.endpoint}/v1/fleet/activate-node"
    assert post(link, url, content=bytes(BODY_BYTES_MAX + 1)).status_code == 413
    assert post(link, url, content=iter([b"chunk"])).status_code == 411


def post(
    link: SuperLink,
    url: str,
    headers: dict[str, str] | None = None,
    content: bytes | Iterator[bytes] = b"",
) -> httpx.Response:
    """A request to the SuperLink, as a stranger with its certificate would make it."""
    context = ssl.create_default_context(cadata=link.certificate.decode())
    protobuf = {"content-type": PROTOBUF, "accept": PROTOBUF}
    with httpx.Client(verify=context) as client:
        return client.post(url, headers=protobuf | (headers or {}), content=content)


def test_a_port_that_is_taken_is_named(link: SuperLink, tmp_path: Path) -> None:
    folder = tmp_path / "second"
    folder.mkdir()
    with (
        pytest.raises(
            ConfigError, match=r"cannot start: cannot listen on .*: Address already in use"
        ),
        SuperLink(folder, "127.0.0.1", link.fleet_port) as second,
    ):
        second.ready()
    assert not (folder / "superlink").exists()


def test_a_transport_key_is_made_once_and_kept_from_others(tmp_path: Path) -> None:
    path = tmp_path / "transport.key"
    assert public_pem(load_key(path)) == public_pem(load_key(path))
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="other users can read"):
        load_key(path)
    path.unlink()
    path.touch(0o600)
    with pytest.raises(ConfigError, match="does not hold an EC key"):
        load_key(path)


@pytest.mark.parametrize("module", ["superlink", "serverapp"])
def test_a_process_whose_command_died_while_it_started_ends(module: str, tmp_path: Path) -> None:
    """Its parent is another one by then. It would keep the job's port for ever."""
    arguments = {"superlink": ["127.0.0.1", "0", "1"], "serverapp": []}[module]
    first = [] if module == "superlink" else ["127.0.0.1:1"]
    gone = "1"
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            f"federated.flower.{module}",
            *first,
            str(tmp_path),
            *arguments,
            gone,
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, "is gone" in done.stderr) == (1, True), done.stderr
