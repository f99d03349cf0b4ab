// Keeps metrics served at one address. A port in use is told once, and tried again until it is free.

import type { ListenAddress } from "../core/mirror-config.ts";
import { type MetricsPage, type MetricsServer, openMetricsServer } from "../node/metrics-server.ts";
import { Announcements, type Emit } from "./metrics-announcements.ts";

export interface MetricsListenerPorts {
  readonly readPage: () => Promise<MetricsPage>;
  readonly emit: Emit;
}

const RETRY_MS = 10_000;
/** However many ask, all of them are answered with one page in this time. */
const PAGE_AGE_MS = 1000;

export class MetricsListener {
  readonly #announcements: Announcements;
  readonly #readPage: () => Promise<MetricsPage>;
  #address: ListenAddress | null = null;
  #server: MetricsServer | null = null;
  #retry: NodeJS.Timeout | null = null;
  #turn: Promise<void> = Promise.resolve();

  constructor({ readPage, emit }: MetricsListenerPorts) {
    this.#announcements = new Announcements(emit);
    this.#readPage = shared(readPage);
  }

  /** Serves at this address, and at no other. */
  follow(address: ListenAddress | null): Promise<void> {
    if (JSON.stringify(address) === JSON.stringify(this.#address)) return this.#turn;
    this.#address = address;
    this.#announcements.forget();
    return this.#queue(async () => {
      await this.#shut();
      await this.#open();
    });
  }

  close(): Promise<void> {
    return this.follow(null);
  }

  async #open(): Promise<void> {
    const address = this.#address;
    if (address === null || this.#server !== null) return;
    const name = renderAddress(address);
    try {
      this.#server = await openMetricsServer(address, this.#readPage);
      this.#announcements.works(`served at ${name}`);
    } catch (error) {
      this.#announcements.fails(`Cannot serve metrics at ${name}`, error);
      this.#retry = setTimeout(() => void this.#queue(() => this.#open()), RETRY_MS);
    }
  }

  async #shut(): Promise<void> {
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#retry = null;
    await this.#server?.close();
    this.#server = null;
  }

  #queue(work: () => Promise<void>): Promise<void> {
    this.#turn = this.#turn.then(work);
    return this.#turn;
  }
}

function renderAddress(address: ListenAddress): string {
  if (address.kind === "unix") return `unix:${address.path}`;
  return `http://${address.host.includes(":") ? `[${address.host}]` : address.host}:${address.port}/metrics`;
}

function shared(readPage: () => Promise<MetricsPage>): () => Promise<MetricsPage> {
  let last: { readonly atMs: number; readonly page: Promise<MetricsPage> } | null = null;
  return () => {
    const atMs = performance.now();
    if (last === null || atMs - last.atMs >= PAGE_AGE_MS) last = { atMs, page: readPage() };
    return last.page;
  };
}
