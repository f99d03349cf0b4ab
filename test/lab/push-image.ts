// Puts an image into a registry over the distribution API, in one request a blob; as little of a client as does.

import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import type { Blob, Image } from "./image.ts";

export interface PushTarget {
  /** "https://127.0.0.1:40123" */
  readonly url: string;
  /** Without the registry: "lab/hello". */
  readonly repository: string;
  readonly tag: string;
  /** PEM; needed for https. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** A whole Authorization header. */
  readonly authorization?: string;
}

/** Rejects with what the registry answered unless it took everything. */
export async function pushImage(image: Image, target: PushTarget): Promise<void> {
  await Promise.all([image.config, ...image.layers].map((blob) => pushBlob(blob, target)));
  await pushManifest(image.manifest, target, target.tag);
}

/** Also for an index; what it refers to has to be there. */
export async function pushManifest(manifest: Blob, target: PushTarget, reference: string): Promise<void> {
  const url = `${target.url}/v2/${target.repository}/manifests/${reference}`;
  await send(target, { method: "PUT", url, type: manifest.mediaType, body: manifest.bytes });
}

async function pushBlob(blob: Blob, target: PushTarget): Promise<void> {
  const start = `${target.url}/v2/${target.repository}/blobs/uploads/`;
  const location = await send(target, { method: "POST", url: start, body: Buffer.alloc(0) });
  const url = new URL(location, start);
  url.searchParams.set("digest", blob.digest);
  await send(target, { method: "PUT", url: url.href, type: "application/octet-stream", body: blob.bytes });
}

interface Sending {
  readonly method: string;
  readonly url: string;
  readonly type?: string;
  readonly body: Buffer;
}

/** The Location of the answer, or "". */
function send(target: PushTarget, { method, url, type, body }: Sending): Promise<string> {
  const { ca, cert, key, authorization } = target;
  const headers = {
    "Content-Length": body.length,
    ...(type && { "Content-Type": type }),
    ...(authorization && { Authorization: authorization }),
  };
  const request = url.startsWith("https:") ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    request(url, { method, headers, agent: false, ...(ca && { ca }), ...(cert && { cert, key }) }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk) => {
        text += chunk;
      });
      response.on("end", () => {
        if ((response.statusCode ?? 0) < 300) resolve(response.headers.location ?? "");
        else reject(new Error(`${method} "${url}" was answered with ${response.statusCode}: ${text}`));
      });
    })
      .on("error", reject)
      .end(body);
  });
}
