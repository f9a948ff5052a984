// A peer of the stock JavaScript library that knows our blob protocol from its description alone.
//
//     node peer.mjs ADDRESS ITEM_HEX PART TAIL_OFFSET
//
// It reads a part, reads its end, asks in a version that does not exist, and leaves streams open without a word.
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
const [address, item, part, tailOffset] = process.argv.slice(2);

const host = await createLibp2p({
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  services: { identify: identify() },
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

async function ask(version, offset) {
  let length = 0;
  try {
    const stream = await connection.newStream(BLOB);
    stream.send(request(version, offset));
    for await (const piece of stream) length += piece.byteLength;
    return length;
  } catch (error) {
    return `after ${length} bytes: ${error.message}`;
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

const seen = { whole: await ask(1, 0), tail: await ask(1, tailOffset), unknownVersion: await ask(9, 0) };
seen.idle = await idle();
seen.afterwards = await ask(1, tailOffset);
console.log(JSON.stringify(seen));
await host.stop();
process.exit(0);
