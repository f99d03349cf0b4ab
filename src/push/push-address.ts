// Where images are pushed to. The original takes `--private-registry=HOST:PORT/NAMESPACE` but wants
// `https://HOST:PORT/v2/NAMESPACE` as endpoint of the same mirror; both forms are read in both places.

export interface PushAddress {
  /** "https://172.18.0.20:5000" */
  readonly origin: string;
  /** "172.18.0.20:5000": what a Docker config names. */
  readonly host: string;
  /** "" or "team-a/images": put in front of every repository. */
  readonly namespace: string;
}

/** Reads `[https://]HOST[:PORT][/v2][/NAMESPACE]`. Throws a text for people. */
export function parsePushAddress(text: string, options: { readonly plainHttp: boolean }): PushAddress {
  const schemed = /^([a-z]+):\/\/(.*)$/i.exec(text);
  const scheme = schemed?.[1]?.toLowerCase() ?? (options.plainHttp ? "http" : "https");
  const rest = schemed?.[2] ?? text;
  if (scheme !== "https" && scheme !== "http") throw wrong(text, `the scheme is "${scheme}", expected https`);
  if (scheme === "http" && !options.plainHttp)
    throw wrong(text, "http sends passwords in the clear; add --plain-http to allow it");
  if (rest.includes("@"))
    throw wrong("…@…", "user and password do not belong here, use --username and --password-stdin");
  const url = URL.parse(`${options.plainHttp ? "http" : scheme}://${rest}`);
  if (url === null || url.hostname === "" || url.search !== "" || url.hash !== "")
    throw wrong(text, "expected HOST:PORT or HOST:PORT/NAMESPACE");
  const namespace = url.pathname.replace(/^\/(v2(\/|$))?/, "").replace(/\/+$/, "");
  if (namespace !== "" && !NAMESPACE.test(namespace)) {
    throw wrong(text, `the namespace "${namespace}" may hold lower-case letters, digits, ".", "_", "-" and "/"`);
  }
  return { origin: url.origin, host: url.host, namespace };
}

/** The repository under which the mirror has what its registry calls `repository`. */
export function mirrorRepository(address: Pick<PushAddress, "namespace">, repository: string): string {
  return address.namespace === "" ? repository : `${address.namespace}/${repository}`;
}

const NAMESPACE = /^[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:\/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*$/;

function wrong(text: string, why: string): Error {
  return new Error(`Cannot use "${text}" as registry address: ${why}`);
}
