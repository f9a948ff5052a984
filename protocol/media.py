"""Media: the one list of what items can be made of, and what nodes need to know of each.

A campaign names the types that it takes. A type belongs here if every node can check that content
is of it (`check_content`), show it to a person, and tell copies of it (`shown`). Decoding is
not for this package: it needs libraries, and a screen.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final

from protocol.errors import Reject


class Shown(Enum):
    """As what a person sees it; and by what copies of it are told (`protocol.review.fingerprints`)."""

    PICTURE = "picture"
    SOUND = "sound"
    TEXT = "text"
    FILE = "file"  # not at all: by its name and size


@dataclass(frozen=True, slots=True)
class Medium:
    """A media type. Its files end in one of `suffixes`, the first of which is the one to write."""

    name: str  # as IANA registers it, or has room for; of code, what everybody uses
    words: str  # for people: "a PNG picture"
    shown: Shown
    suffixes: tuple[str, ...]
    # Content holds all (offset, bytes) of one of these; texts and opaque files have none.
    signatures: tuple[tuple[tuple[int, bytes], ...], ...] = ()
    # Decoders of one format may differ in the last bit of a pixel or sample, where its standard lets them.
    is_lossy: bool = False

    @property
    def is_text(self) -> bool:
        """Whether content is UTF-8."""
        return self.shown is Shown.TEXT

    @property
    def suffix(self) -> str:
        """The end of a file's name, with its dot."""
        return self.suffixes[0]


def _text(name: str, words: str, *suffixes: str) -> Medium:
    return Medium(name, words, Shown.TEXT, suffixes)


def _picture(
    name: str, words: str, *suffixes: str, marks: tuple[bytes, ...], is_lossy: bool = False
) -> Medium:
    signatures = tuple(((0, mark),) for mark in marks)
    return Medium(name, words, Shown.PICTURE, suffixes, signatures, is_lossy=is_lossy)


def _sound(
    name: str, words: str, *suffixes: str, marks: tuple[bytes, ...], is_lossy: bool = False
) -> Medium:
    signatures = tuple(((0, mark),) for mark in marks)
    return Medium(name, words, Shown.SOUND, suffixes, signatures, is_lossy=is_lossy)


PNG: Final = _picture("image/png", "a PNG picture", ".png", marks=(b"\x89PNG\r\n\x1a\n",))
JPEG: Final = _picture(
    "image/jpeg", "a JPEG picture", ".jpg", ".jpeg", ".jpe", marks=(b"\xff\xd8\xff",), is_lossy=True
)
GIF: Final = _picture("image/gif", "a GIF picture", ".gif", marks=(b"GIF87a", b"GIF89a"))
WEBP: Final = Medium(
    "image/webp",
    "a WebP picture",
    Shown.PICTURE,
    (".webp",),
    (((0, b"RIFF"), (8, b"WEBP")),),
    is_lossy=True,
)
WAV: Final = Medium(
    "audio/wav",
    "a WAV recording",
    Shown.SOUND,
    (".wav",),
    (((0, b"RIFF"), (8, b"WAVE")),),
)
FLAC: Final = _sound("audio/flac", "a FLAC recording", ".flac", marks=(b"fLaC",))
OGG: Final = _sound(
    "audio/ogg", "an Ogg recording", ".ogg", ".oga", ".opus", marks=(b"OggS",), is_lossy=True
)
# Layer III of MPEG 1, 2 and 2.5, with and without a checksum; or a tag before it.
MPEG: Final = _sound(
    "audio/mpeg",
    "an MP3 recording",
    ".mp3",
    marks=(b"\xff\xfb", b"\xff\xfa", b"\xff\xf3", b"\xff\xf2", b"\xff\xe3", b"\xff\xe2", b"ID3"),
    is_lossy=True,
)
TEXT: Final = _text("text/plain", "plain text", ".txt", ".text")
MARKDOWN: Final = _text("text/markdown", "Markdown", ".md", ".markdown")
CSV: Final = _text("text/csv", "a table (CSV)", ".csv")
# Code, as IANA or else as desktops name it. A header is C: what is in it does not say.
PYTHON: Final = _text("text/x-python", "Python code", ".py")
C: Final = _text("text/x-csrc", "C code", ".c", ".h")
CPP: Final = _text("text/x-c++src", "C++ code", ".cpp", ".cc", ".cxx", ".hpp", ".hh")
CSHARP: Final = _text("text/x-csharp", "C# code", ".cs")
GO: Final = _text("text/x-go", "Go code", ".go")
JAVA: Final = _text("text/x-java", "Java code", ".java")
JAVASCRIPT: Final = _text("text/javascript", "JavaScript code", ".js", ".mjs", ".cjs", ".jsx")
TYPESCRIPT: Final = _text("text/x-typescript", "TypeScript code", ".ts", ".tsx")
KOTLIN: Final = _text("text/x-kotlin", "Kotlin code", ".kt", ".kts")
PHP: Final = _text("text/x-php", "PHP code", ".php")
RUBY: Final = _text("text/x-ruby", "Ruby code", ".rb")
RUST: Final = _text("text/x-rust", "Rust code", ".rs")
SHELL: Final = _text("text/x-shellscript", "a shell script", ".sh", ".bash")
SQL: Final = _text("application/sql", "SQL code", ".sql")
SWIFT: Final = _text("text/x-swift", "Swift code", ".swift")
JSON: Final = _text("application/json", "JSON", ".json")
# JSON in a shape that trainers of language models load as it is (node/media/shapes.py).
CONVERSATION: Final = _text(
    "application/vnd.commonhold.conversation+json", "a conversation (JSON)", ".json"
)
PAIR: Final = _text("application/vnd.commonhold.pair+json", "a pair of answers (JSON)", ".json")
RECORD: Final = _text("application/vnd.commonhold.record+json", "a flat record (JSON)", ".json")
BOXES: Final = _text("application/vnd.commonhold.boxes+json", "boxes in a picture (JSON)", ".json")
# Whatever it is: only where a campaign names it, and never what bytes are recognised as.
OPAQUE: Final = Medium("application/octet-stream", "a file of any kind", Shown.FILE, (".bin",))

