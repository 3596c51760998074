import { findSourceMap } from 'node:module'
import { basename, isAbsolute } from 'node:path'
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

type Place = Pick<CallSite, 'url' | 'line' | 'column'>

/** The line and column that the author sees, where a loader has said how its text comes from the author's. */
export function writtenAt({ url, line, column }: Place): Place {
  const entry = findSourceMap(url)?.findEntry(line - 1, column - 1)
  return entry && 'originalLine' in entry ? { url, line: entry.originalLine + 1, column: entry.originalColumn + 1 } : { url, line, column }
}

/** For people, short: `tasks.ts:12`. */
export function lineOf(place: Place): string {
  const { url, line } = writtenAt(place)
  return `${basename(url)}:${line}`
}
