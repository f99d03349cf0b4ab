// `status --watch`: a live screen on a terminal, else a block (or a line of JSON) for each change.

import { resolve } from "node:path";
import { StatusWatch } from "../agent/status-watch.ts";
import { describeAge, renderStatus } from "../report/render-status.ts";
import { newsOf, type StatusView } from "../report/status-view.ts";
import { type CommandContext, EXIT, type GlobalOptions } from "./context.ts";
import { showLive } from "./live-status.ts";

const LOOK_MS = 1000;

/** Shows the status in `path` until it is stopped: by q, a signal, or whoever reads going away. */
export async function watchStatus(path: string, { output }: GlobalOptions, context: CommandContext): Promise<void> {
  const isLive = context.stdout.isTTY === true && output === "text" && (context.env.TERM ?? "dumb") !== "dumb";
  const show = isLive ? showLive : output === "json" ? showLines : showBlocks;
  await show(resolve(path), context);
  context.exit(EXIT.ok);
}

/** One line of JSON for each status that brings news; what is wrong with the file goes to stderr. */
function showLines(path: string, context: CommandContext): Promise<void> {
  return follow(path, context, ({ status, problem }, { tell, nowMs }) => {
    if (status !== null && problem === null)
      tell("status", newsOf(status), () => context.stdout.write(`${JSON.stringify(status)}\n`));
    const wrong = problem ?? (status && describeAge(status, nowMs));
    tell("problem", problem ?? `${wrong !== null}`, () => wrong && context.stderr.write(`${wrong}\n`));
  });
}

/** The time and the whole status for each change, and an empty line after it; without colours, at any width. */
function showBlocks(path: string, context: CommandContext): Promise<void> {
  return follow(path, context, ({ status, problem }, { tell, nowMs }) => {
    const isWell = status !== null && problem === null;
    const news = isWell ? `${describeAge(status, nowMs) !== null} ${newsOf(status)}` : `${problem}`;
    tell("block", news, () => {
      const text = isWell ? renderStatus(status, { colour: false, width: Number.POSITIVE_INFINITY, nowMs }) : problem;
      context.stdout.write(`${new Date(nowMs).toISOString()}\n${text?.trimEnd()}\n\n`);
    });
  });
}

interface Telling {
  /** Writes what of its kind is not what was written last. */
  readonly tell: (kind: string, news: string, write: () => void) => void;
  readonly nowMs: number;
}

/** Hands over every view, and once a second the last one, since it ages. */
async function follow(
  path: string,
  { stdout, signal, onHangup, nowMs }: CommandContext,
  onView: (view: StatusView, telling: Telling) => void,
): Promise<void> {
  const { promise, resolve: end } = Promise.withResolvers<void>();
  const told = new Map<string, string>();
  const tell: Telling["tell"] = (kind, news, write) => {
    if (told.get(kind) === news) return;
    told.set(kind, news);
    write();
  };
  // Whoever read it is gone: `status --watch | head -20`.
  stdout.on("error", () => end());
  signal.addEventListener("abort", () => end(), { once: true });
  onHangup(() => end());
  if (signal.aborted) return;
  let last: StatusView | null = null;
  const look = (): void => {
    if (last !== null) onView(last, { tell, nowMs: nowMs() });
  };
  await using _watch = new StatusWatch(path, (view) => {
    last = view;
    look();
  });
  const timer = setInterval(look, LOOK_MS);
  await promise.finally(() => clearInterval(timer));
}
