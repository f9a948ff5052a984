"""Truth inference: what a crowd's answers say, and what each answer was worth."""
