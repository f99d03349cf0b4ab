// Where an upload goes on. Registries behind a TLS proxy that sends no X-Forwarded-Proto name themselves as http, or
// without their port (distribution#479, #970, #2225, #2862); other tools then fail or send tokens in the clear.

/** The address in a Location header, brought back to the registry's own origin where it only lost scheme or port. */
export function resolveLocation(location: string, answeredAt: URL, origin: string): URL {
  const url = new URL(location, answeredAt);
  const registry = new URL(origin);
  if (url.origin === registry.origin || url.hostname !== registry.hostname) return url;
  const downgraded = url.protocol === "http:" && registry.protocol === "https:";
  const portLost = url.protocol === registry.protocol && url.port === "";
  if (!downgraded && !portLost) return url;
  url.protocol = registry.protocol;
  url.port = registry.port;
  return url;
}
