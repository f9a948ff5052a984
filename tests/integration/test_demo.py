"""The demo is the product's main job: it must reach what the project promises, and leave nothing behind."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

DEMO = [sys.executable, "-m", "commonhold", "demo"]
DEMO_S = 600.0
INTERRUPT_AT_S = 60.0


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    folder = tmp_path_factory.mktemp("demo")
    summary = folder / "summary.json"
    command = [*DEMO, "--dir", str(folder / "files"), "--summary", str(summary), "--json"]
    done = subprocess.run(command, capture_output=True, timeout=DEMO_S, check=False)
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    figures: dict[str, Any] = json.loads(summary.read_text())
    assert json.loads(done.stdout) == figures
    return figures, folder / "files"


@pytest.mark.timeout(DEMO_S + 30)
def test_the_demo_reaches_what_it_promises(played: tuple[dict[str, Any], Path]) -> None:
    figures, _ = played
    assert figures["items_submitted"] >= 300
    assert figures["duplicates_caught"] >= 0.95 * figures["duplicates_submitted"] > 0
    assert figures["honest_items_lost_as_duplicates"] == 0
    assert figures["label_accuracy"] >= 0.97
    assert figures["label_accuracy"] > figures["majority_accuracy"]
    assert figures["mislabeler_share"] < figures["honest_mean_share"] / 2
    assert figures["lazy_reviewer_share"] < figures["honest_reviewer_mean_share"] / 4
    assert figures["joined_by_bond"] is True
    assert figures["onchain_matches_statements"] is True
    assert figures["policy_voted"] is True
    assert figures["wrong_root_stopped"] is True
    assert figures["revenue_paid_micro"] > 0
    assert figures["verify_ok"] is True
    assert figures["tamper_detected"] is True


def test_campaigns_of_every_kind_run_at_the_same_time(played: tuple[dict[str, Any], Path]) -> None:
    figures, _ = played
    campaigns = {each["id"]: each for each in figures["campaigns"]}
    assert sorted(each["kind"] for each in campaigns.values()) == [
        "classify",
        "judge",
        "prefer",
        "rate",
    ]
    assert figures["rounds_overlapped"] >= 3
    assert max(each["rounds"] for each in campaigns.values()) >= 2
    assert sum(each["items"] for each in campaigns.values()) == figures["items_submitted"]
    assert sum(each["accepted"] for each in campaigns.values()) == figures["items_accepted"]
    for each in campaigns.values():
        assert each["accuracy"] >= 0.9, each
        assert each["accuracy"] >= each["majority_accuracy"], each
    assert campaigns["digits"]["duplicates"] == figures["duplicates_caught"]
    for each in campaigns.values():
        assert each["decided"] >= 0.9 * (each["items"] - each["duplicates"]), each
    # A judge who says the opposite throughout is read backwards.
    assert figures["sources_in_true_order"] is True


def test_the_second_half_reaches_what_it_promises(played: tuple[dict[str, Any], Path]) -> None:
    figures, _ = played
    model = figures["federated"]
    assert model["clients"] >= 3
    assert model["epsilon"] <= 3
    assert model["delta"] == 1e-5
    assert model["accuracy_int8"] >= 0.88
    assert abs(model["accuracy_int8"] - model["accuracy_fp32"]) <= 0.005
    assert model["size_ratio"] >= 3.5
    assert model["trust"] == "committee"
    assert figures["erased_ok"] is True
    assert figures["dataset"]["items"] > 0
    assert figures["dataset"]["loads_with_datasets"] is True
    assert figures["dataset"]["croissant_valid"] is True
    assert figures["royalties_match_attribution"] is True
    assert figures["dashboard_ok"] is True


def test_no_process_is_left_behind(played: tuple[dict[str, Any], Path]) -> None:
    _, folder = played
    assert processes_of(folder) == []


def test_no_secret_is_in_any_log_of_the_demo(played: tuple[dict[str, Any], Path]) -> None:
    _, folder = played
    secrets = {
        file.read_text().strip()
        for file in folder.glob("coordinator/*.key")
        if file.name != "tls.key"
    }
    nodes = list(folder.glob("nodes/*/keys.json"))
    for file in nodes:
        encoded = json.loads(file.read_text())["secret"]
        held = base64.b64decode(encoded)  # two seeds and the payout key
        secrets |= {encoded, *(held[at : at + 32].hex() for at in range(0, 96, 32))}
    assert (len(nodes), len(secrets)) == (9, 4 * 9 + 4), "eight, and who joins by a bond"
    for log in (folder / "logs").iterdir():
        text = log.read_text(errors="replace")
        if log.name == "chain.log":  # prints the keys of its worthless public accounts, on purpose
            continue
        assert not [1 for secret in secrets if secret in text], f"a key is in {log.name}"


def test_ctrl_c_ends_it_cleanly(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    # A shell lets what it runs in the background ignore this signal, and children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    demo = subprocess.Popen(
        [*DEMO, "--dir", str(folder), "--summary", str(tmp_path / "summary.json")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    # In the midst of starting its nodes: the coordinator and the chain run already.
    deadline = time.monotonic() + INTERRUPT_AT_S
    while not (folder / "logs" / "coordinator.ready").exists():
        assert time.monotonic() < deadline, "the demo does not get going"
        assert demo.poll() is None
        time.sleep(0.05)
    demo.send_signal(signal.SIGINT)
    _, errors = demo.communicate(timeout=30)
    assert demo.returncode == 130, errors.decode()[-2000:]
    assert b"Traceback" not in errors
    assert processes_of(folder) == []


def processes_of(folder: Path) -> list[str]:
    """Command lines of all processes that name the folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue  # it has ended
            if str(folder) in line:
                found.append(line)
    return found
