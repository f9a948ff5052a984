"""Which URL shows what: each handler reads the state for a moment, and the ledger in a thread."""

from __future__ import annotations

import asyncio
import re
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, Final, TypeVar

from starlette.requests import Request

from commonground.addresses import now_ms
from commonground.counting import plural
from coordinator.book import Book
from coordinator.dashboard import datasets, epochs, log, money, people, training
from coordinator.dashboard.campaigns import SourcesView, campaign_line, campaign_view, sources_view
from coordinator.dashboard.keeping import Kept
from coordinator.dashboard.paging import LINES, ROWS, Page, page_of, parse_page, span
from coordinator.overview import overview
from coordinator.policies import OPEN_WARNING
from coordinator.ranking import rank
from coordinator.tally import ClosedEpoch
from coordinator.watching import Checked
from protocol.errors import Reject
from protocol.identity import KeyId, PersonId, person_of
from protocol.money.moving import deployment_at
from protocol.rules.table import RULES

RECENT: Final = 8  # entries on the first page
CAMPAIGNS_SHOWN: Final = 12  # there, too
KINDS: Final = frozenset(kind for rules in RULES.values() for kind in rules)
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
    """One method for each page. All raise NotFound or Reject where the URL names nothing.

    `clock_ms` says how long a round's window is still open.
    """

    def __init__(
        self,
        book: Book,
        metadata: datasets.Metadata,
        clock_ms: Callable[[], int] = now_ms,
        checked: Callable[[], Checked | None] = lambda: None,
    ) -> None:
        self._book = book
        self._metadata = metadata
        self._clock_ms = clock_ms
        self._checked = checked
        self._board = Kept[people.Board]()
        self._rankings = defaultdict[str, Kept[SourcesView]](Kept)

    async def overview(self, _: Request) -> Shown:
        """The network at a glance."""
        size = self._book.head.size
        async with self._book.counting() as (state, tally):
            view = overview(state, tally)
            closed = tuple(tally.epochs[-epochs.COLUMNS_MAX :])
            now = self._clock_ms()
            lines = [
                campaign_line(state, tally, campaign, now)
                for _, campaign in islice(state.campaigns.scan(), CAMPAIGNS_SHOWN)
            ]
        recent = range(size - 1, max(-1, size - 1 - RECENT), -1)
        rows = await self._read(log.entry_rows, recent)
        values = {
            "view": view,
            "open_warning": f"{OPEN_WARNING[0].upper()}{OPEN_WARNING[1:]}.",
            "lines": lines,
            "recent": rows,
            "minting": epochs.minting_chart(closed),
            "people": await self._people(row.key for row in rows),
        }
        return Shown("overview.html", "Overview", size, values)

    async def campaigns(self, request: Request) -> Shown:
        """All campaigns, by id."""
        size, number = self._book.head.size, _page(request)
        async with self._book.counting() as (state, tally):
            now = self._clock_ms()
            skip, take = span(number, len(state.campaigns))
            some = islice(state.campaigns.scan(), skip, skip + take)
            rows = [campaign_line(state, tally, each, now) for _, each in some]
            page = Page(number, len(state.campaigns), rows)
        return Shown("campaigns.html", "Campaigns", size, {"page": page})

    async def campaign(self, request: Request) -> Shown:
        """What a campaign asks for, and how its items fare."""
        size, campaign_id = self._book.head.size, request.path_params["id"]
        async with self._book.counting() as (state, tally):
            view = _found(campaign_view(state, tally, campaign_id, self._clock_ms()))
            snapshots = datasets.dataset_rows(state, campaign_id)[:ROWS]
            jobs = training.job_rows(state, campaign_id)[:ROWS]
        sources = await self._sources(campaign_id) if view.compares else None
        values = {"view": view, "snapshots": snapshots, "jobs": jobs, "sources": sources}
        return Shown("campaign.html", view.campaign.title or campaign_id, size, values)

    async def _sources(self, campaign_id: str) -> SourcesView:
        """The ranking, as old as it may be: what was said is copied here, and weighed in a thread."""

        async def make() -> SourcesView:
            async with self._book.counting() as (_, tally):
                seen = tally.answers.comparisons_in(campaign_id)
            return sources_view(await asyncio.to_thread(rank, seen))

        return await self._rankings[campaign_id].get(self._book.head.size, make)

    async def contributors(self, request: Request) -> Shown:
        """Everybody, sorted by `?sort=`."""
        number, sort = _page(request), request.query_params.get("sort", people.DEFAULT_SORT)
        if sort not in people.SORTS:
            raise Reject(f"contributors are sorted by {', '.join(people.SORTS)}")
        board = await self._board.get(self._book.head.size, self._make_board)
        page = await asyncio.to_thread(board.page, sort, number)
        return Shown("contributors.html", "Contributors", board.size, {"page": page, "sort": sort})

    async def _make_board(self) -> people.Board:
        async with self._book.counting() as (state, tally):
            return await asyncio.to_thread(people.board, state, tally)

    async def contributor(self, request: Request) -> Shown:
        """One contributor, with every reward line."""
        size, number = self._book.head.size, _page(request)
        who = person_of(request.path_params["id"])
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
        """The open epoch, and those that are closed, the latest first."""
        size, number = self._book.head.size, _page(request)
        async with self._book.counting() as (state, tally):
            present = epochs.open_epoch(state)
            page = page_of(tally.epochs[::-1], number)
            closed = tuple(tally.epochs[-epochs.COLUMNS_MAX :])
        values = {"present": present, "page": page, "minting": epochs.minting_chart(closed)}
        return Shown("epochs.html", "Epochs", size, values)

    async def epoch(self, request: Request) -> Shown:
        """A closed epoch with its reward lines; the open one leads to its own page."""
        size, number = self._book.head.size, _page(request)
        wanted = _number(request.path_params["number"])
        async with self._book.counting() as (state, tally):
            if wanted == state.epoch:
                present = epochs.open_epoch(state)
                return Shown("epoch_live.html", f"Epoch {wanted}", size, {"present": present})
            if not 0 < wanted < state.epoch:
                raise NotFound("there is no such epoch")
            closed: ClosedEpoch = tally.close_of(wanted)
            settled = state.settled_epoch
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
            "waiting": epochs.wait_lines(closed.waiting),
            "settled": settled,
        }
        return Shown("epoch.html", f"Epoch {wanted}", size, values)

    async def log(self, request: Request) -> Shown:
        """The entries, the latest first; of one kind with `?kind=`."""
        head, number = self._book.head, _page(request)
        kind = request.query_params.get("kind", "")
        if kind and kind not in KINDS:
            raise Reject("there is no such kind of record")
        async with self._book.counting() as (_state, tally):
            kinds = {name: len(places) for name, places in sorted(tally.kinds.items())}
            places: Sequence[int] = tally.kinds.get(kind, _NOTHING) if kind else range(head.size)
            page = log.latest(places, head.size, number)
        rows = await self._read(log.entry_rows, page.rows)
        values = {
            "page": Page(number, page.total, rows),
            "people": await self._people(row.key for row in rows),
            "kinds": kinds,
            "kind": kind,
            "checkpoint": head.checkpoint.decode(),
        }
        return Shown("log.html", "Log", head.size, values)

    async def entry(self, request: Request) -> Shown:
        """One entry in words, with the proof that it is under the head."""
        size, index = self._book.head.size, _number(request.path_params["index"])
        if index >= size:
            raise NotFound(f"the log has {plural(size, 'entry', 'entries')}")
        view = await asyncio.to_thread(
            log.entry_view, self._book.ledger, self._book.tree, index, size
        )
        values = {"entry": view, "people": await self._people([view.row.key])}
        return Shown("entry.html", f"Entry {index}", size, values)

    async def revenue(self, request: Request) -> Shown:
        """What came in, which licences brought it, and what is settled."""
        size, number = self._book.head.size, _page(request)
        async with self._book.counting() as (state, tally):
            view, glance = money.money_view(state), overview(state, tally)
            chain = money.chain_view(state, self._checked())
            deposits = log.latest(tally.kinds.get("chain", _NOTHING), size, number)
            proposed = log.latest(tally.kinds.get("settlement", _NOTHING), size, 1)
            records = [(index, deployment_at(state, index)) for index in deposits.rows]
        rows = await self._read(log.deposit_rows, records)
        settlements = await self._read(log.settlement_rows, proposed.rows)
        values = {
            "money": view,
            "view": glance,
            "chain": chain,
            "page": Page(number, deposits.total, rows),
            "settlements": settlements,
            "settlements_total": proposed.total,
        }
        return Shown("revenue.html", "Revenue", size, values)

    async def jobs(self, request: Request) -> Shown:
        """All training jobs, those under way first."""
        size, number = self._book.head.size, _page(request)
        async with self._book.reading() as state:
            page = page_of(training.job_rows(state), number)
        return Shown("jobs.html", "Training jobs", size, {"page": page})

    async def job(self, request: Request) -> Shown:
        """One training job: what its rounds reached, cost and were made of."""
        size, number = self._book.head.size, _page(request)
        job_id = request.path_params["id"]
        async with self._book.counting() as (state, tally):
            view = _found(training.job_view(state, tally, job_id))
            receipts = log.latest(tally.updates.get(job_id, _NOTHING), size, number)
        rows = await self._read(log.update_rows, receipts.rows)
        values = {
            "job": view,
            "accuracy": training.accuracy_chart(view),
            "epsilon": training.epsilon_chart(view),
            "page": Page(number, receipts.total, rows),
            "people": await self._people(row.key for row in rows),
            "files": await asyncio.to_thread(self._metadata.of_model, job_id),
        }
        return Shown("job.html", view.row.title or job_id, size, values)

    async def datasets(self, request: Request) -> Shown:
        """All datasets, the latest first, and the models that jobs left."""
        size, number = self._book.head.size, _page(request)
        async with self._book.reading() as state:
            page = page_of(datasets.dataset_rows(state), number)
            models = datasets.models(state)
        values = {"page": page, "models": models}
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

    async def operator(self) -> PersonId:
        """Whose network it is."""
        async with self._book.reading() as state:
            return state.operator

    async def _people(self, keys: Iterable[KeyId]) -> dict[KeyId, PersonId]:
        """For whom these keys sign."""
        async with self._book.reading() as state:
            return {key: state.keys[key] for key in keys}

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
