/** Calls that share a signal have one listener together: Node warns of more than ten, and each would cost a call its own. */
const waiting = new WeakMap<AbortSignal, Set<() => void>>()

/** Calls `act` when the signal is aborted, or now if it is. Gives what takes that back. */
export function onAbort(signal: AbortSignal, act: () => void): () => void {
  if (signal.aborted) {
    act()
    return () => {}
  }
  const acts = waiting.get(signal) ?? listen(signal)
  acts.add(act)
  return () => void acts.delete(act)
}

function listen(signal: AbortSignal): Set<() => void> {
  const acts = new Set<() => void>()
  waiting.set(signal, acts)
  const actAll = (): void => {
    for (const act of acts) act()
  }
  signal.addEventListener('abort', actAll, { once: true })
  return acts
}
