#!/usr/bin/env node
// Compiles src/ to artifacts/*.json (or the folder given). The same sources give the same bytes everywhere:
// the compiler's version is pinned, and no metadata (with its source paths) is appended to the bytecode.
"use strict";
const crypto = require("crypto");
const fs = require("fs");
const path = require("path");
const solc = require("solc");

const home = path.join(__dirname, "..");
const shipped = [
  "Board",
  "NetworkGovernor",
  "Settlement",
  "ShareToken",
  "Stake",
  "TestStable",
  "TimelockController",
  "Vault",
  "WitnessSet",
];
const settings = {
  evmVersion: "cancun",
  optimizer: { enabled: true, runs: 1_000_000 },
  viaIR: true,

  metadata: { bytecodeHash: "none", appendCBOR: false },
  outputSelection: { "*": { "*": ["abi", "evm.bytecode.object"] } },
};

const read = (file) => fs.readFileSync(path.join(home, file), "utf8");
const sources = fs
  .readdirSync(path.join(home, "src"), { recursive: true })
  .filter((file) => file.endsWith(".sol"))
  .map((file) => `src/${file}`)
  .sort();

// Recorded in each artifact, so that a test without Node.js still notices a source that was not rebuilt.
function sourceHash() {
  const hash = crypto.createHash("sha256");
  for (const file of [...sources, "package-lock.json", "tools/build.js"]) {
    hash.update(`${file}\0${read(file)}\0`);
  }
  return hash.digest("hex");
}

const output = JSON.parse(
  solc.compile(
    JSON.stringify({
      language: "Solidity",
      sources: Object.fromEntries(sources.map((file) => [file, { content: read(file) }])),
      settings,
    }),
    { import: (file) => ({ contents: read(`node_modules/${file}`) }) },
  ),
);
const messages = output.errors ?? [];
for (const { severity, sourceLocation, formattedMessage } of messages) {
  // Warnings about the libraries are their authors' business.
  if (severity === "error" || sourceLocation?.file.startsWith("src/")) console.error(formattedMessage);
}
if (messages.some(({ severity }) => severity === "error")) process.exit(1);

const target = path.resolve(process.argv[2] ?? path.join(home, "artifacts"));
fs.mkdirSync(target, { recursive: true });
for (const contracts of Object.values(output.contracts)) {
  for (const [name, { abi, evm }] of Object.entries(contracts)) {
    if (!shipped.includes(name)) continue;
    const artifact = {
      name,
      compiler: solc.version(),
      sourceHash: sourceHash(),
      abi,
      bytecode: `0x${evm.bytecode.object}`,
    };
    fs.writeFileSync(path.join(target, `${name}.json`), JSON.stringify(artifact, null, 1) + "\n");
  }
}
