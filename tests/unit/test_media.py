"""Media: the registry is consistent, and content is recognised by its bytes."""

from __future__ import annotations

import pytest

from protocol.errors import Reject
from protocol.media import (
    MEDIA,
    SHAPES,
    Shown,
    check_content,
    check_media_type,
    media_type_of,
)

PNG = b"\x89PNG\r\n\x1a\n rest"
WAV = b"RIFF\x24\0\0\0WAVEfmt "


def test_the_registry_says_how_each_type_is_compared_and_shown() -> None:
    assert {name: each.shown.value for name, each in MEDIA.items()} == {
        "image/png": "picture",
        "image/jpeg": "picture",
        "image/webp": "picture",
        "image/gif": "picture",
        "audio/wav": "sound",
        "audio/flac": "sound",
        "audio/mpeg": "sound",
        "audio/ogg": "sound",
        "text/plain": "text",
        "text/markdown": "text",
        "text/csv": "text",
        "text/x-python": "text",
        "application/json": "text",
        "text/x-csrc": "text",
        "text/x-c++src": "text",
        "text/x-csharp": "text",
        "text/x-go": "text",
        "text/x-java": "text",
        "text/javascript": "text",
        "text/x-typescript": "text",
        "text/x-kotlin": "text",
        "text/x-php": "text",
        "text/x-ruby": "text",
        "text/x-rust": "text",
        "text/x-shellscript": "text",
        "application/sql": "text",
        "text/x-swift": "text",
        "application/vnd.commonhold.conversation+json": "text",
        "application/vnd.commonhold.pair+json": "text",
        "application/vnd.commonhold.record+json": "text",
        "application/vnd.commonhold.boxes+json": "text",
        "application/octet-stream": "file",
    }


def test_the_registry_is_consistent() -> None:
    told = [each for each in MEDIA.values() if each.name not in SHAPES]
    suffixes = [suffix for each in told for suffix in each.suffixes]
    assert len(set(suffixes)) == len(suffixes)
    for name, each in MEDIA.items():
        assert each.name == name and each.suffix.startswith(".")
        assert each.is_text == (each.shown is Shown.TEXT)
        assert bool(each.signatures) == (each.shown in (Shown.PICTURE, Shown.SOUND))
        assert not each.is_lossy or each.shown in (Shown.PICTURE, Shown.SOUND)


def test_known_types_are_found_and_others_refused_with_a_list() -> None:
    assert check_media_type("image/png").suffix == ".png"
    for name in ("", "image/tiff", "IMAGE/PNG", "image/png ", "\x1b" * 1000):
        with pytest.raises(Reject, match="nodes know no media type") as refusal:
            check_media_type(name)
        assert (
            "image/gif, audio/wav, audio/flac, audio/mpeg, audio/ogg, text/plain"
            in refusal.value.advice
        )
        assert str(refusal.value).isprintable()


@pytest.mark.parametrize(
    ("content", "suffix", "media_type"),
    [
        (PNG, "", "image/png"),
        (PNG, ".txt", "image/png"),  # the bytes decide
        (WAV, ".WAV", "audio/wav"),
        (b"\xff\xd8\xff\xe0", ".png", "image/jpeg"),
        (b"RIFF\x24\0\0\0WEBPVP8 ", "", "image/webp"),
        (b"GIF87a\0", "", "image/gif"),
        (b"GIF89a\0", "", "image/gif"),
        (b"fLaC\0", "", "audio/flac"),
        (b"OggS\0", "", "audio/ogg"),
        (b"ID3\4\0", "", "audio/mpeg"),
        (b"\xff\xfb\x90", "", "audio/mpeg"),
        (b"a,b\n1,2\n", ".csv", "text/csv"),
        (b"a,b\n1,2\n", "", "text/plain"),
        (b"# Title", ".MD", "text/markdown"),
        (b"{}", ".json", "application/json"),
        (b"print()\n", ".py", "text/x-python"),
        (b"int main(void);\n", ".h", "text/x-csrc"),
        (b"int main() {}\n", ".CPP", "text/x-c++src"),
        (b"SELECT 1;\n", ".sql", "application/sql"),
        (b"#!/bin/sh\n", ".sh", "text/x-shellscript"),
        (b"let a = 1;\n", ".ts", "text/x-typescript"),
        (b"text", ".png", "text/plain"),
        (b"text", ".unheard", "text/plain"),
        (b"GIF89a is a format, as ID3 is one of tags", "", "text/plain"),
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
        (b"ab\x1b[31m", r"holds U\+001B, a control character, at line 1, character 3"),
        (
            "one\nIt\x92s".encode(),
            r"U\+0092, a control character, at line 2, character 3; it most likely was \u2019 \(U\+2019\)",
        ),
        (b"GIF88a\0", r"U\+0000"),
        (b"\xff\xfeh\0i\0", "not UTF-8 from byte 1 on"),  # UTF-16
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
        check_content("image/tiff", b"II*\0")


def test_an_opaque_file_is_anything_and_nothing_is_recognised_as_one() -> None:
    check_content("application/octet-stream", b"\0\x1b")
    with pytest.raises(Reject, match="it is empty"):
        check_content("application/octet-stream", b"")
    with pytest.raises(Reject, match="no content of a known type"):
        media_type_of(b"\0\x1b", ".bin")
