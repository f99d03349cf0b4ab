import assert from "node:assert/strict";
import { test } from "node:test";
import { parseConfig } from "../../../src/core/config/parse-config.ts";
import { renderIssues } from "../../../src/core/config/render-issues.ts";

test("renderIssues() gives one line an issue, as compilers do", () => {
  const { issues } = parseConfig(
    "agnt: {}\nregistryMirrors:\n  - endpoint: http://10.0.0.1\n    pullCredentialConfigPath: /a\n",
  );
  const path = "/etc/mirror-agent/config.yaml";
  assert.equal(
    renderIssues(issues, { path }),
    `${path}:1:1: error: Cannot use agnt: unknown key "agnt", the nearest is "agent"\n` +
      `${path}:4:31: warning: The credentials of "http://10.0.0.1" go over the network unencrypted: it is http\n`,
  );
});

test("renderIssues() gives nothing for no issues", () => {
  assert.equal(renderIssues([], { path: "/etc/mirror-agent/config.yaml" }), "");
});
