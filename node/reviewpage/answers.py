"""What a reviewer says, as a form has it and in its canonical form.

On the wire (`Said`) an answer to a form of style ONE is the place of a name; of the others it is a list with
1, 0 or null for each name: yes, no, not yet. In a draft "not yet" is a byte that no answer has.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from node.reviewers import Case
from protocol.errors import Reject
from protocol.tasks.kind import Form, FormStyle

NOT_YET: Final = 0xFF

Said = int | list[int | None] | None


def read_said(case: Case, said: object) -> bytes | None:
    """The draft that a browser's answer makes; None takes it back. Raises Reject for what is no answer."""
    form = case.form
    if said is None:
        return None
    if form.style is FormStyle.ONE:
        if type(said) is not int or not 0 <= said < len(form.names):
            raise Reject("there is no such answer", "load the page again")
        return case.read(form.names[said])
    if not isinstance(said, list) or len(said) != len(form.names):
        raise Reject("there is no such answer", "load the page again")
    return bytes(_byte(each) for each in said)


def say(case: Case, draft: bytes | None) -> Said:
    """The same the other way."""
    if draft is None:
        return None
    if case.form.style is FormStyle.ONE:
        return case.form.names.index(case.words(draft))
    return [None if byte == NOT_YET else byte for byte in draft]


def in_words(form: Form, said: Said) -> str:
    """What the reviewer has said, for their own eyes."""
    if said is None:
        return ""
    if isinstance(said, int):
        return form.names[said]
    if form.style is FormStyle.SEVERAL:
        return ", ".join(_those(form.names, said, 1)) or "none of them"
    return ", ".join(
        f"{name}: {'yes' if byte else 'no'}"
        for name, byte in zip(form.names, said, strict=True)
        if byte is not None
    )


def _those(names: Sequence[str], said: list[int | None], byte: int) -> list[str]:
    return [name for name, each in zip(names, said, strict=True) if each == byte]


def _byte(each: object) -> int:
    if each is None:
        return NOT_YET
    if type(each) is not int or each not in (0, 1):
        raise Reject("there is no such answer", "load the page again")
    return each
