// Name lookups, one in flight per name. getaddrinfo cannot be cancelled and takes 10 s and more on a dead
// resolver, in one of libuv's few threads: a probe each 5 s that gives up after 2 s would pile them up.

import { type LookupAddress, type LookupOptions, lookup } from "node:dns";
import type { LookupFunction } from "node:net";

type Answered = (error: NodeJS.ErrnoException | null, address: string | LookupAddress[], family?: number) => void;

/** A `lookup` for node:net; whoever asks for a name that is being looked up gets that answer. */
export function createSharedLookup(resolve: typeof lookup = lookup): LookupFunction {
  const waiting = new Map<string, Answered[]>();
  return (hostname: string, options: LookupOptions, callback: Answered) => {
    const key = JSON.stringify([hostname, options.family, options.hints, options.all]);
    const others = waiting.get(key);
    if (others !== undefined) {
      others.push(callback);
      return;
    }
    waiting.set(key, [callback]);
    resolve(hostname, options, (error, address, family) => {
      const callbacks = waiting.get(key) ?? [];
      waiting.delete(key);
      for (const answered of callbacks) answered(error, address, family);
    });
  };
}
