import assert from "node:assert/strict";
import { test } from "node:test";
import { findNearestKey } from "../../../src/core/config/nearest-key.ts";

const KEYS = ["endpoint", "hosts", "caCertPath", "clientCertPath", "clientKeyPath"];

test("findNearestKey() finds the key with the fewest edits, letter case aside", () => {
  const rows = {
    endpont: "endpoint",
    CACERTPATH: "caCertPath",
    host: "hosts",
    clientCert: "clientCertPath",
    caCert: "caCertPath",
    client: "clientCertPath",
    clientKeyPaht: "clientKeyPath",
  };
  for (const [found, nearest] of Object.entries(rows)) assert.equal(findNearestKey(found, KEYS), nearest, found);
});

test("findNearestKey() finds none where nothing is near", () => {
  for (const found of ["password", "", "x", "e".repeat(10_000)]) assert.equal(findNearestKey(found, KEYS), null);
});

test("findNearestKey() takes the first of equally near keys", () => {
  assert.equal(findNearestKey("cat", ["bat", "rat"]), "bat");
});
