"""Every limit of the protocol, each with its reason. Units are last in the names."""

from __future__ import annotations

from typing import Final

PPM: Final = 1_000_000  # parts per million: how ratios travel, so that no rule needs a float

# Beliefs come from floating point and are logged in ppm; everything after them is exact. Measured over 212
# renumberings of real and simulated answers, clean and attacked, and over thread counts: at most 2e-12, so
# never a millionth. Stopping one sweep apart would add about 1 ppm. The rest is margin for other processors
# and library builds.
TOLERANCE_PPM: Final = 20

# A C2SP tlog-tiles entry bundle gives each entry a uint16 length.
ENTRY_BYTES_MAX: Final = 65_535
# Of a submission or of a round. 1,000 are the common case; eight times that still fits one gRPC message.
BATCH_ITEMS_MAX: Final = 8_192
# With three leaves of parts for each item; or 1,000 items with as many as PARTS_MAX allows.
BATCH_LEAVES_MAX: Final = 4 * BATCH_ITEMS_MAX
# An item of one picture is about 1,000 bytes. One of PARTS_MAX pictures with the longest names of everything
# has 20,320: no item that a campaign takes is too long, and no leaf has room for content.
LEAF_BYTES_MAX: Final = 20_352
# Leaves of one batch together: what one gRPC message (see below) can carry beside its envelope.
BATCH_BYTES_MAX: Final = 7 * 1024 * 1024
# gRPC's own default is 4 MiB; 8,192 items of 400 bytes need a little less than this.
MESSAGE_BYTES_MAX: Final = 8 * 1024 * 1024

KIND_CHARS_MAX: Final = 32
NAME_CHARS_MAX: Final = 64
# Of the program that gave an answer: its name, version and model. In the longest letters, beside each of
# BATCH_ITEMS_MAX answers, that is 4 of BATCH_BYTES_MAX's 7 MiB.
PROGRAM_CHARS_MAX: Final = 128
# Longer than anybody looks at one item: what is beyond says nothing.
ANSWER_SECONDS_MAX: Final = 24 * 3_600
TEXT_CHARS_MAX: Final = 16_384  # guidelines: some pages
# No living spelling piles more marks on a letter (Tibetan and Burmese come closest); heaps overrun pages.
MARKS_IN_A_ROW_MAX: Final = 8
LABELS_MAX: Final = 1_024  # inference holds a labels x labels matrix for each reviewer
# A campaign's record carries its spec and its guidelines in one log entry.
SPEC_BYTES_MAX: Final = 32_768
STEPS_MAX: Final = 32  # people do not tell more steps apart; inference holds a steps x steps matrix
# A reviewer answers them all for every item, and inference holds a row for each of a reviewer's.
CRITERIA_MAX: Final = 32
# Each is a question of its own, as a criterion is.
TAGS_MAX: Final = 32
CRITERION_CHARS_MAX: Final = 1_024  # a paragraph; all of them have to fit SPEC_BYTES_MAX
LICENCES_MAX: Final = 64
# The longest identifier of the SPDX list has 36 characters.
SPDX_CHARS_MAX: Final = 64
LINEAGE_MAX: Final = 16
REVIEWERS_PER_ITEM_MAX: Final = 31
# 32 bytes each: with the rest of the record they fit one log entry.
WITHDRAWN_ITEMS_MAX: Final = 1_024
# A licence's id travels as the memo of a payment, which is a bytes32.
LICENCE_ID_CHARS_MAX: Final = 32
# One server adds up the updates of a round, and a round's record names every partner in it.
PARTNERS_MAX: Final = 256
TRAINING_ROUNDS_MAX: Final = 1_024
COLUMNS_MAX: Final = 256  # of a table that a job reads
# A line for each column of a wide table; everybody keeps them.
TASK_OPTIONS_CHARS_MAX: Final = 16_384
# A mechanism that gives one of n examples away has a delta of 1/n. So nobody with a thousand examples should
# accept more than a ten thousandth, and a partner's own machine asks for less (federated.privacy).
DELTA_PPB_MAX: Final = 100_000
# With a sign, and in words that everybody's machine adds up.
UPLOAD_BITS_MIN: Final = 2
UPLOAD_BITS_MAX: Final = 32
# 400 MB of floats; a partner's machine holds several such vectors.
PARAMETERS_MAX: Final = 100_000_000
# A PEM public key of any kind in use is below 1 KiB.
TRANSPORT_KEY_BYTES_MAX: Final = 1_024
# A host name has at most 253 characters (RFC 1035), a port five.
ENDPOINT_CHARS_MAX: Final = 260
CERTIFICATE_BYTES_MAX: Final = 8_192
CONTENT_BYTES_MAX: Final = 16 * 1024**3  # 16 GiB: the largest single file that we promise to stream

# Laptop, phone, workstation, a server or two, and those that were lost.
KEYS_PER_PERSON_MAX: Final = 16
# Prompt, two answers, context, and room: reviewers see all of an item's parts on one page.
PARTS_MAX: Final = 16
MEDIA_TYPES_MAX: Final = 16
# How far apart what is taken for a copy may be, of 1,000. Without people: beyond that, honest pictures and
# texts of most collections are copies. For people to look at: nobody would, of texts that share an eighth.
STRICT_PERMILLE_MAX: Final = 100
LIKELY_PERMILLE_MAX: Final = 875

