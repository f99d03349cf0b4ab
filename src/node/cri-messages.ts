// The messages of the CRI (Kubernetes' runtime.v1, k8s.io/cri-api/pkg/apis/runtime/v1/api.proto) that we
// exchange with containerd: only these, and of each only the fields that are used. Field numbers are the
// wire format and never change. containerd 1.6 and later speak v1.

import protobuf from "protobufjs/light.js";

const string = (id: number) => ({ type: "string", id });
const strings = (id: number) => ({ rule: "repeated", type: "string", id });

const root = protobuf.Root.fromJSON({
  nested: {
    Empty: { fields: {} },
    VersionResponse: { fields: { runtimeName: string(2), runtimeVersion: string(3), runtimeApiVersion: string(4) } },
    RuntimeCondition: {
      fields: { type: string(1), status: { type: "bool", id: 2 }, reason: string(3), message: string(4) },
    },
    RuntimeStatus: { fields: { conditions: { rule: "repeated", type: "RuntimeCondition", id: 1 } } },
    StatusResponse: { fields: { status: { type: "RuntimeStatus", id: 1 } } },
    Image: {
      fields: { id: string(1), repoTags: strings(2), repoDigests: strings(3), size: { type: "uint64", id: 4 } },
    },
    ListImagesResponse: { fields: { images: { rule: "repeated", type: "Image", id: 1 } } },
    ImageSpec: { fields: { image: string(1) } },
    AuthConfig: {
      fields: { username: string(1), password: string(2), auth: string(3), serverAddress: string(4) },
    },
    PullImageRequest: { fields: { image: { type: "ImageSpec", id: 1 }, auth: { type: "AuthConfig", id: 2 } } },
    PullImageResponse: { fields: { imageRef: string(1) } },
    RemoveImageRequest: { fields: { image: { type: "ImageSpec", id: 1 } } },
  },
});

/** Bytes on the wire of one message; keys it does not have are ignored. */
export function encodeMessage(name: string, message: object): Buffer {
  const type = root.lookupType(name);
  return Buffer.from(type.encode(type.fromObject(message)).finish());
}

/** The message as a plain object in which every field is present. */
export function decodeMessage(name: string, bytes: Uint8Array): unknown {
  const type = root.lookupType(name);
  return type.toObject(type.decode(bytes), { longs: Number, defaults: true, arrays: true });
}
