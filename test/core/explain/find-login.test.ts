import assert from "node:assert/strict";
import { test } from "node:test";
import { findLogin } from "../../../src/core/explain/find-login.ts";

const login = (registry: Parameters<typeof findLogin>[0], host = "m:5000") => {
  const found = findLogin(registry, host);
  if (found.kind === "basic") return `${found.username}:${found.password.reveal()}`;
  return found.kind === "identityToken" ? `token ${found.token.reveal()}` : found.kind;
};
const configs = (auth: object) => ({ configs: { "m:5000": { auth } } });

for (const [name, registry, expected] of [
  ["user and password", configs({ username: "u", password: "p" }), "u:p"],
  ["both in base64", configs({ auth: Buffer.from("u:p:q").toString("base64") }), "u:p:q"],
  ["an identity token", configs({ identitytoken: "t" }), "token t"],
  ["the older table, by URL", { auths: { "https://m:5000/v2": { username: "u", password: "p" } } }, "u:p"],
  ["another server's", { configs: { "n:5000": { auth: { username: "u", password: "p" } } } }, "none"],
  ["nothing that can be read", configs({ auth: "!" }), "none"],
] as const) {
  test(`findLogin() finds ${name}`, () => assert.equal(login(registry), expected));
}
