// Counts the downloads that containerd is writing, over its own API: the CRI does not tell. A blob on its way is an
// "ingest" of the content store; what an interrupted pull left behind is one too, but does not grow any more.

import { Client, credentials, Metadata } from "@grpc/grpc-js";
import protobuf from "protobufjs/light.js";

/** Kubernetes' namespace in containerd, a constant of its CRI plugin. */
const NAMESPACE = "k8s.io";
/** containerd writes a blob by the half megabyte (content/helpers.go, copyWithBuffer), so a slow one grows in jumps. */
const GROWN_WITHIN_MS = 30_000;
const TIMEOUT_MS = 5000;

// api/services/content/v1/content.proto, the fields that are used; 1.6 to 2.x have the same.
const root = protobuf.Root.fromJSON({
  nested: {
    Timestamp: { fields: { seconds: { type: "int64", id: 1 }, nanos: { type: "int32", id: 2 } } },
    Status: { fields: { updatedAt: { type: "Timestamp", id: 2 }, ref: { type: "string", id: 3 } } },
    Statuses: { fields: { statuses: { rule: "repeated", type: "Status", id: 1 } } },
  },
});

interface Statuses {
  readonly statuses: readonly { readonly updatedAt: { readonly seconds: number } | null }[];
}

/** How many downloads have begun or grown lately; 0 if containerd cannot be asked. */
export async function countPullsInFlight(socket: string, signal: AbortSignal): Promise<number> {
  const client = new Client(`unix:${socket}`, credentials.createInsecure(), {
    "grpc.enable_http_proxy": 0,
    "grpc.use_local_subchannel_pool": 1,
  });
  try {
    const { statuses } = await listStatuses(client, AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]));
    const since = (Date.now() - GROWN_WITHIN_MS) / 1000;
    return statuses.filter(({ updatedAt }) => (updatedAt?.seconds ?? 0) >= since).length;
  } catch {
    signal.throwIfAborted();
    return 0;
  } finally {
    client.close();
  }
}

function listStatuses(client: Client, signal: AbortSignal): Promise<Statuses> {
  const metadata = new Metadata();
  metadata.set("containerd-namespace", NAMESPACE);
  const type = root.lookupType("Statuses");
  return new Promise((resolve, reject) => {
    const call = client.makeUnaryRequest(
      "/containerd.services.content.v1.Content/ListStatuses",
      () => Buffer.alloc(0),
      (bytes: Buffer) => type.toObject(type.decode(bytes), { longs: Number, defaults: true, arrays: true }) as Statuses,
      {},
      metadata,
      (error, response) => (error ? reject(error) : resolve(response ?? { statuses: [] })),
    );
    signal.addEventListener("abort", () => call.cancel(), { once: true });
  });
}
