// `--include` and `--exclude`. A star also crosses slashes: people mean `*pause*` to find gcr.io/x/pause:3.9.

/** Whether a name passes: it fits one of `include` (if there are any) and none of `exclude`. */
export function passesGlobs(
  name: string,
  globs: { readonly include: readonly string[]; readonly exclude: readonly string[] },
): boolean {
  const included = globs.include.length === 0 || globs.include.some((glob) => matchesGlob(name, glob));
  return included && !globs.exclude.some((glob) => matchesGlob(name, glob));
}

function matchesGlob(name: string, glob: string): boolean {
  const pattern = glob
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replace(/\*+/g, ".*")
    .replace(/\?/g, ".");
  return new RegExp(`^${pattern}$`).test(name);
}
