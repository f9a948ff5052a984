"""Examination: fetch an item's parts from its author, check what the log says of them, ask for an answer.

Content comes from strangers. It is bounded before it is fetched, checked against its commitment while it
streams, and held against media type and fingerprint before any reviewer sees it. A part that fails fails
the item: nobody judges half of one.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, Final, cast

from commonground.asking import Asking
from commonground.carried import PART_BYTES_MAX
from node.config import ANY_CAMPAIGN
from node.intake import check_fingerprint, fingerprint_content
from node.original import Original
from node.reviewers import (
    Case,
    Refusal,
    Reviewer,
    ShownPart,
    ask,
    ask_relation,
    hindrance,
    program_of,
)
from node.rows import TaskRow
from protocol.errors import Misbehaviour, Reject, Unreachable
from protocol.identity import KeyId, PersonId, peer_id_of, short
from protocol.media import MEDIA
from protocol.rows import Campaign, Description, Part
from protocol.tasks.question import question_of
from protocol.tasks.shown import Shown
from protos.gen import records_pb2 as pb

if TYPE_CHECKING:  # with libp2p and grpc, and commands that only read what was fetched do without
    from commonground.addresses import Announcement
    from commonground.directory import Directory
    from commonground.p2p.host import PeerHost

log = logging.getLogger(__name__)

# Items of one round that are on their way at once: enough to hide one slow author, few enough for a home
# connection.
FETCHES_MAX: Final = 4
# An attempt on one part; a large one on a slow line is resumed within a fetch, not across them.
PART_SECONDS: Final = 600.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """A task of ours, and what the log says of its item and campaign."""

    task: TaskRow
    campaign: Campaign
    item: Description
    fingerprints: Mapping[str, bytes]  # by part; empty where the campaign takes none
    keys: tuple[KeyId, ...]  # of the author's machines, one of which has the content
    flipped: bool  # whether this reviewer sees the other of two answers first
    original: Original | None = None  # of a likely copy

    @property
    def item_id(self) -> bytes:
        return self.task.item_id

    @property
    def author(self) -> PersonId:
        return PersonId(self.task.author)

    @property
    def size(self) -> int:
        """Bytes of all parts."""
        return sum(part.size for part in self.item.parts)

    @property
    def parts(self) -> list[Part]:
        """In the order in which this reviewer sees them. They are fetched in it, too: a file has a time."""
        by_name = {part.name: part for part in self.item.parts}
        return [by_name[name] for name in self.shown.order(list(by_name))]

    def folder_in(self, folder: Path) -> Path:
        """Where its parts rest while we review it."""
        return folder / self.item_id.hex()

    def path_in(self, folder: Path, part: str) -> Path:
        """Where a part rests: a file's name, too, says no more than its reviewer is to know."""
        return self.folder_in(folder) / self.shown.name_of(part)

    def is_in(self, folder: Path) -> bool:
        """Whether all of it is here."""
        return all(self.path_in(folder, part.name).exists() for part in self.item.parts)

    def case_in(self, folder: Path) -> Case:
        """What a reviewer is shown: of a likely copy, what it resembles, if that was served."""
        original = self.original
        seen = original is not None and original.is_in(folder)
        beside = _shown_parts(original, folder) if original is not None and seen else ()
        return Case(self.campaign, _shown_parts(self, folder), self.shown, beside)

    @property
    def shown(self) -> Shown:
        """The order and the names in which this reviewer sees parts and answers."""
        question = question_of(self.campaign)
        return question.kind.shown(question.spec, self.flipped)


def _shown_parts(content: Wanted | Original, folder: Path) -> tuple[ShownPart, ...]:
    return tuple(
        ShownPart(
            content.shown.name_of(part.name), part.media_type, content.path_in(folder, part.name)
        )
        for part in content.parts
    )


@dataclass(frozen=True, slots=True)
class Opinion:
    """An answer in canonical form, with what a likely copy is; or None and why not (pb.Refusal)."""

    answer: bytes | None
    refusal: pb.Refusal = pb.REFUSAL_NONE
    program: str = ""  # that gave it; empty: none of the owner's
    relation: pb.Relation = pb.RELATION_NONE


def drafted(wanted: Wanted, task: TaskRow) -> Opinion | None:
    """What a person's draft says; None where there is none, or a part of an answer. What a likely copy is
    belongs to its answer."""
    if task.draft_refusal:
        return Opinion(None, cast("pb.Refusal", task.draft_refusal))
    relation = cast("pb.Relation", task.draft_relation)
    if task.draft is None or (wanted.original is not None) != bool(relation):
        return None
    question = question_of(wanted.campaign)
    try:
        question.kind.check_answer(question.spec, task.draft)
    except Reject:
        return None
    return Opinion(task.draft, relation=relation)


Content = Wanted | Original
"""What is fetched from one author."""

UNSURE: Final = Opinion(None, pb.REFUSAL_UNSURE)
UNAVAILABLE: Final = Opinion(None, pb.REFUSAL_UNAVAILABLE)
MISMATCH: Final = Opinion(None, pb.REFUSAL_MISMATCH)


