// The login that containerd has for a server in config.toml: `registry.configs.HOST.auth`, and the older `auths`,
// which is folded into it. It counts where a server asks for one, and no pod brought a pull secret.

import { tableAt } from "../containerd-config/legacy-registry.ts";
import { isMap, type TomlMap, valueAt } from "../containerd-config/toml-text.ts";
import { type Credential, NO_CREDENTIAL } from "../credentials/credential.ts";
import { Secret } from "../credentials/secret.ts";

/** The login for a server ("mirror.corp:5000") in the CRI's registry table. */
export function findLogin(registry: TomlMap, host: string): Credential {
  const [, older] = Object.entries(tableAt(registry, "auths")).find(([url]) => hostOf(url) === host) ?? [];
  const auth = valueAt(tableAt(registry, "configs"), [host, "auth"]) ?? older;
  return isMap(auth) ? readAuth(auth) : NO_CREDENTIAL;
}

// ParseAuth: user and password, or an identity token, or both as base64 in `auth`.
function readAuth(auth: TomlMap): Credential {
  const text = (key: string): string => (typeof auth[key] === "string" ? auth[key] : "");
  if (text("username") !== "") {
    return { kind: "basic", username: text("username"), password: new Secret(text("password")) };
  }
  if (text("identitytoken") !== "") return { kind: "identityToken", token: new Secret(text("identitytoken")) };
  return parseBasic(text("auth")) ?? NO_CREDENTIAL;
}

/** User and password from base64, as a Basic header carries them; null if there are none in it. */
export function parseBasic(base64: string): Credential | null {
  const [, username, password] = /^([^:]+):(.*)$/s.exec(Buffer.from(base64, "base64").toString("utf8")) ?? [];
  if (username === undefined || password === undefined) return null;
  return { kind: "basic", username, password: new Secret(password.replace(/\0+$/, "")) };
}

function hostOf(url: string): string {
  return url.replace(/^https?:\/\//, "").replace(/\/.*$/s, "");
}
