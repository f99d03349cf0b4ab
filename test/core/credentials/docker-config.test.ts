import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import {
  type DockerConfig,
  type FoundCredential,
  findCredential,
  parseDockerConfig,
} from "../../../src/core/credentials/docker-config.ts";

const base64 = (text: string): string => Buffer.from(text).toString("base64");

/** The found credential in one line, with its secret. */
function shown(found: FoundCredential): string {
  if (found.kind === "helper") return `helper ${found.helper} ${found.serverAddress}, else ${shown(found.otherwise)}`;
  if (found.kind === "problem") return `problem: ${found.problem}`;
  if (found.kind === "absent") return "absent";
  const { credential } = found;
  if (credential.kind === "basic") return `${credential.username}:${credential.password.reveal()}`;
  if (credential.kind === "identityToken" || credential.kind === "registryToken")
    return `${credential.kind} ${credential.token.reveal()}`;
  return credential.kind;
}

function parsed(value: unknown): DockerConfig {
  const config = parseDockerConfig(JSON.stringify(value));
  assert.ok(typeof config !== "string", String(config));
  return config;
}

const ENTRIES: [string, object, string][] = [
  ["auth", { auth: base64("joe:p:w") }, "joe:p:w"],
  ["auth with NULs behind it", { auth: base64("joe:pw\0\0") }, "joe:pw"],
  ["auth without padding", { auth: base64("joe:pass").replace(/=+$/, "") }, "joe:pass"],
  [
    "auth beside username, which Docker reads first",
    { auth: base64("joe:pw"), username: "x", password: "y" },
    "joe:pw",
  ],
  ["auth in several lines", { auth: `${base64("joe:p:w").replace(/.{4}/, "$&\r\n")}\n` }, "joe:p:w"],
  ["null for what is not there", { auth: null, username: "joe", password: "pw", identitytoken: null }, "joe:pw"],
  ["username and password", { username: "joe", password: "p:w" }, "joe:p:w"],
  ["a password beyond ASCII", { auth: base64("joe:pä§") }, "joe:pä§"],
  [
    "an identity token",
    { auth: base64("00000000-0000-0000-0000-000000000000:"), identitytoken: "refresh" },
    "identityToken refresh",
  ],
  ["a registry token", { registrytoken: "access" }, "registryToken access"],
  ["an empty entry", {}, "absent"],
  ["auth that is not base64", { auth: "jo e:p*w" }, 'problem: "auth" of "r.example" is not base64 of user:password'],
  ["auth without a colon", { auth: base64("joe") }, 'problem: "auth" of "r.example" is not base64 of user:password'],
];

for (const [name, entry, expected] of ENTRIES) {
  test(`findCredential() reads ${name}`, () => {
    assert.equal(shown(findCredential(parsed({ auths: { "r.example": entry } }), "https://r.example")), expected);
  });
}

const KEYS: [string, string, boolean][] = [
  ["r.example", "https://r.example", true],
  ["R.Example", "https://r.example", true],
  ["https://r.example", "https://r.example", true],
  ["https://r.example/v1/", "https://r.example", true],
  ["https://r.example/v2/", "https://r.example", true],
  ["r.example", "https://r.example/v2/team-a", true],
  ["r.example:5000", "https://r.example:5000", true],
  ["r.example:5000", "https://r.example", false],
  ["r.example", "https://r.example:5000", false],
  ["r.example:443", "https://r.example", true],
  ["r.example:80", "https://r.example", false],
  ["r.example:80", "http://r.example", true],
  ["r.example", "r.example", true],
  ["[::1]:5000", "https://[::1]:5000", true],
  ["example", "https://r.example", false],
  ["r.example.org", "https://r.example", false],
  ["r.example/team-a", "https://r.example/v2/team-a", true],
  ["r.example/team-a", "https://r.example/v2/team-a/images", true],
  ["r.example/team-a", "https://r.example/v2/team-ab", false],
  ["r.example/team-a", "https://r.example", false],
  ["r.example/v2", "https://r.example/v2/v2", true],
  ["https://index.docker.io/v1/", "https://registry-1.docker.io", true],
  ["docker.io", "docker.io", true],
  ["index.docker.io", "https://registry-1.docker.io", true],
  ["https://index.docker.io/v1/refresh-token", "https://registry-1.docker.io", false],
  ["gcr.io", "https://us.gcr.io", false],
];

for (const [key, registry, fits] of KEYS) {
  test(`findCredential() ${fits ? "finds" : "does not take"} "${key}" for ${registry}`, () => {
    const config = parsed({ auths: { [key]: { auth: base64("joe:pw") } } });
    assert.equal(shown(findCredential(config, registry)), fits ? "joe:pw" : "absent");
  });
}

