"""Checks a network from outside, trusting nothing but the log's public key."""
