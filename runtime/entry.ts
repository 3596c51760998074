/** The program's own file. Workers import the modules of tasks and classes; this one they may import only if that does not run it again. */
import { realpathSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { classOf, findConstructor } from '../src/classes/class-registry.js'
import { ValidationError } from '../src/errors.js'
import type { ClassId } from '../src/ids.js'

let guarded = false

/** Says that the entry does nothing when it is imported: it starts by `main(import.meta, …)`. */
export function entryIsGuarded(): void {
  guarded = true
}

/** Whether a module is the one that was started. */
export function isEntry(url: string): boolean {
  const entry = process.argv[1]
  if (entry === undefined || !url.startsWith('file:')) return false
  return realOf(fileURLToPath(url)) === realOf(entry)
}

const known = new Map<string, boolean>()

/** @throws ValidationError when importing the module in a worker would run the program once more. */
export function assertDoesNotRunTwice(url: string, what: string): void {
  if (guarded) return
  let entry = known.get(url)
  if (entry === undefined) known.set(url, (entry = isEntry(url)))
  if (entry)
    throw new ValidationError(
      `${what} stands in the program's own file, which workers would run again to find it: start the program by main(import.meta, async () => { … }), or move it to a module of its own`,
      { code: 'ERR_TASK_IN_PROGRAM', url },
    )
}

/** As above, for the class of a persistent argument. */
export function assertImportable(id: ClassId): void {
  if (guarded) return
  const ctor = findConstructor(id)
  const url = ctor && classOf(ctor).url
  if (url) assertDoesNotRunTwice(url, `class ${ctor.name}`)
}

/** The program may be named through a link, or without its extension. */
function realOf(path: string): string {
  for (const candidate of [path, `${path}.js`, `${path}.ts`, `${path}.mjs`]) {
    try {
      return realpathSync(candidate)
    } catch {
      // not this one
    }
  }
  return path
}
