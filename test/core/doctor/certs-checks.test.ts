import assert from "node:assert/strict";
import { test } from "node:test";
import { checkCertsDir } from "../../../src/core/doctor/certs-checks.ts";
import { findEndMs } from "../../../src/core/explain/tls-contents.ts";
import { MANAGED_MARK } from "../../../src/core/hosts-toml.ts";
import { makeAuthority } from "../../lab/certificates.ts";
import { observed, SET } from "../containerd-config/observed-node.ts";

const DAY_MS = 86_400_000;
const authority = makeAuthority();
const client = authority.issue([], { client: true });
const HOSTS =
  'server = "https://gcr.io"\n[host."https://m"]\nca = "/ca.pem"\nclient = [["/client.pem", "/client.key"]]\n';

function check(text: string, nowMs: number): string[] {
  const read = (content: string) => ({ kind: "text", text: content }) as const;
  const certs = {
    certsDir: "/c",
    places: new Map([["/c/gcr.io", { kind: "folder", names: ["hosts.toml"], hostsToml: read(text) } as const]]),
    modes: new Map<string, number>(),
    tlsFiles: new Map([
      ["/ca.pem", read(authority.cert)],
      ["/client.pem", read(client.cert)],
      ["/client.key", read(client.key)],
    ]),
  };
  return checkCertsDir({ containerd: observed(SET), certs, nowMs }).map(({ state, found }) => `${state} ${found}`);
}

const endOf = (pem: string): number => findEndMs(pem) ?? Number.NaN;
const endsAtMs = Math.min(endOf(authority.cert), endOf(client.cert));

test("checkCertsDir() tells of certificates that end soon, or have, in files that the agent did not write", () => {
  assert.deepEqual(check(HOSTS, endsAtMs - 31 * DAY_MS), ['ok 1 folders in "/c" are read as they are meant']);
  const soon = check(HOSTS, endsAtMs - DAY_MS);
  assert.match(soon.join("\n"), /^warn "\/(ca|client)\.pem", which "\/c\/gcr\.io" names, expires on \d{4}-\d\d-\d\d$/m);
  const late = check(HOSTS, Math.max(endOf(authority.cert), endOf(client.cert)));
  assert.match(late.join("\n"), /^fail "\/ca\.pem", .* expired on .*\nfail "\/client\.pem", .* expired on/);
});

test("checkCertsDir() leaves those in the agent's own files to the check of the config", () => {
  assert.match(check(`${MANAGED_MARK}\n${HOSTS}`, endsAtMs).join(), /^ok/);
});
