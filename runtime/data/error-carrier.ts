/** Errors on their way between threads: every error arrives, whatever hangs on it. */
import { type EncodeContext, encodeValue } from '../../src/codec/values.js'

/** Never throws: what of an error cannot be sent is left out, and said. */
export function encodeAnyError(error: unknown, context: EncodeContext): Uint8Array {
  try {
    return encodeValue(error, { ...context, anyError: true, path: 'error' })
  } catch (why) {
    return encodeValue(bareError(error, why, context), { ...context, anyError: true })
  }
}

const BUILT_IN = [TypeError, RangeError, SyntaxError, ReferenceError, EvalError, URIError]

/** Class, message and place of an error, and those of its further fields that can be sent; why others cannot is its cause, if it has none. */
function bareError(error: unknown, why: unknown, context: EncodeContext): Error {
  const isError = orElse(() => error instanceof Error, false)
  const like = BUILT_IN.find((c) => orElse(() => error instanceof c, false)) ?? Error
  const message = orElse(() => String(isError ? (error as Error).message : error), 'what was thrown cannot be shown')
  const bare = new like(message, { cause: new Error(`further fields could not be sent: ${String((why as Error).message)}`) })
  if (!isError) return bare
  const name = orElse(() => (error as Error).name, like.name)
  if (typeof name === 'string' && name !== bare.name) bare.name = name
  for (const field of orElse(() => Object.getOwnPropertyNames(error), [])) giveField(bare, error as Error, field, context)
  return bare
}

function giveField(bare: Error, error: Error, field: string, context: EncodeContext): void {
  if (field === 'message' || field === 'name') return
  try {
    const { value: held, enumerable = false } = Object.getOwnPropertyDescriptor(error, field)!
    // Later engines make the stack when it is asked for.
    const value: unknown = field === 'stack' ? error.stack : held
    if (value === undefined) return
    encodeValue(value, { ...context, anyError: true, path: field })
    Object.defineProperty(bare, field, { value, enumerable, configurable: true, writable: true })
  } catch {
    // It is one of those that are left out.
  }
}

/** What a program throws may throw when it is looked at. */
function orElse<T>(look: () => T, otherwise: T): T {
  try {
    return look()
  } catch {
    return otherwise
  }
}
