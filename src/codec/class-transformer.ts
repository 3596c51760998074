/**
 * What class-transformer's decorators say of a class, wherever the program loaded that library: `@Type` names the class of a field,
 * `@Exclude()` leaves a field out, `@Exclude()` on the class all but those with `@Expose()`. An `@Exclude` of one direction only
 * (`toPlainOnly`, `toClassOnly`) is about JSON and does not count here: what is stored comes back to the same program.
 *
 * The library does not export its notes, so they are looked up among the loaded modules: no import of it is needed, and several copies
 * of it in one program are all seen.
 */
import { createRequire } from 'node:module'

interface Notes {
  readonly _typeMetadatas: ReadonlyMap<object, ReadonlyMap<string, TypeNote>>
  readonly _excludeMetadatas: ReadonlyMap<object, ReadonlyMap<string | undefined, DirectionNote>>
  readonly _exposeMetadatas: ReadonlyMap<object, ReadonlyMap<string | undefined, DirectionNote>>
}

interface TypeNote {
  readonly typeFunction?: (help: { newObject: object; object: object; property: string }) => unknown
  readonly options?: { readonly discriminator?: { readonly subTypes?: readonly { readonly value?: unknown }[] } }
}

interface DirectionNote {
  readonly options?: { readonly toPlainOnly?: boolean; readonly toClassOnly?: boolean }
}

const { cache } = createRequire(import.meta.url)
const STORAGE = /[\\/]class-transformer[\\/]cjs[\\/]storage\.js$/

function notes(): Notes[] {
  return Object.keys(cache)
    .filter((file) => STORAGE.test(file))
    .map((file) => (cache[file]?.exports as { defaultMetadataStorage?: Partial<Notes> } | undefined)?.defaultMetadataStorage)
    .filter((storage): storage is Notes => storage?._typeMetadatas !== undefined && storage._excludeMetadatas !== undefined)
}

/** The classes that `@Type` names, by field; of this class alone. */
export function* typesOf(ctor: object): Iterable<readonly [field: string, types: readonly unknown[]]> {
  for (const { _typeMetadatas } of notes())
    for (const [field, note] of _typeMetadatas.get(ctor) ?? []) {
      const types = [typeIn(note, field), ...(note.options?.discriminator?.subTypes ?? []).map((sub) => sub.value)]
      yield [field, types.filter((type) => typeof type === 'function')]
    }
}

/** A type function may look at the value it is for; there is none yet, and then what it says cannot be known here. */
function typeIn({ typeFunction }: TypeNote, property: string): unknown {
  try {
    return typeFunction?.({ newObject: {}, object: {}, property })
  } catch {
    return undefined
  }
}

/** Says of a field whether these classes, one extending the next, exclude it. */
export function excludedFields(classes: readonly object[]): (field: string) => boolean {
  const storages = notes()
  const excluded = namesIn(storages.map((storage) => storage._excludeMetadatas))
  const exposed = namesIn(storages.map((storage) => storage._exposeMetadatas))
  if (excluded.size === 0) return () => false
  return (field) => excluded.has(field) || (excluded.has(undefined) && !exposed.has(field))

  function namesIn(notes: readonly ReadonlyMap<object, ReadonlyMap<string | undefined, DirectionNote>>[]): ReadonlySet<string | undefined> {
    const names = new Set<string | undefined>()
    for (const of of notes)
      for (const ctor of classes)
        for (const [name, { options }] of of.get(ctor) ?? []) if (!options?.toPlainOnly && !options?.toClassOnly) names.add(name)
    return names
  }
}
