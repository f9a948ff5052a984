"""A policy that changes some things and keeps the others."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from protocol.errors import ConfigError
from protocol.limits import PPM
from protocol.rows import Policy
from protocol.state import State
from protos.gen import records_pb2 as pb


def changed_policy(state: State, *, emission: int | None, **changes: int | None) -> pb.Policy:
    """What the next epoch is to have: what was announced for it, or else what is in force, with changes.

    `emission` is in whole shares; `changes` are fields of the record. Raises ConfigError without any.
    """
    given: dict[str, Any] = {name: value for name, value in changes.items() if value is not None}
    if emission is not None:
        given["epoch_emission_micro"] = emission * PPM
    if not given:
        raise ConfigError("nothing is to change", "say what; `policy set --help` lists it")
    base = state.policy_to_come or state.policy
    values = {each.name: getattr(base, each.name) for each in fields(Policy)}
    try:
        return pb.Policy(**(values | given))
    except ValueError as error:
        raise ConfigError(f"the policy is out of range: {error}") from error


def policy_data(policy: pb.Policy) -> dict[str, int]:
    """All of it, for scripts."""
    return {each.name: getattr(policy, each.name) for each in fields(Policy)}
