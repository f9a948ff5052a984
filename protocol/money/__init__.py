"""Money: who earned what, and what may be claimed for it on chain. Integers alone."""
