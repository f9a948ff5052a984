"""The demo: the real system on one machine, with real processes, sockets, TLS, digits and contracts."""
