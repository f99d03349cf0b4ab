// Preloaded into every test file: one that leaves something open after its tests would keep its process, and with it
// the whole run, for ever. (The runner's own --test-force-exit ends processes before their results are written: of
// some thousand fast tests a hundred went missing, and nobody was told.)

import { getActiveResourcesInfo } from "node:process";
import { after } from "node:test";

const PATIENCE_MS = 10_000;

// Only where tests run, and not in the runner that starts them.
if (process.env.NODE_TEST_CONTEXT !== undefined) {
  after(() => {
    setTimeout(() => {
      console.error(`Something is left open after the tests: ${getActiveResourcesInfo().join(", ")}`);
      process.exit(1);
    }, PATIENCE_MS).unref();
  });
}
