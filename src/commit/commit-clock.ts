/** Time and chance, handed in: the simulation replaces both. They matter for progress, never for safety. */
export interface CommitClock {
  /** Milliseconds since the epoch. */
  nowMs(): number
  /** In [0, 1). */
  random(): number
  sleep(ms: number): Promise<void>
}

export const systemClock: CommitClock = {
  nowMs: Date.now,
  random: Math.random,
  sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
}
