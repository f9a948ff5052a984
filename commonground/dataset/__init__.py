"""The dataset's format, and what anybody can check of one with nothing but the log's key."""
