"""What a log answers to whoever shows it a head of its own: signed, so that it can be held to it.

Whoever follows a log shows the newest signed head that they have. The log answers with its present head, a
checkpoint that has one line more:

    extends <size> <root> <SHA-256 of the proof>     hashes in hexadecimal

the head that was shown, and the RFC 6962 consistency proof that is sent beside it. An honest log can always
answer so. One that lost entries or changed them cannot: what it signs is its own contradiction, which
convinces anybody who knows its key; or it does not answer.

A log answers only to heads that it signed. Else somebody who foresees its next entry could have it deny a
head before there is one, and show that later as a contradiction.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from protocol.errors import Misbehaviour, Reject
from protocol.log.merkle import verify_consistency
from protocol.log.note import Checkpoint


def extension_of(held: Checkpoint, proof: Sequence[bytes]) -> str:
    """The line of an assurance that answers to `held`."""
    return f"extends {held.size} {held.root.hex()} {sha256(b''.join(proof)).hexdigest()}"


def check_assurance(held: Checkpoint, present: Checkpoint, proof: Sequence[bytes]) -> None:
    """Checks what the log answered to `held`; both notes are signed by it.

    Raises:
        Reject: it is the answer to something else, and proves nothing.
        Misbehaviour: the log signed that it does not extend what it signed before.
    """
    if present.extensions != (extension_of(held, proof),):
        raise Reject("the log did not answer to the head that it was shown")
    if present.size < held.size:
        raise Misbehaviour(
            f"the log signed a head of {held.size} entries, and later that it has {present.size}"
        )
    try:
        verify_consistency(held.size, present.size, proof, held.root, present.root)
    except (Reject, Misbehaviour) as error:
        raise Misbehaviour(
            f"the log signed two heads, of {held.size} and {present.size} entries, and what it gave as"
            f" their proof does not hold: {error}"
        ) from error
