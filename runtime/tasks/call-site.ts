import { isAbsolute } from 'node:path'
import { pathToFileURL } from 'node:url'

/** A place in the program's text as V8 runs it (after any loader), the same in every thread of one program. */
export interface CallSite {
  readonly url: string
  readonly line: number
  readonly column: number
  /** How many tasks were made there before: a function that makes tasks makes all of them at one place. */
  readonly nth: number
}

/** Where `below` was called. */
export function callSite(below: (...args: never[]) => unknown): Omit<CallSite, 'nth'> | undefined {
  const { prepareStackTrace, stackTraceLimit } = Error
  try {
    Error.stackTraceLimit = 1
    Error.prepareStackTrace = (_, frames) => frames
    const holder: { stack?: unknown } = {}
    Error.captureStackTrace(holder, below)
    const frame = (holder.stack as NodeJS.CallSite[] | undefined)?.[0]
    const url = frame?.getFileName()
    if (!frame || !url) return undefined
    return { url: isAbsolute(url) ? pathToFileURL(url).href : url, line: frame.getLineNumber() ?? 0, column: frame.getColumnNumber() ?? 0 }
  } finally {
    Error.prepareStackTrace = prepareStackTrace
    Error.stackTraceLimit = stackTraceLimit
  }
}
