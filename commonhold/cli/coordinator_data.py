"""The commands of `commonhold coordinator` for datasets: `export`, `licence`, `licences`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Final

import typer

from commonground.counting import plural
from commonground.installing import how_to_install
from commonhold.cli.options import AnswersShown, ConsentTo, ExportAs, HomeOption
from commonhold.cli.output import JsonFlag, emit, guarded, progress, table
from coordinator.config import Home
from protocol.errors import ConfigError

if TYPE_CHECKING:
    from coordinator.operator import Operator

_MEMO_BYTES: Final = 32  # a bytes32 of the contract


def register(app: typer.Typer) -> None:
    """Adds these commands to `commonhold coordinator`."""
    app.command()(export)
    app.command()(licence)
    app.command()(licences)


@guarded
def export(
    *,
    campaign: Annotated[str, typer.Option(help="Whose accepted items.")],
    directory: HomeOption = None,
    scope: Annotated[
        list[ConsentTo] | None,
        typer.Option(help="Consent that each item needs; repeat. Default: all."),
    ] = None,
    allow_missing: Annotated[
        bool, typer.Option(help="Leave out what cannot be fetched; the manifest lists it.")
    ] = False,
    as_format: Annotated[
        list[ExportAs] | None,
        typer.Option(
            "--format", help="Copy it into this format too; repeat. Parquet is always there."
        ),
    ] = None,
    answers: Annotated[
        AnswersShown,
        typer.Option(help="In copies: what every reviewer said, or the verdict alone."),
    ] = AnswersShown.ALL,
    split: Annotated[
        str,
        typer.Option(
            help="Percent for training, validation and test, as 80/10/10. Default: all for training.",
        ),
    ] = "",
    split_seed: Annotated[int, typer.Option(help="Another seed is another split.")] = 1,
    split_by_author: Annotated[
        bool, typer.Option(help="Keep all items of one author in one split.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Export a campaign's accepted items as a dataset: Parquet, Croissant, and proofs.

    Fetches content from its contributors' nodes and goes on where it was interrupted. A copy in another
    format is a folder in the dataset's, and is checked with it.
    """
    try:
        from coordinator.dataset.export import Wanted
        from coordinator.dataset.export import export as run
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"an export needs the package {error.name}",
            how_to_install("coordinator,export"),
        ) from error
    from commonground.dataset.splits import SplitTerms
    from coordinator.dataset.snapshots import scope_of
    from coordinator.operator import Operator

    terms = SplitTerms.read(split, split_seed, split_by_author) if split else None
    formats = [each for each in as_format or () if each is not ExportAs.PARQUET]
    wanted = Wanted(
        allow_missing, terms, tuple(dict.fromkeys(formats)), answers is AnswersShown.ALL
    )
    with Operator(Home.at(directory)) as operator, progress(as_json) as bar:
        task = bar.add_task("preparing", total=None)
        exported = run(
            operator,
            campaign,
            scope_of(scope or list(ConsentTo)),
            wanted,
            lambda what, done, total: bar.update(
                task, description=what, completed=done, total=total
            ),
        )
    manifest = exported.manifest
    emit(
        {
            "snapshot": manifest.snapshot,
            "index": exported.log_index,
            "path": str(exported.path),
            "items": manifest.items,
            "rows": dict(manifest.rows),
            "missing": manifest.missing,
            "reasons": dict(exported.missing),
            "copies": {each.name: str(each) for each in exported.copies},
            "scope": manifest.scope,
            "bytes": sum(entry.bytes for entry in manifest.files.values()),
        },
        as_json,
        lambda: [
            f"{plural(manifest.items, 'item is', 'items are')} in {exported.path}"
            + (f"; {len(manifest.missing):,} are missing" if manifest.missing else ""),
            *(f"as {each.name} in {each}" for each in exported.copies),
            f"snapshot {manifest.snapshot} (log entry {exported.log_index}), "
            f"for {', '.join(manifest.scope)}",
            next_step(manifest.snapshot, manifest.scope),
        ],
    )


