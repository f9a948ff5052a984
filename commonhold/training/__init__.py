"""Federated training, tied together: the log of a coordinator or a node, and the rooms of federated/."""
