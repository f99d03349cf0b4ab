// This host as a pass needs it: the config, the node, the lock, the credentials. `plan`, `apply` and the
// daemon use the same one.

import { isDeepStrictEqual } from "node:util";
import type { Action } from "../core/action.ts";
import type { TlsFile } from "../core/compile-node.ts";
import type { AuthAnswer } from "../core/credentials/auth-answer.ts";
import type { Endpoint } from "../core/endpoint.ts";
import type { MirrorConfig } from "../core/mirror-config.ts";
import { type NodePaths, nodePaths } from "../core/node-paths.ts";
import { type ProxyEnvironment, readProxyEnvironment } from "../core/proxy.ts";
import { compileRoutes, endpointsOf } from "../core/routes.ts";
import { makeFolder } from "../node/files.ts";
import { acquireLock } from "../node/lock.ts";
import { HttpClient } from "../registry/http-client.ts";
import type { ValidConfig } from "./agent-ports.ts";
import type { EndpointCredentials } from "./endpoint-credentials.ts";
import { type LoadedConfig, loadConfig } from "./load-config.ts";
import { openPerformers, removeLeftovers } from "./node-files.ts";
import { NodeObserver } from "./node-observer.ts";
import { openCredentials } from "./open-credentials.ts";
import { perform } from "./perform.ts";
import type { CredentialOf, ObservedNode } from "./reconcile.ts";
import { tlsMaterialOf } from "./tls-material-of.ts";

export interface HostOptions {
  readonly root: string;
  readonly configFile: string | null;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Who holds the lock, for whoever finds it taken: "mirror-agent apply, pid 4711". */
  readonly holder: string;
  readonly nowMs: () => number;
  /** A credential was renewed: time for a pass. */
  readonly onCredentialChange?: () => void;
}

const LOCK_WAIT_MS = 60_000;

export class Host {
  readonly paths: NodePaths;
  readonly client = new HttpClient();
  readonly credentials: EndpointCredentials;
  readonly #options: HostOptions;
  readonly #observer: NodeObserver;
  readonly #stop = new AbortController();
  #tlsFiles: ReadonlyMap<string, TlsFile> = new Map();
  #endpoints: readonly Endpoint[] = [];
  /** What the endpoints' registries were known to take when the last pass began. */
  #answers: readonly AuthAnswer[] = [];
  #tidy = false;

  constructor(options: HostOptions) {
    this.#options = options;
    this.paths = nodePaths(options.root, options.configFile, null);
    this.#observer = new NodeObserver(options);
    this.credentials = openCredentials({
      client: this.client,
      environment: options.env,
      proxy: this.proxy,
      tlsOf: (endpoint) => tlsMaterialOf(endpoint.tls, this.#tlsFiles),
      nowMs: options.nowMs,
      onChange: options.onCredentialChange ?? (() => {}),
    });
  }

  /** containerd's proxy variables while it runs, else our own. */
  readonly proxy = (): ProxyEnvironment => this.#observer.proxy ?? readProxyEnvironment(this.#options.env);

  loadConfig(): Promise<LoadedConfig> {
    return loadConfig(this.paths.config, this.#options.nowMs());
  }

  pathsOf(config: MirrorConfig): NodePaths {
    return this.#observer.pathsOf(config);
  }

  observe(config: MirrorConfig): Promise<ObservedNode> {
    return this.#observer.observe(config, this.#stop.signal);
  }

  /** Reads the credentials of a config's endpoints anew, and sees to it that their registries say what they take. */
  async readCredentials({ config, tlsFiles }: ValidConfig): Promise<CredentialOf> {
    this.#tlsFiles = tlsFiles;
    this.#endpoints = endpointsOf(compileRoutes(config));
    await this.credentials.refresh(this.#endpoints);
    this.#answers = this.#readAnswers();
    return (endpoint, version) => this.credentials.choose(endpoint, version);
  }

  /** Asks registries that have not said what they take. Never waited for by a pass: they may be dead. */
  async askRegistries(): Promise<void> {
    await this.credentials.ask(this.#stop.signal).catch(() => {});
    this.noticeAnswers();
  }

  /** Asks for a pass if a registry has said something new about what it takes. */
  noticeAnswers(): void {
    if (!isDeepStrictEqual(this.#answers, this.#readAnswers())) this.#options.onCredentialChange?.();
  }

  /** Carries actions out; only under the lock. */
  async perform(actions: readonly Action[], config: MirrorConfig): Promise<void> {
    const paths = this.pathsOf(config);
    if (!this.#tidy) await removeLeftovers(paths);
    this.#tidy = true;
    await perform(actions, await openPerformers(paths), this.#stop.signal);
  }

  /** Does something that no other writer does at the same time. */
  async underLock<T>(work: () => Promise<T>): Promise<T> {
    await makeFolder(this.paths.runDir);
    const { holder } = this.#options;
    const options = { waitMs: LOCK_WAIT_MS, holder, signal: this.#stop.signal };
    await using _lock = await acquireLock(`${this.paths.runDir}/pass.lock`, options);
    return await work();
  }

  #readAnswers(): readonly AuthAnswer[] {
    return this.#endpoints.map((endpoint) => this.credentials.authOf(endpoint).answer);
  }

  close(): void {
    this.#stop.abort();
    this.credentials.close();
    this.client.close();
  }
}
