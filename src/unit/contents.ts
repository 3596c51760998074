/**
 * What values hold, however deep, so that each can be given it back: the value itself stays the same. Objects that are stored by themselves are
 * not followed, but for the one asked for; nor is what no field can hold.
 */
import { isDict } from '../dict/storage-dict.js'
import { fieldsOfOwn } from '../objects/fields.js'
import { isStorageObject, type StorageObject, stateOf } from '../objects/storage-object.js'

type Step = () => void

/** How to give `value`, and what is in it, back what they hold now. Those in `kept` are left out; the others join it. */
export function contentsOf(value: unknown, kept: Set<object>): readonly Step[] {
  const steps: Step[] = []
  const open: unknown[] = [value]
  while (open.length > 0) {
    const next = open.pop()
    if (typeof next !== 'object' || next === null || kept.has(next)) continue
    if (next !== value && isStoredByItself(next)) continue
    kept.add(next)
    const step = stepFor(next, open)
    if (step) steps.push(step)
  }
  return steps
}

const isStoredByItself = (value: object): boolean => isStorageObject(value) && stateOf(value).ref !== undefined

/** `inside` is told what is to be looked at as well. */
function stepFor(value: object, inside: unknown[]): Step | undefined {
  if (Array.isArray(value)) return list(value, inside)
  if (value instanceof Map) return map(value, inside)
  if (value instanceof Set) return set(value, inside)
  if (ArrayBuffer.isView(value)) return memory(new Uint8Array(value.buffer, value.byteOffset, value.byteLength))
  if (value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) return memory(new Uint8Array(value))
  if (value instanceof Date) return date(value)
  if (isDict(value) || isAlive(value)) return undefined
  return isStorageObject(value) ? object(value, inside) : fields(value, Object.keys(value), inside)
}

/** What goes on by itself, and would not bear to be put back: promises, emitters, signals. */
const isAlive = (value: object): boolean =>
  value instanceof EventTarget || 'then' in value || ('emit' in value && typeof value.emit === 'function')

function list(value: unknown[], inside: unknown[]): Step {
  const items = value.slice()
  for (const item of items) inside.push(item)
  return () => {
    if (Object.isFrozen(value)) return
    value.length = 0
    value.length = items.length
    items.forEach((item, i) => {
      value[i] = item
    })
  }
}

function map(value: Map<unknown, unknown>, inside: unknown[]): Step {
  const entries = [...value]
  for (const [key, of] of entries) inside.push(key, of)
  return () => {
    value.clear()
    for (const [key, of] of entries) value.set(key, of)
  }
}

function set(value: Set<unknown>, inside: unknown[]): Step {
  const items = [...value]
  for (const item of items) inside.push(item)
  return () => {
    value.clear()
    for (const item of items) value.add(item)
  }
}

function memory(bytes: Uint8Array): Step {
  const copy = bytes.slice()
  return () => {
    if (bytes.byteLength === copy.byteLength) bytes.set(copy) // it may have been given away
  }
}

function date(value: Date): Step {
  const ms = value.getTime()
  return () => {
    value.setTime(ms)
  }
}

function fields(value: object, names: readonly string[], inside: unknown[]): Step {
  const known = new Map<string, PropertyDescriptor>()
  for (const name of names) {
    const property = Object.getOwnPropertyDescriptor(value, name)
    if (!property || !('value' in property)) continue
    known.set(name, property)
    inside.push(property.value)
  }
  return () => {
    for (const name of Object.keys(value)) if (!known.has(name) && isData(value, name)) Reflect.deleteProperty(value, name)
    for (const [name, property] of known) Reflect.defineProperty(value, name, property)
  }
}

const isData = (value: object, name: string): boolean => 'value' in (Object.getOwnPropertyDescriptor(value, name) ?? {})

/** With the stored state that its fields come from. */
function object(value: StorageObject, inside: unknown[]): Step | undefined {
  const state = stateOf(value)
  if (!state.loaded) return undefined
  const { stamp, base, dicts } = state
  const own = fieldsOfOwn(value)
  for (const field of own.values) inside.push(field)
  const back = fields(value, Object.keys(value), [])
  return () => {
    back()
    own.giveBack()
    state.stamp = stamp
    state.base = base
    state.dicts = dicts
  }
}
