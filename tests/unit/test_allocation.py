"""Large blocks are the system's own, also after one of them was freed."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

SCRIPT = """
import ctypes
from coordinator.allocation import give_back_large_blocks

class Info(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in "arena ord sm blocks bytes usm fsm used free top".split()]

info = ctypes.CDLL(None).mallinfo2
info.restype = Info
if {given}:
    give_back_large_blocks()
bytes(8 << 20)  # freed at once: glibc now takes for small what is not larger
before = info().blocks
kept = [bytes(1 << 20) for _ in range(10)]
print(info().blocks - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's allocator is set")
@pytest.mark.parametrize(("given", "own"), [(True, 10), (False, 0)])
def test_large_blocks_are_not_of_the_heap(given: bool, own: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(given=given)], capture_output=True, check=True
    )
    assert int(done.stdout) == own