test("findCredential() prefers the key that Docker writes to others that mean the same", () => {
  const auths = Object.fromEntries(
    [
      "https://r.example:5000/v1/",
      "r.example:5000",
      "https://r.example:5000",
      "docker.io",
      "https://index.docker.io/v1/",
      "https://r.example/team",
      "r.example/team",
    ].map((key) => [key, { username: key, password: "" }]),
  );
  const keyFor = (registry: string): string => shown(findCredential(parsed({ auths }), registry)).slice(0, -1);
  assert.equal(keyFor("https://r.example:5000"), "r.example:5000");
  assert.equal(keyFor("https://registry-1.docker.io"), "https://index.docker.io/v1/");
  assert.equal(keyFor("https://r.example/v2/team"), "r.example/team");
});

test("parseDockerConfig() takes null for what is not there", () => {
  const config = parsed({ credsStore: null, credHelpers: { "r.example": null }, auths: { "s.example": null } });
  assert.equal(shown(findCredential(config, "https://r.example")), "absent");
  assert.equal(shown(findCredential(config, "https://s.example")), "absent");
});

test("findCredential() takes the longest path that fits", () => {
  const auths = {
    "r.example": { auth: base64("a:a") },
    "r.example/team/x": { auth: base64("c:c") },
    "r.example/team": { auth: base64("b:b") },
  };
  assert.equal(shown(findCredential(parsed({ auths }), "https://r.example/v2/team/x/y")), "c:c");
  assert.equal(shown(findCredential(parsed({ auths }), "https://r.example/v2/team/z")), "b:b");
  assert.equal(shown(findCredential(parsed({ auths }), "https://r.example/v2/other")), "a:a");
});

const HELPERS: [string, object, string, string][] = [
  [
    "a registry's helper before the store",
    { credHelpers: { "r.example": "gcr" }, credsStore: "pass" },
    "https://r.example",
    "helper gcr r.example, else absent",
  ],
  [
    "the store for all others",
    { credHelpers: { "r.example": "gcr" }, credsStore: "pass" },
    "https://s.example:5000",
    "helper pass s.example:5000, else absent",
  ],
  [
    "the store with the key of auths",
    { credsStore: "pass", auths: { "https://r.example/v1/": {} } },
    "https://r.example",
    "helper pass https://r.example/v1/, else absent",
  ],
  [
    "the store with Docker's own key for docker.io",
    { credsStore: "pass" },
    "https://registry-1.docker.io",
    "helper pass https://index.docker.io/v1/, else absent",
  ],
  [
    "what auths holds, should the store know nothing",
    { credsStore: "pass", auths: { "r.example": { auth: base64("a:b") } } },
    "https://r.example",
    "helper pass r.example, else a:b",
  ],
  ["no helper where only others have one", { credHelpers: { "s.example": "gcr" } }, "https://r.example", "absent"],
];

for (const [name, config, registry, expected] of HELPERS) {
  test(`findCredential() names ${name}`, () => assert.equal(shown(findCredential(parsed(config), registry)), expected));
}

const SECRET = "hunter2";
const BROKEN: [string, string][] = [
  [`{"auths": {"r": {"auth": ${SECRET}}}}`, "it is not JSON"],
  [`{"auths":\n ${SECRET}:1}`, "it is not JSON"],
  [`{\n "auths": {},\n ${SECRET}: 1}`, "it is not JSON (line 3 column 2)"],
  ["", "it is not JSON"],
  [`"${SECRET}"`, "it is not a Docker config: expected object"],
  [
    `{"auths": {"r": {"auth": ["${SECRET}"]}}}`,
    'it is not a Docker config: expected string in "auth" of "r" of "auths"',
  ],
  [`{"credsStore": {"${SECRET}": 1}}`, 'it is not a Docker config: expected string in "credsStore"'],
];

for (const [json, problem] of BROKEN) {
  test(`parseDockerConfig() says what is wrong with ${JSON.stringify(json)} without quoting it`, () => {
    assert.equal(parseDockerConfig(json), problem);
  });
}

test("parseDockerConfig() reads a file with other keys, nulls and a byte order mark", () => {
  const config = parseDockerConfig(
    '\uFEFF{"auths": null, "HttpHeaders": {"a": 1}, "detachKeys": "x", "credsStore": ""}',
  );
  assert.deepEqual(config, { auths: {}, credHelpers: {}, credsStore: null });
});

test("findCredential() gives a value that shows no secret", () => {
  const found = findCredential(parsed({ auths: { r: { auth: base64(`joe:${SECRET}`) } } }), "r");
  const views = [
    JSON.stringify(found),
    inspect(found, { depth: 9, showHidden: true }),
    `${found.kind === "found" && found.credential.kind === "basic" && found.credential.password}`,
  ];
  for (const view of views) assert.ok(!view.includes(SECRET), view);
});
