import { EXIT, Interrupted } from './exit-codes.js'
import { complain } from './output.js'

/** Ctrl-C ends the process with its exit code, after what stands ready for its `exit`. */
export function exitWhenInterrupted(): void {
  process.once('SIGINT', () => {
    complain('interrupted')
    process.exit(EXIT.interrupted)
  })
}

/** For what must not be left half done: aborted with `Interrupted` by Ctrl-C or SIGTERM. Asked a second time, the process ends at once. */
export function whenInterrupted(): AbortSignal {
  const stop = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort(new Interrupted('interrupted')))
  return stop.signal
}
