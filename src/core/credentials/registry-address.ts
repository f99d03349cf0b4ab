// Where a credential belongs: a server and, below it, perhaps a namespace. Docker, podman and kubelet
// write the same registry in several ways into their files ("https://host/v1/", "host", "host/team");
// here each is brought into one form, so that they can be compared.

/** The server address under which Docker and its helpers keep docker.io's credential. */
export const DOCKER_HUB_KEY = "https://index.docker.io/v1/";
const DOCKER_HUB = new Set(["docker.io", "index.docker.io", "registry-1.docker.io"]);

export interface RegistryAddress {
  /** In lower case; all names of docker.io are "docker.io". */
  readonly host: string;
  /** "5000" if one is written. */
  readonly port: string | null;
  /** The port that holds where none is written: of the scheme, which is https where that is not written either. */
  readonly defaultPort: "80" | "443";
  /** "" or "team-a/images", without slashes at the ends. */
  readonly path: string;
}

/** Reads an endpoint's URL, "host:port/namespace", or a key of a Docker config. */
export function parseRegistryAddress(text: string): RegistryAddress {
  const [, scheme = "", authority = "", rest = ""] = /^(https?:\/\/)?([^/]*)(.*)$/is.exec(text) ?? [];
  const [, name = "", port] = /^(.*?)(?::(\d+))?$/s.exec(authority.toLowerCase()) ?? [];
  return {
    host: DOCKER_HUB.has(name) ? "docker.io" : name,
    port: port ?? null,
    defaultPort: scheme.toLowerCase() === "http://" ? "80" : "443",
    path: rest.replace(/^\/+(?:v[12](?=\/|$))?/, "").replace(/^\/+|\/+$/g, ""),
  };
}

/** "host" or "host:port", as a credential helper is asked for it. */
export function hostAndPort({ host, port }: RegistryAddress): string {
  return port === null ? host : `${host}:${port}`;
}

/**
 * How closely a key of a file fits the registry that is wanted: -1 not at all, else the length of the path
 * that they share. As with Docker, a key's scheme says nothing, but a port that it names has to be the one.
 */
export function addressFit(key: RegistryAddress, wanted: RegistryAddress): number {
  const port = wanted.port ?? wanted.defaultPort;
  if (key.host !== wanted.host || (key.port ?? wanted.defaultPort) !== port) return -1;
  const inside = key.path === "" || key.path === wanted.path || wanted.path.startsWith(`${key.path}/`);
  return inside ? key.path.length : -1;
}
