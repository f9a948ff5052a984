"""A reviewer that asks a language model, behind any server with the common chat-completions API.

    chat:http://127.0.0.1:8080/v1#MODEL

What it may do, the section [chat] of node.toml says (node/chat_terms.py); where the server may be,
endpoint.py; how it is asked and its answer read, prompt.py. It answers with one of the answers that there
are, after one try to repair another; or it is unsure, and the log says why, without a word of the item.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import Final

from commonground.counting import plural
from node.chat_terms import ChatTerms, read_key
from node.reviewers.endpoint import Endpoint, Message
from node.reviewers.interface import ANSWER_CHARS_MAX, Case, Refusal, ShownPart, read_reply
from node.reviewers.prompt import messages_of, repair, schema_of
from protocol.errors import CommonholdError, Reject
from protocol.tasks.prefer import PLACES, WORDS, Pair

_log = logging.getLogger(__name__)

_MIRRORED: Final[Mapping[str, str]] = dict(zip(PLACES, reversed(PLACES), strict=True))
_TIE: Final = WORDS[-1]


class ChatReviewer:
    """`chat:URL#MODEL`."""

    name = "chat"
    # Most servers on a laptop answer one after the other; a queue there would spend an item's time.
    at_once: Final = 1

    def __init__(self, argument: str, terms: ChatTerms) -> None:
        self._endpoint = Endpoint.parse(argument, allow_remote=terms.allow_remote)
        self._terms = terms
        self.version = version("commonhold")
        self.model = self._endpoint.model
        self.sends_content = not self._endpoint.is_local

    def prepare(self) -> None:
        """Read the key. Whether the server is up is seen when it is asked: it may start later than we do."""
        self._key = read_key(self._terms)
        if self.sends_content:
            _log.warning(
                "content of campaigns that allow it is sent to %s, as chat.allow_remote in node.toml says",
                self._endpoint.place,
            )

    def answer(self, case: Case) -> str | Refusal:
        """The model's answer, within the time that its owner gives it."""
        try:
            return asyncio.run(self._answer_in_time(case))
        except TimeoutError:
            reason = f"no answer within {plural(self._terms.answer_seconds, 'second')}"
        except (CommonholdError, UnicodeDecodeError, OSError) as error:
            reason = str(error) if isinstance(error, CommonholdError) else type(error).__name__
        _log.warning("model %s is unsure of an item: %s", self.model, reason)
        return Refusal.UNSURE

    async def _answer_in_time(self, case: Case) -> str | Refusal:
        async with asyncio.timeout(self._terms.answer_seconds):
            if self._terms.both_orders and isinstance(case.question.spec, Pair):
                return await self._answer_both(case)
            return await self._ask(case, case.parts)

    async def _answer_both(self, case: Case) -> str | Refusal:
        """Of two that are compared, what the model says whichever comes first; a tie, or unsure, where that
        depends on it."""
        one = await self._ask(case, case.parts)
        other = await self._ask(case, _mirrored(case.parts))
        if isinstance(one, Refusal) or isinstance(other, Refusal):
            return one if one == other else Refusal.UNSURE
        if _MIRRORED.get(other, other) == one:
            return one
        return _TIE if _TIE in case.answers else Refusal.UNSURE

    async def _ask(self, case: Case, parts: Sequence[ShownPart]) -> str | Refusal:
        """One question, and one try to repair what is no answer. Raises Reject after that."""
        messages = messages_of(case, parts, pictures=self._terms.pictures)
        said = await self._complete(case, messages)
        try:
            return _read(case, said)
        except Reject:
            return _read(case, await self._complete(case, repair(messages, said)))

    async def _complete(self, case: Case, messages: Sequence[Message]) -> str:
        schema = schema_of(case) if self._terms.schema else None
        said = await self._endpoint.complete(messages, schema, self._key)
        return said[
            : ANSWER_CHARS_MAX + 1
        ]  # one letter more is no answer any more, and no long prompt


def _read(case: Case, said: str) -> str | Refusal:
    """An answer as the case calls it, or a reason. Raises Reject, which quotes nothing of what was said."""
    try:
        if len(said) > ANSWER_CHARS_MAX:
            raise Reject("too long")
        reply = read_reply(said)
        return reply if isinstance(reply, Refusal) else case.words(case.read(reply))
    except (Reject, ValueError):
        raise Reject("it said what is no answer to the question") from None


def _mirrored(parts: Sequence[ShownPart]) -> list[ShownPart]:
    """The two that are compared in each other's place and under each other's name."""
    others = {part.name: part for part in parts if part.name in _MIRRORED}
    return [
        replace(others[_MIRRORED[part.name]], name=part.name) if part.name in others else part
        for part in parts
    ]
