"""A model's fixed values, which are the same in every round of a job: they travel once.

    with a task      the values beside their hash, to whom the server has not heard from since
    afterwards       the hash alone; a machine that started again meanwhile says that it wants them

A machine keeps those of its one job, in memory. It believes nothing of them: values have to have the hash
that they are named by, and they are kept once the log has named the model that they are a part of. So what
is kept is what the job was opened with, and no larger than its task allows.
"""

from __future__ import annotations

import hashlib

from federated.messages import NO_VALUES, Task
from protocol.errors import Reject


class FixedValues:
    """Those of one job, as its machine knows them."""

    def __init__(self) -> None:
        self._name, self._raw = NO_VALUES, b""

    def of(self, task: Task) -> bytes | None:
        """The values that a task names; None where they did not come and are not here.

        Raises Reject for other values than those it names.
        """
        if not task.fixed:
            return self._raw if task.named == self._name else None
        if hashlib.sha256(task.fixed).digest() != task.named:
            raise Reject("the model's fixed values are not those that they are named by")
        return task.fixed

    def keep(self, task: Task, fixed: bytes) -> None:
        """Remembers what `of` gave for a task, once the model is known to be the log's."""
        self._name, self._raw = task.named, fixed
