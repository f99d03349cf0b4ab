// An image as it stands in a pod, read as containerd's CRI reads it (distribution/reference, ParseDockerRef): short
// names are docker.io's, a name without tag and digest means `latest`, and beside a digest a tag does not count.

import { type ImageName, parseImageName } from "./image-name.ts";

/** Complete: exactly one of `tag` and `digest` is set. */
export type ImageReference = ImageName;

export type ParsedReference =
  | { readonly ok: true; readonly reference: ImageReference }
  /** One clause without a full stop. */
  | { readonly ok: false; readonly because: string };

const MOST_CHARACTERS = 255;
const HEX_DIGITS: Readonly<Record<string, number>> = { sha256: 64, sha384: 96, sha512: 128 };

/** Reads an image's name; for one that containerd refuses it says why. */
export function parseImageReference(text: string): ParsedReference {
  const name = parseImageName(text);
  const because = findProblem(text, name);
  if (because !== null || name === null) return { ok: false, because: because ?? "it is no name of an image" };
  const tag = name.digest === null ? (name.tag ?? "latest") : null;
  return { ok: true, reference: { ...name, tag } };
}

/** What the registry is asked for: the tag or the digest. */
export function objectOf({ tag, digest }: ImageReference): string {
  return digest ?? tag ?? "latest";
}

function findProblem(text: string, name: ImageName | null): string | null {
  if (text === "") return "it is empty";
  if (/^[a-f0-9]{64}$/.test(text)) return "64 hexadecimal digits alone are an image's id, and no name";
  if (/^[a-z]+:\/\//i.test(text)) return "it starts with a scheme; write it without";
  if (/\s/.test(text)) return "there is white space in it";
  if (name === null) return findBadPart(text);
  if (`${name.registry}/${name.repository}`.length > MOST_CHARACTERS) {
    return `registry and repository are longer than ${MOST_CHARACTERS} characters`;
  }
  return name.digest === null ? null : findBadDigest(name.digest);
}

function findBadPart(text: string): string {
  const [named = "", digest] = text.split("@");
  if (digest !== undefined && !/^[a-z0-9]+:[0-9a-f]{32,}$/.test(digest)) return "its digest is none";
  const repository = named.replace(/:[^/]*$/, "").replace(/^[^/]*[.:A-Z][^/]*\//, "");
  if (/[A-Z]/.test(repository)) return "the repository has upper-case letters, which no registry takes";
  if (/:[^/]*$/.test(named) && parseImageName(named.replace(/:[^/]*$/, "")) !== null) return "its tag is none";
  return "it is no name of an image";
}

function findBadDigest(digest: string): string | null {
  const [algorithm = "", hex = ""] = digest.split(":");
  const digits = HEX_DIGITS[algorithm];
  if (digits === undefined) return `its digest is of the unknown kind "${algorithm}"`;
  if (hex.length !== digits) return `its digest has ${hex.length} digits, ${algorithm} has ${digits}`;
  return /[A-F]/.test(hex) ? "its digest has upper-case digits" : null;
}
