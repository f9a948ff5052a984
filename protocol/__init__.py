"""The rules everybody must agree on. Pure: no I/O, no clock, no randomness, no framework.

Time, seeds and state are arguments; money is integer micro-units. Whatever a coordinator,
a node or an auditor does with these rules, they all get the same answer.
"""
