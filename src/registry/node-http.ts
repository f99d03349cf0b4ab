// node:http without the browser's half of it: an `import` of a built-in module reads every export, and reading
// node:http's WebSocket loads all of undici, which is 4 MB and 90 ms of every start for nothing.

import type * as Http from "node:http";

const http: typeof Http = process.getBuiltinModule("node:http");

export const { Agent, request, STATUS_CODES } = http;
