/** Errors on their way between threads: every error arrives, whatever hangs on it. */
import { type EncodeContext, encodeValue } from '../../src/codec/values.js'

/** Never throws: what of an error cannot be sent is left out, and said. */
export function encodeAnyError(error: unknown, context: EncodeContext): Uint8Array {
  try {
    return encodeValue(error, { ...context, anyError: true, path: 'error' })
  } catch (cause) {
    return encodeValue(bareError(error, cause as Error), context)
  }
}

const BUILT_IN = [TypeError, RangeError, SyntaxError, ReferenceError, EvalError, URIError]

/** Class and message of an error whose further fields cannot be sent; the reason is its cause. */
function bareError(error: unknown, why: Error): Error {
  const like = BUILT_IN.find((c) => error instanceof c) ?? Error
  const bare = new like(error instanceof Error ? error.message : String(error), {
    cause: new Error(`further fields could not be sent: ${why.message}`),
  })
  if (error instanceof Error && error.name !== bare.name) bare.name = error.name
  return bare
}
