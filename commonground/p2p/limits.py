"""Every limit of the peer-to-peer layer, each with its reason. Units are last in the names."""

from __future__ import annotations

from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB

# --- connections ---------------------------------------------------------------------------------
# A peer costs about 0.2 MB with its mesh streams; 256 of them are 50 MB, which a laptop can spare.
CONNECTIONS_MAX: Final = 256
# One to use and one that both sides opened at the same moment; libp2p trims the rest.
CONNECTIONS_PER_PEER_MAX: Final = 2
# Strangers who have not finished the Noise handshake. When full, the oldest is dropped: an honest
# handshake takes some 50 ms, so a flood must open all of these within that time to shut it out.
HANDSHAKES_MAX: Final = 128
HANDSHAKE_SECONDS: Final = 5
DIAL_SECONDS: Final = 10
# Members say where they are, and one may say where somebody else is. An address is dialled in vain once a
# minute, whoever names it; a host, with all its ports, as often as a household may have machines that are
# off; all together as often as a round of visits and a round of reviews may be in vain.
FAILED_DIALS_PER_HOST_MINUTE: Final = 16
FAILED_DIALS_PER_MINUTE: Final = 64
# A peer that was there before, and is not now: it restarts.
REDIALS_PER_MINUTE: Final = 12
ADDRESSES_PER_PEER_MAX: Final = 8
ADDRESSES_PER_NAME_MAX: Final = 4
LOOKUP_SECONDS: Final = 5

# A machine that lost its power never says goodbye: without an answer its slot is freed.
PING_INTERVAL_SECONDS: Final = 30.0
PING_SECONDS: Final = 20.0

# --- streams -------------------------------------------------------------------------------------
# Gossip needs 1 and each fetch at a time 1; the rest is slack for streams that are still closing.
STREAMS_PER_PEER_MAX: Final = 16
STREAMS_MAX: Final = 2048
STREAM_OPEN_SECONDS: Final = 10
NEGOTIATION_SECONDS: Final = 5
# How long an answered stream waits for the peer's end before it is reset.
LINGER_SECONDS: Final = 5
# multistream-select messages are protocol names; libp2p itself reads any announced length.
NEGOTIATION_BYTES_MAX: Final = 1 * KIB
# Unread bytes that one stream may hold. libp2p grows to 16 MiB; 1 MiB is 10 MB/s at 100 ms.
STREAM_WINDOW_BYTES: Final = 1 * MIB
# Unread bytes that one connection may hold: libp2p announces windows and does not enforce them.
CONNECTION_UNREAD_BYTES_MAX: Final = 8 * MIB
# And all connections together. One that holds less than a first window is not asked, so that a
# crowd cannot use up what an honest peer needs: 256 connections of 256 KiB are another 64 MiB.
UNREAD_BYTES_MAX: Final = 128 * MIB
UNREAD_BYTES_FREE: Final = 256 * KIB
# A frame is at most 64 KiB. A peer that does not take one within this time is gone or hostile.
FRAME_WRITE_SECONDS: Final = 10

# --- offences ------------------------------------------------------------------------------------
# A program with a fault may produce a few; eight within ten minutes is intent, or as bad as that.
OFFENCES_MAX: Final = 8
OFFENCE_WINDOW_SECONDS: Final = 600
# Long enough to make flooding dull, short enough that a fixed client comes back the same day.
BAN_SECONDS: Final = 600

# --- requests ------------------------------------------------------------------------------------
# Each part of an item is a request, and a round is some dozens of items with a few parts each.
REQUESTS_PER_SECOND: Final = 40
REQUESTS_BURST: Final = 120
# Above the rate a peer is told to come later: one that restarts forgets how much it asked for, and repeats
# what a bad line lost. Four times as much is more than any of that explains.
FLOOD_FACTOR: Final = 4
REQUEST_READ_SECONDS: Final = 10
# A stream is used again for the next question unless it was idle for so long: well before the other side
# ends it.
KEPT_SECONDS: Final = 5
# A reviewer's items come from as many authors at a time, and the oldest makes room.
KEPT_STREAMS_MAX: Final = 64
ANSWER_SECONDS: Final = 10  # our own callbacks: a database that hangs must not hold streams

# --- blobs ---------------------------------------------------------------------------------------
# Reading and hashing 1 MiB takes about a millisecond: long enough to hide the switch of thread.
CHUNK_BYTES: Final = 1 * MIB
TRANSFERS_PER_PEER_MAX: Final = 4
TRANSFERS_MAX: Final = 32
SERVED_BYTES_PER_SECOND_PER_PEER: Final = 256 * MIB
# A reader slower than this for the whole blob is holding a slot, not reading.
TRANSFER_BYTES_PER_SECOND_MIN: Final = 16 * KIB
TRANSFER_GRACE_SECONDS: Final = 60
# A sender that falls behind the same rate by more than this loses its slot to others, at any time: what it
# has sent counts, and what it will send does not. Long enough for one that breaks off and is back.
SENDER_GRACE_SECONDS: Final = 30
# libp2p itself gives up after 5 s without window; this is for a connection that went silent.
CHUNK_IDLE_SECONDS: Final = 20
FETCH_ATTEMPTS_MAX: Final = 6
FETCH_BACKOFF_SECONDS: Final = 0.25
FETCH_BACKOFF_SECONDS_MAX: Final = 5.0

# --- checkpoints ---------------------------------------------------------------------------------
# A C2SP signed note with a dozen cosignatures is about 1.5 KiB.
CHECKPOINT_BYTES_MAX: Final = 4 * KIB
SUBSCRIPTION_QUEUE_MAX: Final = 256
# A log publishes a checkpoint about every second; an author of more than this is flooding.
CHECKPOINTS_PER_SECOND_PER_AUTHOR: Final = 2
CHECKPOINTS_BURST_PER_AUTHOR: Final = 10
# A frame of gossip: some messages of 4 KiB, or a heartbeat's list of ids.
GOSSIP_FRAME_BYTES_MAX: Final = 64 * KIB
# The same checkpoint is one message, so that an honest mesh peer has about one a second to pass on, and what
# was new while it could not. Whoever has more waits, in its own queue; nobody is cut off for it.
GOSSIP_MESSAGES_PER_SECOND: Final = 50
GOSSIP_MESSAGES_BURST: Final = 200
# What was said is not heard again for so long: below the minute after which an alarm is sounded again.
GOSSIP_SEEN_SECONDS: Final = 50
# What we send in answer to one wish, too, so that no other node takes it for a flood.
GOSSIP_MESSAGES_PER_FRAME_MAX: Final = 16
GOSSIP_CONTROLS_PER_FRAME_MAX: Final = 32
# Members publish once a second, and three seconds are told of: a large network has more than this.
GOSSIP_IDS_PER_CONTROL_MAX: Final = 256
# Prune back-off is announced by the peer; libp2p would believe a century.
GOSSIP_BACKOFF_SECONDS_MAX: Final = 600

# --- the thread ----------------------------------------------------------------------------------
CALL_SECONDS: Final = 60
GOODBYE_SECONDS: Final = 3
STOP_SECONDS: Final = 15
RESTARTS_MAX: Final = 5
# Restarts older than this are forgiven: a crash a day is a bug report, not a reason to stay down.
RESTART_WINDOW_SECONDS: Final = 600
RESTART_BACKOFF_SECONDS: Final = 0.5
