"""What of somebody's drafts would be submitted, found out before anything is stored or sent.

A wrong answer or wrong terms stop all. A file or a row that cannot be read, or that the campaign does not
take, is named and left out, and so is what is there already. Drafts are not kept: a plan knows their places.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Final
from unicodedata import normalize

from commonground.counting import plural
from node.contents import CheckedPart, Contents
from node.drafts import Draft, Drafts, LeftOut
from node.media.records import Credentials
from node.privacy.documents import Finding
from node.privacy.screening import Screening
from node.store import Store
from protocol.errors import ConfigError, Reject, StateError
from protocol.lifecycle import CampaignStatus
from protocol.rows import Campaign
from protocol.state import State
from protocol.tasks.question import question_of
from protocol.text import check_name, quoted
from protos.gen import records_pb2 as pb

# Problems that are spelled out; a person corrects the first and finds the others alike.
PROBLEMS_SHOWN: Final = 5
NAMES_SHOWN: Final = (
    20  # of files without an answer: which they are is what their owner wants to know
)
#: The generator of what content credentials call generated without saying by what.
UNNAMED: Final = "unnamed model"
_NO_ANSWER: Final = "it has no answer, and the campaign wants one"


@dataclass(frozen=True, slots=True)
class Terms:
    """What the contributor says of all items of a submission."""

    licence: str  # SPDX
    consent: pb.Consent
    origin: pb.Origin
    generator: str = ""
    personal_data: bool = False
    derived_from: tuple[bytes, ...] = ()  # item ids
    transformation: str = ""

    @property
    def is_generated(self) -> bool:
        """Whether a program made them."""
        return self.origin in (pb.ORIGIN_AGENT, pb.ORIGIN_SYNTHETIC)


@dataclass(frozen=True, slots=True)
class Planned:
    """A draft whose content was read once, and fits the campaign. `parts`: what each became."""

    place: int  # of the draft among all that were brought
    name: str
    words: str
    proposal: bytes | None
    parts: tuple[CheckedPart, ...]
    in_answer: tuple[Finding, ...] = ()
    generator: str = ""  # of an item that its owner calls synthetic, as its content credentials do

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The personal data that was found in it and beside it."""
        return (*(each for part in self.parts for each in part.findings), *self.in_answer)

    @property
    def is_personal(self) -> bool:
        """Whether personal data that was found would be submitted."""
        return any(each.is_submitted for each in self.findings)

    @property
    def credentials(self) -> tuple[Credentials, ...]:
        """What its files said of how they were made."""
        return tuple(part.credentials for part in self.parts if part.credentials)

    @property
    def made_with(self) -> str:
        """The program that its content credentials name, if it has a name that the log takes."""
        name = next((each.generator for each in self.credentials if each.is_generated), "")
        try:
            check_name(name, "the program")
        except Reject:
            return ""
        return name

    @property
    def said(self) -> tuple[str, ...]:
        """What was done to its files before anything is signed, in words."""
        return tuple(words for part in self.parts for words in part.said)

    @property
    def size(self) -> int:
        """In bytes, of all parts."""
        return sum(part.size for part in self.parts)

    @property
    def sha256(self) -> bytes:
        """Of its content; never published. Of several parts: of their names and contents."""
        if len(self.parts) == 1:
            return self.parts[0].sha256
        return sha256(
            b"".join(sha256(p.name.encode()).digest() + p.sha256 for p in self.parts)
        ).digest()


