/**
 * `@field` and `@transient`, in TC39 and in legacy mode. They only take notes: whatever they say can be said without them, by
 * `static fields` and `static transient`.
 */
import { FIELDS, metadataSymbol, TRANSIENT } from '../codec/class-statics.js'

/** A class, abstract ones and those with private constructors included. */
interface AnyClass {
  readonly prototype: object
}

export interface FieldDecorator {
  (value: undefined, context: ClassFieldDecoratorContext): void
  (prototype: object, name: string | symbol): void
}

// Compilers give decorators a place for notes only where this symbol is.
if (!('metadata' in Symbol)) Object.defineProperty(Symbol, 'metadata', { value: metadataSymbol(), writable: true, configurable: true })

/**
 * Names the class of a nested plain value, so that it comes back as an instance: `@field(() => Point) centre = new Point()`. For a field
 * with several, or a list of them: `@field(() => [Circle, Square])`. Built-in ones (`() => Number`) are checked at each save and load.
 * Without decorators: `static fields = { centre: () => Point }`.
 */
export function field(type: () => AnyClass | readonly AnyClass[]): FieldDecorator {
  if (typeof type !== 'function' || type.prototype !== undefined)
    throw new TypeError('@field wants a function that gives the class: @field(() => Point)')
  return (target: object | undefined, context: ClassFieldDecoratorContext | string | symbol) => {
    const { name, notes } = placeOf('@field', target, context)
    const fields = ownNote(notes, FIELDS, (): Record<string, unknown> => Object.create(null) as Record<string, unknown>)
    fields[name] = type
  }
}

/** Leaves a field out of what is stored: `@transient cache = new Map()`. Without decorators: `static transient = ['cache']`. */
export const transient: FieldDecorator = (target: object | undefined, context: ClassFieldDecoratorContext | string | symbol) => {
  const { name, notes } = placeOf('@transient', target, context)
  ownNote(notes, TRANSIENT, (): string[] => []).push(name)
}

function placeOf(
  what: string,
  target: object | undefined,
  context: ClassFieldDecoratorContext | string | symbol,
): { name: string; notes: object } {
  if (typeof context !== 'object') return { name: fieldName(what, context), notes: legacyNotes(what, target) }
  if (context.kind !== 'field' || context.static || context.private)
    throw new TypeError(
      `${what} stands on fields of instances, not on a ${context.static ? 'static ' : ''}${context.private ? '#private ' : ''}${context.kind}`,
    )
  const { metadata } = context as { readonly metadata?: object }
  if (!metadata)
    throw new TypeError(
      `${what} needs a compiler that gives decorators metadata (TypeScript 5.2, esbuild 0.21): use \`static fields\` and \`static transient\``,
    )
  return { name: fieldName(what, context.name), notes: metadata }
}

/** In legacy mode a decorator gets the prototype, or for a static field the class itself. */
function legacyNotes(what: string, target: object | undefined): object {
  if (typeof target === 'object') return target.constructor
  throw new TypeError(`${what} stands on fields of instances, not on static ones`)
}

function fieldName(what: string, name: string | symbol): string {
  if (typeof name === 'string') return name
  throw new TypeError(`${what} stands on a field with a symbol for a name, which is never stored`)
}

/** A note on this class alone: notes of the class that it extends are inherited and stay as they are. */
function ownNote<T>(notes: object, key: symbol, empty: () => T): T {
  if (!Object.hasOwn(notes, key)) Object.defineProperty(notes, key, { value: empty() })
  return (notes as { [key: symbol]: T })[key]!
}
