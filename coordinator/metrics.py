"""What the operator's monitoring sees. Numbers only: no persons, no keys, no content."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

# From a group commit on a fast disk to a verdict over thousands of items, in seconds.
_BUCKETS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


class Metrics:
    """All of them, in a registry of their own, so that servers in one process do not collide."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.calls = Counter(
            "commonhold_calls_total",
            "API calls by method and outcome (a gRPC status code).",
            ("method", "code"),
            registry=self.registry,
        )
        self.refused = Counter(
            "commonhold_refused_total",
            "Calls that were asked to come again later, by the limit that was reached.",
            ("limit",),
            registry=self.registry,
        )
        self.connections = Gauge(
            "commonhold_connections", "Connections of the API.", registry=self.registry
        )
        self.ended_connections = Counter(
            "commonhold_ended_connections_total",
            "Connections that were ended because there were too many of one network.",
            registry=self.registry,
        )
        self.append_seconds = Histogram(
            "commonhold_append_seconds",
            "From a record's arrival to its receipt.",
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.log_entries = Gauge(
            "commonhold_log_entries", "Committed entries of the log.", registry=self.registry
        )
        self.queued = Gauge(
            "commonhold_queued_entries", "Records that wait for a commit.", registry=self.registry
        )
        self.followers = Gauge(
            "commonhold_followers", "Open Follow streams.", registry=self.registry
        )
        self.peers = Gauge(
            "commonhold_announced_peers", "Peers in the directory.", registry=self.registry
        )

        self.steps = Counter(
            "commonhold_steps_total",
            "Records of the operator about rounds and epochs, by step and outcome.",
            ("step", "outcome"),
            registry=self.registry,
        )
        self.closed_epochs = Gauge(
            "commonhold_closed_epochs", "Epochs that were closed.", registry=self.registry
        )
        self.waiting_items = Gauge(
            "commonhold_waiting_items", "Items that wait for a round.", registry=self.registry
        )

        self.chain_compared_block = Gauge(
            "commonhold_chain_compared_block",
            "The block up to which the chain's events were held against the log.",
            registry=self.registry,
        )
        self.chain_findings = Gauge(
            "commonhold_chain_findings",
            "What of the chain does not agree with the log.",
            registry=self.registry,
        )
        self.chain_unchecked = Gauge(
            "commonhold_chain_unchecked",
            "1 while the chain could not be compared at the last look.",
            registry=self.registry,
        )
        self.chain_agreed_seconds = Gauge(
            "commonhold_chain_agreed_timestamp_seconds",
            "When the chain was compared and agreed last.",
            registry=self.registry,
        )

    def count_step(self, step: str, outcome: str) -> None:
        """A step was logged, or refused, or failed."""
        self.steps.labels(step, outcome).inc()

    def render(self) -> bytes:
        """The exposition format, version 0.0.4."""
        return generate_latest(self.registry)
