"""Personal data in what somebody is about to submit: found before anything is signed.

    found        kinds, and how text is prepared and samples are shown
    contact, accounts, ids, keys, network     finders, by what they find; checks: check digits
    finders      all of them over one text, and the text without what they found
    documents    texts in contents: lines, JSON
    language     which language a text is in
    plugin       a finder of its owner's own: a program
    credentials  what a picture says of how it was made

What a network takes never rests on any of it: these are a contributor's own glasses, and they get better.
"""
