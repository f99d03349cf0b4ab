// A credential on its way through the program. Logs, plans, errors and JSON are made of whatever values
// are at hand, so the value itself refuses to be shown: only reveal() gives it away, and a search for
// reveal() finds every place where a secret can leave.

export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  /** The secret itself: for a file with mode 0600 or a request to the origin that it was given for. */
  reveal(): string {
    return this.#text;
  }

  equals(other: Secret): boolean {
    return this.#text === other.#text;
  }

  toString(): string {
    return "[secret]";
  }

  toJSON(): string {
    return "[secret]";
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return "[secret]";
  }
}
