// Talks to containerd's CRI plugin over its unix socket, as kubelet does. It is the only proof that the
// plugin is loaded: with a bad registry section containerd runs on without it, and systemd says "active".
// Loading it costs 12 MB beyond node:http2 itself (15 MB), so it is imported where it is used (`await import`).

import { Client, credentials, type ServiceError, status } from "@grpc/grpc-js";
import { decodeMessage, encodeMessage } from "./cri-messages.ts";

export interface CriVersion {
  readonly runtimeName: string;
  /** containerd's version as it says itself: "1.6.20~ds1", "2.1.9+unknown". */
  readonly runtimeVersion: string;
  readonly runtimeApiVersion: string;
}

export interface CriCondition {
  /** "RuntimeReady", "NetworkReady". */
  readonly type: string;
  readonly status: boolean;
  readonly reason: string;
  readonly message: string;
}

export interface CriImage {
  readonly id: string;
  readonly repoTags: readonly string[];
  readonly repoDigests: readonly string[];
  readonly size: number;
}

/** A pod's pull secret as kubelet hands it over; without serverAddress it is for any registry that asks. */
export interface CriAuth {
  readonly username: string;
  readonly password: string;
  readonly serverAddress?: string;
}

export interface CallOptions {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** The call failed; `code` is gRPC's name for it: "UNAVAILABLE", "UNIMPLEMENTED", "DEADLINE_EXCEEDED", ... */
export class CriError extends Error {
  override readonly name = "CriError";
  readonly code: string;

  constructor(message: string, options: { readonly code: string; readonly cause: unknown }) {
    super(message, { cause: options.cause });
    this.code = options.code;
  }
}

interface Method {
  readonly service: "RuntimeService" | "ImageService";
  readonly name: string;
  readonly request: string;
  readonly response: string;
  /** Completes "Cannot ... over the CRI". */
  readonly purpose: string;
}

const QUICK_MS = 10_000;
const PULL_MS = 600_000;

/** One connection, made at the first call and made again after containerd was restarted. Calls reject with CriError. */
export class CriClient {
  readonly #socketPath: string;
  readonly #client: Client;

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
    this.#client = new Client(`unix:${socketPath}`, credentials.createInsecure(), {
      "grpc.enable_http_proxy": 0,
      // kubelet's bound: the list of a node with thousands of images is longer than gRPC's own 4 MiB.
      "grpc.max_receive_message_length": 16 * 1024 * 1024,
      // Otherwise a new client inherits the wait, and not the error, of one that could not connect.
      "grpc.use_local_subchannel_pool": 1,
      // gRPC's own are 1 s and 120 s: too long after a restart of containerd.
      "grpc.initial_reconnect_backoff_ms": 100,
      "grpc.max_reconnect_backoff_ms": 1000,
    });
  }

  async version(options: CallOptions = {}): Promise<CriVersion> {
    const method = runtime("Version", "Empty", "VersionResponse", "ask for the version");
    return (await this.#call(method, {}, { timeoutMs: QUICK_MS, ...options })) as CriVersion;
  }

  async status(options: CallOptions = {}): Promise<readonly CriCondition[]> {
    const method = runtime("Status", "Empty", "StatusResponse", "ask for the status");
    const response = await this.#call(method, {}, { timeoutMs: QUICK_MS, ...options });
    return (response as { status: { conditions: CriCondition[] } | null }).status?.conditions ?? [];
  }

  async listImages(options: CallOptions = {}): Promise<readonly CriImage[]> {
    const method = images("ListImages", "Empty", "ListImagesResponse", "list images");
    const response = await this.#call(method, {}, { timeoutMs: QUICK_MS, ...options });
    return (response as { images: CriImage[] }).images;
  }

  /** The id of the image that was pulled (its config's digest). */
  async pullImage(image: string, options: CallOptions & { readonly auth?: CriAuth } = {}): Promise<string> {
    const method = images("PullImage", "PullImageRequest", "PullImageResponse", `pull "${image}"`);
    const request = { image: { image }, ...(options.auth && { auth: options.auth }) };
    const response = await this.#call(method, request, { timeoutMs: PULL_MS, ...options });
    return (response as { imageRef: string }).imageRef;
  }

  /** Succeeds also if the image is not there. Its blobs stay until containerd's garbage collection. */
  async removeImage(image: string, options: CallOptions = {}): Promise<void> {
    const method = images("RemoveImage", "RemoveImageRequest", "Empty", `remove "${image}"`);
    await this.#call(method, { image: { image } }, { timeoutMs: QUICK_MS, ...options });
  }

  close(): void {
    this.#client.close();
  }

  #call(method: Method, request: object, options: { timeoutMs: number; signal?: AbortSignal }): Promise<unknown> {
    const { signal, timeoutMs } = options;
    // Not gRPC's own deadline: containerd would learn of it and race us with an error of its own.
    const timeout = AbortSignal.timeout(timeoutMs);
    const ends = signal ? AbortSignal.any([signal, timeout]) : timeout;
    if (ends.aborted) return Promise.reject(ends.reason);
    return new Promise((resolve, reject) => {
      const call = this.#client.makeUnaryRequest(
        `/runtime.v1.${method.service}/${method.name}`,
        (message: object) => encodeMessage(method.request, message),
        (bytes: Buffer) => decodeMessage(method.response, bytes),
        request,
        (error, response) => {
          ends.removeEventListener("abort", cancel);
          if (error === null) resolve(response);
          else if (signal?.aborted) reject(signal.reason);
          else reject(this.#explain(method, error, timeout.aborted ? timeoutMs : null));
        },
      );
      const cancel = () => call.cancel();
      ends.addEventListener("abort", cancel, { once: true });
    });
  }

  #explain(method: Method, error: ServiceError, timedOutAfterMs: number | null): CriError {
    const what = `Cannot ${method.purpose} over the CRI at "${this.#socketPath}"`;
    if (timedOutAfterMs !== null) {
      const message = `${what}: no answer within ${timedOutAfterMs / 1000} s`;
      return new CriError(message, { code: "DEADLINE_EXCEEDED", cause: error });
    }
    return new CriError(`${what}: ${reasonOf(error)}`, { code: status[error.code] ?? "UNKNOWN", cause: error });
  }
}

function runtime(name: string, request: string, response: string, purpose: string): Method {
  return { service: "RuntimeService", name, request, response, purpose };
}

function images(name: string, request: string, response: string, purpose: string): Method {
  return { service: "ImageService", name, request, response, purpose };
}

function reasonOf({ code, details }: ServiceError): string {
  if (code === status.UNIMPLEMENTED) {
    return `containerd runs, but its CRI plugin is not loaded (${details}); its log says why at "failed to load plugin"`;
  }
  if (code !== status.UNAVAILABLE) return details;
  if (details.includes("ENOENT")) return "there is no such socket, is containerd running and is this its address?";
  if (details.includes("ECONNREFUSED")) return "nobody listens there, is containerd running?";
  if (details.includes("EACCES")) return "permission denied, root is needed";
  return details;
}
