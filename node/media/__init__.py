"""What happens to files before they are submitted, and to content before it is reviewed, by their bytes.

    containers   png, jpeg, webp, gif, wav, flac, mpeg, ogg: what a file is made of, byte for byte, and what
                 of it stays. Our own, so that what a network takes does not depend on a library's version
    pictures,    decoding, with libraries: whole, in time, in little memory; to pixels, fingerprints, previews
    sounds
    texts        JSON that every parser reads alike
    prepare      all of it for one file: recognise, check, clean, fingerprint
    child        the process in which all of that happens, since content comes from strangers; it may die
    worker       that process, from outside

Only `worker` and `records` are for the rest of the node, which imports no decoder.
"""
