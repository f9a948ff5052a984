"""What a file or a text becomes as a part of an item: its media type, and content that the campaign takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

from node.drafts import PartSource
from node.encodings import Opened, in_utf8, what_to_name
from node.intake import look_beside, prepare_content, read_content
from node.media.records import Beside, Credentials, Prepared
from node.media.texts import CHECKS
from node.privacy.documents import Finding
from node.privacy.screening import Screened, Screening
from protocol.errors import Reject, StateError
from protocol.media import JSON, MEDIA, OPAQUE, SHAPES, TEXT, Shown, media_type_of
from protocol.rows import PartTerms


@dataclass(frozen=True, slots=True)
class CheckedPart:
    """A part that fits the campaign. `said`: what was done to its file, in words; `source`: who or what made
    it, as the log will say."""

    name: str
    media_type: str
    size: int
    sha256: bytes
    fingerprint: bytes
    said: tuple[str, ...] = ()
    is_changed: bool = False  # whether what is submitted differs from the file
    source: str = ""
    findings: tuple[Finding, ...] = ()
    language: str = ""  # of a text, where that is sure
    is_looked_at: bool = True  # or only what reads as text in it was, for personal data
    credentials: Credentials | None = None  # which the file had, and the content has no more


class Contents:
    """Makes parts of files and texts, for one campaign."""

    def __init__(
        self,
        parts: Sequence[PartTerms],
        *,
        scale: bool = False,
        screening: Screening | None = None,
    ) -> None:
        """`parts` are the campaign's; `scale`: whether pictures may be made smaller to fit; `screening`: what
        looks for personal data."""
        self._terms = {part.name: part for part in parts}
        self._scale = scale
        self._screening = screening

    def check(self, source: PartSource) -> CheckedPart:
        """Raises ConfigError (cannot be read) or Reject (is not what the campaign takes)."""
        stored = _content_of(source)
        opened = self._opened(source, stored)
        content = opened.content
        media_type = _media_type_in(self._terms[source.name], content, source)
        screened = self._screened(content, media_type)
        made = self._prepared(source, content, screened, media_type)
        told = self._told(source)
        beside = self._beside(content, made, media_type)
        findings = (*screened.findings, *told.findings, *self._found_beside(beside))
        return CheckedPart(
            name=source.name,
            media_type=made.media_type,
            size=len(made.content),
            sha256=sha256(made.content).digest(),
            fingerprint=made.fingerprint,
            said=(*opened.said, *made.said, *_redacted(screened)),
            is_changed=made.content != stored,
            source=told.text,
            findings=tuple(self._placed(source, each) for each in findings),
            language=screened.language,
            is_looked_at=screened.is_whole,
            credentials=beside.credentials,
        )

    def read(self, source: PartSource, checked: CheckedPart) -> bytes:
        """The content of a part that was checked. Where it differs from the file it is made again: a folder
        of photographs does not fit in memory. Raises StateError when the file is another one by now."""
        content = _content_of(source)
        if checked.is_changed:
            content = self._opened(source, content).content
            media_type = _media_type_in(self._terms[source.name], content, source)
            screened = self._screened(content, media_type)
            content = self._prepared(source, content, screened, media_type).content
        if sha256(content).digest() != checked.sha256:
            raise changed(str(source.path or source.name))
        return content

    def _opened(self, source: PartSource, content: bytes) -> Opened:
        """A file that may be a text, in UTF-8. Raises Reject, but where files of any kind go as they are."""
        takes = self._terms[source.name].media_types
        if source.path is None or not any(MEDIA[name].is_text for name in takes):
            return Opened(content)
        try:
            return in_utf8(content, source.encoding)
        except Reject:
            if OPAQUE.name in takes:
                return Opened(content)
            raise

    def _prepared(
        self, source: PartSource, content: bytes, screened: Screened, media_type: str
    ) -> Prepared:
        terms = self._terms[source.name]
        if screened.is_redacted:
            content = screened.text.encode()
        try:
            return prepare_content(
                content, media_type, terms.media_types, terms.bytes_max, scale=self._scale
            )
        except Reject as error:
            raise Reject(f"{source.name}: {error}", error.advice) from error

    # ---- personal data ----

    def _screened(self, content: bytes, media_type: str) -> Screened:
        """A text, also one that goes as a file of any kind, and of other such files what reads as text."""
        if self._screening is None or MEDIA[media_type].shown in (Shown.PICTURE, Shown.SOUND):
            return Screened()
        try:
            return self._screening.document(content.decode(), media_type)
        except UnicodeDecodeError:
            if MEDIA[media_type].is_text:
                return Screened()  # it is refused when it is prepared
            return self._screening.bytes_of_any_kind(content)

    def _told(self, source: PartSource) -> Screened:
        """What is said of content: its source, which the log shows; and its file's name, which stays here."""
        if self._screening is None:
            return Screened(source.source)
        told = self._screening.words(source.source, "the source")
        if source.path is None:
            return told
        name = self._screening.beside(source.path.name, "the file's name, which stays here")
        return replace(told, findings=(*told.findings, *name))

    def _beside(self, content: bytes, made: Prepared, media_type: str) -> Beside:
        """What is cut off a file; what is submitted as it is has nothing beside it."""
        if self._screening is None or made.content == content:
            return Beside()
        return look_beside(content, media_type)

    def _found_beside(self, beside: Beside) -> tuple[Finding, ...]:
        if self._screening is None:
            return ()
        return tuple(
            found
            for what, text in beside.texts
            for found in self._screening.beside(text, f"{what}, which is removed")
        )

    def _placed(self, source: PartSource, finding: Finding) -> Finding:
        """Of an item of several parts it matters which one."""
        if len(self._terms) == 1:
            return finding
        return replace(finding, where=f"{source.name}: {finding.where}")


