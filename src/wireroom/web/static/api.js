// Calls of Wireroom's API. An error has `status` (0: nobody answered) and a message for people.

import { t } from "./texts.js";

export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }

  /** True when the same call may succeed later without anybody doing anything. */
  get passes() {
    return this.status === 0 || this.status === 408 || this.status === 429 || this.status >= 500;
  }
}

const LONGEST_MS = 20000;

export async function call(method, path, body) {
  const init = { method, signal: AbortSignal.timeout(LONGEST_MS) };
  if (body !== undefined) {
    init.headers = { "Content-Type": "application/json" };
    init.body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(path, init);
  } catch {
    throw new ApiError(0, t("common.no-answer"));
  }
  const answer = await response.json().catch(() => null);
  if (!response.ok) throw new ApiError(response.status, answer?.error ?? t("common.error", { status: response.status }));
  if (answer === null) throw new ApiError(0, t("common.cut-off"));
  return answer;
}

/** The pause before try number `attempt` (1, 2, …): doubling, at most 15 s, with jitter. */
export function backoff(attempt) {
  return Math.min(15000, 500 * 2 ** (attempt - 1)) * (0.8 + 0.4 * Math.random());
}

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
