"""The common coin: a number that no minority of the witnesses can foresee, choose or withhold."""
