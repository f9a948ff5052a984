"""budget.db: what a partner's data has spent of its privacy, kept by its owner and nobody else.

    file      the file itself: its tables, its transactions, what is said when it cannot be used
    examples  names of examples, by which data is recognised
    families  data that shares examples has one limit
    account   reservations and charges; the accountant is handed in
    signed    what the log says that we have spent, beside what this file says
    reading   what is shown to people

Rule 1: a charge is durable before anything that it paid for is computed.
Rule 2: a whole job is reserved before it begins: two jobs at once never share what is left for one.
Rule 3: decide, then write. Who is refused finds everything as it was.
Rule 4: the budget follows the examples, not the folder, and not this file: rounds that the log has and we
        have not are taken back from it. Data that is not recognised counts against all.
Rule 5: a limit goes down on request and up only through `raise_limit`, which is written down.

Several processes may use the file at once: each step is one write transaction. If we crash, SQLite rolls an
open one back and keeps all earlier ones. Nothing heavy is imported here: the node's own page reads it.
"""

from federated.budget.account import Budget
from federated.budget.reading import Spending, read_spending
from federated.budget.terms import Claim, Limit, Release, Standing

__all__ = ["Budget", "Claim", "Limit", "Release", "Spending", "Standing", "read_spending"]
