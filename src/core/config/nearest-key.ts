// Finds the key that was probably meant, so that a typo costs one look at the log.

const SHORTENED = 2;

/** The known key with the fewest edits to the one found, letter case aside, or that it shortens; null if none is near. */
export function findNearestKey(found: string, known: readonly string[]): string | null {
  const word = found.toLowerCase();
  const most = Math.max(2, Math.floor(word.length / 3));
  let nearest: string | null = null;
  let fewest = most + 1;
  for (const key of known) {
    const isShortened = word.length > 3 && key.toLowerCase().startsWith(word); // "caCert" for "caCertPath"
    if (!isShortened && Math.abs(key.length - word.length) >= fewest) continue;
    const edits = isShortened ? SHORTENED : countEdits(word, key.toLowerCase());
    if (edits < fewest) [nearest, fewest] = [key, edits];
  }
  return nearest;
}

/** Levenshtein's distance, one row at a time. */
function countEdits(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (const [index, letter] of [...from].entries()) {
    const next = [index + 1];
    for (let column = 1; column <= to.length; column += 1) {
      const replaced = (row[column - 1] ?? 0) + (to[column - 1] === letter ? 0 : 1);
      next.push(Math.min(replaced, (row[column] ?? 0) + 1, (next[column - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}
