"""Strict parsing: each refusal stands beside the encoding that is accepted. Messages are made here."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from protocol.errors import Reject
from protocol.limits import ASSET_AMOUNT_MAX
from protocol.log.strict import (
    LEAF_TYPES,
    canonical,
    encode_leaf,
    parse_amount,
    parse_leaf,
    strict_parse,
)
from protos.gen import records_pb2 as pb
from tests.simulated import campaign

Field = descriptor_pb2.FieldDescriptorProto


def _messages() -> dict[str, Any]:
    """Item and Answer, of the same shape: the wire cannot tell them apart."""
    file = descriptor_pb2.FileDescriptorProto(
        name="strict_test.proto", package="strict_test", syntax="proto3"
    )
    inner = file.message_type.add(name="Inner")
    inner.field.add(name="n", number=1, type=Field.TYPE_UINT64, label=Field.LABEL_OPTIONAL)
    for name in ("Item", "Answer"):
        message = file.message_type.add(name=name)
        entry = message.nested_type.add(name="TableEntry")
        entry.options.map_entry = True
        entry.field.add(name="key", number=1, type=Field.TYPE_STRING, label=Field.LABEL_OPTIONAL)
        entry.field.add(name="value", number=2, type=Field.TYPE_UINT32, label=Field.LABEL_OPTIONAL)
        message.oneof_decl.add(name="choice")
        for number, (field, kind) in enumerate(
            [
                ("text", Field.TYPE_STRING),
                ("number", Field.TYPE_UINT32),
                ("inner", Field.TYPE_MESSAGE),
                ("list", Field.TYPE_UINT32),
                ("inners", Field.TYPE_MESSAGE),
                ("this", Field.TYPE_UINT32),
                ("that", Field.TYPE_UINT32),
                ("table", Field.TYPE_MESSAGE),
            ],
            start=1,
        ):
            repeated = field in ("list", "inners", "table")
            added = message.field.add(name=field, number=number, type=kind)
            added.label = Field.LABEL_REPEATED if repeated else Field.LABEL_OPTIONAL
            if field == "table":
                added.type_name = f".strict_test.{name}.TableEntry"
            elif kind == Field.TYPE_MESSAGE:
                added.type_name = ".strict_test.Inner"
            if field in ("this", "that"):
                added.oneof_index = 0
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())  # type: ignore[no-untyped-call]
    described = pool.FindFileByName(file.name).message_types_by_name  # type: ignore[no-untyped-call]
    return {name: message_factory.GetMessageClass(each) for name, each in described.items()}


MESSAGES = _messages()
Item, Answer, Inner = MESSAGES["Item"], MESSAGES["Answer"], MESSAGES["Inner"]

TEXT = b"\x0a\x01a"  # field 1: "a"
NUMBER = b"\x10\x05"  # field 2: 5
INNER = b"\x1a\x02\x08\x07"  # field 3: a message whose field 1 is 7
LIST = b"\x22\x02\x01\x02"  # field 4: 1 and 2, packed
INNERS = b"\x2a\x02\x08\x01\x2a\x02\x08\x02"  # field 5: two messages
THIS = b"\x30\x00"  # field 6, of a oneof: present, and 0
TABLE = b"\x42\x05\x0a\x01a\x10\x01\x42\x05\x0a\x01b\x10\x02"  # field 8: {"a": 1, "b": 2}
WHOLE = TEXT + NUMBER + INNER + LIST + INNERS + THIS + TABLE


def test_the_canonical_encoding_is_accepted_and_fixed() -> None:
    message = strict_parse(Item, WHOLE, "the item")
    assert (message.text, message.number, message.inner.n) == ("a", 5, 7)
    assert list(message.list) == [1, 2] and [each.n for each in message.inners] == [1, 2]
    assert message.WhichOneof("choice") == "this" and dict(message.table) == {"a": 1, "b": 2}
    table = {"b": 2, "a": 1}  # in whatever order it was made
    made = Item(
        text="a", number=5, inner=Inner(n=7), list=[1, 2],
        inners=[Inner(n=1), Inner(n=2)], this=0, table=table,
    )  # fmt: skip
    assert canonical(made) == WHOLE
    assert strict_parse(Item, b"", "the item") == Item()


@pytest.mark.parametrize(
    ("accepted", "refused"),
    [
        pytest.param(TEXT, TEXT + b"\x78\x01", id="unknown field"),
        pytest.param(INNER, b"\x1a\x04\x08\x07\x10\x01", id="unknown field of a nested message"),
        pytest.param(
            INNERS, b"\x2a\x04\x08\x01\x78\x01\x2a\x02\x08\x02", id="... of a repeated one"
        ),
        pytest.param(NUMBER, b"\x10\x85\x00", id="padded number"),
        pytest.param(NUMBER, b"\x90\x00\x05", id="padded tag"),
        pytest.param(TEXT, b"\x0a\x81\x00a", id="padded length"),
        pytest.param(INNER, b"\x1a\x03\x08\x87\x00", id="padded number of a nested message"),
        pytest.param(NUMBER, b"\x10\x85\x80\x80\x80\x10", id="number of more bits than the field"),
        pytest.param(TEXT + NUMBER, NUMBER + TEXT, id="wrong order"),
        pytest.param(NUMBER, b"\x10\x04" + NUMBER, id="repeated scalar"),
        pytest.param(INNER, b"\x1a\x00" + INNER, id="message in two pieces"),
        pytest.param(THIS, b"\x38\x01" + THIS, id="two of a oneof"),
        pytest.param(TEXT, TEXT + b"\x10\x00", id="explicit default"),
        pytest.param(b"", b"\x1a\x02\x08\x00", id="explicit default of a nested message"),
        pytest.param(b"", b"\x1a\x00", id="a nested message that is there and empty"),
        pytest.param(TEXT, TEXT + b"\x1a\x00", id="... beside another field"),
        pytest.param(LIST, b"\x20\x01\x20\x02", id="unpacked list"),
        pytest.param(LIST, b"\x22\x01\x01\x22\x01\x02", id="list in two pieces"),
        pytest.param(TABLE, TABLE[7:] + TABLE[:7], id="unsorted table"),
        pytest.param(TABLE, TABLE[:7] + TABLE, id="repeated key"),
        pytest.param(TEXT, b"\x0b\x0c" + TEXT, id="unknown group"),
    ],
)
def test_no_other_encoding_is_accepted(accepted: bytes, refused: bytes) -> None:
    strict_parse(Item, accepted, "the item")
    Item.FromString(refused)  # protobuf itself takes it
    with pytest.raises(Reject, match="the item is not in its one canonical encoding") as refusal:
        strict_parse(Item, refused, "the item")
    assert refusal.value.advice


@pytest.mark.parametrize(
    "junk",
    [
        pytest.param(WHOLE[:-1], id="cut off"),
        pytest.param(b"\x0a\x01\xff", id="text that is not UTF-8"),
        pytest.param(b"\x00\x01", id="field zero"),
        pytest.param(b"\x0f", id="unknown wire type"),
        pytest.param(b"\x1b" * 10_000, id="groups without end"),
    ],
)
def test_what_is_no_message_is_refused(junk: bytes) -> None:
    with pytest.raises(Reject, match="the item is not a protobuf Item"):
        strict_parse(Item, junk, "the item")


def test_a_list_may_hold_what_is_empty_as_it_is_one_more() -> None:
    two = b"\x2a\x00\x2a\x00"
    assert len(strict_parse(Item, two, "the item").inners) == 2
    assert canonical(Item(inner={}, inners=[{}])) == b"\x2a\x00"


def test_who_writes_a_message_keeps_it_as_it_was() -> None:
    message = Item(inner={}, text="a")
    assert canonical(message) == TEXT
    assert message.HasField("inner")


def test_thresholds_that_are_all_never_are_left_out() -> None:
    made = campaign(copies=pb.CopyTerms())
    assert canonical(made) == canonical(campaign(copies=None))
    spelt_out = made.SerializeToString(deterministic=True)
    with pytest.raises(Reject, match="not in its one canonical encoding"):
        strict_parse(pb.Campaign, spelt_out, "the campaign")
    assert strict_parse(pb.Campaign, canonical(made), "the campaign").copies == pb.CopyTerms()


def test_leaves_keep_their_type() -> None:
    item, answer = encode_leaf(Item(text="a")), encode_leaf(Answer(text="a"))
    assert (item, answer) == (b"\x01" + TEXT, b"\x02" + TEXT)
    assert parse_leaf(Item, item).text == parse_leaf(Answer, answer).text == "a"
    with pytest.raises(Reject, match="leaf is Answer, not Item"):
        parse_leaf(Item, answer)
    with pytest.raises(Reject, match="the leaf is Item, not Answer"):
        parse_leaf(Answer, item)


@pytest.mark.parametrize(
    ("leaf", "message"),
    [
        (b"", "is empty"),
        (b"\0" + TEXT, "of unknown type 0, not Item"),
        (TEXT, "of unknown type 10, not Item"),
        (b"\x01" + TEXT + b"\x10\x00", "the Item is not in its one canonical encoding"),
        (b"\x01\xff", "the Item is not a protobuf Item"),
    ],
)
def test_malformed_leaves_are_refused(leaf: bytes, message: str) -> None:
    with pytest.raises(Reject, match=message):
        parse_leaf(Item, leaf)


def test_leaf_types_are_never_shared() -> None:
    assert len(set(LEAF_TYPES.values())) == len(LEAF_TYPES)
    assert all(0 < number < 256 for number in LEAF_TYPES.values())
    with pytest.raises(KeyError):
        encode_leaf(Inner())  # no leaf: whoever wrote this call is wrong, not the message


def test_amounts_are_compared_by_value() -> None:
    assert parse_amount("0", "the price") == 0
    assert parse_amount(str(ASSET_AMOUNT_MAX), "the price") == ASSET_AMOUNT_MAX
    assert parse_amount("20", "the price", 20) == 20
    for text, maximum in (
        ("9" * 39, ASSET_AMOUNT_MAX),  # as long as the maximum
        (str(ASSET_AMOUNT_MAX + 1), ASSET_AMOUNT_MAX),
        ("9" * 100_000, ASSET_AMOUNT_MAX),  # refused by its length
        ("21", 20),
    ):
        with pytest.raises(Reject, match=r"the price is above [0-9]+$"):
            parse_amount(text, "the price", maximum)


@pytest.mark.parametrize(
    "text", ["", "-1", "+1", "01", "00", "1.0", " 1", "1_000", "1e3", "٣", "²"]
)
def test_other_spellings_of_amounts_are_refused(text: str) -> None:
    with pytest.raises(Reject, match="the price is not an amount") as refusal:
        parse_amount(text, "the price")
    assert refusal.value.advice
