/**
 * A thread that is stopped between the begin and the end of a transaction of LMDB never ends: its end waits for a lock that it holds itself,
 * and the process waits for its end. One that is stopped while it loads a native module takes the process with it. So a thread says when it
 * is not to be stopped, and whoever stops it waits for that.
 */
const RUNS = 0
const HOLDS = 1
const STOPS = 2

/** What a thread and its starter share. */
export type ThreadGate = Int32Array<SharedArrayBuffer>

/** Of a thread that is about to start, and must not be stopped before it has loaded. */
export function newGate(): ThreadGate {
  const gate = new Int32Array(new SharedArrayBuffer(4))
  gate[0] = HOLDS
  return gate
}

let own: ThreadGate | undefined
let holds = 0

/** To be called in a thread once it has loaded: from now on its starter may stop it, but for what it does `unstopped`. */
export function stopsThrough(gate: ThreadGate): void {
  own = gate
  release(gate)
}

function release(gate: ThreadGate): void {
  Atomics.store(gate, 0, RUNS)
  Atomics.notify(gate, 0)
}

/** Whether somebody may stop this thread just now: else what is done often can be done without a closure for `unstopped`. */
export const canBeStopped = (): boolean => own !== undefined && holds === 0

/** Runs `body`, at once and to its end, without this thread being stopped meanwhile. */
export function unstopped<T>(body: () => T): T {
  if (own === undefined || holds > 0) return body()
  if (Atomics.compareExchange(own, 0, RUNS, HOLDS) === STOPS) Atomics.wait(own, 0, STOPS) // its end is on its way
  holds++
  try {
    return body()
  } finally {
    holds--
    release(own)
  }
}

/** Whether a thread may be stopped now, and from now on. */
export const mayStop = (gate: ThreadGate): boolean => Atomics.compareExchange(gate, 0, RUNS, STOPS) !== HOLDS

/** Blocks until a thread may be stopped, at most so long. */
export function waitToStop(gate: ThreadGate, atMostMs: number): void {
  const end = performance.now() + atMostMs
  for (let left = atMostMs; !mayStop(gate) && left > 0; left = end - performance.now()) Atomics.wait(gate, 0, HOLDS, left)
}
