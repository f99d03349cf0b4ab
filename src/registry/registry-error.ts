// What went wrong between us and a registry, with what decides on the next step: whether trying again can help, and
// when. Error format: distribution-spec 1.1, "Error Codes"; proxies in between answer HTML or nothing.

export interface RegistryErrorDetails {
  /** Null if there was no answer. */
  readonly status: number | null;
  /** The registry's own codes: "DENIED", "BLOB_UPLOAD_INVALID". */
  readonly codes: readonly string[];
  readonly temporary: boolean;
  readonly retryAfterMs: number | null;
  readonly cause?: unknown;
}

/** A request that failed; the message says what was tried, what came back and, where it is known, the mend. */
export class RegistryError extends Error {
  override readonly name = "RegistryError";
  readonly status: number | null;
  readonly codes: readonly string[];
  readonly temporary: boolean;
  readonly retryAfterMs: number | null;

  constructor(message: string, details: RegistryErrorDetails) {
    super(message, { cause: details.cause });
    this.status = details.status;
    this.codes = details.codes;
    this.temporary = details.temporary;
    this.retryAfterMs = details.retryAfterMs;
  }
}

/** Whether trying the same again can help. */
export function isTemporary(error: unknown): error is RegistryError {
  return error instanceof RegistryError && error.temporary;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

/** The error for an answer that was not wanted; `what` completes "Cannot …". */
export function answerError(what: string, answer: Answer, nowMs: number): RegistryError {
  const errors = parseErrors(answer.text);
  const codes = errors.map(({ code }) => code);
  const said = errors.map(({ code, message }) => (message === "" ? code : `${code}: ${message}`)).join("; ");
  const plain = `${answer.status}${said === "" ? firstLine(answer) : ` ${said}`}`;
  const mend = findMend(answer, codes);
  return new RegistryError(`Cannot ${what}: the answer was ${plain}${mend === null ? "" : `; ${mend}`}`, {
    status: answer.status,
    codes,
    temporary: isTemporaryAnswer(answer.status, codes),
    retryAfterMs: parseRetryAfter(headerText(answer.headers["retry-after"]), nowMs),
  });
}

/** The error for a request that got no answer. */
export function networkError(what: string, cause: unknown): RegistryError {
  const { code, message } = rootCause(cause);
  const broken = CERTIFICATE_CODES.test(code) || PERMANENT_CODES.has(code);
  const mend = CERTIFICATE_CODES.test(code) ? "; give the registry's CA with --cacert" : (MENDS[code] ?? "");
  const text = `Cannot ${what}: ${message || code || "no answer"}${mend}`;
  return new RegistryError(text, { status: null, codes: [], temporary: !broken, retryAfterMs: null, cause });
}

/** Milliseconds that a Retry-After header asks to wait: seconds or a date (RFC 9110, 10.2.3); null if there is none. */
export function parseRetryAfter(value: string | null, nowMs: number): number | null {
  if (value === null) return null;
  if (/^\d+$/.test(value.trim())) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? null : Math.max(0, date - nowMs);
}

/** One header as text. */
export function headerText(value: string | string[] | undefined): string | null {
  return (Array.isArray(value) ? value[0] : value) ?? null;
}

const TEMPORARY_STATUS = new Set([408, 429, 499, 500, 502, 503, 504, 507, 522]);
// A session that the registry lost (distribution 2.x drops it after a broken request) is started anew, and so is a blob
// that arrived with other bytes: those that were sent had been hashed.
const TEMPORARY_CODES = new Set([
  "TOOMANYREQUESTS",
  "UNAVAILABLE",
  "BLOB_UPLOAD_INVALID",
  "BLOB_UPLOAD_UNKNOWN",
  "DIGEST_INVALID",
]);
const PERMANENT_ANSWERS = new Set([
  "DENIED",
  "NAME_INVALID",
  "MANIFEST_INVALID",
  "MANIFEST_BLOB_UNKNOWN",
  "UNSUPPORTED",
]);
const PERMANENT_CODES = new Set(["ENOTFOUND", "ERR_SSL_WRONG_VERSION_NUMBER", "UND_ERR_INVALID_ARG"]);
const CERTIFICATE_CODES = /CERT|UNABLE_TO_(VERIFY|GET)|ERR_TLS_/;
const MENDS: Readonly<Record<string, string>> = {
  ENOTFOUND: "; the name is not known here, check the address and DNS",
  ERR_SSL_WRONG_VERSION_NUMBER: "; it does not speak TLS, add --plain-http if that is meant",
};

function isTemporaryAnswer(status: number, codes: readonly string[]): boolean {
  if (codes.some((code) => PERMANENT_ANSWERS.has(code))) return false;
  return TEMPORARY_STATUS.has(status) || codes.some((code) => TEMPORARY_CODES.has(code));
}

function findMend({ status }: Answer, codes: readonly string[]): string | null {
  if (status === 401) return "check user and password";
  if (status === 403 || codes.includes("DENIED"))
    return "the user may not do that there, or the project does not exist yet";
  if (status === 413) return "a proxy in front of it limits the size of a request, raise that limit";
  if (codes.includes("NAME_UNKNOWN")) return "some registries want the project to be made first";
  return null;
}

function parseErrors(text: string): { code: string; message: string }[] {
  try {
    const { errors } = JSON.parse(text) as { errors?: { code?: unknown; message?: unknown; detail?: unknown }[] };
    if (!Array.isArray(errors)) return [];
    return errors.map(({ code, message, detail }) => ({
      code: typeof code === "string" ? code : "UNKNOWN",
      message: [message, detail]
        .map(asClause)
        .filter((clause) => clause !== "")
        .join(", "),
    }));
  } catch {
    return [];
  }
}

function asClause(value: unknown): string {
  if (value === null || value === undefined) return "";
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text === "{}" ? "" : text.slice(0, 200);
}

function firstLine({ text, headers }: Answer): string {
  if (!/^text\/plain/.test(headerText(headers["content-type"]) ?? "")) return "";
  const line = text.trim().split("\n")[0]?.slice(0, 200) ?? "";
  return line === "" ? "" : ` "${line}"`;
}

function rootCause(error: unknown): { code: string; message: string } {
  let at = error as Partial<Record<"code" | "message" | "reason" | "cause", unknown>> & { errors?: unknown[] };
  while (at.cause ?? at.errors?.[0]) at = (at.cause ?? at.errors?.[0]) as typeof at;
  // OpenSSL's message is a line out of its own log; "reason" is what it means.
  return { code: textOf(at.code), message: textOf(at.reason) || textOf(at.message) };
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
