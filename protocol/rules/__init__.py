"""One module for each part of the network's life; each record kind has a validate_ and a process_.

`validate_*(state, record)` raises Ignore or Reject and changes nothing; a rule in it is one comment or
message, one `if`, one raise, cheap checks first. `process_*(state, record)` applies a record that was
validated against this very state, and cannot fail.
"""
