"""The operator's desk: campaigns, gold, progress and items in a page of one's own, on loopback.

desk            what pages read and do: an `Operator`, and what is kept beside it
observations    what the log says beyond the tallies: agreement and classes by week
statistics      agreement, diversity, drift: pure arithmetic
progress        how a campaign fares, as data and in words
items           items by state, one item with its evidence
content         what items hold, through the coordinator's peer
experts         answers of people who know, on their way to gold
gold            gold: imported, waiting, retired; items that experts have still to see
drafts          campaigns that are not open yet, as files
terms           other terms for a campaign that is open
pages, forms    what can be read, and what may be posted
app             the addresses
server          a socket on this machine
"""
