import assert from 'node:assert/strict'
import { InsituError } from '../../src/errors.js'

/** What an error carries beside its code. */
interface Fields {
  readonly [field: string]: unknown
}

interface ErrorKind {
  readonly kind: string
  [Symbol.hasInstance](value: unknown): boolean
}

/** Runs `act`, which must throw or reject with one of our errors of this kind, and gives the error. */
export async function refused(kind: ErrorKind, act: () => unknown): Promise<InsituError & Fields> {
  const error = await thrown(act)
  assert.ok(error instanceof kind, `expected ${kind.kind}, got ${describe(error)}`)
  assert.ok(error instanceof InsituError)
  assert.match(error.code, /^ERR_/)
  assert.ok(error.message.length > 0, 'an error says what to do')
  return error as InsituError & Fields
}

/** Runs `act`, which must throw or reject, and gives the reason. */
export async function thrown(act: () => unknown): Promise<unknown> {
  let given: unknown
  try {
    given = await act()
  } catch (error) {
    return error
  }
  return assert.fail(`expected an error, got ${describe(given)}`)
}

function describe(value: unknown): string {
  if (value instanceof Error) return `${value.name}: ${value.message}`
  return typeof value === 'object' && value !== null ? `a ${value.constructor?.name ?? 'null-prototype object'}` : String(value)
}

/** All of an async iterable. */
export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const item of items) list.push(item)
  return list
}

/** All of the pages of an async iterable, in one list. */
export const flat = async <T>(pages: AsyncIterable<readonly T[]>): Promise<T[]> => (await all(pages)).flat()