class Fetcher:
    """Gets assigned content; one pass tries each missing item once."""

    def __init__(self, host: PeerHost, directory: Directory, folder: Path, bytes_max: int) -> None:
        """Content goes to `folder`; items above `bytes_max` bytes are not fetched."""
        self._host, self._folder, self._bytes_max = host, folder, bytes_max
        # A machine that failed is not waited for again in the same pass.
        self._asking = Asking[Content](directory, at_once=FETCHES_MAX, failures_max=1)

    async def run_pass(
        self, wanted: Sequence[Content], arrived: Callable[[Content, Path | Opinion], None]
    ) -> None:
        """Tells for each item, and each that a likely copy resembles, the folder of its parts, or why there
        is nothing to judge; nothing if it may still come.

        Raises Unreachable when the directory is, and StoreError when our disk fails.
        """

        async def attempt(each: Content, where: Announcement) -> bool:
            outcome = await self._try(each, where)
            if outcome is not None:
                arrived(each, outcome)
            return outcome is not None

        await self._asking.run_pass(wanted, attempt)

    async def _try(self, each: Content, where: Announcement) -> Path | Opinion | None:
        """The folder with all parts, a reason to refuse the item, or None if it may still come."""
        if not self._can_judge(each):
            return UNSURE  # no fault of the author: this machine cannot judge it
        folder = each.folder_in(self._folder)
        folder.parent.mkdir(mode=0o700, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        for part in each.parts:
            outcome = await self._part(each, part, each.path_in(self._folder, part.name), where)
            if not isinstance(outcome, Path):
                return outcome
        return folder

    def _can_judge(self, each: Content) -> bool:
        return each.size <= self._bytes_max and all(
            part.media_type in MEDIA and part.size <= PART_BYTES_MAX  # read into memory
            for part in each.parts
        )

    async def _part(
        self, each: Content, part: Part, path: Path, where: Announcement
    ) -> Path | Opinion | None:
        if path.exists():
            return path  # from an earlier pass: a file has its name once it is whole and checked
        await self._asking.pace(where.key)
        try:
            async with asyncio.timeout(PART_SECONDS):
                fetched = await self._host.fetch(
                    peer_id_of(where.key),
                    where.addresses,
                    each.item_id,
                    part.name,
                    sink_path=path,
                    size_max=part.size,
                    commitment=part.commitment,
                )
        except Misbehaviour as error:
            log.warning("item %s: %s", each.item_id.hex()[:16], error)
            return MISMATCH
        except (Unreachable, Reject, TimeoutError) as error:
            author = short(each.author)
            log.info("item %s of %s: %s", each.item_id.hex()[:16], author, error)
            return None
        return path if fetched.length == part.size else MISMATCH


class Examiner:
    """Checks content, then asks the plug-in of the campaign, or nobody: then a person answers."""

    def __init__(self, plugins: Mapping[str, Reviewer | None]) -> None:
        """`plugins` by campaign id, or ANY_CAMPAIGN; where there is none, only the checks are made here."""
        self._plugins = plugins
        # As many items at once as a plug-in says it can take, whatever campaigns they are of.
        self._turns = {
            id(plugin): asyncio.Semaphore(max(1, getattr(plugin, "at_once", 1)))
            for plugin in plugins.values()
            if plugin is not None
        }
        self._told: set[str] = set()  # campaigns of which it is said that a person has to answer

    async def examine(self, folder: Path, wanted: Wanted) -> Opinion | None:
        """An opinion, or None when a person has to give it. Raises OSError when content is unreadable.

        Runs in a daemon thread, since foreign code may hang and must not keep the process alive;
        whoever waits sets the deadline.
        """
        checked = await _in_thread(lambda: check_parts(folder, wanted))
        plugin = self._plugin(wanted.campaign)
        if not checked:
            return MISMATCH
        if wanted.original is not None:
            await _in_thread(partial(_check_original, folder, wanted.original))
        if plugin is None:
            return None
        case, program = wanted.case_in(folder), program_of(plugin)
        async with self._turns[id(plugin)]:
            said = await _in_thread(lambda: ask(plugin, case))
            if isinstance(said, Refusal):
                return Opinion(None, said.code, program)
            if wanted.original is None:
                return Opinion(said, program=program)
            relation = await _in_thread(lambda: ask_relation(plugin, case))
        return Opinion(said, program=program, relation=relation)

    def _plugin(self, campaign: Campaign) -> Reviewer | None:
        """Whoever is to answer: a plug-in, if the campaign lets this one."""
        plugin = self._plugins.get(campaign.id, self._plugins.get(ANY_CAMPAIGN))
        if plugin is None or not (why := hindrance(plugin, campaign)):
            return plugin
        if campaign.id not in self._told:
            self._told.add(campaign.id)
            log.warning("%s is not for %s: %s; answer yourself", campaign.id, plugin.name, why)
        return None


def _check_original(folder: Path, original: Original) -> None:
    """What is not what the log says of it was not served: it goes."""
    if original.is_in(folder) and not check_parts(folder, original):
        shutil.rmtree(original.folder_in(folder))


def check_parts(folder: Path, wanted: Content) -> bool:
    """Whether every part is what the log says of it. Raises OSError when one cannot be read."""
    for part in wanted.parts:
        content = wanted.path_in(folder, part.name).read_bytes()
        claimed = wanted.fingerprints.get(part.name)
        try:
            if claimed:
                check_fingerprint(content, part.media_type, claimed)
            else:  # content that is not published has none: its media type is all there is to check
                fingerprint_content(content, part.media_type)
        except Reject as error:
            log.warning("an item's %s does not match its record: %s", part.name, error)
            return False
    return True


async def _in_thread(work: Callable[[], Any]) -> Any:
    """What `work` gives or raises, from a thread that is left behind when nobody waits any more."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Any] = loop.create_future()

    def tell(settle: Callable[[Any], None], value: object) -> None:
        try:
            loop.call_soon_threadsafe(lambda: None if answer.done() else settle(value))
        except RuntimeError:
            return  # the loop has closed

    def run() -> None:
        try:
            tell(answer.set_result, work())
        except Exception as error:
            tell(answer.set_exception, error)

    Thread(target=run, name="reviewer", daemon=True).start()
    return await answer
