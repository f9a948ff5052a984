"""JSON from strangers: how deep it nests is known before a parser that may run out of stack finds out.

Python's parser recurses in C and stops at the interpreter's limit; libraries of the chain raise that limit
to 100,000, and at 70,000 brackets the process dies.
"""

from __future__ import annotations

import json
import re
from itertools import accumulate
from typing import Any, Final

JSON_DEPTH_MAX: Final = 200  # deeper than anything that a person looks at

_STEPS: Final = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_OTHERS: Final = bytes(set(range(256)) - set(_STEPS))
# To its end, or to the end of all; possessive, so that nothing is read twice.
_STRING: Final = re.compile(rb'"(?:[^"\\]+|\\.)*+"?', re.DOTALL)


def json_depth(data: bytes) -> int:
    """How deep JSON nests, whether it is well formed or not; in linear time and without recursion."""
    brackets = _STRING.sub(b"", data).translate(None, delete=_OTHERS)
    return max(accumulate(map(_STEPS.__getitem__, brackets), initial=0))


def load_json(data: bytes | str, **hooks: Any) -> Any:
    """What JSON says; `hooks` are those of `json.loads`. Raises ValueError, also for what nests too deep."""
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    if json_depth(raw) > JSON_DEPTH_MAX:
        raise ValueError(f"it nests more than {JSON_DEPTH_MAX} deep")
    return json.loads(data, **hooks)
