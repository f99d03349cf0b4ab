// Makes text fit a terminal: sentences are wrapped at words, names give up their middle. Widths count characters:
// what is shown is ASCII but for a few signs of one column.

/** `text` with its middle left out so that it has at most `width` characters. */
export function shorten(text: string, width: number): string {
  if (text.length <= width) return text;
  return joinEnds(text, width, Math.floor((width - 1) / 3));
}

/** The same for an endpoint: the server stays readable from its start, the namespace from its end. */
export function shortenUrl(url: string, width: number): string {
  const bare = url.replace(/^https:\/\//, "");
  if (url.length <= width) return url;
  if (bare.length <= width) return bare;
  const slash = bare.indexOf("/", bare.indexOf("://") + 3);
  if (slash < 0) return shorten(bare, width);
  const [server, path] = [bare.slice(0, slash), bare.slice(slash)];
  const half = Math.floor((width - 1) / 2);
  return joinEnds(bare, width, Math.min(path.length, Math.max(half, width - 1 - server.length)));
}

function joinEnds(text: string, width: number, tail: number): string {
  if (width < 2) return text.slice(0, Math.max(0, width));
  return `${text.slice(0, width - 1 - tail)}…${text.slice(text.length - tail)}`;
}

/** The first of `variants`, the longest first, that fits; else the last one's beginning. */
export function chooseFitting(variants: readonly string[], width: number): string {
  const fitting = variants.find((text) => text.length <= width);
  return fitting ?? (variants.at(-1) ?? "").slice(0, Math.max(0, width));
}

/** Lines of at most `width` characters; all but the first begin with `indent`. A word that is longer is broken. */
export function wrapText(text: string, width: number, indent = ""): string[] {
  if (text.length <= width) return [text];
  const room = Math.max(1, width);
  const margin = indent.length < room ? indent : "";
  const lines: string[] = [];
  let line = "";
  for (const [, gap = "", word = ""] of text.matchAll(/( *)([^ ]+)/g)) {
    // What has to be broken anyway gains nothing from a line of its own.
    const isFirst = line.trim() === "" || margin.length + word.length > room;
    if (isFirst || line.length + gap.length + word.length <= room) line += `${gap}${word}`;
    else {
      lines.push(line);
      line = margin + word;
    }
    for (; line.length > room; line = margin + line.slice(room)) lines.push(line.slice(0, room));
  }
  return [...lines, line];
}
