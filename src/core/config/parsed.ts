// What reading one text of the mirror config gives: a value, or what is wrong with it in words for people.

export type Parsed<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: string };

/** A value that was read. */
export function parsed<T>(value: T): Parsed<T> {
  return { ok: true, value };
}

/** Words that go on after "Cannot use KEY: "; never a secret, never with a full stop. */
export function problem(text: string): Parsed<never> {
  return { ok: false, problem: text };
}
