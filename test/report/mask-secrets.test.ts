import assert from "node:assert/strict";
import { test } from "node:test";
import { maskSecrets } from "../../src/report/mask-secrets.ts";

const ROWS: Record<string, readonly [text: string, masked: string]> = {
  "a header": [
    '[host."https://m".header]\n  Authorization = "Basic s3cret"\n',
    '[host."https://m".header]\n  Authorization = ***\n',
  ],
  "a header of any name": [
    '[host."https://m".header]\n  "X-Tenant" = ["s3cret"]\n\n[host."https://n"]\n  ca = "/ca.pem"\n',
    '[host."https://m".header]\n  "X-Tenant" = ***\n\n[host."https://n"]\n  ca = "/ca.pem"\n',
  ],
  "a list over several lines": [
    'Authorization = [\n  "Basic s3]cret",\n]\nserver = "a"\n',
    'Authorization = ***\nserver = "a"\n',
  ],
  "a list that is never closed": ['Authorization = [\n  "s3cret"\n', "Authorization = ***"],
  "an inline table of headers": ['header = { X = "s3cret" }\nca = "a"', 'header = ***\nca = "a"'],
  "a header out of place": ['x.header."X-Y" = "s3cret"\n', 'x.header."X-Y" = ***\n'],
  "a registry login": [
    '  username = "me"\n  password = \'s3cret\'\n  auth = "s3cret"\n',
    '  username = "me"\n  password = ***\n  auth = ***\n',
  ],
  "a docker config": ['{"auths": {"m": {"auth": "s3cret"}}}', '{"auths": {"m": {"auth": ***}}}'],
  "a private key": ["a\n-----BEGIN RSA PRIVATE KEY-----\ns3cret\n-----END RSA PRIVATE KEY-----\nb", "a\n***\nb"],
  "half a private key": ["-----BEGIN PRIVATE KEY-----\ns3cret", "***"],
  "a credential in a comment": ["# curl -H 'Bearer s3crets3cret'", "# curl -H 'Bearer ***'"],
  "a URL with a password": ['server = "https://me:s3cret@m:5000/v2"', 'server = "https://***@m:5000/v2"'],
};

for (const [name, [text, masked]] of Object.entries(ROWS)) {
  test(`maskSecrets() masks ${name}`, () => {
    const found = maskSecrets(text, () => "***");
    assert.ok(!found.includes("s3cret"), found);
    assert.equal(found, masked);
  });
}

test("maskSecrets() leaves a hosts.toml without credentials as it is", () => {
  const text =
    'server = "https://gcr.io"\n\n[host."https://m:5000/v2/team"]\n  capabilities = ["pull", "resolve"]\n  ca = "/ca.pem"\n  override_path = true\n';
  assert.equal(
    maskSecrets(text, () => "***"),
    text,
  );
});
