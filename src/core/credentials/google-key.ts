// What a Google credential file is, told by its "type" as google-auth-library does. Registries of Google
// also take the key itself as password of the user "_json_key" (or "_json_key_base64"): a key that lives
// for years. It is recognised, so that only short-lived tokens made with it leave this program.

import * as z from "zod";
import type { Credential } from "./credential.ts";
import { Secret } from "./secret.ts";

const SUPPORTED = [
  "service_account",
  "authorized_user",
  "impersonated_service_account",
  "external_account",
  "external_account_authorized_user",
] as const;

const fileSchema = z.object({ type: z.string() });
const serviceAccountSchema = z.object({ client_email: z.string().min(1), private_key: z.string().min(1) });

/** Why a text is no Google key, in one clause that does not quote it; null if it is one. */
export function googleKeyProblem(json: string): string | null {
  const value = parseJson(json);
  const file = fileSchema.safeParse(value);
  if (!file.success) return 'it is no Google key: expected a JSON object with "type"';
  const type = SUPPORTED.find((known) => known === file.data.type);
  if (type === undefined) return `it is no Google key: expected "type" to be one of ${SUPPORTED.join(", ")}`;
  if (type !== "service_account" || serviceAccountSchema.safeParse(value).success) return null;
  return 'it is no whole Google key: "client_email" or "private_key" is missing';
}

/** A user and password as they are, or the Google key that they are in truth; `path` is the file they came from. */
export function unwrapGoogleKey(credential: Credential, path: string): Credential {
  if (credential.kind !== "basic") return credential;
  const json = keyText(credential.username, credential.password.reveal());
  if (json === null || googleKeyProblem(json) !== null) return credential;
  return { kind: "googleKey", path, json: new Secret(json) };
}

function keyText(username: string, password: string): string | null {
  if (username === "_json_key") return password;
  return username === "_json_key_base64" ? Buffer.from(password, "base64").toString("utf8") : null;
}

function parseJson(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return null;
  }
}
