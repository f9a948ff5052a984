"""Federated training: Flower apps, privacy, quantization."""