@dataclass(frozen=True, slots=True)
class Changed:
    """One item whose files are not submitted as they are: what was removed, turned or converted."""

    name: str
    said: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be submitted, in order, and what not."""

    items: tuple[Planned, ...]
    left_out: tuple[LeftOut, ...]

    @property
    def personal(self) -> tuple[Planned, ...]:
        """The items that would show personal data."""
        return tuple(item for item in self.items if item.is_personal)

    @property
    def generated(self) -> tuple[Planned, ...]:
        """The items whose content credentials say that a program generated them, or a part."""
        return tuple(i for i in self.items if any(each.is_generated for each in i.credentials))

    def as_generated(self) -> Plan:
        """The same with these as synthetic."""
        made = {item.place: item.made_with or UNNAMED for item in self.generated}
        return replace(
            self,
            items=tuple(replace(i, generator=made.get(i.place, "")) for i in self.items),
        )

    def without_personal(self) -> Plan:
        """The same without these, which are left out."""
        gone = tuple(LeftOut(item.name, _personal_reason(item)) for item in self.personal)
        kept = tuple(item for item in self.items if not item.is_personal)
        return replace(self, items=kept, left_out=(*self.left_out, *gone))


def _personal_reason(item: Planned) -> str:
    kinds = dict.fromkeys(each.kind.value for each in item.findings if each.is_submitted)
    answer = any(each.is_submitted for each in item.in_answer)
    return f"it holds personal data ({', '.join(kinds)})" + (" in its answer" if answer else "")


def changed_of(items: Iterable[Planned]) -> tuple[Changed, ...]:
    """Those of them whose files are not submitted as they are."""
    return tuple(Changed(item.name, item.said) for item in items if item.said)


class Planner:
    """Looks at what somebody brings to one campaign; writes nothing."""

    def __init__(
        self,
        store: Store,
        state: State,
        campaign_id: str,
        *,
        scale: bool = False,
        screening: Screening | None = None,
    ) -> None:
        """`state` is the node's replay; `scale`: whether pictures may be made smaller to fit; `screening`:
        what looks for personal data.

        Raises ConfigError when it knows no such campaign, and StateError when that takes nothing at present.
        """
        campaign = state.campaigns.get(campaign_id)
        if campaign is None:
            known = ", ".join(name for name, _ in state.campaigns.scan()) or "none yet"
            raise ConfigError(f"there is no campaign {campaign_id!r}", f"known are: {known}")
        if campaign.status is CampaignStatus.CLOSED:
            raise StateError(
                f"campaign {campaign_id} is closed and takes nothing more",
                "`commonhold node campaigns` lists those that are open",
            )
        if campaign.status is CampaignStatus.PAUSED:
            raise StateError(
                f"campaign {campaign_id} is paused and takes no submissions",
                "try again when its operator has resumed it: `commonhold node campaigns` says so",
            )
        self.campaign = campaign
        self._store = store
        self._screening = screening
        self._contents = Contents(campaign.parts, scale=scale, screening=screening)

    def plan(
        self, drafts: Drafts, terms: Terms, on_item: Callable[[], object] = lambda: None
    ) -> Plan:
        """Reads everything once; `on_item` is called for each draft. Near duplicates within one list are left
        to the network, as only the person knows whether two photographs are meant to differ.

        Raises ConfigError when terms or answers do not fit the campaign.
        """
        self.check_terms(terms)
        answers = _Answers(self.campaign)
        items: list[Planned] = []
        left_out: list[LeftOut] = []
        first_with: dict[bytes, str] = {}
        for place, draft in enumerate(drafts):
            on_item()
            if isinstance(draft, LeftOut):
                left_out.append(draft)
                continue
            found = answers.missing(draft) or self._look(
                place, draft, answers.read(draft), first_with
            )
            if isinstance(found, LeftOut):
                left_out.append(found)
            else:
                items.append(found)
        answers.require_right(left_out)
        return Plan(tuple(items), tuple(left_out))

    def _look(
        self, place: int, draft: Draft, proposal: bytes | None, first_with: dict[bytes, str]
    ) -> Planned | LeftOut:
        try:
            parts = tuple(self._contents.check(part) for part in draft.parts)
        except (Reject, ConfigError) as error:
            return LeftOut(draft.name, f"{error}. {error.advice}".rstrip())
        in_answer = self._screening.answer(draft.words) if self._screening else ()
        item = Planned(place, draft.name, draft.words, proposal, parts, in_answer)
        if item.sha256 in first_with:
            return LeftOut(draft.name, f"the same content as {first_with[item.sha256]}")
        first_with[item.sha256] = draft.name
        if self._store.has_content(self.campaign.id, item.sha256):
            return LeftOut(draft.name, "submitted before", is_there=True)
        return item

    def check_terms(self, terms: Terms) -> None:
        """Raises ConfigError for what the campaign does not take."""
        campaign = self.campaign
        if terms.licence not in campaign.licences:
            raise ConfigError(
                f"the campaign does not take the licence {terms.licence!r}",
                f"it takes: {', '.join(campaign.licences)}",
            )
        if not terms.consent.train:
            raise ConfigError(
                "without your consent to training the network cannot use your data",
                "add --consent train, or do not submit",
            )
        if campaign.is_open and not terms.consent.redistribute:
            raise ConfigError(
                "this campaign publishes its dataset, so it needs consent to redistribution",
                "add --consent redistribute, or choose a campaign whose content is not published",
            )
        if terms.is_generated and not terms.generator:
            raise ConfigError("generated items name their generator", "add --generator NAME")
        self._check_words(terms)

    def _check_words(self, terms: Terms) -> None:
        """What the log would say of each item, for ever."""
        for option, words in (
            ("--generator", terms.generator),
            ("--transformation", terms.transformation),
        ):
            found = self._screening.words(words, option).findings if self._screening else ()
            if found:
                raise ConfigError(
                    f"{option} holds personal data ({found[0].kind}), and goes into the public log",
                    "say it without",
                )

    def takes(self) -> str:
        """The campaign's media and sizes, in words."""
        return "; ".join(
            f"{part.name}: {', '.join(part.media_types)} of at most {part.bytes_max:,} bytes"
            for part in self.campaign.parts
        )


