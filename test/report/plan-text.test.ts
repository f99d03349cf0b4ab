import assert from "node:assert/strict";
import { test } from "node:test";
import { stripVTControlCharacters } from "node:util";
import { type PlanEntry, renderPlan } from "../../src/report/plan-text.ts";

const HOSTS = "/etc/containerd/certs.d/gcr.io/hosts.toml";

const ENTRIES: readonly PlanEntry[] = [
  {
    path: HOSTS,
    before:
      'server = "https://gcr.io"\n\n[host."https://old:5000"]\n  [host."https://old:5000".header]\n    Authorization = "Basic b2xk"\n',
    after:
      'server = "https://gcr.io"\n\n[host."https://new:5000"]\n  [host."https://new:5000".header]\n    Authorization = "Basic bmV3"\n',
    mode: 0o600,
    because: "the config names other mirrors for gcr.io",
  },
  { path: "/etc/new", before: null, after: "a\n", mode: 0o644, because: "it is missing" },
  { path: "/etc/old", before: "a\x1b[2Jb", after: null, mode: null, because: "quay.io has no mirror any more" },
];

const PLAN = `\
Change /etc/containerd/certs.d/gcr.io/hosts.toml (mode 0600): the config names other mirrors for gcr.io
--- /etc/containerd/certs.d/gcr.io/hosts.toml
+++ /etc/containerd/certs.d/gcr.io/hosts.toml
@@ -1,5 +1,5 @@
 server = "https://gcr.io"
 
-[host."https://old:5000"]
-  [host."https://old:5000".header]
-    Authorization = (secret)
+[host."https://new:5000"]
+  [host."https://new:5000".header]
+    Authorization = (other secret)

Create /etc/new (mode 0644): it is missing
--- /dev/null
+++ /etc/new
@@ -0,0 +1,1 @@
+a

Remove /etc/old: quay.io has no mirror any more
--- /etc/old
+++ /dev/null
@@ -1,1 +0,0 @@
-a\\x1b[2Jb
\\ No newline at end of file

1 file to change, 1 file to create, 1 file to remove
`;

test("renderPlan() shows what changes as a diff, without secrets or control characters", () => {
  assert.equal(renderPlan(ENTRIES, { colour: false }), PLAN);
});

test("renderPlan() colours the same text", () => {
  const text = renderPlan(ENTRIES, { colour: true });
  assert.notEqual(text, PLAN);
  assert.equal(stripVTControlCharacters(text), PLAN);
});

test("renderPlan() shows that nothing but a secret changes", () => {
  const entry = { path: HOSTS, mode: 0o600, because: "the credential changed" };
  const header = (secret: string): string => `Authorization = "${secret}"\n`;
  const text = renderPlan([{ ...entry, before: header("Basic b2xk"), after: header("Basic bmV3") }], { colour: false });
  assert.match(text, /-Authorization = \(secret\)\n\+Authorization = \(other secret\)/);
  assert.doesNotMatch(text, /b2xk|bmV3/);
});

test("renderPlan() says that there is nothing to do", () => {
  assert.equal(renderPlan([], { colour: false }), "Nothing to change\n");
});
