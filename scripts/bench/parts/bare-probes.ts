// A program that does nothing but send the probes' requests, each on a kept connection, every five seconds:
// the last argument is {"urls": [...], "ca": FILE}.

import { readFileSync } from "node:fs";
import { Agent, get } from "node:https";

const { urls, ca } = JSON.parse(process.argv.at(-1) ?? "{}") as { urls: string[]; ca: string };
const agent = new Agent({ keepAlive: true, ca: readFileSync(ca, "utf8") });

for (const [n, url] of urls.entries()) {
  setTimeout(() => setInterval(() => get(url, { agent }, (answer) => answer.resume()), 5000), n * 500);
}
