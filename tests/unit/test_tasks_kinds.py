"""The kinds of tasks: every rule of a spec, an answer and a decision, each refusal beside what passes."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from protocol.errors import Reject
from protocol.limits import CRITERIA_MAX, LABELS_MAX, PPM, SPEC_BYTES_MAX, STEPS_MAX
from protocol.tasks import KINDS, kind_of
from protocol.tasks.kind import Decision, FormStyle, Ruling
from protocol.tasks.spec import SPEC_DEPTH_MAX, decode_spec, encode_spec
from protocol.tasks.words import percent

LABELS = {"labels": ["cat", "dog", "other"]}
STEPS = {"steps": ["bad", "poor", "fair", "good", "great"], "tolerance": 1}
TIES = {"ties": True}
NO_TIES = {"ties": False}


def criterion(name: str = "correct", needs: int = 900_000, **more: object) -> dict[str, object]:
    return {"name": name, "text": "Is every word right?", "needs_ppm": needs, **more}


RUBRIC = {"criteria": [criterion("correct"), criterion("safe", 990_000)]}
TAGS = {"tags": ["cat", "dog", "outdoors"]}
SPECS: dict[str, dict[str, Any]] = {
    "classify": LABELS,
    "rate": STEPS,
    "prefer": TIES,
    "judge": RUBRIC,
    "tags": TAGS,
}


def parsed(name: str, terms: dict[str, Any]) -> Any:
    return kind_of(name).parse_spec(encode_spec(terms))


class TestTable:
    def test_every_kind_is_found_by_its_name(self) -> None:
        assert all(kind_of(name).name == name for name in KINDS)
        with pytest.raises(Reject, match='no kind of task "x"') as refused:
            kind_of("x")
        assert refused.value.advice == "kinds are: classify, rate, prefer, judge, tags"

    def test_pages_of_help_wait_for_no_engine(self) -> None:
        code = "import protocol.tasks, sys; print('scipy' in sys.modules, 'numpy' in sys.modules)"
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
        assert run.stdout.split() == [b"False", b"False"]

    @pytest.mark.parametrize("name", KINDS)
    def test_an_answer_to_another_kind_does_not_fit(self, name: str) -> None:
        kind, spec = kind_of(name), parsed(name, SPECS[name])
        right = bytes(kind.answer_bytes(spec))
        kind.check_answer(spec, right)
        for wrong in (b"", right + b"\0", right[1:]):
            with pytest.raises(Reject, match="length"):
                kind.check_answer(spec, wrong)

    @pytest.mark.parametrize("name", KINDS)
    def test_sizes_are_positive(self, name: str) -> None:
        kind, spec = kind_of(name), parsed(name, SPECS[name])
        assert kind.belief_size(spec) >= 2
        assert kind.reviewers_max(spec) > 1_000
        assert kind.choices(spec)


class TestSpecs:
    @pytest.mark.parametrize(
        ("spec", "message"),
        [
            (b"", "not JSON"),
            (b"{", "not JSON"),
            (b"\xff", "not JSON"),
            (b"[]", "not a JSON object"),
            (b'{"ties":1.5}', "not JSON"),
            (b'{"ties":NaN}', "not JSON"),
            (b'{"ties":null}', "holds"),
            (b'{"ties": true}', "canonical"),
            (b'{"ties":true} ', "canonical"),
            (b'{"ties":false,"ties":true}', "canonical"),
            (b'{"b":1,"a":2}', "canonical"),
            (rb'{"t":"\u00e9"}', "canonical"),
            (rb'{"t":"\ud800"}', "not one"),
            (b'{"t":' + b"9" * 5_000 + b"}", "not JSON"),
            (b'{"t":9007199254740992}', "beyond"),
            (b'{"t":' + b"[" * 20_000, "not JSON"),
            (b'{"t":' + b"[" * 9 + b"]" * 9 + b"}", "deep"),
            (b'{"t":"' + b"x" * SPEC_BYTES_MAX + b'"}', "longer"),
        ],
    )
    def test_only_the_canonical_bytes_are_read(self, spec: bytes, message: str) -> None:
        with pytest.raises(Reject, match=message):
            decode_spec(spec)

    def test_what_is_canonical_is_read_back(self) -> None:
        terms = {"b": [1, True, "é"], "a": {"x": -3}}
        assert encode_spec(terms) == '{"a":{"x":-3},"b":[1,true,"é"]}'.encode()
        assert decode_spec(encode_spec(terms)) == terms
        deepest: object = 1
        for _ in range(SPEC_DEPTH_MAX - 1):
            deepest = [deepest]
        assert decode_spec(encode_spec({"t": deepest})) == {"t": deepest}

    @pytest.mark.parametrize("value", [1.0, None, b"", (1,), {1: 2}, 2**53])
    def test_what_has_no_one_encoding_is_not_written(self, value: object) -> None:
        with pytest.raises(Reject):
            encode_spec({"t": value})

    @pytest.mark.parametrize("name", KINDS)
    def test_unknown_and_missing_fields_are_named(self, name: str) -> None:
        terms = SPECS[name]
        with pytest.raises(Reject, match="colour") as unknown:
            parsed(name, {**terms, "colour": 1})
        assert all(field in unknown.value.advice for field in terms)
        for field in terms:
            with pytest.raises(Reject, match=f"no '{field}'") as missing:
                parsed(name, {key: value for key, value in terms.items() if key != field})
            assert field in missing.value.advice

    @pytest.mark.parametrize(
        ("name", "terms", "message"),
        [
            ("classify", {"labels": []}, "0 labels"),
            ("classify", {"labels": ["cat"]}, "1 label asks"),
            ("classify", {"labels": [f"l{n:04}" for n in range(LABELS_MAX + 1)]}, "1025 labels"),
            ("classify", {"labels": ["cat", "Cat"]}, "labels 1 and 2 look alike"),
            ("classify", {"labels": ["cat", " dog"]}, "label 2"),
            ("classify", {"labels": "cat"}, "not a list"),
            ("classify", {"labels": ["cat", 1]}, "not a list"),
            ("rate", {"steps": ["good"], "tolerance": 0}, "1 step asks"),
            ("rate", {"steps": [f"s{n:02}" for n in range(33)], "tolerance": 0}, "33 steps"),
            ("rate", {**STEPS, "tolerance": 4}, "tolerance is .4"),
            ("rate", {**STEPS, "tolerance": -1}, "tolerance is .-1"),
            ("rate", {**STEPS, "tolerance": True}, "tolerance is .True"),
            ("prefer", {"ties": 1}, "'ties' is"),
            ("judge", {"criteria": []}, "0 criteria asks nothing"),
            ("judge", {"criteria": {}}, "not a list"),
            ("judge", {"criteria": ["correct"]}, "criterion 1 is not an object"),
            ("judge", {"criteria": [criterion(needs=PPM // 2)]}, "needs_ppm"),
            ("judge", {"criteria": [criterion(needs=PPM)]}, "needs_ppm"),
            ("judge", {"criteria": [criterion(), criterion()]}, "are the same"),
            ("judge", {"criteria": [criterion(), criterion("b", text="")]}, "criterion 2"),
            ("judge", {"criteria": [criterion(text=3)]}, "not text"),
            ("judge", {"criteria": [criterion(extra=3)]}, "extra"),
        ],
    )
    def test_nonsense_is_refused_with_advice(
        self, name: str, terms: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(Reject, match=message) as refused:
            parsed(name, terms)
        assert refused.value.advice

    def test_the_largest_that_make_sense_pass(self) -> None:
        parsed("classify", {"labels": [f"l{n:04}" for n in range(LABELS_MAX)]})
        parsed("rate", {"steps": [f"s{n:02}" for n in range(STEPS_MAX)], "tolerance": 30})
        parsed("rate", {"steps": ["bad", "good"], "tolerance": 0})
        many = [criterion(f"c{n:02}", 500_001) for n in range(CRITERIA_MAX - 1)]
        parsed("judge", {"criteria": [*many, criterion("last", PPM - 1)]})


class TestParts:
    @pytest.mark.parametrize("name", ["classify", "rate", "judge"])
    def test_reviewers_need_something_to_look_at(self, name: str) -> None:
        kind, spec = kind_of(name), parsed(name, SPECS[name])
        kind.check_parts(spec, ["photo", "note"], ["photo"])
        with pytest.raises(Reject, match="always there"):
            kind.check_parts(spec, ["photo"], [])

    def test_a_preference_needs_two_answers(self) -> None:
        kind, spec = kind_of("prefer"), parsed("prefer", TIES)
        both = ["answer_a", "answer_b"]
        kind.check_parts(spec, ["prompt", *both], both)
        for missing in both:
            with pytest.raises(Reject, match=missing):
                kind.check_parts(spec, both, [part for part in both if part != missing])

    def test_only_answers_change_places(self) -> None:
        parts = ["answer_a", "prompt", "answer_b"]
        prefer, ties = kind_of("prefer"), parsed("prefer", TIES)
        assert prefer.shown(ties, False).order(parts) == parts
        assert prefer.shown(ties, True).order(parts) == ["answer_b", "prompt", "answer_a"]
        for name in ("classify", "rate", "tags", "judge"):
            shown = kind_of(name).shown(parsed(name, SPECS[name]), True)
            assert shown.order(parts) == [shown.name_of(part) for part in parts] == parts

    @pytest.mark.parametrize("flipped", [False, True])
    def test_a_reviewer_of_a_pair_speaks_of_places_alone(self, flipped: bool) -> None:
        kind, ties = kind_of("prefer"), parsed("prefer", TIES)
        shown = kind.shown(ties, flipped)
        order = shown.order(["answer_a", "answer_b"])
        assert [shown.name_of(part) for part in ("prompt", *order)] == ["prompt", "first", "second"]
        assert list(shown.answers) == ["first", "second", "tie"]
        for place, part in zip(("first", " Second "), order, strict=True):
            answer = shown.read(place)
            assert kind.words(ties, answer) == part.removeprefix("answer_")
            assert shown.words(answer) == place.strip().lower()
        assert shown.read("tie") == b"\2"
        for other in ("a", "answer_b", ""):
            with pytest.raises(Reject, match="no answer") as caught:
                shown.read(other)
            assert caught.value.advice == "say one of: first, second, tie"
        strict = kind.shown(parsed("prefer", {"ties": False}), flipped)
        assert list(strict.answers) == ["first", "second"]

    def test_no_part_of_a_pair_is_called_as_an_answer_is_shown(self) -> None:
        kind, spec = kind_of("prefer"), parsed("prefer", TIES)
        both = ["answer_a", "answer_b"]
        for name in ("first", "second"):
            with pytest.raises(Reject, match=f"cannot have a part '{name}'"):
                kind.check_parts(spec, [*both, name], both)
            kind.check_parts(spec, [*both, f"{name}_prompt"], both)


class TestAnswers:
    @pytest.mark.parametrize(
        ("name", "terms", "highest", "beyond"),
        [
            ("classify", LABELS, b"\0\2", b"\0\3"),
            ("classify", LABELS, b"\0\0", b"\1\0"),
            ("rate", STEPS, b"\4", b"\5"),
            ("prefer", TIES, b"\2", b"\3"),
            ("prefer", NO_TIES, b"\1", b"\2"),
            ("judge", RUBRIC, b"\1\1", b"\1\2"),
        ],
    )
    def test_only_answers_to_the_question(
        self, name: str, terms: dict[str, Any], highest: bytes, beyond: bytes
    ) -> None:
        kind, spec = kind_of(name), parsed(name, terms)
        kind.check_answer(spec, highest)
        with pytest.raises(Reject) as refused:
            kind.check_answer(spec, beyond)
        assert refused.value.advice
        with pytest.raises(Reject):
            kind.words(spec, beyond)

    @pytest.mark.parametrize(
        ("name", "text", "answer"),
        [
            ("classify", " Dog\n", b"\0\1"),
            ("rate", "GREAT", b"\4"),
            ("prefer", "tie", b"\2"),
            ("prefer", "B", b"\1"),
            ("judge", "yes, No", b"\1\0"),
            ("judge", "correct: no, safe: yes", b"\0\1"),
            ("judge", "Correct NO, safe yes", b"\0\1"),
            ("judge", "safe:no,correct : yes", b"\1\0"),  # in any order
            ("tags", "outdoors, cat", b"\1\0\1"),
        ],
    )
    def test_words_are_read(self, name: str, text: str, answer: bytes) -> None:
        assert kind_of(name).read_words(parsed(name, SPECS[name]), text) == answer

    @pytest.mark.parametrize(
        ("name", "text", "said"),
        [
            ("classify", "bird", "cat, dog, other"),
            ("rate", "", "bad, poor"),
            ("prefer", "c", "a, b, tie"),
            ("judge", "yes", "correct: yes or no"),
            ("judge", "correct: yes, safe: maybe", "yes or no"),
            ("judge", "correct: yes, safe: yes, more", "yes or no"),
            ("tags", "bird", "say one of: cat, dog, outdoors"),
        ],
    )
    def test_other_words_are_answered_by_what_could_be_said(
        self, name: str, text: str, said: str
    ) -> None:
        with pytest.raises(Reject) as refused:
            kind_of(name).read_words(parsed(name, SPECS[name]), text)
        assert said in refused.value.advice

    @pytest.mark.parametrize(
        ("name", "text", "said"),
        [
            ("judge", "correct: yes, correct: yes", '"correct" is answered twice'),
            ("judge", "safe: yes", '"safe: yes"|"correct" is not answered'),
            ("judge", "safe: yes, right: yes", 'there is no criterion "right"'),
            ("judge", "safe: yes, correct", '"correct" does not answer a criterion'),
            ("tags", "cat, dog, CAT", 'the tag "cat" is named twice'),
            ("tags", "cat, none", 'there is no tag "none"'),
        ],
    )
    def test_what_is_missing_doubled_or_unknown_is_named(
        self, name: str, text: str, said: str
    ) -> None:
        with pytest.raises(Reject, match=said) as refused:
            kind_of(name).read_words(parsed(name, SPECS[name]), text)
        assert refused.value.advice

    def test_long_lists_are_cut_in_messages(self) -> None:
        spec = parsed("classify", {"labels": [f"l{n}" for n in range(100)]})
        with pytest.raises(Reject) as refused:
            kind_of("classify").read_words(spec, "x")
        assert refused.value.advice.endswith("l11 and 88 more")

    def test_a_criterion_may_be_called_as_an_answer_is(self) -> None:
        names = ["no", "safe no", "yes"]
        spec = parsed("judge", {"criteria": [criterion(name) for name in names]})
        kind = kind_of("judge")
        for answer in (b"\0\1\0", b"\1\0\1"):
            assert kind.read_words(spec, kind.words(spec, answer)) == answer
        assert kind.read_words(spec, "safe no no, yes yes, no yes") == b"\1\0\1"

    @pytest.mark.parametrize("name", ["safe, sound", "safe: sound"])
    def test_no_criterion_holds_what_separates_answers(self, name: str) -> None:
        parsed("judge", {"criteria": [criterion("safe and sound")]})
        with pytest.raises(Reject, match=r"criterion 1, .* holds a comma or a colon") as refused:
            parsed("judge", {"criteria": [criterion(name)]})
        assert "without them" in refused.value.advice


class TestCredit:
    def test_each_kind_has_its_own_measure(self) -> None:
        def credit(name: str, given: bytes, truth: bytes) -> int:
            return kind_of(name).credit_ppm(parsed(name, SPECS[name]), given, truth)

        assert credit("classify", b"\0\1", b"\0\1") == PPM
        assert credit("classify", b"\0\1", b"\0\2") == 0
        assert [credit("rate", bytes([n]), b"\0") for n in range(5)] == [
            PPM,
            750_000,
            500_000,
            250_000,
            0,
        ]
        assert credit("prefer", b"\0", b"\0") == PPM
        assert credit("prefer", b"\0", b"\1") == 0
        assert credit("prefer", b"\2", b"\1") == credit("prefer", b"\1", b"\2") == PPM // 2
        assert credit("judge", b"\1\0", b"\1\1") == PPM // 2


ACCEPT_PPM = 900_000


class TestDecisions:
    @pytest.mark.parametrize(
        ("name", "terms", "belief", "proposal", "decision"),
        [
            ("classify", LABELS, [95, 5, 0], None, (Ruling.ACCEPT, b"\0\0", 95)),
            ("classify", LABELS, [95, 5, 0], b"\0\0", (Ruling.ACCEPT, b"\0\0", 95)),
            ("classify", LABELS, [95, 5, 0], b"\0\1", (Ruling.REFUSE, b"\0\0", 95)),
            ("classify", LABELS, [10, 89, 1], b"\0\1", (Ruling.UNSURE, b"\0\1", 89)),
            ("classify", LABELS, [45, 45, 10], None, (Ruling.UNSURE, b"\0\0", 45)),
            ("rate", STEPS, [0, 20, 50, 25, 5], None, (Ruling.ACCEPT, b"\2", 95)),
            ("rate", STEPS, [0, 20, 50, 25, 5], b"\3", (Ruling.ACCEPT, b"\2", 95)),
            ("rate", STEPS, [0, 20, 50, 25, 5], b"\4", (Ruling.REFUSE, b"\2", 95)),
            ("rate", STEPS, [50, 0, 0, 0, 50], None, (Ruling.UNSURE, b"\0", 50)),
            (
                "rate",
                {**STEPS, "tolerance": 0},
                [0, 0, 95, 5, 0],
                b"\3",
                (Ruling.REFUSE, b"\2", 95),
            ),
            ("prefer", TIES, [2, 2, 96], None, (Ruling.ACCEPT, b"\2", 96)),
            ("prefer", NO_TIES, [2, 98], b"\0", (Ruling.REFUSE, b"\1", 98)),
            ("judge", RUBRIC, [91, 99], None, (Ruling.ACCEPT, b"\1\1", 91)),
            ("judge", RUBRIC, [91, 98], None, (Ruling.UNSURE, b"\1\1", 91)),
            ("judge", RUBRIC, [99, 10], None, (Ruling.REFUSE, b"\1\0", 90)),
            ("judge", RUBRIC, [99, 11], None, (Ruling.UNSURE, b"\1\0", 89)),
            ("judge", RUBRIC, [50, 99], None, (Ruling.UNSURE, b"\0\1", 50)),
        ],
    )
    def test_what_follows_from_a_belief(
        self,
        name: str,
        terms: dict[str, Any],
        belief: list[int],
        proposal: bytes | None,
        decision: tuple[Ruling, bytes, int],
    ) -> None:
        kind, spec = kind_of(name), parsed(name, terms)
        ppm = [share * 10_000 for share in belief]
        ruling, answer, confidence = decision
        expected = Decision(ruling, answer, confidence * 10_000)
        assert kind.decide(spec, ppm, proposal, ACCEPT_PPM) == expected
        kind.check_answer(spec, answer)

    def test_what_is_proposed_is_judged_as_a_part(self) -> None:
        assert [name for name, kind in KINDS.items() if not kind.takes_proposals] == ["judge"]


class TestForms:
    """What a person fills in makes answers, and nothing but answers."""

    @pytest.mark.parametrize("name", list(KINDS))
    def test_every_form_makes_answers(self, name: str) -> None:
        kind, spec = kind_of(name), parsed(name, SPECS[name])
        form = kind.form(spec)
        assert len(form.names) > 1 and len(form.notes) in (0, len(form.names))
        if form.style is FormStyle.ONE:
            answers = [kind.read_words(spec, each) for each in form.names]
            assert len(set(answers)) == len(answers)
        else:
            answers = [bytes(len(form.names)), bytes([1] * len(form.names))]
        for answer in answers:
            kind.check_answer(spec, answer)
        if form.style is FormStyle.EACH:
            with pytest.raises(Reject):
                kind.check_answer(spec, bytes([0xFF]) + answers[0][1:])  # not yet


class TestWords:
    @pytest.mark.parametrize(
        ("name", "belief", "words"),
        [
            ("classify", [971_000, 29_000, 0], "cat 97.1 %, dog 2.9 %"),
            ("classify", [0, PPM, 0], "dog 100.0 %"),
            (
                "rate",
                [0, 200_000, 500_000, 250_000, 50_000],
                "median fair; fair 50.0 %, good 25.0 %",
            ),
            ("prefer", [300_000, 300_000, 400_000], "tie 40.0 %, a 30.0 %, b 30.0 %"),
            ("judge", [999_999, 1], "correct met 99.9 %, safe met 0.1 %"),
        ],
    )
    def test_beliefs(self, name: str, belief: list[int], words: str) -> None:
        assert kind_of(name).explain(parsed(name, SPECS[name]), belief).startswith(words)

    def test_the_rest_is_summed_up(self) -> None:
        spec = parsed("classify", {"labels": [f"l{n}" for n in range(5)]})
        belief = [200_000] * 5
        words = kind_of("classify").explain(spec, belief)
        assert words == "l0 20.0 %, l1 20.0 %, l2 20.0 %, others 40.0 %"

    def test_only_certainty_reads_as_certain(self) -> None:
        shares = (0, 1, 500_000, 999_999, PPM)
        assert [percent(ppm) for ppm in shares] == ["0.0 %", "0.1 %", "50.0 %", "99.9 %", "100.0 %"]

    def test_one_criterion_has_two_answers(self) -> None:
        spec = parsed("judge", {"criteria": [criterion()]})
        kind = kind_of("judge")
        assert kind.choices(spec) == ["correct: yes", "correct: no"]
        assert [kind.read_words(spec, text) for text in kind.choices(spec)] == [b"\1", b"\0"]


class TestDatasets:
    def columns(self, name: str, terms: dict[str, Any], answer: bytes, *belief: int) -> Any:
        kind, spec = kind_of(name), parsed(name, terms)
        kind.check_answer(spec, answer)
        return {each.name: each.value(answer, belief) for each in kind.columns(spec)}

    def test_a_label_is_an_index_beside_all_probabilities(self) -> None:
        found = self.columns("classify", LABELS, b"\0\1", 10_000, 970_000, 20_000)
        assert found == {"label": 1, "belief": [0.01, 0.97, 0.02]}

    def test_a_rating_is_the_median_beside_the_mean_and_the_distribution(self) -> None:
        found = self.columns("rate", STEPS, b"\3", 0, 0, 250_000, 500_000, 250_000)
        assert found == {
            "rating": 3,
            "rating_mean": 3.0,
            "belief": [0.0, 0.0, 0.25, 0.5, 0.25],
        }

    def test_a_preference_names_the_chosen_and_the_rejected_part(self) -> None:
        found = self.columns("prefer", TIES, b"\1", 50_000, 900_000, 50_000)
        assert found["chosen"] == found["preferred"] == "answer_b"
        assert found["rejected"] == "answer_a"
        tie = self.columns("prefer", TIES, b"\2", 50_000, 50_000, 900_000)
        assert (tie["chosen"], tie["rejected"], tie["preferred"]) == (None, None, None)

    def test_every_criterion_has_its_column(self) -> None:
        found = self.columns("judge", RUBRIC, b"\1\0", 990_000, 20_000)
        assert found == {"met_correct": 0.99, "met_safe": 0.02, "belief": [0.99, 0.02]}

    def test_tags_are_shares_by_name(self) -> None:
        found = self.columns("tags", TAGS, b"\1\0\1", 990_000, 20_000, 700_000)
        assert found == {"belief": [0.99, 0.02, 0.7]}

    def test_criteria_whose_columns_would_have_one_name_are_numbered(self) -> None:
        terms = {"criteria": [criterion("so far?"), criterion("so; far"), criterion("so far 1")]}
        found = self.columns("judge", terms, b"\1\1\1", 1, 2, 3)
        assert set(found) == {"met_1", "met_2", "met_3", "belief"}

    @pytest.mark.parametrize(
        ("name", "terms", "said"),
        [
            ("classify", LABELS, ["Which label fits?", "cat", "dog", "other"]),
            ("rate", STEPS, ["from lowest to highest? Ratings that are 1 apart agree.", "bad"]),
            ("prefer", TIES, ["Which of the two answers is better", "It may be that neither is."]),
            ("prefer", NO_TIES, ["Which of the two answers is better", "One of them is."]),
            ("judge", RUBRIC, ["each criterion?", "safe: Is every word right? (needs 99.0 %)"]),
            ("tags", TAGS, ["Which of these tags fit?", "outdoors"]),
        ],
    )
    def test_what_is_asked_is_said_in_words(
        self, name: str, terms: dict[str, Any], said: list[str]
    ) -> None:
        lines = kind_of(name).asks(parsed(name, terms))
        assert all(any(each in line for line in lines) for each in said)


class TestTags:
    def test_tags_that_a_list_could_not_hold_are_refused(self) -> None:
        assert parsed("tags", {"tags": ["a", "b"]}).tags == ("a", "b")
        for tags in (["a"], ["a", "A"], ["a", "b, c"], ["a", "None"]):
            with pytest.raises(Reject):
                parsed("tags", {"tags": tags})

    def test_any_number_of_tags_fits(self) -> None:
        kind, spec = kind_of("tags"), parsed("tags", TAGS)
        for words, answer in (
            ("cat, outdoors", b"\1\0\1"),
            ("none", b"\0\0\0"),
            ("dog", b"\0\1\0"),
        ):
            assert kind.read_words(spec, words) == answer
            assert kind.words(spec, answer) == words
        assert kind.read_words(spec, "Outdoors ,cat") == b"\1\0\1"
        for said in ("", "cat,", "cat and dog", "bird"):
            with pytest.raises(Reject, match="there is no tag"):
                kind.read_words(spec, said)
        with pytest.raises(Reject, match="neither 0 nor 1"):
            kind.check_answer(spec, b"\0\1\2")

    @pytest.mark.parametrize(
        ("belief", "proposal", "decided"),
        [
            ((990_000, 20_000, 950_000), None, Decision(Ruling.ACCEPT, b"\1\0\1", 950_000)),
            ((990_000, 20_000, 950_000), b"\1\0\1", Decision(Ruling.ACCEPT, b"\1\0\1", 950_000)),
            ((990_000, 20_000, 950_000), b"\1\0\0", Decision(Ruling.REFUSE, b"\1\0\1", 950_000)),
            ((990_000, 20_000, 500_000), None, Decision(Ruling.UNSURE, b"\1\0\0", 500_000)),
        ],
    )
    def test_an_item_is_as_sure_as_its_most_doubtful_tag(
        self, belief: tuple[int, ...], proposal: bytes | None, decided: Decision
    ) -> None:
        kind, spec = kind_of("tags"), parsed("tags", TAGS)
        assert kind.decide(spec, belief, proposal, 900_000) == decided

    def test_saying_nothing_of_rare_tags_earns_nothing(self) -> None:
        kind, spec = kind_of("tags"), parsed("tags", TAGS)
        assert kind.credit_ppm(spec, b"\0\0\0", b"\0\0\1") == 0
        assert kind.credit_ppm(spec, b"\1\0\1", b"\0\0\1") == PPM // 2
        assert kind.credit_ppm(spec, b"\0\0\0", b"\0\0\0") == PPM