def _redacted(screened: Screened) -> list[str]:
    if not screened.is_redacted:
        return []
    counts = Counter(each.kind for each in screened.findings)
    return ["redacted: " + ", ".join(f"{count} x {kind}" for kind, count in counts.items())]


def changed(name: str) -> StateError:
    """The error for what is not what it was a moment ago."""
    return StateError(f"{name} changed while it was read", "run the command again")


def _content_of(source: PartSource) -> bytes:
    if source.path is not None:
        return read_content(source.path)
    return source.data or source.text.encode()


def _media_type_in(terms: PartTerms, content: bytes, source: PartSource) -> str:
    """The type that content is taken as: by its bytes, and of a text by its file's name. A text may always
    pass as plain text, a picture becomes one of another type, and whatever else there is passes where
    files of any kind are asked for. Raises Reject."""
    takes = f"The campaign takes {', '.join(terms.media_types)}."
    if source.path is None and not source.data:
        texts = [name for name in terms.media_types if MEDIA[name].is_text]
        if not texts:
            raise Reject(f"{source.name} is text", takes)
        return TEXT.name if TEXT.name in texts else _shaped_as(content, texts)
    takes_any = OPAQUE.name in terms.media_types
    try:
        found = media_type_of(content, source.path.suffix if source.path else "")
    except Reject as error:
        if takes_any:
            return OPAQUE.name
        takes_text = any(MEDIA[name].is_text for name in terms.media_types)
        also = what_to_name(content) if takes_text else ""
        raise Reject(str(error), f"{takes} {also}".rstrip()) from None
    shapes = [name for name in terms.media_types if name in SHAPES]
    if found == JSON.name and shapes and found not in terms.media_types:
        plain = [TEXT.name] if TEXT.name in terms.media_types else []
        found = _shaped_as(content, shapes + plain)
    if found in terms.media_types:
        return found
    if MEDIA[found].is_text and TEXT.name in terms.media_types:
        return TEXT.name
    if takes_any:
        return OPAQUE.name
    if MEDIA[found].shown is Shown.PICTURE and _takes_pictures(terms):
        return found
    raise Reject(f"{source.name} is {found}", takes)


def _shaped_as(content: bytes, texts: Sequence[str]) -> str:
    """The first of the types of text that content is of; or the first, which it is then checked for."""
    for name in texts:
        try:
            if check := CHECKS.get(name):
                check(content)
        except Reject:
            continue
        return name
    return texts[0]


def _takes_pictures(terms: PartTerms) -> bool:
    return any(MEDIA[name].shown is Shown.PICTURE for name in terms.media_types)
