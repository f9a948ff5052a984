"""What happens to files before they are submitted, and to content before it is reviewed, by their bytes.

    containers   png, jpeg, webp, gif, wav, flac, mpeg, ogg: what a file is made of, byte for byte, and what
                 of it stays. Our own, so that what a network takes does not depend on a library's version
    pictures,    decoding, with libraries: whole, in time, in little memory; to pixels, fingerprints, previews
    sounds
    texts,       JSON and tables that every program reads alike; conversations, pairs, records
    shapes
    prepare      all of it for one file: recognise, check, clean, fingerprint
    child        the process in which all of that happens, since content comes from strangers; it may die
    worker       that process, from outside

The rest of the node, which imports no decoder, uses `worker`, `records` and `texts`.
"""