# Each deals to each: 32 deals are 52 KB of log, and a witness checks its 32 in a tenth of a second. Whoever
# wants to foresee the draw has to bribe 17.
WITNESSES_MAX: Final = 32
# Witnesses' machines are on most of the time: a day, for one that sleeps at night.
DEAL_MS: Final = 24 * 3600 * 1000
COMPLAIN_MS: Final = 24 * 3600 * 1000

# An item that so many draws could not decide stays undecided: more answers would not help.
DRAWS_MAX: Final = 8
# Of a campaign's terms; everybody keeps all of them, with guidelines of up to TEXT_CHARS_MAX each.
REVISIONS_MAX: Final = 256
# Why an item is taken down: a sentence or two, in every copy of the log for ever.
TAKEDOWN_CHARS_MAX: Final = 512
# Inference holds a number for each answer and possible answer. Of one item:
ITEM_CELLS_MAX: Final = 4_096
# and of a round whose items have been drawn as often as they may: 512 MiB.
ROUND_CELLS_MAX: Final = 1 << 26
# Of a close, which weighs all answers since the last one: 1 GiB.
UNPAID_CELLS_MAX: Final = 1 << 27
# Decided items whose answers tell later rounds of the epoch who knows what: a hundred answers of each of a
# dozen reviewers. More would cost every round of a campaign with small ones, and tell it hardly more.
EVIDENCE_ITEMS_MAX: Final = 512
# What an item's verdict has beside its belief: ids, salts, answers of at most CRITERIA_MAX bytes.
VERDICT_BYTES_MAX: Final = 320
# A number of a belief, at most a million: a varint of three bytes.
BELIEF_NUMBER_BYTES: Final = 3
# How much more than others a campaign may pay: a weight that dwarfs them all takes the whole emission.
PRICE_PPM_MAX: Final = 1_000 * PPM
WHOLE_PERMILLE: Final = 1_000  # of a price: what an item earns that is derived from no other
# Of one round, items that are flagged as likely copies of one and the same. Each asks its reviewers for a
# second look and the original's author for one more piece of content: whatever somebody submits to resemble
# everything costs others no more than this. What is above is compared with the next that it resembles.
FLAGS_PER_ORIGINAL_MAX: Final = 256
# How long the items of a closed campaign can be contested: the epoch in which it was closed, or in which they
# were decided, and so many whole ones. For ever would mean that no proposal of a copy may ever be forgotten.
CONTEST_EPOCHS_AFTER_CLOSE: Final = 1
DAY_MS: Final = 24 * 3600 * 1000
# A window of a month, and as long for a round to begin: whoever needs longer opens a campaign in parts.
WINDOW_MS_MAX: Final = 31 * DAY_MS
# Answers that one campaign may have between two closes: what an inference takes seconds for.
UNPAID_ANSWERS_MAX: Final = 1 << 21

KEY_BYTES: Final = 32
PROOF_BYTES: Final = 64  # of the coin: challenge and answer, 32 bytes each
HASH_BYTES: Final = 32
EPOCH_BYTES: Final = 8  # of an epoch's number in what is signed
SALT_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
ADDRESS_BYTES: Final = 20

# SQLite and protobuf's sint64 both stop here; amounts above are a bug, not wealth.
AMOUNT_MICRO_MAX: Final = 2**63 - 1
# Revenue is in the asset's own unit; the vault counts it in 128 bits.
ASSET_AMOUNT_MAX: Final = 2**128 - 1
# How many roots may wait on chain, one behind the other (RootQueue.QUEUE_MAX).
ROOTS_MAX: Final = 32
# A reorganisation may reach back over so many records of the chain: with one an hour, ten days. Whatever goes
# deeper is another chain.
RANGES_MAX: Final = 256
# How long witnesses may be asked to sign for, from now: what they signed and nobody posted binds them as
# long.
DEADLINE_S_MAX: Final = 3_600
# A move is decided by people, each in their own time.
MOVE_S_MAX: Final = 30 * 86_400
# What a close says of waiting stands in its log entry, at most 76 bytes a row: an epoch of however many
# campaigns can be closed.
WAITING_ROWS_MAX: Final = 512
# The operator's own batches hold a line for every participant of an epoch.
OPERATOR_LEAVES_MAX: Final = 65_536
# Lines of one close that are not revenue's: contributors', reviewers' and trainers' by campaign or job.
EARNED_LINES_MAX: Final = OPERATOR_LEAVES_MAX // 2

# Of a policy. A night without power is no fault, and nobody loses a bond for silence alone: whoever keeps the
# log may have kept out what was said.
SILENCE_TOSSES_MIN: Final = 10
SILENCE_PPM_MAX: Final = 100_000
# A year of weekly epochs: long enough to train any model again, and an end that everybody lives to see.
MODEL_GRACE_EPOCHS_MAX: Final = 52
