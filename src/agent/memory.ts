// What the agent wants to find again after a restart: health, and the config in force. A disk that takes no more is no
// reason to leave pulls with a mirror that is down: the pass goes on without, says so at its end, and the next pass
// tries again.

interface Owed {
  readonly save: () => Promise<void>;
  readonly error: unknown;
}

export class Memory {
  readonly #owed = new Map<string, Owed>();

  /** Saves it, or owes it from now on. */
  async keep(what: string, save: () => Promise<void>): Promise<void> {
    try {
      await save();
      this.#owed.delete(what);
    } catch (error) {
      this.#owed.set(what, { save, error });
    }
  }

  /** Tries once more to save what is owed. */
  async retry(): Promise<void> {
    for (const [what, { save }] of [...this.#owed]) await this.keep(what, save);
  }

  /** Throws why something could not be saved, if it is still owed. */
  throwIfOwed(): void {
    for (const { error } of this.#owed.values()) throw error;
  }
}
