// Keeps what credential helpers have answered. A helper may take seconds, or hang, and a mirror that fails meanwhile is
// not to wait for it: passes get its last answer, and where that is old the helper runs beside them; another pass is
// asked for when it says something else. Some give a new password at each call, so that how old an answer may be is
// what keeps a pass from bringing about the next one.

import { setTimeout as delay } from "node:timers/promises";
import { sameCredential } from "../core/credentials/credential.ts";
import type { HelperAnswer } from "../node/credential-helper.ts";
import type { HelperUse } from "../node/credential-source.ts";

export interface HelperQuestion extends HelperUse {
  /** An answer that is older is asked for again. */
  readonly maxAgeMs: number;
}

export interface HelperAnswersOptions {
  readonly ask: (name: string, serverAddress: string) => Promise<HelperAnswer>;
  /** How long the first answer is waited for; null where nobody would listen to a later one. */
  readonly patienceMs: number | null;
  /** An answer has changed, or the first one was late: time for a pass. */
  readonly onChange: () => void;
  readonly steadyMs: () => number;
  readonly signal: AbortSignal;
}

export class HelperAnswers {
  readonly #options: HelperAnswersOptions;
  readonly #asked = new Map<string, Asked>();

  constructor(options: HelperAnswersOptions) {
    this.#options = options;
  }

  /** The last answer; waits for the first one, but not long. Rejects when the signal is aborted. */
  async answerOf(question: HelperQuestion): Promise<HelperAnswer> {
    const { path, name, serverAddress } = question;
    const key = JSON.stringify([path, name, serverAddress]);
    const asked = this.#asked.get(key) ?? new Asked(this.#options);
    this.#asked.set(key, asked);
    asked.askIfDue(question);
    await asked.first;
    this.#options.signal.throwIfAborted();
    return asked.answer ?? { kind: "problem", problem: `docker-credential-${name} has not answered yet` };
  }
}

/** A failure may be over soon. */
const FAILURE_AGE_MS = 10_000;

/** One helper, asked for one server. */
class Asked {
  answer: HelperAnswer | null = null;
  /** Settled when the first answer is there, or late. */
  first: Promise<unknown> = Promise.resolve();
  readonly #options: HelperAnswersOptions;
  #stamp: string | null = null;
  #askedAtMs = 0;
  #isRunning = false;
  #isLate = false;
  #isOutdated = false;

  constructor(options: HelperAnswersOptions) {
    this.#options = options;
  }

  askIfDue(question: HelperQuestion): void {
    if (this.#isRunning) this.#isOutdated ||= question.stamp !== this.#stamp;
    else if (this.#isDue(question)) this.#ask(question);
  }

  #isDue({ stamp, maxAgeMs }: HelperQuestion): boolean {
    // `docker login` writes the file after it has told the helper.
    if (stamp !== this.#stamp) return true;
    const allowedMs = this.answer?.kind === "problem" ? Math.min(maxAgeMs, FAILURE_AGE_MS) : maxAgeMs;
    return this.#options.steadyMs() - this.#askedAtMs >= allowedMs;
  }

  #ask(question: HelperQuestion): void {
    const isFirst = this.#stamp === null;
    this.#stamp = question.stamp;
    this.#askedAtMs = this.#options.steadyMs();
    this.#isRunning = true;
    const answered = this.#run(question);
    if (isFirst) this.first = Promise.race([answered, this.#losePatience()]);
  }

  async #run({ name, serverAddress }: HelperQuestion): Promise<void> {
    const { ask, onChange, signal } = this.#options;
    const before = this.answer;
    const answer = await ask(name, serverAddress).catch((error: unknown) => {
      if (signal.aborted) return null;
      throw error;
    });
    this.#isRunning = false;
    if (answer === null || signal.aborted) return;
    this.answer = answer;
    const isNews = before === null ? this.#isLate : !isSameAnswer(answer, before);
    if (isNews || this.#isOutdated) onChange();
    this.#isOutdated = false;
  }

  async #losePatience(): Promise<void> {
    const { patienceMs } = this.#options;
    if (patienceMs === null) return new Promise(() => {});
    await delay(patienceMs, null, { ref: false });
    this.#isLate = true;
  }
}

function isSameAnswer(a: HelperAnswer, b: HelperAnswer): boolean {
  if (a.kind === "found" && b.kind === "found") return sameCredential(a.credential, b.credential);
  if (a.kind === "problem" && b.kind === "problem") return a.problem === b.problem;
  return a.kind === b.kind;
}