def next_step(snapshot: str, scope: Sequence[str]) -> str:
    """What may follow an export: to sell it takes consent to commercial use of every item."""
    if ConsentTo.COMMERCIAL.value in scope:
        return f"next: commonhold coordinator licence --snapshot {snapshot[:12]} …"
    return (
        f"next: use it for what its authors agreed to, {', '.join(scope)}. What is sold is exported with"
        " --scope commercial, too: items that were submitted with --consent commercial"
    )


@guarded
def licence(
    *,
    licence_id: Annotated[
        str, typer.Option("--id", help="The licence's id, which payments name: a-z, 0-9, -.")
    ],
    licensee: Annotated[str, typer.Option(help="Who buys.")],
    terms: Annotated[str, typer.Option(help="SPDX id, or where the contract can be read.")],
    asset: Annotated[str, typer.Option(help="eth, or a token's 0x address.")],
    price: Annotated[int, typer.Option(help="In the asset's smallest unit.")],
    snapshot: Annotated[
        str, typer.Option(help="What is sold: first digits of a snapshot's digest.")
    ] = "",
    model: Annotated[str, typer.Option(help="Or the job whose model is sold.")] = "",
    directory: HomeOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Sell a licence for a snapshot or a model: log the sale, and say how the buyer pays.

    What is paid with the licence's id as memo is shared with the snapshot's contributors, and with those who
    trained the model.
    """
    from coordinator.licences import parse_asset, sell
    from coordinator.operator import Operator

    address = parse_asset(asset)
    with Operator(Home.at(directory)) as operator:
        sold = sell(
            operator,
            snapshot=snapshot,
            job_id=model,
            licence_id=licence_id,
            licensee=licensee,
            terms=terms,
            asset=address,
            price=price,
        )
        vault = _vault_of(operator)
    how = _how_to_pay(vault, address, sold.price, sold.id)
    emit(
        {**asdict(sold), "contract": vault, "pay": how},
        as_json,
        lambda: [f"licence {sold.id} is logged, for {sold.licensee}", *how.splitlines()],
    )


def _vault_of(operator: Operator) -> str:
    """The contract that takes payments; empty while it is not deployed."""
    deployment = operator.state.deployment
    return "" if deployment is None else f"0x{deployment.vault.hex()}"


def _how_to_pay(vault: str, asset: bytes, price: str, licence_id: str) -> str:
    """What the buyer is told."""
    from protocol.money.settlement import ETHER

    memo = "0x" + licence_id.encode().ljust(_MEMO_BYTES, b"\0").hex()
    into = vault or "the Vault contract that `commonhold coordinator settle` deploys"
    if asset == ETHER:
        call, with_it = f"depositEther({memo})", f"with {price} wei sent along"
    else:
        call = f"deposit(0x{asset.hex()}, {price}, {memo})"
        with_it = f"after approve({into}, {price})"
    return (
        f"the buyer pays by calling {call} of {into}, {with_it}.\n"
        f"The memo is {licence_id!r}: it makes the payment this licence's revenue"
    )


@guarded
def licences(directory: HomeOption = None, as_json: JsonFlag = False) -> None:
    """List the licences, and what was paid for each."""
    from coordinator.licences import licences as sales
    from coordinator.operator import Operator

    with Operator(Home.at(directory)) as operator:
        sold = list(sales(operator.state))
    columns = ["id", "licensee", "campaign", "sold", "asset", "price", "paid", "withdrawn"]
    rows: list[list[object]] = [
        [
            *(each.id, each.licensee, each.campaign),
            *(f"model {each.model}" if each.model else each.snapshot[:12], each.asset_name),
            *(int(each.price), int(each.paid), each.withdrawn),
        ]
        for each in sold
    ]
    emit(
        {"licences": [asdict(each) for each in sold]},
        as_json,
        lambda: table("Licences", columns, rows),
    )
