"""A partner's part in federated training: the node's log and keys, and the rooms of federated/."""
