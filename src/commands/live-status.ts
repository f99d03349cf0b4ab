// The live screen of `status --watch`. It is drawn when the status changes, when the terminal is resized, and once a
// second for what the clock changes; only lines that differ are sent, so that it also does over a slow line.

import { StatusWatch } from "../agent/status-watch.ts";
import { Terminal } from "../node/terminal.ts";
import { renderChanges, renderScreen } from "../report/status-screen.ts";
import { NOTHING_SEEN } from "../report/status-view.ts";
import { type CommandContext, wantsColour } from "./context.ts";

const TICK_MS = 1000;
/** q, and ctrl-c and ctrl-d, which are keys like others in raw mode. */
const QUIT: ReadonlySet<string> = new Set(["q", "Q", "\x03", "\x04"]);
/** ctrl-l: something else has written to the terminal. */
const REDRAW = "\f";

/** Shows the status in `path` until q, ctrl-c, a signal, or the terminal's end; leaves the terminal as it was. */
export async function showLive(path: string, context: CommandContext): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  context.signal.addEventListener("abort", () => resolve(), { once: true });
  context.onHangup(resolve);
  if (context.signal.aborted) return;
  let view = NOTHING_SEEN;
  let shown: readonly string[] = [];
  using terminal = new Terminal(context, {
    onKey: (keys) => {
      // Arrows and the like are escape sequences, with letters in them that nobody typed.
      if (keys.startsWith("\x1b")) return;
      if ([...keys].some((key) => QUIT.has(key))) resolve();
      else if (keys.includes(REDRAW)) drawAll();
    },
    onResize: () => drawAll(),
    onGone: resolve,
  });
  const draw = (): void => {
    const { width, height } = terminal;
    const lines = renderScreen(view, { width, height, colour: wantsColour(context), nowMs: context.nowMs() });
    terminal.write(renderChanges(shown, lines, width));
    shown = lines;
  };
  const drawAll = (): void => {
    shown = [];
    draw();
  };
  // A mistake of ours must not leave the terminal without a cursor.
  const orReject = (work: () => void) => (): void => {
    try {
      work();
    } catch (error) {
      reject(error);
    }
  };
  await using _watch = new StatusWatch(path, (next) => {
    view = next;
    orReject(draw)();
  });
  const timer = setInterval(orReject(draw), TICK_MS);
  await promise.finally(() => clearInterval(timer));
}
