#!/usr/bin/env node
// forge expects a native solc. npm's solc is the same compiler as WebAssembly without its command line,
// so this answers the two calls that forge makes: `--version` and `--standard-json` on stdin.
"use strict";
const fs = require("fs");
const path = require("path");
const solc = require("solc");

const args = process.argv.slice(2);

if (args.includes("--version")) {
  // forge parses the platform suffix; ".Emscripten.clang" is not one that it knows.
  const version = solc.version().replace(".Emscripten.clang", ".Linux.g++");
  console.log(`solc, the solidity compiler commandline interface\nVersion: ${version}`);
} else if (args.includes("--standard-json")) {
  const valueOf = (flag) => args[args.indexOf(flag) + 1];
  const base = args.includes("--base-path") ? valueOf("--base-path") : ".";
  const readImport = (file) => {
    const full = path.resolve(base, file);
    return fs.existsSync(full) ? { contents: fs.readFileSync(full, "utf8") } : { error: `not found: ${file}` };
  };
  process.stdout.write(solc.compile(fs.readFileSync(0, "utf8"), { import: readImport }));
} else {
  console.error("solc-shim: only --version and --standard-json are supported");
  process.exit(1);
}
