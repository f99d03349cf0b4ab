// The four files of prom-client that are used. All of it takes 11 MB of memory, since it brings OpenTelemetry, a push
// gateway's client and metrics of Node itself along; these take 1 MB. The version is pinned.

declare module "prom-client/lib/registry.js" {
  export { Registry as default } from "prom-client";
}
declare module "prom-client/lib/counter.js" {
  export { Counter as default } from "prom-client";
}
declare module "prom-client/lib/gauge.js" {
  export { Gauge as default } from "prom-client";
}
declare module "prom-client/lib/histogram.js" {
  export { Histogram as default } from "prom-client";
}
