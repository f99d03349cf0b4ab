// This host as a pass needs it: the config, the node, the lock, the credentials. `plan`, `apply` and the
// daemon use the same one.

import { isDeepStrictEqual } from "node:util";
import type { Action } from "../core/action.ts";
import type { NodeImage } from "../core/canary.ts";
import type { TlsFile } from "../core/compile-node.ts";
import type { ObservedContainerd } from "../core/containerd-config/observed-containerd.ts";
import type { AuthWishes } from "../core/containerd-config/plan-auths.ts";
import type { AuthAnswer } from "../core/credentials/auth-answer.ts";
import type { Endpoint } from "../core/endpoint.ts";
import type { MirrorConfig } from "../core/mirror-config.ts";
import { type NodePaths, nodePaths } from "../core/node-paths.ts";
import { type ProxyEnvironment, readProxyEnvironment } from "../core/proxy.ts";
import { compileRoutes, endpointsOf } from "../core/routes.ts";
import { makeFolder, removeTemporaries } from "../node/files.ts";
import { Ledger } from "../node/ledger.ts";
import { listImages } from "../node/list-images.ts";
import { acquireLock } from "../node/lock.ts";
import { RestartMemory } from "../node/restart-memory.ts";
import { writeKeptTokens } from "../node/token-file.ts";
import type { WatchedPaths } from "../node/watch.ts";
import { HttpClient } from "../registry/http-client.ts";
import type { ValidConfig } from "./agent-ports.ts";
import { compileAuthWishes, findWhyUnused } from "./config-auths.ts";
import type { EndpointCredentials } from "./endpoint-credentials.ts";
import { type LoadedConfig, loadConfig, parseOnce } from "./load-config.ts";
import { openPerformers, removeLeftovers } from "./node-files.ts";
import { type ContainerdLook, NodeObserver } from "./node-observer.ts";
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

const ANSWERS_WAIT_MS = 5000;
const LOCK_WAIT_MS = 60_000;
/** Another's takeover may wait for pulls, and for containerd twice. */
const TAKEOVER_WAIT_MS = 300_000;

interface Locked<T> {
  readonly work: () => Promise<T>;
  readonly signal: AbortSignal;
}

export class Host {
  readonly paths: NodePaths;
  readonly client = new HttpClient();
  readonly credentials: EndpointCredentials;
  readonly #options: HostOptions;
  readonly #observer: NodeObserver;
  readonly #parse = parseOnce();
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
      stateDir: this.paths.stateDir,
      nowMs: options.nowMs,
      onChange: options.onCredentialChange ?? null,
      signal: this.#stop.signal,
    });
  }

  /** containerd's proxy variables while it runs, else our own. */
  readonly proxy = (): ProxyEnvironment => this.#observer.proxy ?? readProxyEnvironment(this.#options.env);

  loadConfig(): Promise<LoadedConfig> {
    return loadConfig(this.paths.config, this.#options.nowMs(), this.#parse);
  }

  pathsOf(config: MirrorConfig): NodePaths {
    return this.#observer.pathsOf(config);
  }

  async observe(config: MirrorConfig): Promise<ObservedNode> {
    const node = await this.#observer.observe(config, (observed) => this.authWishes(observed), this.#stop.signal);
    this.credentials.setWhyUnused((choice) => findWhyUnused(choice, node.takeover));
    return node;
  }

  /** What containerd's own configuration has to hold of the credentials; undefined where they were not read. */
  authWishes({ daemon, version }: ObservedContainerd): AuthWishes | undefined {
    const states = this.credentials.chooseAll(daemon?.version ?? version);
    return states === null ? undefined : compileAuthWishes(states);
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

  /** Waits for what registries say that have not said yet what they take, but not long: they may be dead. */
  async waitForAnswers(signal: AbortSignal): Promise<void> {
    const timeout = AbortSignal.timeout(ANSWERS_WAIT_MS);
    await this.credentials.ask(AbortSignal.any([signal, timeout])).catch(() => signal.throwIfAborted());
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
    // A token that hosts.toml holds is kept before it is there.
    await writeKeptTokens(this.paths.stateDir, this.credentials.tokens);
    await perform(actions, await openPerformers(paths), this.#stop.signal);
  }

  /** Does something that no other writer does at the same time. */
  underLock<T>(work: () => Promise<T>): Promise<T> {
    return this.#underLock("pass.lock", LOCK_WAIT_MS, { work, signal: this.#stop.signal });
  }

  /** Asks containerd anew what it is and how it is configured. */
  lookAtContainerd(config: MirrorConfig, signal: AbortSignal): Promise<ContainerdLook> {
    return this.#observer.look(config, signal);
  }

  /** The images that this node has. */
  listImages(config: MirrorConfig, signal: AbortSignal): Promise<readonly NodeImage[] | null> {
    return listImages(this.pathsOf(config).containerdSocket, signal);
  }

  /** What may change on the node, as far as it is known where that is. */
  placesToWatch(config: MirrorConfig): WatchedPaths {
    const { certsDir, containerdConfig, containerdSocket } = this.pathsOf(config);
    const files = this.#observer.containerdFiles;
    // The socket is another after each start of containerd.
    return { files: [containerdSocket, ...(files.length > 0 ? files : [containerdConfig])], folders: [certsDir] };
  }

  /** Does something with containerd's configuration that nobody else does at the same time. */
  underTakeoverLock<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    return this.#underLock("takeover.lock", TAKEOVER_WAIT_MS, { work, signal });
  }

  /** What was done to containerd; only under the takeover's lock. */
  async openRestartMemory(): Promise<RestartMemory> {
    await makeFolder(this.paths.stateDir, 0o700);
    const memory = await RestartMemory.open(this.paths.takeoverDir);
    await removeTemporaries(this.paths.takeoverDir);
    return memory;
  }

  /** Keeps a file before it is written over; `isOriginal`: as it is now, whatever was kept of it before. */
  backUp(path: string, isOriginal: boolean): Promise<void> {
    return this.underLock(async () => {
      const ledger = await Ledger.open(this.paths.stateDir);
      if (isOriginal) await ledger.forget(path);
      await ledger.backUp(path);
    });
  }

  async #underLock<T>(name: string, waitMs: number, { work, signal }: Locked<T>): Promise<T> {
    await makeFolder(this.paths.runDir);
    const options = { waitMs, holder: this.#options.holder, signal };
    await using _lock = await acquireLock(`${this.paths.runDir}/${name}`, options);
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