MEDIA: Final[Mapping[str, Medium]] = MappingProxyType(
    {
        each.name: each
        for each in (
            *(PNG, JPEG, WEBP, GIF),
            *(WAV, FLAC, MPEG, OGG),
            *(TEXT, MARKDOWN, CSV, PYTHON, JSON),
            *(C, CPP, CSHARP, GO, JAVA, JAVASCRIPT, TYPESCRIPT),
            *(KOTLIN, PHP, RUBY, RUST, SHELL, SQL, SWIFT),
            *(CONVERSATION, PAIR, RECORD, BOXES),
            OPAQUE,
        )
    }
)

SHAPES: Final = frozenset({CONVERSATION.name, PAIR.name, RECORD.name, BOXES.name})
"""The types that a file's name does not tell from other JSON."""

# The first of a suffix: a file does not say of which shape its JSON is.
_BY_SUFFIX: Final = {
    suffix: each for each in reversed([*MEDIA.values()]) for suffix in each.suffixes
}

# Control characters but tab, newline and carriage return: no text needs them, and terminals obey them.
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def check_media_type(name: str) -> Medium:
    """The medium of that name. Raises Reject that lists those there are."""
    medium = MEDIA.get(name)
    if medium is None:
        raise Reject(f"nodes know no media type {name[:64]!a}", f"Use one of {_LIST}.")
    return medium


def media_type_of(content: bytes, suffix: str = "") -> str:
    """The media type of content: by its first bytes, and for a text by its file's `suffix` (".csv").

    A text with any other suffix, or none, is text/plain. Raises Reject for content of no known type.
    """
    problem = _problem_of_text(content)
    if not problem:  # even if it begins like something else: "GIF89a is a format"
        named = _BY_SUFFIX.get(suffix.lower(), TEXT)
        return named.name if named.is_text else TEXT.name
    for medium in MEDIA.values():
        if _is_signed(medium, content):
            return medium.name
    raise Reject(
        f"this is no content of a known type; nor is it text, since {problem}",
        f"Convert pictures to PNG or JPEG, recordings to FLAC or WAV, texts to UTF-8. Known types: {_LIST}.",
    )


def is_known(content: bytes) -> bool:
    """Whether content has a type by its bytes: it is a text, or begins as files of a type do."""
    return is_text(content) or any(_is_signed(medium, content) for medium in MEDIA.values())


def is_text(content: bytes) -> bool:
    """Whether content is UTF-8 without control characters."""
    return not _problem_of_text(content)


def check_content(media_type: str, content: bytes) -> None:
    """Raises Reject unless the content can be of that type: its signature, UTF-8 without controls, or,
    of an opaque file, any byte at all.

    Whether it also decodes (a whole picture, JSON that parses) is for the node to find out.
    """
    medium = check_media_type(media_type)
    if medium.is_text:
        problem = _problem_of_text(content)
        if problem:
            advice = "Save it as UTF-8, without control characters."
            raise Reject(f"the content is not {medium.words}: {problem}", advice)
    elif medium.shown is Shown.FILE:
        if not content:
            raise Reject(f"the content is not {medium.words}: it is empty")
    elif not _is_signed(medium, content):
        raise Reject(
            f"the content is not {medium.words}", "Convert it; the file's name does not matter."
        )


def _is_signed(medium: Medium, content: bytes) -> bool:
    return any(
        all(content.startswith(mark, at) for at, mark in signature)
        for signature in medium.signatures
    )


def _problem_of_text(content: bytes) -> str:
    if not content:
        return "it is empty"
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        return f"it is not UTF-8 from byte {error.start + 1} on"
    if found := _CONTROL.search(text):
        line = text.count("\n", 0, found.start()) + 1
        place = f"line {line}, character {found.start() - text.rfind(chr(10), 0, found.start())}"
        return f"it holds U+{ord(found[0]):04X}, a control character, at {place}{_meant(found[0])}"
    return ""


def _meant(control: str) -> str:
    """What it most likely was: text of Windows-1252 that was read as Latin-1 has such where quotes were."""
    was = control.encode("latin-1").decode("cp1252", "ignore") if control >= "\x80" else ""
    if not was:
        return ""
    return (
        f"; it most likely was {was} (U+{ord(was):04X}) in Windows-1252: --encoding utf-8-of-cp1252"
        " reads it so"
    )


_LIST: Final = ", ".join(MEDIA)
