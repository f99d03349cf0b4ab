// Go's filepath.Match for one path segment, which is how containerd expands `imports`. Unlike a shell's,
// its `*` also matches a leading dot, and braces mean themselves (tried on 1.6, 1.7 and 2.1).

/** Whether containerd expands this import; everything else names one file that must exist. */
export function isGlob(path: string): boolean {
  return path.includes("*");
}

/** Compiles one segment of a pattern; null where Go says "syntax error in pattern". */
export function compileGlobSegment(pattern: string): RegExp | null {
  let source = "";
  let rest = pattern;
  while (rest !== "") {
    const token = /^(?:\\(.)|\[(\^?)((?:\\.|[^\]\\])+)\]|(.))/su.exec(rest);
    if (!token || token[4] === "[" || token[4] === "\\") return null;
    source += token[3] === undefined ? compileOne(token[1] ?? null, token[4] ?? "") : compileClass(token[2], token[3]);
    rest = rest.slice(token[0].length);
  }
  return new RegExp(`^${source}$`, "su");
}

function compileOne(escaped: string | null, plain: string): string {
  if (escaped !== null) return quote(escaped);
  if (plain === "*") return "[^/]*";
  if (plain === "?") return "[^/]";
  return quote(plain);
}

function compileClass(negated: string | undefined, members: string): string {
  const escaped = members.replace(/\\(.)|([[^])/gsu, (_, after, plain) => (after ? quoteInClass(after) : `\\${plain}`));
  return `[${negated ? "^" : ""}${escaped}]`;
}

function quote(character: string): string {
  return /[\\^$.*+?()[\]{}|/]/.test(character) ? `\\${character}` : character;
}

function quoteInClass(character: string): string {
  return /[\\^\][-]/.test(character) ? `\\${character}` : character;
}
