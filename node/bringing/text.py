"""The text of tables."""

from __future__ import annotations

from pathlib import Path

from protocol.errors import ConfigError


def read_text(path: Path, bytes_max: int) -> str:
    """A table's text. Raises ConfigError."""
    try:
        with path.open("rb") as file:
            data = file.read(bytes_max + 1)
        if len(data) > bytes_max:
            raise ConfigError(f"{path} is larger than {bytes_max} bytes", "Split it.")
        return data.decode("utf-8-sig")  # spreadsheets write a byte order mark
    except OSError as error:
        raise ConfigError(
            f"cannot read {path}: {error.strerror}", "Check the path and its permissions."
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8", "Export it as CSV in UTF-8.") from error


def bad_line(path: Path, line: int, problem: str) -> ConfigError:
    """The error for one line of a table."""
    return ConfigError(f"{path}, line {line}: {problem}", "Correct the line and try again.")
