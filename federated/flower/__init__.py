"""Flower, and all that is private in it: this room alone imports more of `flwr` than its public API.

    superlink.py   the server, as a process that shows partners the Fleet API and nothing else
    control.py     starts that process, admits partners, runs a ServerApp against it
    supernode.py   a partner's side: one warm process, and only code that is installed there
    grid.py        the same apps in one process, for tests
    parcel.py      a message with all that it holds, in one request
    calls.py       what the server answers to such requests
    gate.py        what stands before the server: its doors, who waits for what, whose place is a partner's
    parent.py      no process outlives the command that started it
    logs.py        its log lines, which go the way of ours

Names are pinned by `flwr==1.41.*`; a newer Flower is a change to this room.
"""

import importlib

from commonground.collecting import collect_rarely
from commonground.without import without

# Before Flower is imported, with some thousand modules in which nothing can be collected.
collect_rarely()

# Of httpx nobody here uses the command line, whose colours take a tenth of what a server takes to start.
with without("pygments"):
    importlib.import_module("httpx")
