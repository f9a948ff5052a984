#!/usr/bin/env node
// Compiles src/ to artifacts/*.json (or the folder given). The same sources give the same bytes everywhere:
// the compiler's version is pinned, and no metadata (with its source paths) is appended to the bytecode.
// With --check it compiles nothing and says whether the artifacts belong to the sources.
"use strict";
const crypto = require("crypto");
const fs = require("fs");
const path = require("path");

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
  outputSelection: {
    "*": {
      "*": [
        "abi",
        "evm.bytecode.object",
        "evm.deployedBytecode.object",
        "evm.deployedBytecode.immutableReferences",
      ],
      "": ["ast"],
    },
  },
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

function check() {
  const stale = shipped.filter((name) => {
    const file = path.join(home, "artifacts", `${name}.json`);
    return !fs.existsSync(file) || JSON.parse(fs.readFileSync(file, "utf8")).sourceHash !== sourceHash();
  });
  if (stale.length === 0) return;
  console.error(`artifacts are older than their sources: ${stale.join(", ")}. Run: make contracts-build`);
  process.exit(1);
}

function compile() {
  const solc = require("solc");
  const input = {
    language: "Solidity",
    sources: Object.fromEntries(sources.map((file) => [file, { content: read(file) }])),
    settings,
  };
  const output = JSON.parse(
    solc.compile(JSON.stringify(input), {
      import: (file) => ({ contents: read(`node_modules/${file}`) }),
    }),
  );
  const messages = output.errors ?? [];
  for (const { severity, sourceLocation, formattedMessage } of messages) {
    // Warnings about the libraries are their authors' business.
    if (severity === "error" || sourceLocation?.file.startsWith("src/")) console.error(formattedMessage);
  }
  if (messages.some(({ severity }) => severity === "error")) process.exit(1);
  return { ...output, compiler: solc.version() };
}

// The compiler names immutables by the number of their declaration, which changes with every line of source;
// here they are called "Contract.variable".
function namesOfImmutables(ast) {
  const names = {};
  for (const contract of ast.nodes.filter(({ nodeType }) => nodeType === "ContractDefinition")) {
    for (const { id, name, mutability } of contract.nodes) {
      if (mutability === "immutable") names[id] = `${contract.name}.${name}`;
    }
  }
  return names;
}

function write({ contracts, sources: compiled, compiler }) {
  const target = path.resolve(process.argv[2] ?? path.join(home, "artifacts"));
  const names = Object.assign({}, ...Object.values(compiled).map(({ ast }) => namesOfImmutables(ast)));
  const hash = sourceHash();
  fs.mkdirSync(target, { recursive: true });
  for (const [name, { abi, evm }] of Object.values(contracts).flatMap(Object.entries)) {
    if (!shipped.includes(name)) continue;
    const references = Object.entries(evm.deployedBytecode.immutableReferences ?? {})
      .map(([id, places]) => [names[id], places])
      .sort(([a], [b]) => (a < b ? -1 : 1));
    const artifact = {
      name,
      compiler,
      sourceHash: hash,
      abi,
      bytecode: `0x${evm.bytecode.object}`,
      deployedBytecode: `0x${evm.deployedBytecode.object}`,
      immutableReferences: Object.fromEntries(references),
    };
    fs.writeFileSync(path.join(target, `${name}.json`), JSON.stringify(artifact, null, 1) + "\n");
  }
}

if (process.argv[2] === "--check") check();
else write(compile());
