"""Review: how reviewers are drawn and trusted, how copies are told, how answers become verdicts."""
