// The addresses of servers, as connections show them. Names are looked up again now and then, and what they meant
// before is kept: a connection outlives the answer that it was opened with. A resolver that hangs delays nobody.

import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { socketAddress } from "../core/tcp-socket.ts";

/** All known addresses of a URL's server, with port: "127.0.0.1:443", "[::1]:443"; none while its name is not known. */
export type AddressesOf = (url: string) => Promise<readonly string[]>;

const FRESH_MS = 30_000;
const WAIT_MS = 2000;

interface Entry {
  readonly known: Set<string>;
  lookedUpAtMs: number;
  lookup: Promise<void> | null;
}

/** `resolve` gives the addresses of a name; it may throw. */
export function createAddressBook(resolve: (name: string) => Promise<readonly string[]> = resolveName): AddressesOf {
  const entries = new Map<string, Entry>();
  return async (url) => {
    const { name, port } = parseServer(url);
    if (isIP(name) !== 0) return [socketAddress(name, port)];
    const entry = entries.get(name) ?? { known: new Set(), lookedUpAtMs: Number.NEGATIVE_INFINITY, lookup: null };
    entries.set(name, entry);
    if (entry.lookup === null && performance.now() - entry.lookedUpAtMs > FRESH_MS) startLookup(entry, name, resolve);
    if (entry.known.size === 0) await Promise.race([entry.lookup, delay(WAIT_MS, undefined, { ref: false })]);
    return [...entry.known].map((address) => socketAddress(address, port));
  };
}

function startLookup(entry: Entry, name: string, resolve: (name: string) => Promise<readonly string[]>): void {
  entry.lookup = resolve(name)
    .catch((): readonly string[] => [])
    .then((addresses) => {
      for (const address of addresses) entry.known.add(address);
      entry.lookedUpAtMs = performance.now();
      entry.lookup = null;
    });
}

async function resolveName(name: string): Promise<readonly string[]> {
  return (await lookup(name, { all: true })).map(({ address }) => address);
}

function parseServer(url: string): { name: string; port: string } {
  const { hostname, port, protocol } = new URL(url);
  return { name: hostname.replace(/^\[|\]$/g, ""), port: port || (protocol === "https:" ? "443" : "80") };
}
