"""Every task by name: what it reads, what it computes, that it learns, and what it refuses."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from typer.testing import CliRunner

from commonhold.cli.federated import app
from commonhold.digits import LABELS, load_digits
from federated.data import Kind, Table, column_array
from federated.model import Weights, digest
from federated.onnx_run import Model
from federated.tasks import Task, registry
from federated.tasks.registry import made, options_of, task_of
from federated.tasks.strokes import drawn
from federated.tasks.task import initial_weights, measured
from protocol.errors import ConfigError, StateError

WORDS = ("spam", "ham")
DIGITS = load_digits()


def texts(count: int, seed: int = 1) -> dict[str, list[Any]]:
    rng = np.random.default_rng(seed)
    labels = [WORDS[each] for each in rng.integers(0, 2, count)]
    said = {"spam": ("win a prize", "call now"), "ham": ("see you soon", "on my way")}
    rows = [f"{said[each][rng.integers(0, 2)]} {rng.integers(0, 99)}" for each in labels]
    return {"text": rows, "label": labels}


def people(count: int, seed: int = 1) -> dict[str, list[Any]]:
    rng = np.random.default_rng(seed)
    age, ward = rng.uniform(0, 100, count), rng.choice(["A", "B", "C"], count)
    ill = (np.abs(age - 50) < 20) == (ward == "A")  # neither column alone says it
    return {
        "age": age.tolist(),
        "ward": ward.tolist(),
        "label": [WORDS[int(each)] for each in ill],
    }


def pairs(count: int, seed: int = 1) -> dict[str, list[Any]]:
    rng = np.random.default_rng(seed)
    good, bad = ["thank you, gladly", "of course, thank you"], ["no", "go away, no"]
    a_better = rng.integers(0, 2, count) == 1
    a = [(good if each else bad)[rng.integers(0, 2)] for each in a_better]
    b = [(bad if each else good)[rng.integers(0, 2)] for each in a_better]
    return {"answer_a": a, "answer_b": b, "label": ["a" if each else "b" for each in a_better]}


def pictures(count: int, seed: int = 1) -> dict[str, list[Any]]:
    chosen = np.random.default_rng(seed).permutation(len(DIGITS))[:count]
    return {
        "image": [image[..., None] for image in DIGITS.images[chosen]],
        "label": [LABELS[each] for each in DIGITS.labels[chosen]],
    }


def table(task: Task, values: dict[str, list[Any]]) -> Table:
    return Table({each.name: column_array(each, values[each.name]) for each in task.columns})


PEOPLE = {"numbers": ["age:0:100"], "categories": ["ward"]}


class Case(NamedTuple):
    """A task, and what so many rounds of so long a step reach on other examples."""

    name: str
    options: dict[str, Any]
    labels: tuple[str, ...]
    data: Callable[..., dict[str, list[Any]]]
    examples: int
    rounds: int
    step: float
    reached: float


EVERY = [
    Case("images", {"dims": 0, "cells": 3}, LABELS, pictures, 200, 30, 32.0, 0.6),
    Case("images", {"dims": 40, "cells": 3}, LABELS, pictures, 200, 20, 16.0, 0.75),
    Case("cnn", {"channels": 4}, LABELS, pictures, 100, 12, 1.0, 0.3),
    Case("text", {"dims": 256}, WORDS, texts, 100, 10, 4.0, 0.95),
    Case("lstm", {"chars": 4, "size": 8, "hidden": 8}, WORDS, texts, 60, 15, 4.0, 0.9),
    Case("table", PEOPLE, WORDS, people, 300, 20, 20.0, 0.6),
    Case("mlp", PEOPLE | {"hidden": 16}, WORDS, people, 300, 40, 4.0, 0.75),
    Case("preference", {"dims": 256}, (), pairs, 100, 10, 4.0, 0.95),
]


@pytest.mark.parametrize("case", EVERY, ids=[f"{each.name}-{n}" for n, each in enumerate(EVERY)])
def test_every_task_learns_from_clipped_sums_and_is_told_by_its_record(case: Case) -> None:
    name, options, labels, data, count, rounds, step, reached = case
    task = made(name, options, labels)
    text = options_of(task)
    again = task_of(name, text, labels)
    assert (
        options_of(again)
        == text
        == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))
    )
    mine = table(task, data(count))
    weights = initial_weights(task, name, mine)
    assert digest(initial_weights(again, name, mine)) == digest(weights), "the same for everybody"
    inputs, targets = task.inputs(mine, weights.fixed), task.targets(mine)
    assert inputs.shape[0] == targets.shape[0] == count
    np.testing.assert_allclose(
        inputs[:3], task.inputs(mine.take(slice(3)), weights.fixed), atol=1e-5
    )  # each by itself
    task.require_private(inputs, targets)
    one = task.clipped_sum(weights, inputs[:1], targets[:1], 0.1)
    assert np.linalg.norm(one) <= 0.1 * (1 + 1e-9)
    rng = np.random.default_rng(1)
    for _ in range(rounds):
        total = task.clipped_sum(weights, inputs, targets, 1.0) / count
        noise = 1e-4 * rng.normal(size=total.size)
        weights = weights.replaced((weights.vector - step * (total + noise)).astype(np.float32))
    assert measured(task, weights, table(task, data(200, seed=2))) > reached
    exported(task, weights, mine)


def exported(task: Task, weights: Weights, mine: Table) -> None:
    fed = task.feed(mine, weights.fixed)
    said = Model(task.graph(weights, fed[:1]).SerializeToString()).scores(fed)
    scores = task.scores(weights, task.inputs(mine, weights.fixed))
    np.testing.assert_allclose(said, scores, atol=1e-3 * max(1.0, float(np.abs(scores).max())))


def test_scattering_knows_pictures_of_any_size_and_colour() -> None:
    task = made("images", {"height": 45, "width": 30, "colours": 3, "cells": 4, "dims": 0}, WORDS)
    rng = np.random.default_rng(1)
    images = rng.integers(0, 255, (5, 45, 30, 3), dtype=np.uint8)
    images[4] = 0
    column = column_array(task.columns[1], [*WORDS, *WORDS, "ham"])
    mine = Table({"image": images, "label": column})
    weights = initial_weights(task, "images")
    drawn = rng.normal(size=weights.vector.size).astype(np.float32)
    exported(task, weights.replaced(drawn), mine)
    inputs = task.inputs(mine, {})
    assert inputs.shape == (5, 81 * 3 * 16) and np.isfinite(inputs).all()
    np.testing.assert_allclose(np.linalg.norm(inputs[:4], axis=1), 1, atol=0.02)
    assert not inputs[4].any(), "a blank picture has no features"


@pytest.mark.parametrize("dims", [0, 33])
def test_even_light_is_nothing_that_a_graph_could_see_otherwise(dims: int) -> None:
    """Wavelets answer it with rounding, of which roots and contrast would make features."""
    task = made("images", {"height": 9, "width": 13, "cells": 2, "dims": dims}, WORDS)
    images = np.zeros((6, 9, 13, 1), np.uint8)
    images[1:4] += np.array([1, 128, 255], np.uint8)[:, None, None, None]
    images[4, :, 6:] = 255  # an edge between even black and even white
    images[5, 4, 6] = 1
    column = column_array(task.columns[1], [WORDS[0]] * len(images))
    mine = Table({"image": images, "label": column})
    weights = initial_weights(task, "images")
    rng = np.random.default_rng(1)
    exported(task, weights.replaced(rng.normal(size=weights.vector.size).astype(np.float32)), mine)


def test_whitening_is_as_wide_as_the_snapshot_suffices_for() -> None:
    task = made("images", {"cells": 3}, LABELS)
    public = table(task, pictures(100))
    few = table(task, pictures(40))
    for known, examples, dims in (
        (public, 10**6, 50),
        (public, 1_000, 40),
        (public, 10, 32),
        (few, 10**6, 0),
        (None, 10**6, 0),
    ):
        assert json.loads(options_of(task.suited(known, examples)))["dims"] == dims
    white = made("images", {"cells": 3, "dims": 10}, LABELS)
    inputs = white.inputs(public, white.fit(public))
    covariance = inputs.T @ inputs / len(inputs) * 10
    np.testing.assert_allclose(covariance, np.eye(10), atol=0.1)
    with pytest.raises(ConfigError, match="need more than so many public pictures"):
        white.fit(public.take(slice(10)))


@pytest.mark.parametrize("size", [(28, 28, 1), (20, 45, 3)])
def test_without_public_pictures_strokes_whiten(size: tuple[int, int, int]) -> None:
    strokes = drawn(*size, 60)
    assert strokes.shape == (60, *size) and strokes.dtype == np.uint8
    np.testing.assert_array_equal(strokes[:5], drawn(*size, 5))
    assert all(each.min() < each.max() for each in strokes), "none is blank"
    height, width, colours = size
    options = {"height": height, "width": width, "colours": colours, "cells": 3, "dims": 8}
    white = made("images", options, LABELS)
    first = white.fit(None)
    for name, array in white.fit(None).items():
        np.testing.assert_array_equal(array, first[name])
    others = Table({"image": drawn(*size, 500)[160:]})  # which it was not made with
    inputs = white.inputs(others, first)
    np.testing.assert_allclose(inputs.T @ inputs / len(inputs) * 8, np.eye(8), atol=0.45)


def test_so_many_strokes_are_drawn_as_memory_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def counted(height: int, width: int, colours: int, number: int) -> np.ndarray:
        asked.append(number)
        return drawn(height, width, colours, 1).repeat(number, axis=0)

    monkeypatch.setattr("federated.tasks.images.drawn", counted)
    options = {"cells": 2, "dims": 4}
    made("images", options, LABELS).fit(None)
    monkeypatch.setattr("federated.tasks.images.DRAWN_VALUES_MAX", 1_000)
    made("images", options, LABELS).fit(None)
    assert asked == [4 * 20, 4 * 2], "and never fewer than directions take"


def test_a_missing_number_and_an_unknown_category_have_places_of_their_own() -> None:
    options = {"numbers": ["age?:0:100", "pay:0:1000:log"], "categories": ["ward=A|B"], "knots": 3}
    task = made("table", options, WORDS)
    kinds = [each.kind for each in task.columns]
    assert kinds == [Kind.NUMBER, Kind.NUMBER, Kind.CATEGORY, Kind.LABEL]
    values = {"age": [25.0, float("nan"), 500.0], "pay": [-1.0, 1000.0, 9e9]}
    rows = table(task, values | {"ward": ["A", "", "Z"], "label": ["ham"] * 3})
    spread = task.inputs(rows, {}) * np.sqrt(3)
    np.testing.assert_allclose(
        spread[:, :4], [[0.5, 0.5, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0], [0.0, 0.0, 1.0, 0.0]], atol=1e-6
    )
    np.testing.assert_allclose(spread[:, 4:7], [[1, 0, 0], [0, 0, 1], [0, 0, 1]], atol=1e-6)
    np.testing.assert_allclose(spread[:, 7:], [[1, 0, 0], [0, 0, 1], [0, 0, 1]], atol=1e-6)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("resnet", {}, "no task 'resnet'"),
        ("images", {"side": 28}, "no option 'side'"),
        ("images", {"height": "28"}, "option 'height' of 'images' is '28'"),
        ("images", {"height": True}, "option 'height'"),
        ("images", {"height": 1_000_000}, "height=1000000"),
        ("images", {"colours": 2}, "colours=2"),
        ("images", {"cells": 8}, "cells=8 in pictures of 28 x 28"),
        ("images", {"height": 24}, "cells=7 in pictures of 28 x 24"),
        ("images", {"dims": 100_000}, "dims=100000"),
        ("text", {"dims": 0}, "dims is 0"),
        ("text", {"dims": 10**9}, "dims is 1000000000"),
        ("table", {}, "a table of 0 columns"),
        ("table", {"numbers": ["age"]}, "'age' describes no column of numbers"),
        ("table", {"numbers": ["age:1:1"]}, "describes no column"),
        ("table", {"numbers": ["age:0:nan"]}, "describes no column"),
        ("table", {"numbers": ["age:0:1", "age:0:2"]}, "a table of 2 columns"),
        ("table", {"categories": ["ward=A|A"]}, "describes no column of categories"),
        ("mlp", PEOPLE | {"hidden": 0}, "hidden is 0"),
        ("cnn", {"channels": 3}, "channels is 3"),
        ("lstm", {"chars": 0}, "chars is 0"),
        ("lora", {"rank": 0}, "rank is 0"),
        ("cnn", {"device": "cuda"}, "no option 'device'"),
    ],
)
def test_options_that_mean_nothing_are_refused(name: str, options: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        made(name, options, WORDS)


@pytest.mark.parametrize("text", ["[]", "{", "[" * 100_000, "null"])
def test_options_of_a_record_are_parsed_with_care(text: str) -> None:
    with pytest.raises(ConfigError, match="options are no"):
        task_of("images", text, WORDS)


def test_options_as_people_type_them() -> None:
    typed = registry.parsed("table", ["numbers=age:0:100,pay:0:9", "categories=ward", "knots=4"])
    assert typed == {"numbers": ["age:0:100", "pay:0:9"], "categories": ["ward"], "knots": 4}
    assert registry.parsed("text", ["column=2"]) == {"column": "2"}
    with pytest.raises(ConfigError, match="is no option of a task"):
        registry.parsed("text", ["column"])


def test_other_code_is_refused_with_both_hashes_and_what_to_install() -> None:
    ours = registry.code_digest("images")
    registry.require_code("images", ours, "commonhold 0.1.0")
    with pytest.raises(StateError, match="code 0707070707070707…; here is commonhold") as caught:
        registry.require_code("images", bytes([7]) * 32, "commonhold 0.0.9")
    assert "commonhold 0.0.9" in caught.value.advice


def test_a_job_names_the_columns_that_its_task_reads() -> None:
    task = made("text", {}, WORDS)
    registry.require_columns(task, ["text", "label"])
    with pytest.raises(StateError, match="names the columns text, label, age"):
        registry.require_columns(task, ["text", "label", "age"])


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "meta0"])
def test_an_unknown_device_is_refused(device: str) -> None:
    task = made("cnn", {}, LABELS, device)
    with pytest.raises(ConfigError, match=re.escape(f"no device '{device}'")):
        initial_weights(task, "cnn")


def test_the_lines_of_the_docs_make_features(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (Path(__file__).parents[2] / "docs" / "model.md").read_text(encoding="utf-8")
    [lines] = re.findall(r"^    import json, pathlib\n(?:    .*\n)+", text, re.MULTILINE)
    task = made("text", {}, WORDS)
    its = {"labels": WORDS, "task": {"name": "text", "options": options_of(task)}}
    (tmp_path / "card.json").write_text(json.dumps({"card": its}))
    monkeypatch.chdir(tmp_path)
    found: dict[str, Any] = {}
    exec(textwrap.dedent(lines), found)  # the repository's own words
    rows = Table({"text": np.array(["win a prize"], dtype=object)})
    np.testing.assert_array_equal(found["features"], task.inputs(rows, {}))


# ---- tasks of others ----


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The template of the docs as an installed package."""
    text = (Path(__file__).parents[2] / "docs" / "tasks.md").read_text(encoding="utf-8")
    [template] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(template.splitlines()) < 60
    (tmp_path / "beats.py").write_text(template)
    entries = "\n".join(re.findall(r"^    (.*beats = .*)$", text, re.MULTILINE)).replace('"', "")
    about = tmp_path / "beats-1.2.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: beats\nVersion: 1.2\n")
    (about / "top_level.txt").write_text("beats\n")
    (about / "entry_points.txt").write_text(f"[{registry.GROUP}]\n{entries}\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("beats", None)
    registry.find.cache_clear()


def beats(task: Task, count: int, seed: int) -> Table:
    rng = np.random.default_rng(seed)
    regular = rng.integers(0, 2, count)
    series = [
        " ".join(f"{1 + (0.2 * (at % 2) if each else 0.2 * rng.random()):.3f}" for at in range(40))
        for each in regular
    ]
    return table(task, {"intervals": series, "label": [WORDS[each] for each in regular]})


@pytest.mark.parametrize(("name", "step"), [("beats", 0.3), ("deep-beats", 0.5)])
def test_the_template_of_the_docs_is_a_task_once_it_is_installed(
    installed: Path, name: str, step: float
) -> None:
    task = made(name, {"beats": 30}, WORDS)
    assert registry.code_version(name) == "beats 1.2"
    mine = beats(task, 100, 1)
    inputs, targets = task.inputs(mine, {}), task.targets(mine)
    task.require_private(inputs, targets)
    weights = initial_weights(task, name)
    for _ in range(20):
        total = task.clipped_sum(weights, inputs, targets, 1.0) / 100
        weights = weights.replaced((weights.vector - step * total).astype(np.float32))
    assert measured(task, weights, beats(task, 100, 2)) > 0.9
    before = registry.code_digest(name)
    (installed / "beats.py").write_text((installed / "beats.py").read_text() + "# changed\n")
    assert registry.code_digest(name) != before != registry.code_digest("text")


def test_a_task_that_cannot_be_loaded_says_so(installed: Path) -> None:
    (installed / "beats.py").write_text("import nothing_of_that_name\n")
    with pytest.raises(ConfigError, match="cannot be loaded from beats:Beats: ModuleNotFoundError"):
        made("beats", {}, WORDS)
    (installed / "beats.py").write_text("Beats = dict\n")
    sys.modules.pop("beats", None)
    with pytest.raises(ConfigError, match="beats:Beats is no task"):
        made("beats", {}, WORDS)


def test_a_broken_task_is_named_and_hides_no_other(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (installed / "broken.py").write_text("raise RuntimeError('no licence')\n")
    (installed / "spread").mkdir()
    (installed / "spread" / "inside.py").write_text((installed / "beats.py").read_text())
    entries = {
        "raises": "broken:Task",
        "lacks": "beats:Nothing",
        "unnamed": "beats",
        "absent": "nothing_of_that_name:Task",
        "builtin": "sys:flags",
        "spread": "spread.inside:Beats",
    }
    known = registry.known() | entries
    monkeypatch.setattr(registry, "known", lambda: known)
    said = CliRunner().invoke(app, ["tasks", "--json"])
    assert said.exit_code == 0, said.output
    shown = json.loads(said.stdout)
    assert {each["name"] for each in shown["tasks"]} == {*registry.BUILT_IN} | {
        *("beats", "deep-beats", "spread")
    }
    reasons = {each["name"]: each["reason"] for each in shown["broken"]}
    assert reasons.keys() == entries.keys() - {"spread"}
    assert "RuntimeError: no licence" in reasons["raises"]
    assert "warning: the task 'raises'" in CliRunner().invoke(app, ["tasks"]).output
    before = registry.code_digest("spread")
    (installed / "spread" / "more.py").write_text("")
    assert registry.code_digest("spread") != before
    for name in ("broken", "spread", "spread.inside"):
        sys.modules.pop(name, None)


def test_entry_points_are_those_of_the_table() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))
    assert project["project"]["entry-points"][registry.GROUP] == registry.BUILT_IN


# ---- a linear head needs no torch ----


@pytest.mark.parametrize("name", ["images", "text", "table", "preference"])
def test_neither_a_partner_nor_a_release_with_a_linear_head_loads_what_it_does_not_need(
    name: str,
) -> None:
    code = f"""
import sys
from federated.privacy import bound
from federated.spec import Mechanism
from federated.tasks.registry import code_digest, made
from federated.tasks.task import initial_weights
options = {{"numbers": ["age:0:9"]}} if {name!r} == "table" else {{}}
task = made({name!r}, options, ("a", "b")).suited(None, 99)
weights = initial_weights(task, {name!r})
task.graph(weights, None)
code_digest({name!r})
bound([Mechanism(1.0, 1.0, 5)], 1e-5)
print([each for each in ("torch", "opacus", "pandas", "scipy", "sympy") if each in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "[]"
