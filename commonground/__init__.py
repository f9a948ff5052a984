"""What node and coordinator share: peer-to-peer and client, dataset formats and proofs, files."""
