#!/usr/bin/env node
// Writes tests/vectors/settlement_trees.json: trees made by OpenZeppelin's own library, which
// protocol/settlement.py must reproduce. Run it again only to add cases.
"use strict";
const crypto = require("crypto");
const fs = require("fs");
const path = require("path");
const { StandardMerkleTree } = require("@openzeppelin/merkle-tree");

const ETHER = "0x" + "00".repeat(20);
const digits = (name, count) => crypto.createHash("sha256").update(name).digest("hex").slice(0, count);

// Amounts from one digit up to the largest that fits a word.
const amount = (i) => (i === 1 ? 2n ** 256n - 1n : BigInt("0x" + digits(`amount ${i}`, 1 + 2 * i)));
const leaf = (i) => [
  "0x" + digits(`account ${i}`, 40),
  i % 3 === 0 ? ETHER : "0x" + digits(`asset ${i % 3}`, 40),
  amount(i).toString(),
];

const trees = [1, 2, 3, 5, 8, 21].map((count) => {
  const leaves = Array.from({ length: count }, (_, i) => leaf(i));
  const tree = StandardMerkleTree.of(leaves, ["address", "address", "uint256"]);
  return { leaves, root: tree.root, proofs: leaves.map((_, i) => tree.getProof(i)) };
});

const target = path.join(__dirname, "../../tests/vectors/settlement_trees.json");
fs.writeFileSync(target, JSON.stringify(trees, null, 1) + "\n");
