import assert from "node:assert/strict";
import { test } from "node:test";
import { createAddressBook } from "../../src/node/address-book.ts";

const never = () => Promise.reject(new Error("asked for a name"));

for (const [url, address] of [
  ["https://10.0.0.1", "10.0.0.1:443"],
  ["http://10.0.0.1", "10.0.0.1:80"],
  ["https://10.0.0.1:5000/v2/team", "10.0.0.1:5000"],
  ["https://[2001:db8::1]:5000", "[2001:db8::1]:5000"],
] as const) {
  test(`createAddressBook() takes the address of ${url} from it`, async () => {
    assert.deepEqual(await createAddressBook(never)(url), [address]);
  });
}

test("createAddressBook() looks a name up once, for all its ports", async () => {
  const asked: string[] = [];
  const addressesOf = createAddressBook(async (name) => {
    asked.push(name);
    return ["10.0.0.1", "::1"];
  });
  assert.deepEqual(await addressesOf("https://mirror:5000"), ["10.0.0.1:5000", "[::1]:5000"]);
  assert.deepEqual(await addressesOf("https://mirror"), ["10.0.0.1:443", "[::1]:443"]);
  assert.deepEqual(asked, ["mirror"]);
});

test("createAddressBook() keeps an old answer, and does not wait for a new one", async (context) => {
  let nowMs = 0;
  context.mock.method(performance, "now", () => nowMs);
  const answers = [Promise.resolve(["10.0.0.1"]), Promise.resolve(["10.0.0.2"]), new Promise<string[]>(() => {})];
  const addressesOf = createAddressBook(() => answers.shift() ?? never());
  assert.deepEqual(await addressesOf("https://mirror"), ["10.0.0.1:443"]);
  nowMs = 31_000;
  await addressesOf("https://mirror");
  await new Promise(setImmediate);
  nowMs = 62_000;
  assert.deepEqual(await addressesOf("https://mirror"), ["10.0.0.1:443", "10.0.0.2:443"]);
  assert.deepEqual(await addressesOf("https://mirror"), ["10.0.0.1:443", "10.0.0.2:443"]);
});

test("createAddressBook() knows nothing of a name that cannot be looked up", async () => {
  assert.deepEqual(await createAddressBook(never)("https://mirror"), []);
});
