"""A shipped model behind a local HTTP address: for programs on the same machine that are not Python's."""
