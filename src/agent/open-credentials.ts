// Puts the credentials of this node's endpoints together from their parts: files, registries, Google.

import type { Endpoint } from "../core/endpoint.ts";
import type { ProxyEnvironment } from "../core/proxy.ts";
import { askCredentialHelper } from "../node/credential-helper.ts";
import { readCredentialWith } from "../node/credential-source.ts";
import { readKeptToken } from "../node/token-file.ts";
import { EndpointAuth } from "../registry/endpoint-auth.ts";
import { Gate } from "../registry/gate.ts";
import { GoogleTokens, SYSTEM_CLOCK } from "../registry/google-tokens.ts";
import type { HttpClient } from "../registry/http-client.ts";
import { createSend, type Send } from "../registry/send.ts";
import { PLAIN_TLS, type TlsMaterial } from "../registry/tls-material.ts";
import { HelperAnswers } from "./credential-helper-answers.ts";
import { EndpointCredentials } from "./endpoint-credentials.ts";

export interface CredentialSettings {
  readonly client: HttpClient;
  /** Credential helpers are found in its PATH. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly proxy: () => ProxyEnvironment;
  /** Of the config that is in force now. */
  readonly tlsOf: (endpoint: Endpoint) => TlsMaterial;
  /** Where access tokens are kept; null to get new ones. */
  readonly stateDir: string | null;
  readonly nowMs: () => number;
  /** A credential was renewed or has ended: time for a pass. Null: there is one pass, which waits for what it needs. */
  readonly onChange: (() => void) | null;
  /** Ends helpers. */
  readonly signal: AbortSignal;
}

const ASK_TIMEOUT_MS = 5000;
const GOOGLE_TIMEOUT_MS = 10_000;
const HELPER_PATIENCE_MS = 3000;
/** One config may stand for a thousand registries, and systemd lets the agent have 64 tasks. */
const HELPERS_AT_ONCE = 8;

/** Credentials that are read when refresh() is called. */
export function openCredentials(settings: CredentialSettings): EndpointCredentials {
  const { client, proxy, tlsOf, stateDir, nowMs, onChange } = settings;
  const answers = openHelperAnswers(settings);
  const sendTo = (endpoint: Endpoint): Send => {
    return (request, signal) =>
      createSend(client, { tls: tlsOf(endpoint), proxy: proxy(), timeoutMs: ASK_TIMEOUT_MS })(request, signal);
  };
  const sendToGoogle: Send = (request, signal) =>
    createSend(client, { tls: PLAIN_TLS, proxy: proxy(), timeoutMs: GOOGLE_TIMEOUT_MS })(request, signal);
  return new EndpointCredentials({
    readCredential: (endpoint, maxAgeMs) =>
      readCredentialWith(endpoint, (use) => answers.answerOf({ ...use, maxAgeMs })),
    createAuth: (endpoint) => new EndpointAuth({ origin: new URL(endpoint.url).origin, send: sendTo(endpoint), nowMs }),
    googleTokens: new GoogleTokens({
      clock: { ...SYSTEM_CLOCK, nowMs },
      fetchToken: async (keyJson, signal) => {
        const { fetchGoogleToken } = await import("../registry/google-token.ts");
        return fetchGoogleToken(keyJson, { send: sendToGoogle, nowMs }, signal);
      },
      readKept: async (keyJson) => (stateDir === null ? null : readKeptToken(stateDir, keyJson)),
      onChange: onChange ?? (() => {}),
    }),
  });
}

function openHelperAnswers({ environment, nowMs, onChange, signal }: CredentialSettings): HelperAnswers {
  const gate = new Gate({ limit: HELPERS_AT_ONCE, nowMs, wait: async () => {} });
  return new HelperAnswers({
    ask: (name, serverAddress) =>
      gate.run(() => askCredentialHelper(name, serverAddress, { environment, signal }), 0, signal),
    patienceMs: onChange === null ? null : HELPER_PATIENCE_MS,
    onChange: onChange ?? (() => {}),
    steadyMs: () => performance.now(),
    signal,
  });
}
