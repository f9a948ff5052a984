"""What the log is made of: signed envelopes, batches, Merkle trees, tiles, notes and commitments."""
