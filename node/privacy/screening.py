"""What a contributor's own content is screened for before anything is signed, and what is done about it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from node.privacy.contact import regions_of
from node.privacy.documents import Finding, Looked, look_at, look_into
from node.privacy.finders import TextFinder
from node.privacy.found import masked
from node.privacy.language import language_of


@dataclass(frozen=True, slots=True)
class Screened:
    """A text as it would be submitted, what was found in it, and its language if that is sure."""

    text: str = ""
    findings: tuple[Finding, ...] = ()
    language: str = ""
    is_redacted: bool = False
    is_whole: bool = True  # whether all of it could be looked at


@dataclass(frozen=True, slots=True)
class Screening:
    """How content is screened; `redacts`: whether what is found is replaced before it is submitted."""

    finder: TextFinder = field(default_factory=TextFinder)
    redacts: bool = False

    def document(self, text: str, media_type: str) -> Screened:
        """A whole text. Raises Reject for what cannot be told piece by piece."""
        language = language_of(text)
        looked = look_at(text, media_type, self.finder, regions_of(language))
        return self._screened(text, looked, language)

    def bytes_of_any_kind(self, content: bytes) -> Screened:
        """A file that is no text: what reads as text in it. Nothing can be replaced there, so that what is
        found would be submitted. Raises Reject."""
        return Screened(findings=look_into(content, self.finder), is_whole=False)

    def words(self, text: str, where: str) -> Screened:
        """A short one, of which its place says enough."""
        found = self._found_in(text, where)
        return self._screened(text, Looked(found, self.finder.redact(text) if found else text), "")

    def answer(self, text: str) -> tuple[Finding, ...]:
        """In an answer, which is one of the campaign's: it is submitted as it is, or not at all."""
        return self._found_in(text, "the answer")

    def beside(self, text: str, where: str) -> tuple[Finding, ...]:
        """What is beside the content, and stays here."""
        return _gone(self._found_in(text, where))

    def _found_in(self, text: str, where: str) -> tuple[Finding, ...]:
        return tuple(
            Finding(where, each.kind, each.what, masked(text[each.start : each.end]))
            for each in self.finder.find(text)
        )

    def _screened(self, text: str, looked: Looked, language: str) -> Screened:
        if not self.redacts:
            return Screened(text, looked.findings, language)
        is_redacted = looked.redacted != text
        return Screened(looked.redacted, _gone(looked.findings), language, is_redacted)


def _gone(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    return tuple(replace(each, is_submitted=False) for each in findings)
