"""What a withdrawal does to the models that its item made, in words that both sides show."""

from __future__ import annotations

from dataclasses import dataclass

from commonground.counting import plural
from protocol.jobs import Job
from protocol.rules.licences import last_epoch_of_sale
from protocol.state import State


@dataclass(frozen=True, slots=True)
class Mark:
    """What has gone from a model's snapshot since it was taken, and until when the model is licensed."""

    withdrawn: int  # items and parts of items: by their authors, or taken down
    refused: int  # items that a panel accepted no more
    since_epoch: int
    last_epoch: int  # of the present policy's grace
    is_over: bool  # that grace

    @property
    def words(self) -> str:
        """A sentence for people."""
        gone = []
        if self.withdrawn:
            gone.append(
                f"{plural(self.withdrawn, 'item or part of one was', 'items or parts of them were')}"
                " withdrawn or taken down"
            )
        if self.refused:
            gone.append(f"{self.refused:,} items are accepted no more")
        licensed = (
            f"since epoch {self.last_epoch + 1} it may not be licensed anew"
            if self.is_over
            else f"it may be licensed until epoch {self.last_epoch}"
        )
        return (
            f"of the snapshot behind it {' and '.join(gone)} since epoch {self.since_epoch}; {licensed}."
            " A new snapshot is without them: train it again on that"
        )


def mark_of(state: State, job: Job) -> Mark | None:
    """The mark of a job's model; None while its snapshot is whole, or without one."""
    last = last_epoch_of_sale(state, job)
    if last is None:
        return None
    snapshot = state.snapshots[job.terms.snapshot]
    return Mark(
        withdrawn=snapshot.withdrawn,
        refused=snapshot.refused,
        since_epoch=snapshot.spoilt_in,
        last_epoch=last,
        is_over=state.epoch > last,
    )
