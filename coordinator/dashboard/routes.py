"""Which URL shows what: each handler reads the state for a moment, and the ledger in a thread."""

from __future__ import annotations

import asyncio
import re
import time
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar

from starlette.requests import Request

from coordinator.book import Book
from coordinator.dashboard import datasets, epochs, log, money, people, training
from coordinator.dashboard.paging import LINES, ROWS, Page, page_of, parse_page, span
from coordinator.overview import CampaignRow, campaign_row, overview
from coordinator.tally import ClosedEpoch
from protocol.errors import Reject
from protocol.identity import identity_of
from protocol.transition import RULES

RECENT: Final = 8  # entries on the first page
_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,17}", re.ASCII)
_NOTHING: Final = array("Q")

T = TypeVar("T")


class NotFound(Reject):
    """The network has nothing of this name."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A template and what it is given. `as_of` is the log size that all of it is at least as fresh as."""

    template: str
    title: str
    as_of: int
    values: dict[str, Any]


class Views:
    """One method for each page. All raise NotFound or Reject where the URL names nothing."""

    def __init__(self, book: Book, metadata: datasets.Metadata) -> None:
        self._book = book
        self._metadata = metadata
        self._board: people.Board | None = None
        self._board_until = 0.0  # monotonic seconds
        self._building = asyncio.Lock()

    async def overview(self, _: Request) -> Shown:
        """The network at a glance."""
        size = self._book.head.size
        async with self._book.counting() as (state, tally):
            view = overview(state, tally)
            closed = tuple(tally.epochs[-epochs.COLUMNS_MAX :])
        recent = range(size - 1, max(-1, size - 1 - RECENT), -1)
        rows = await self._read(log.entry_rows, recent)
        return Shown(
            "overview.html",
            "Overview",
            size,
            {"view": view, "recent": rows, "minting": epochs.minting_chart(closed)},
        )

    async def campaigns(self, request: Request) -> Shown:
        """All campaigns, the latest first."""
        size, number = self._book.head.size, _page(request)
        async with self._book.counting() as (state, tally):
            page = page_of(list(reversed(state.campaigns.values())), number)
            rows: list[CampaignRow] = [campaign_row(c, tally.of_campaign(c.id)) for c in page.rows]
        return Shown("campaigns.html", "Campaigns", size, {"page": Page(number, page.total, rows)})

    async def campaign(self, request: Request) -> Shown:
        """What a campaign asks for, and how its items fare."""
        size, campaign_id = self._book.head.size, request.path_params["id"]
        async with self._book.counting() as (state, tally):
            campaign = _found(state.campaigns.get(campaign_id))
            items = tally.of_campaign(campaign_id).copy()
            snapshots = [
                datasets.dataset_row(state, digest)
                for digest, snapshot in state.snapshots.items()
                if snapshot.campaign_id == campaign_id
            ][-ROWS:]
            jobs = [
                training.job_row(job)
                for job in state.jobs.values()
                if job.record.campaign_id == campaign_id
            ][-ROWS:]
        values = {"campaign": campaign, "items": items, "snapshots": snapshots, "jobs": jobs}
        return Shown("campaign.html", campaign.title or campaign.id, size, values)

    async def contributors(self, request: Request) -> Shown:
        """Everybody, sorted by `?sort=`."""
        number, sort = _page(request), request.query_params.get("sort", people.DEFAULT_SORT)
        if sort not in people.SORTS:
            raise Reject(f"contributors are sorted by {', '.join(people.SORTS)}")
        board = await self._current_board()
        page = await asyncio.to_thread(board.page, sort, number)
        return Shown("contributors.html", "Contributors", board.size, {"page": page, "sort": sort})

    async def _current_board(self) -> people.Board:
        """As old as ten times what it takes to copy: visitors never hold up more than a tenth."""
        async with self._building:
            began, known = time.monotonic(), self._board
            if known is not None and (
                known.size >= self._book.head.size or began < self._board_until
            ):
                return known
            async with self._book.counting() as (state, tally):
                self._board = await asyncio.to_thread(people.board, state, tally)
            ended = time.monotonic()
            self._board_until = ended + 10 * (ended - began)
            return self._board

    async def contributor(self, request: Request) -> Shown:
        """One contributor, with every reward line."""
        size, number = self._book.head.size, _page(request)
        who = identity_of(request.path_params["id"])
        async with self._book.counting() as (state, tally):
            person = _found(people.person(state, tally, who))
            skip, take = span(number, person.lines, LINES)
            places = [p for p in tally.line_places(who, skip, take) if p.index < size]
        rows = await self._read(log.line_rows, places)
        return Shown(
            "contributor.html",
            f"Contributor {request.path_params['id'][-8:]}",
            size,
            {"person": person, "page": Page(number, person.lines, rows, LINES)},
        )

    async def epochs(self, request: Request) -> Shown:
        """The live epoch, and those that are closed, the latest first."""
        size, number = self._book.head.size, _page(request)
        async with self._book.counting() as (state, tally):
            view = overview(state, tally)
            page = page_of(tally.epochs[::-1], number)
            closed = tuple(tally.epochs[-epochs.COLUMNS_MAX :])
        values = {"view": view, "page": page, "minting": epochs.minting_chart(closed)}
        return Shown("epochs.html", "Epochs", size, values)

    async def epoch(self, request: Request) -> Shown:
        """A closed epoch with its reward lines; the one that is live leads to its own page."""
        size, number = self._book.head.size, _page(request)
        wanted = _number(request.path_params["number"])
        async with self._book.counting() as (state, tally):
            if wanted == state.epoch.number:
                view = overview(state, tally)
                return Shown("epoch_live.html", f"Epoch {wanted}", size, {"view": view})
            if not 0 < wanted < state.epoch.number:
                raise NotFound("there is no such epoch")
            closed: ClosedEpoch = tally.epochs[wanted - 1]
        if closed.index >= size:
            raise NotFound("the epoch's close is being committed")
        total = sum(part.lines for part in closed.parts)
        skip, take = span(number, total)
        stored = await asyncio.to_thread(
            lambda: next(self._book.ledger.entries(closed.index, closed.index + 1))
        )
        lines = await asyncio.to_thread(epochs.lines_in, stored.bundle or b"", skip, take)
        values = {
            "epoch": closed,
            "page": Page(number, total, lines),
            "settled": state.published_epoch,
        }
        return Shown("epoch.html", f"Epoch {wanted}", size, values)

    async def log(self, request: Request) -> Shown:
        """The entries, the latest first; of one kind with `?kind=`."""
        head, number = self._book.head, _page(request)
        kind = request.query_params.get("kind", "")
        if kind and kind not in RULES:
            raise Reject("there is no such kind of record")
        async with self._book.counting() as (_state, tally):
            kinds = {name: len(places) for name, places in sorted(tally.kinds.items())}
            places: Sequence[int] = tally.kinds.get(kind, _NOTHING) if kind else range(head.size)
            page = log.latest(places, head.size, number)
        rows = await self._read(log.entry_rows, page.rows)
        values = {
            "page": Page(number, page.total, rows),
            "kinds": kinds,
            "kind": kind,
            "checkpoint": head.checkpoint.decode(),
        }
        return Shown("log.html", "Log", head.size, values)

    async def entry(self, request: Request) -> Shown:
        """One entry in words, with the proof that it is under the head."""
        size, index = self._book.head.size, _number(request.path_params["index"])
        if index >= size:
            raise NotFound(f"the log has {size} entries")
        view = await asyncio.to_thread(
            log.entry_view, self._book.ledger, self._book.tree, index, size
        )
        return Shown("entry.html", f"Entry {index}", size, {"entry": view})

    async def revenue(self, request: Request) -> Shown:
        """What came in, which licences brought it, and what is settled."""
        size, number = self._book.head.size, _page(request)
        async with self._book.counting() as (state, tally):
            view, glance = money.money_view(state), overview(state, tally)
            deposits = log.latest(tally.kinds.get("revenue", _NOTHING), size, number)
            proposed = log.latest(tally.kinds.get("settlement", _NOTHING), size, 1)
            published = log.latest(tally.kinds.get("published", _NOTHING), size, 1)
        rows = await self._read(log.revenue_rows, deposits.rows)
        settlements = await self._read(log.settlement_rows, proposed.rows, published.rows)
        values = {
            "money": view,
            "view": glance,
            "page": Page(number, deposits.total, rows),
            "settlements": settlements,
            "settlements_total": proposed.total,
        }
        return Shown("revenue.html", "Revenue", size, values)

    async def jobs(self, request: Request) -> Shown:
        """All training jobs, the latest first."""
        size, number = self._book.head.size, _page(request)
        async with self._book.reading() as state:
            page = page_of(list(reversed(state.jobs.values())), number)
            rows = [training.job_row(job) for job in page.rows]
        return Shown("jobs.html", "Training jobs", size, {"page": Page(number, page.total, rows)})

    async def job(self, request: Request) -> Shown:
        """One training job: what its rounds reached, cost and were made of."""
        size, number = self._book.head.size, _page(request)
        job_id = request.path_params["id"]
        async with self._book.counting() as (state, tally):
            view = _found(training.job_view(state, tally, job_id))
            receipts = log.latest(tally.updates.get(job_id, _NOTHING), size, number)
        values = {
            "job": view,
            "accuracy": training.accuracy_chart(view),
            "epsilon": training.epsilon_chart(view),
            "page": Page(number, receipts.total, await self._read(log.update_rows, receipts.rows)),
            "files": await asyncio.to_thread(self._metadata.of_model, job_id),
        }
        return Shown("job.html", view.row.title or job_id, size, values)

    async def datasets(self, request: Request) -> Shown:
        """All datasets, the latest first, and the models that jobs left."""
        size, number = self._book.head.size, _page(request)
        async with self._book.reading() as state:
            page = page_of(list(reversed(state.snapshots)), number)
            rows = [datasets.dataset_row(state, digest) for digest in page.rows]
            models = datasets.models(state)
        values = {"page": Page(number, page.total, rows), "models": models}
        return Shown("datasets.html", "Datasets and models", size, values)

    async def dataset(self, request: Request) -> Shown:
        """One dataset: scope, authors, licences, and where its metadata is."""
        size, name = self._book.head.size, request.path_params["name"]
        async with self._book.reading() as state:
            view = _found(datasets.dataset_view(state, name))
        files = await asyncio.to_thread(self._metadata.of_dataset, name)
        return Shown("dataset.html", f"Dataset {name}", size, {"dataset": view, "files": files})

    async def dataset_file(self, request: Request) -> tuple[bytes, str]:
        """(content, media type) of a file that describes a dataset."""
        name, file = request.path_params["name"], request.path_params["file"]
        async with self._book.reading() as state:
            known = datasets.digest_of(state, name) is not None
        media_type = _found(datasets.DATASET_FILES.get(file) if known else None)
        content = await asyncio.to_thread(self._metadata.read_dataset, name, file)
        return _found(content), media_type

    async def model_file(self, request: Request) -> tuple[bytes, str]:
        """(content, media type) of a file that describes a model."""
        job_id, file = request.path_params["id"], request.path_params["file"]
        async with self._book.reading() as state:
            known = job_id in state.jobs
        media_type = _found(datasets.MODEL_FILES.get(file) if known else None)
        content = await asyncio.to_thread(self._metadata.read_model, job_id, file)
        return _found(content), media_type

    async def _read(self, read: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.to_thread(partial(read, self._book.ledger, *arguments))


def _page(request: Request) -> int:
    return parse_page(request.query_params.get("page"))


def _number(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise NotFound("a number is written with digits")
    return int(text)


def _found(value: T | None) -> T:
    if value is None:
        raise NotFound("the network has nothing of this name")
    return value
