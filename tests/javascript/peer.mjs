// A peer of the stock JavaScript library that knows our blob protocol from its description alone.
//
//     node peer.mjs ADDRESS ITEM_HEX PART TAIL_OFFSET
//
// It reads a part and its end on one stream, asks in a version that does not exist, and leaves streams open
// without a word.
// Prints one JSON object: how many bytes each request brought, or how it ended.

// js-libp2p 3 needs this; Node.js has it from version 22 on.
Promise.withResolvers ??= () => {
  const made = {};
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
  return made;
};

const { noise } = await import("@chainsafe/libp2p-noise");
const { yamux } = await import("@chainsafe/libp2p-yamux");
const { identify } = await import("@libp2p/identify");
const { tcp } = await import("@libp2p/tcp");
const { multiaddr } = await import("@multiformats/multiaddr");
const { createLibp2p } = await import("libp2p");

const BLOB = "/commonhold/blob/1";
const IDLE_STREAMS = 40;
const IDLE_SECONDS_MAX = 30;
const [address, item, part, offset] = process.argv.slice(2);
const tailOffset = Number(offset);

const host = await createLibp2p({
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  services: { identify: identify() },
  connectionMonitor: { enabled: false }, // it wants a stream for its ping while we hold all that there are
});
const connection = await host.dial(multiaddr(address));

// version (1), item (32), offset (8), length of the part's name (1), its name
function request(version, offset) {
  const name = Buffer.from(part, "ascii");
  const head = Buffer.alloc(42);
  head[0] = version;
  Buffer.from(item, "hex").copy(head, 1);
  head.writeBigUInt64BE(BigInt(offset), 33);
  head[41] = name.length;
  return Buffer.concat([head, name]);
}

// status (1), salt (32), length of the whole content (8); the content from the offset on
const HEAD = 41;

// How many bytes each answer has, when all is asked on one stream, one after the other.
async function ask(version, ...offsets) {
  const lengths = [];
  let came = Buffer.alloc(0);
  try {
    const stream = await connection.newStream(BLOB);
    stream.send(request(version, offsets[0]));
    for await (const piece of stream) {
      came = Buffer.concat([came, piece.subarray()]);
      if (came.length < HEAD) continue;
      const whole = HEAD + Number(came.readBigUInt64BE(33)) - offsets[lengths.length];
      if (came.length < whole) continue;
      lengths.push(whole);
      came = came.subarray(whole);
      if (lengths.length === offsets.length) break; // the other side ends the stream, after a time
      stream.send(request(version, offsets[lengths.length]));
    }
    return lengths;
  } catch (error) {
    return `after ${lengths.length} answers and ${came.length} bytes: ${error.message}`;
  }
}

async function drained(stream) {
  try {
    for await (const _ of stream);
  } catch {
    // Reset: that is an end, too.
  }
}

// Streams on which nothing is ever asked: how many could be opened, and whether the other side ended all.
async function idle() {
  const opened = [];
  try {
    while (opened.length < IDLE_STREAMS) opened.push(drained(await connection.newStream(BLOB)));
  } catch {
    // No more than so many at once.
  }
  let timer;
  const late = new Promise((resolve) => (timer = setTimeout(resolve, IDLE_SECONDS_MAX * 1000, false)));
  const ended = await Promise.race([Promise.all(opened).then(() => true), late]);
  clearTimeout(timer);
  return { opened: opened.length, ended };
}

const seen = { answers: await ask(1, 0, tailOffset), unknownVersion: await ask(9, 0) };
seen.idle = await idle();
seen.afterwards = await ask(1, tailOffset);
console.log(JSON.stringify(seen));
await host.stop();
process.exit(0);
