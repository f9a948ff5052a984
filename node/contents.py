"""What a file or a text becomes as a part of an item: its media type, and content that the campaign takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from node.drafts import PartSource
from node.intake import prepare_content, read_content
from node.media.records import Prepared
from node.media.texts import CHECKS
from protocol.errors import Reject, StateError
from protocol.media import JSON, MEDIA, OPAQUE, SHAPES, TEXT, Shown, media_type_of
from protocol.rows import PartTerms


@dataclass(frozen=True, slots=True)
class CheckedPart:
    """A part that fits the campaign. `said`: what was done to its file, in words."""

    name: str
    media_type: str
    size: int
    sha256: bytes
    fingerprint: bytes
    said: tuple[str, ...] = ()
    is_changed: bool = False  # whether what is submitted differs from the file


class Contents:
    """Makes parts of files and texts, for one campaign."""

    def __init__(self, parts: Sequence[PartTerms], *, scale: bool = False) -> None:
        """`parts` are the campaign's; `scale`: whether pictures may be made smaller to fit."""
        self._terms = {part.name: part for part in parts}
        self._scale = scale

    def check(self, source: PartSource) -> CheckedPart:
        """Raises ConfigError (cannot be read) or Reject (is not what the campaign takes)."""
        content = _content_of(source)
        made = self._prepared(source, content)
        return CheckedPart(
            name=source.name,
            media_type=made.media_type,
            size=len(made.content),
            sha256=sha256(made.content).digest(),
            fingerprint=made.fingerprint,
            said=made.said,
            is_changed=made.content != content,
        )

    def read(self, source: PartSource, checked: CheckedPart) -> bytes:
        """The content of a part that was checked. Where it differs from the file it is made again: a folder
        of photographs does not fit in memory. Raises StateError when the file is another one by now."""
        content = _content_of(source)
        if checked.is_changed:
            content = self._prepared(source, content).content
        if sha256(content).digest() != checked.sha256:
            raise changed(str(source.path or source.name))
        return content

    def _prepared(self, source: PartSource, content: bytes) -> Prepared:
        terms = self._terms[source.name]
        media_type = _media_type_in(terms, content, source)
        try:
            return prepare_content(
                content, media_type, terms.media_types, terms.bytes_max, scale=self._scale
            )
        except Reject as error:
            raise Reject(f"{source.name}: {error}", error.advice) from error


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
    except Reject:
        if takes_any:
            return OPAQUE.name
        raise
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
