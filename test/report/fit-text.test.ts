import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { chooseFitting, shorten, shortenUrl, wrapText } from "../../src/report/fit-text.ts";

const LONG = "https://registry-mirror-01.frankfurt.example.com:5000/v2/platform-team";

const URLS: readonly (readonly [string, number, string])[] = [
  ["https://172.18.0.20:5000/v2/team-a", 34, "https://172.18.0.20:5000/v2/team-a"],
  ["https://172.18.0.20:5000/v2/team-a", 33, "172.18.0.20:5000/v2/team-a"],
  ["https://172.18.0.20:5000/v2/team-a", 25, "172.18.0.20:50…/v2/team-a"],
  ["http://172.18.0.20:5000/v2/team-a", 32, "http://172.18.0.20:50…/v2/team-a"],
  [LONG, 50, "registry-mirror-01.frankfurt.exa…/v2/platform-team"],
  [LONG, 24, "registry-mir…atform-team"],
  ["https://a-registry-without-any-namespace.example.com", 30, "a-registry-without-a…ample.com"],
];

describe("shortenUrl()", () => {
  for (const [url, width, expected] of URLS)
    test(`keeps server and namespace of ${url} in ${width} columns`, () => {
      const shown = shortenUrl(url, width);
      assert.ok(shown.length <= width);
      assert.equal(shown, expected);
    });

  test("fits any width", () => {
    for (let width = 0; width <= LONG.length; width++) assert.ok(shortenUrl(LONG, width).length <= width, `${width}`);
  });
});

describe("shorten()", () => {
  test("leaves out the middle, never more than needed", () => {
    assert.equal(shorten("abcdefghij", 10), "abcdefghij");
    assert.equal(shorten("abcdefghij", 7), "abcd…ij");
    for (let width = 0; width < 10; width++) assert.equal(shorten("abcdefghij", width).length, width);
  });
});

describe("chooseFitting()", () => {
  test("takes the first that fits, else the beginning of the last", () => {
    const variants = ["down: refused, after 3 d up", "down: refused", "down"];
    assert.equal(chooseFitting(variants, 30), variants[0]);
    assert.equal(chooseFitting(variants, 20), variants[1]);
    assert.equal(chooseFitting(variants, 3), "dow");
  });
});

describe("wrapText()", () => {
  test("breaks at words, and indents what follows", () => {
    const text = "containerd  1.7.24, does not read the routes: config_path is not set";
    assert.deepEqual(wrapText(text, 40, "            "), [
      "containerd  1.7.24, does not read the",
      "            routes: config_path is not",
      "            set",
    ]);
  });

  test("breaks a word that is longer than a line", () => {
    assert.deepEqual(wrapText("see https://registry.example.com/v2", 12), [
      "see https://",
      "registry.exa",
      "mple.com/v2",
    ]);
  });

  test("leaves text alone where there is no limit", () => {
    assert.deepEqual(wrapText("a b", Number.POSITIVE_INFINITY), ["a b"]);
  });

  test("ends, and keeps every word, at any width", () => {
    const text = "  a sentence of words, and one/that/is/much/too/long for it";
    for (let width = 1; width < 70; width++) {
      const lines = wrapText(text, width, "  ");
      assert.equal(lines.join("").replaceAll(" ", ""), text.replaceAll(" ", ""), `${width}`);
      if (width > 2)
        assert.ok(
          lines.every((line) => line.length <= width),
          `${width}: ${lines.join("|")}`,
        );
    }
  });
});
