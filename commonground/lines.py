"""The text of tables, line by line: in UTF-8, in what a byte order mark says, or in what its owner names."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from commonground.files import open_file
from protocol.errors import ConfigError

LINE_CHARS_MAX: Final = 16 << 20  # of a line that is held whole; a text of an item is shorter
_CHUNK_BYTES: Final = 64 << 10
# What programs write in front; the longer first, as the shorter is its beginning.
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_MARK_BYTES_MAX: Final = 4
#: UTF-8 that somebody made of Windows-1252 as if that were Latin-1: its quotes and dashes became controls.
MENDED: Final = "utf-8-of-cp1252"
_MENDED: Final = {
    byte: meant for byte in range(0x80, 0xA0) if (meant := bytes([byte]).decode("cp1252", "ignore"))
}


def encoding_of(path: Path, named: str = "") -> str:
    """What a file is in: what its owner named, else by its mark, else UTF-8. Raises ConfigError."""
    require_encoding(named)
    if named == MENDED:
        return MENDED
    return named or marked(read_start(path, _MARK_BYTES_MAX)) or "utf-8"


def require_encoding(named: str) -> None:
    """Raises ConfigError where nobody knows what that is; nothing named is right."""
    if named in ("", MENDED):
        return
    try:
        "".encode(named)
    except LookupError:
        raise ConfigError(
            f"there is no encoding {named!r}",
            f"common ones are cp1252, latin-1, shift_jis, gbk; {MENDED} is UTF-8 made of cp1252"
            f" by mistake",
        ) from None


def marked(start: bytes) -> str:
    """What content is in by the mark that it begins with, or nothing."""
    return next((name for mark, name in _MARKS if start.startswith(mark)), "")


def decoded(content: bytes, encoding: str) -> str:
    """The text of content in an encoding that there is. Raises UnicodeError."""
    if encoding == MENDED:
        return content.decode("utf-8").translate(_MENDED)
    return content.decode(encoding)


def read_start(path: Path, length: int) -> bytes:
    """The first bytes of a file. Raises ConfigError."""
    try:
        with open_file(path) as file:
            return file.read(length)
    except OSError as error:
        raise unreadable(path, error) from error


def read_lines(path: Path, encoding: str = "") -> Iterator[str]:
    """Lines with their ends, as `csv` wants them. Raises ConfigError that names the first bad byte."""
    for number, line in enumerate(read_pieces(path, encoding), start=1):
        if len(line) == LINE_CHARS_MAX:
            raise bad_line(
                path,
                number,
                f"it has {LINE_CHARS_MAX:,} characters or more",
                "look whether a quote before it is not closed; or save longer texts as files",
            )
        yield line


def read_pieces(path: Path, encoding: str = "") -> Iterator[str]:
    """The same, but of a line that is too long to be held its pieces, each but the last one of LINE_CHARS_MAX
    characters."""
    found = encoding_of(path, encoding)
    mended = _MENDED if found == MENDED else None
    found = "utf-8" if mended else found
    try:
        with io.TextIOWrapper(open_file(path), encoding=found, newline="") as file:
            while piece := file.readline(LINE_CHARS_MAX):
                yield piece.translate(mended) if mended else piece
    except UnicodeError as error:
        raise _bad_byte(path, found) from error
    except OSError as error:
        raise unreadable(path, error) from error


def other_pieces(pieces: Iterator[str], first: str) -> Iterator[str]:
    """Those that follow the first one of a line, up to its end."""
    piece = first
    while len(piece) == LINE_CHARS_MAX and not piece.endswith(("\r", "\n")):
        piece = next(pieces, "")
        yield piece


def read_text(path: Path, bytes_max: int, encoding: str = "") -> str:
    """All of it. Raises ConfigError."""
    try:
        size = path.stat().st_size
    except OSError as error:
        raise unreadable(path, error) from error
    if size > bytes_max:
        raise ConfigError(f"{path} is larger than {bytes_max:,} bytes", "Split it.")
    return "".join(read_lines(path, encoding))


def bad_line(
    path: Path, line: int, problem: str, advice: str = "Correct the line and try again."
) -> ConfigError:
    """The error for one line of a table."""
    return ConfigError(f"{path}, line {line}: {problem}", advice)


def is_file(path: Path) -> bool:
    """Whether there is such a file. What a table holds may be no name at all."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def unreadable(path: Path, error: OSError) -> ConfigError:
    """The error for a file that the system does not let us read."""
    return ConfigError(
        f"cannot read {path}: {error.strerror}", "Check the path and its permissions."
    )


def _bad_byte(path: Path, encoding: str) -> ConfigError:
    """Reads the file again, to say where it is: whoever decodes in pieces knows only the piece."""
    decoder = codecs.getincrementaldecoder(encoding)()
    line, offset = 1, 0
    with open_file(path) as file:
        while True:
            chunk = file.read(_CHUNK_BYTES)
            kept = len(decoder.getstate()[0])
            try:
                line += decoder.decode(chunk, final=not chunk).count("\n")
            except UnicodeDecodeError as error:
                line += error.object[: error.start].decode(encoding, "replace").count("\n")
                where = offset - kept + error.start
                return _not_in(path, line, encoding, error.object[error.start], where)
            except UnicodeError:  # UTF-16 or UTF-32 without what it begins with
                return _not_in(path, line, encoding, chunk[0] if chunk else 0, offset)
            offset += len(chunk)
            if not chunk:
                return _not_in(path, line, encoding, 0, offset)


def _not_in(path: Path, line: int, encoding: str, byte: int, offset: int) -> ConfigError:
    name = encoding.upper().removesuffix("-SIG")
    return ConfigError(
        f"{path}, line {line}: byte 0x{byte:02X}, at place {offset:,}, is not {name}",
        "export it in UTF-8, or name what it is in: --encoding cp1252 for most programs on Windows",
    )
