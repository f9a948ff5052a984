#!/usr/bin/env node
// Writes tests/vectors/settlement_trees.json (or the file given): trees made by OpenZeppelin's own library, which
// protocol/money/settlement.py must reproduce. A leaf is (account, hash of its assets, hash of its cumulative amounts).
// Run it again only to add cases.
"use strict";
const crypto = require("crypto");
const fs = require("fs");
const path = require("path");
const { StandardMerkleTree } = require("@openzeppelin/merkle-tree");
const { keccak256 } = require("ethereum-cryptography/keccak");

const ETHER = "0x" + "00".repeat(20);
const digits = (name, count) => crypto.createHash("sha256").update(name).digest("hex").slice(0, count);

const word = (hex) => Buffer.from(hex.padStart(64, "0"), "hex");
const hashWords = (words) => "0x" + Buffer.from(keccak256(Buffer.concat(words))).toString("hex");

// Amounts from one digit up to the largest that fits a word.
const amount = (name, i) => (i === 1 ? 2n ** 256n - 1n : BigInt("0x" + digits(`amount ${name}`, 1 + 2 * i)));
const assetsOf = (i) =>
  [ETHER, ...[0, 1, 2].map((j) => "0x" + digits(`asset ${j}`, 40))].sort().slice(i % 3, (i % 3) + 1 + (i % 4));
const leaf = (i) => {
  const assets = assetsOf(i);
  const cumulatives = assets.map((asset) => amount(`${i} ${asset}`, i).toString());
  return { account: "0x" + digits(`account ${i}`, 40), assets, cumulatives };
};
const encoded = ({ account, assets, cumulatives }) => [
  account,
  hashWords(assets.map((asset) => word(asset.slice(2)))),
  hashWords(cumulatives.map((cumulative) => word(BigInt(cumulative).toString(16)))),
];

const trees = [1, 2, 3, 5, 8, 21].map((count) => {
  const leaves = Array.from({ length: count }, (_, i) => leaf(i));
  const tree = StandardMerkleTree.of(leaves.map(encoded), ["address", "bytes32", "bytes32"]);
  return { leaves, root: tree.root, proofs: leaves.map((_, i) => tree.getProof(i)) };
});

const target = process.argv[2] ?? path.join(__dirname, "../../tests/vectors/settlement_trees.json");
fs.writeFileSync(target, JSON.stringify(trees, null, 1) + "\n");
