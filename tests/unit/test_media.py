"""Media: the registry is consistent, and content is recognised by its bytes."""

from __future__ import annotations

import pytest

from protocol.errors import Reject
from protocol.media import (
    MEDIA,
    Comparison,
    Shown,
    check_content,
    check_media_type,
    media_type_of,
)

PNG = b"\x89PNG\r\n\x1a\n rest"
WAV = b"RIFF\x24\0\0\0WAVEfmt "


def test_the_registry_says_how_each_type_is_compared_and_shown() -> None:
    table = {name: (each.comparison.value, each.shown.value) for name, each in MEDIA.items()}
    assert table == {
        "image/png": ("perceptual", "picture"),
        "audio/wav": ("exact", "sound"),
        "text/plain": ("exact", "text"),
        "text/markdown": ("exact", "text"),
        "text/csv": ("exact", "text"),
        "text/x-python": ("exact", "text"),
        "application/json": ("exact", "text"),
    }


def test_the_registry_is_consistent() -> None:
    suffixes = [suffix for each in MEDIA.values() for suffix in each.suffixes]
    assert len(set(suffixes)) == len(suffixes)
    for name, each in MEDIA.items():
        assert each.name == name and each.suffix.startswith(".")
        assert each.is_text == (each.shown is Shown.TEXT) == (not each.signature)
        assert each.shown is Shown.PICTURE or each.comparison is Comparison.EXACT


def test_known_types_are_found_and_others_refused_with_a_list() -> None:
    assert check_media_type("image/png").suffix == ".png"
    for name in ("", "image/gif", "IMAGE/PNG", "image/png ", "\x1b" * 1000):
        with pytest.raises(Reject, match="nodes know no media type") as refusal:
            check_media_type(name)
        assert "image/png, audio/wav, text/plain" in refusal.value.advice
        assert str(refusal.value).isprintable()


@pytest.mark.parametrize(
    ("content", "suffix", "media_type"),
    [
        (PNG, "", "image/png"),
        (PNG, ".txt", "image/png"),  # the bytes decide
        (WAV, ".WAV", "audio/wav"),
        (b"a,b\n1,2\n", ".csv", "text/csv"),
        (b"a,b\n1,2\n", "", "text/plain"),
        (b"# Title", ".MD", "text/markdown"),
        (b"{}", ".json", "application/json"),
        (b"print()\n", ".py", "text/x-python"),
        (b"text", ".png", "text/plain"),
        (b"text", ".unheard", "text/plain"),
        (
            "\U0001f468\u200d\U0001f469 \U0001fae8".encode(),
            ".txt",
            "text/plain",
        ),  # whatever Unicode
    ],
)
def test_types_are_recognised(content: bytes, suffix: str, media_type: str) -> None:
    assert media_type_of(content, suffix) == media_type
    check_content(media_type, content)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "it is empty"),
        (b"caf\xe9", "not UTF-8 from byte 4 on"),
        (b"ab\x1b[31m", r"holds U\+001B, a control character, at character 3"),
        (b"GIF89a\0", r"U\+0000"),
        (b"RIFF\x24\0\0\0AVI ", r"U\+0000"),
        ("\u009b".encode(), r"U\+009B"),
    ],
)
def test_content_of_no_known_type_is_refused(content: bytes, problem: str) -> None:
    with pytest.raises(Reject, match=problem) as refusal:
        media_type_of(content, ".txt")
    assert "UTF-8" in refusal.value.advice
    with pytest.raises(Reject, match=f"the content is not plain text: .*{problem}"):
        check_content("text/plain", content)


def test_content_of_another_type_is_refused() -> None:
    with pytest.raises(Reject, match="the content is not a PNG picture"):
        check_content("image/png", WAV)
    with pytest.raises(Reject, match="the content is not a WAV recording"):
        check_content("audio/wav", b"RIFF")
    with pytest.raises(Reject, match="nodes know no media type"):
        check_content("image/gif", b"GIF89a")
