/** Finds the function of a task in this thread: by its module and the place where it was made. */
import { UnsupportedError, ValidationError } from '../../src/errors.js'
import type { StorageObject } from '../../src/objects/storage-object.js'
import { importModule } from '../import-module.js'
import { type CallSite, writtenAt } from '../tasks/call-site.js'
import { definitionOfTask, taskAt, taskRanked } from '../tasks/task.js'
import type { FnPlace, NamedSite } from './messages.js'

export type Body = (args: unknown[]) => unknown

/** @param onNamed told under which name the task is exported, and once for each module what others it exports */
export async function findBody(place: FnPlace, onNamed: (name: string, others: readonly NamedSite[]) => void): Promise<Body> {
  if (place.method !== undefined) return methodBody(place.method)
  if (place.url === undefined)
    throw new UnsupportedError(`the module of task ${place.name} is not known: define tasks in modules, not in eval or the console`)
  const module = await importTaskModule(place, place.url)
  const made = taskAt({ ...place, url: place.url }) ?? (place.rank && taskRanked(place.url, place.rank))
  const name = made && exportName(module, made)
  if (!made || name === undefined) throw notExported(place, { ...place, url: place.url })
  onNamed(name === 'default' ? place.name : name, othersOf(module, place.url))
  const { body } = definitionOfTask(made)!
  return (args) => body(...args)
}

const told = new Set<string>()

/** Nobody has to run a task for its name to be known: one that was not run because of another is named as well. */
function othersOf(module: object, url: string): readonly NamedSite[] {
  if (told.has(url)) return []
  told.add(url)
  return Object.entries(module).flatMap(([name, value]) => {
    const site = definitionOfTask(value)?.site
    return name !== 'default' && site?.url === url ? [{ name, site }] : []
  })
}

async function importTaskModule(place: FnPlace, url: string): Promise<object> {
  try {
    return await importModule(url)
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new ValidationError(`the module ${url} of task ${place.name} failed to load in a worker: ${why}`, {
      code: 'ERR_TASK_MODULE',
      cause,
      url,
    })
  }
}

const IDENTIFIER = /^[\p{L}_$][\p{L}\p{N}_$]*$/u

function notExported(place: FnPlace, site: Pick<CallSite, 'url' | 'line' | 'column'>): Error {
  // what has no name of its own goes by its file
  const name = IDENTIFIER.test(place.name) ? place.name : 'NAME'
  const { line, column } = writtenAt(site)
  return new ValidationError(
    `task ${name === 'NAME' ? '' : `${name} `}(${site.url}:${line}:${column}) is not exported, so workers cannot find it: write \`export const ${name} = task(...)\` at the top level of its module`,
    { code: 'ERR_TASK_NOT_EXPORTED', url: site.url, line },
  )
}

/** The export, or `group.export` of an exported plain object or class, that holds the task. */
function exportName(module: object, task: object): string | undefined {
  let inner: string | undefined
  for (const [name, value] of Object.entries(module)) {
    if (value === task) return name
    // A CommonJS module is its own default export.
    const prefix = name === 'default' || name === 'module.exports' ? '' : `${name}.`
    if ((typeof value === 'object' && value !== null) || typeof value === 'function')
      for (const [key, member] of Object.entries(value)) if (member === task) inner ??= `${prefix}${key}`
  }
  return inner
}

function methodBody(method: string): Body {
  return ([target, ...args]) => {
    const fn = (target as StorageObject & Record<string, unknown>)[method]
    if (typeof fn !== 'function')
      throw new ValidationError(`${(target as object).constructor.name} has no method ${method}`, { code: 'ERR_NO_METHOD', method })
    return (definitionOfTask(fn)?.body ?? fn).apply(target, args)
  }
}