def only_part(campaign: Campaign) -> str:
    """The part that a file is, where an item is one file. Raises ConfigError where it is not."""
    parts = campaign.parts
    required = [part.name for part in parts if not part.optional]
    names = required or [part.name for part in parts]
    if len(names) != 1:
        raise ConfigError(
            f"items of {campaign.id} have several parts: {', '.join(names)}",
            "describe them in a table, with a column for each part: --table FILE",
        )
    return names[0]


class _Answers:
    """Proposed answers in canonical form. All problems at once: a wrong table is wrong all over."""

    def __init__(self, campaign: Campaign) -> None:
        self._campaign = campaign
        self._question = question_of(campaign)
        self._problems: list[str] = []
        self._missing: list[str] = []
        self._drafts = 0
        self._count = 0
        self._advice = ""

    def missing(self, draft: Draft) -> LeftOut | None:
        """Why a draft without an answer is left out, where the campaign wants one."""
        self._drafts += 1
        if draft.words or self._campaign.proposal != pb.PROPOSAL_REQUIRED:
            return None
        self._missing.append(draft.name)
        return LeftOut(draft.name, _NO_ANSWER)

    def read(self, draft: Draft) -> bytes | None:
        """The answer of a draft; None without one, and where it is wrong."""
        question = self._question
        if not draft.words:
            return None
        if self._campaign.proposal == pb.PROPOSAL_NOT_TAKEN:
            self._note(
                f"{draft.name} proposes an answer, and the campaign takes none",
                "leave the answers out",
            )
            return None
        words = normalize("NFC", draft.words.strip())
        try:
            answer = question.kind.read_words(question.spec, words)
        except Reject as error:
            self._note(f"{draft.name}: {error}", error.advice)
            return None
        # A person who types may write it as they like; of a table we cannot know that it means the same.
        said = question.kind.words(question.spec, answer)
        if words != said and words.casefold() == said.casefold():
            self._note(
                f"{draft.name}: {quoted(words)} is written {quoted(said)} in this campaign",
                "write answers as the campaign does",
            )
        return answer

    def _note(self, problem: str, advice: str) -> None:
        self._count += 1
        self._advice = advice
        if self._count <= PROBLEMS_SHOWN:
            self._problems.append(problem)

    def require_right(self, left_out: Sequence[LeftOut]) -> None:
        """Raises ConfigError that names the first that are wrong; or, where most have none, that have none:
        some were forgotten, but most were meant to be told otherwise. It says then what else is left out:
        names that are written in another way, perhaps."""
        if self._problems:
            raise ConfigError(_listed(self._problems, self._count, PROBLEMS_SHOWN), self._advice)
        if 2 * len(self._missing) <= self._drafts:
            return
        count = len(self._missing)
        lines = [
            f"{count:,} of {plural(self._drafts, 'item')} have no answer, and the campaign wants one:"
            f" {_listed(self._missing, count)}"
        ]
        by_reason: dict[str, list[str]] = {}
        for each in left_out:
            by_reason.setdefault(each.reason, []).append(each.name)
        lines += [
            f"{len(names):,} left out, {reason}: {_listed(names, len(names))}"
            for reason, names in by_reason.items()
            if reason != _NO_ANSWER
        ][:PROBLEMS_SHOWN]
        choices = "; ".join(self._question.kind.choices(self._question.spec))
        raise ConfigError(
            ". ".join(lines),
            f"give each its answer (--labels FILE, --label LABEL), or leave it out. Answers are: {choices}",
        )


def _listed(names: Sequence[str], count: int, shown: int = NAMES_SHOWN) -> str:
    """The first of so many."""
    more = count - shown
    return "; ".join(names[:shown]) + (f"; and {more:,} more" if more > 0 else "")
