"""A question to partners with real processes: from the words to a signed answer that anybody recomputes."""

from __future__ import annotations

import hashlib
import json
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from commonhold.demo.stage import Stage
from federated.signed_card import canonical
from protocol.identity import name_of
from protocol.lifecycle import JobStatus
from protocol.limits import UPLOAD_BITS_MAX
from tests.federated_net import Net
from tests.live_coordinator import CLI

pytestmark = pytest.mark.timeout(400)

AGES = range(20, 80)  # of each partner, one example each
PARTNERS = 3
QUESTION = "histogram age 0 100 5"
FAR_TOO_FEW = "5"  # examples that are expected, of 180


@pytest.fixture
def net(tmp_path: Path) -> Iterator[Net]:
    with Stage(tmp_path) as stage:
        yield Net(stage, tmp_path)


def ask(net: Net, *options: str) -> list[str]:
    asked = [word for node in net.partners for word in ("--partner", name_of(node.keys.person))]
    return [
        *("federated", "ask", "--dir", str(net.lab.home.path), "--id", "ages", "--json"),
        *("--campaign", "digits", "--question", QUESTION, "--expected-examples", FAR_TOO_FEW),
        *("--quorum", str(PARTNERS), *asked, *options),
    ]


def test_partners_answer_a_question_about_a_table(net: Net) -> None:
    net.found(partners=PARTNERS)
    assert_asked_alone(net)
    opening = net.start("ask", *ask(net))
    net.stage.wait_ready(opening)
    tables = []
    for node in net.partners:
        tables.append(net.folder / f"{node.name}.csv")
        tables[-1].write_text("age,name\n" + "".join(f"{age},someone\n" for age in AGES))
    joining = [
        net.start(
            f"answer-{node.name}",
            *("federated", "join", "--dir", str(node.home.root), "--job", "ages", "--json"),
            *("--data", str(table), "--epsilon-max", "3", "--column", "age", "--yes"),
        )
        for node, table in zip(net.partners, tables, strict=True)
    ]
    code, printed, said = net.end(opening)
    assert code == 0, said
    assert (printed["outcome"], printed["partners"]) == ("completed", PARTNERS)
    assert 0 < printed["epsilon"] <= 1
    figures = {each["name"]: each for each in printed["figures"]}
    assert figures.keys() == {
        *("0 to 20", "20 to 40", "40 to 60", "60 to 80", "80 to 100", "outside", "missing")
    }
    # Sixty in each; five deviations of the noise are beyond chance.
    for name, true in (("20 to 40", 60), ("40 to 60", 60), ("60 to 80", 60), ("0 to 20", 0)):
        found = figures[name]
        reach = 5 / 1.96 * max(found["high"] - found["value"], 1.0)
        assert abs(found["value"] - true) <= reach
    for server in joining:
        code, joined, said = net.end(server)
        assert code == 0, said
        assert (joined["outcome"], joined["updates"], joined["examples"]) == ("completed", 1, 60)
        assert "how many examples there are of each 'age' (5 bins from 0 to 100)" in said
    assert_logged(net, Path(printed["answer"]))
    data = str(net.folder)
    said = refused(net, "attack", "--id", "ages", "--members", data, "--others", data)
    assert "the job 'ages' asked a question" in said


def assert_asked_alone(net: Net) -> None:
    """A question is asked with `ask`, and with nothing else."""
    said = refused(
        net,
        *("open", "--id", "ages", "--campaign", "digits", "--expected-examples", "200"),
        *("--task", "statistics", "--option", f"question={QUESTION}"),
        *("--held-back", str(net.folder), "--partner", name_of(net.partners[0].keys.person)),
    )
    assert "commonhold federated ask" in said


def refused(net: Net, command: str, *arguments: str) -> str:
    done = subprocess.run(
        [*CLI, "federated", command, "--dir", str(net.lab.home.path), *arguments],
        capture_output=True,
        check=False,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2, done.stderr
    return done.stderr


def assert_logged(net: Net, path: Path) -> None:
    """The log has the hash of the answer, which only its owner can read; the answer is checked."""
    from federated.answer import verify_answer
    from federated.answer_check import check_answer
    from federated.model_check import Verdict

    job = net.job("ages")
    assert job.status is JobStatus.COMPLETED and job.terms.is_question
    assert job.terms.upload_bits == UPLOAD_BITS_MAX, "room for any number of examples"
    assert job.result is not None and not job.result.artifact
    signed = path.read_bytes()
    assert job.result.card == hashlib.sha256(signed).digest()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    key, answer = verify_answer(signed)
    with net.operator() as operator:
        assert key == operator.state.operator_key
        found = check_answer(path.parent, operator.state)
    assert {each.verdict for each in found} == {Verdict.HOLDS}, found
    its = json.loads(answer)
    assert its["question"] == QUESTION and len(its["partners"]) == PARTNERS
    assert its["epsilon_micro"]["public"] <= 1_000_000
    assert canonical(its) == answer
    page = read_page(net, "/jobs/ages")
    assert "The question is answered." in page and job.result.card.hex() in page
    assert QUESTION in page and "int8" not in page


def read_page(net: Net, path: str) -> str:
    """A page of the operator's dashboard."""
    port = json.loads(net.lab.home.server_path.read_text())["http_port"]
    with urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
        return bytes(answer.read()).decode()
