// What `doctor` judges: everything that was observed about a node, as plain values. Null is what could not be found out.

import type { ConfigIssue } from "../config-issue.ts";
import type { ObservedContainerd } from "../containerd-config/observed-containerd.ts";
import type { TakeoverPlan } from "../containerd-config/plan-takeover.ts";
import type { Endpoint } from "../endpoint.ts";
import type { Places } from "../explain/hosts-folder.ts";
import type { Files } from "../explain/tls-contents.ts";
import type { Freeing } from "../freeing.ts";
import type { ProbeResult } from "../probe-result.ts";
import type { ProxyEnvironment } from "../proxy.ts";

export interface DoctorFacts {
  readonly nowMs: number;
  readonly config: ConfigFacts;
  readonly containerd: ObservedContainerd;
  /** Null without a valid config: nobody knows what is wanted. */
  readonly takeover: TakeoverPlan | null;
  readonly certs: CertsFacts;
  readonly endpoints: readonly EndpointFacts[];
  readonly proxy: ProxyEnvironment;
  /** Some of the node's images. */
  readonly images: readonly ImageFinding[];
  readonly agent: AgentFacts;
  readonly host: HostFacts;
}

export interface ConfigFacts {
  readonly path: string;
  readonly isValid: boolean;
  readonly issues: readonly ConfigIssue[];
  /** The registries that it has something to say about. */
  readonly registries: readonly string[];
}

export interface CertsFacts {
  readonly certsDir: string;
  /** Every folder in certsDir, by its path. */
  readonly places: Places;
  /** Permission bits of every hosts.toml, by path. */
  readonly modes: ReadonlyMap<string, number>;
  /** What the hosts.toml files name. */
  readonly tlsFiles: Files;
}

export interface EndpointFacts {
  readonly endpoint: Endpoint;
  readonly probe: ProbeResult;
  /** What is wrong with its credential, one sentence each. */
  readonly credentialProblems: readonly string[];
  readonly credentialWarnings: readonly string[];
  /** How much later it is there than here. */
  readonly clockAheadMs: number | null;
}

export interface ImageFinding {
  readonly image: string;
  readonly isAtMirror: boolean;
  readonly isAtUpstream: boolean;
  /** Whether there are mirrors for it, and all of them said whether they have it. */
  readonly haveMirrorsAnswered: boolean;
  /** Mirrors that say they have it and do not deliver it. */
  readonly troubles: readonly ImageTrouble[];
}

export interface ImageTrouble {
  readonly endpoint: string;
  readonly part: "manifest" | "blob";
  /** What was found, in words. */
  readonly found: string;
}

export interface AgentFacts {
  /** When the running agent last said something; null if it never did. */
  readonly statusAtMs: number | null;
  /** When it last saw endpoints go down, and why. */
  readonly falls: readonly Fall[];
  readonly stateDir: string;
  readonly stateDirMode: number | null;
  readonly restartOwed: boolean;
  /** A change of containerd's configuration that was taken back. */
  readonly restartFailed: string | null;
  /** What the daemon found that it can do about connections that hang; null where none runs, or does not know. */
  readonly freeing: Freeing | null;
}

export interface Fall {
  readonly atMs: number;
  readonly endpoint: string;
  readonly reason: string | null;
}

export interface HostFacts {
  readonly system: string;
  readonly disks: readonly DiskFacts[];
  readonly inotify: InotifyFacts | null;
  /** Of the kernel: "6.1.0-18-amd64". */
  readonly kernel: string;
  /** Whether the kernel can abort another program's connection (`ss -K`). */
  readonly canAbortSockets: boolean | null;
  readonly hasSs: boolean;
  /** Names of running programs. */
  readonly programs: readonly string[];
  /** Files of other tools that are there. */
  readonly traces: readonly string[];
}

export interface DiskFacts {
  /** What the space is for. */
  readonly path: string;
  readonly freeBytes: number;
  readonly totalBytes: number;
  readonly freeInodes: number;
  /** 0 where the file system makes them as it needs them. */
  readonly totalInodes: number;
}

export interface InotifyFacts {
  readonly maxWatches: number;
  readonly maxInstances: number;
  readonly usedInstances: number;
}
