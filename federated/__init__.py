"""Federated training: Flower apps, privacy, quantization."""

import os

# Flower reads these when it is first imported, and its default is to call home.
os.environ["FLWR_TELEMETRY_ENABLED"] = "0"
os.environ["FLWR_DISABLE_UPDATE_CHECK"] = "1"
