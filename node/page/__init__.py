"""The owner's own page: what I gave, what was said of it and why, what I earned, what it cost.

own        what in the log is ours, kept while it is folded
sources    what pages may read of a node
items, earnings, work, health, entries     what each page says, as data
words      how amounts, chances and times are said
pictures   small pictures of our own content
app        the addresses
server     a socket on this machine, and the file that names it
"""
