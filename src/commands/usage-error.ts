// The command line asks for something that makes no sense: exit code 2, as with an unknown option.

export class UsageError extends Error {
  override readonly name = "UsageError";
}
