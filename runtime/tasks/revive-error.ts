import { setTimeout as delay } from 'node:timers/promises'
import { subclassesOf } from '../../src/classes/class-locator.js'
import { InsituError } from '../../src/errors.js'
import { importModule } from '../import-module.js'
import type { TaskDefinition } from './task.js'

export interface Story {
  readonly task: string
  readonly index: number
  readonly worker: number
}

type ErrorClass = abstract new (...args: never[]) => Error
const classes = new Map<string, ReadonlyMap<string, ErrorClass>>()
const learning = new Map<string, Promise<void>>()
/** A module that is still being evaluated may wait for the very task whose error asks for it. */
const LEARNING_MS = 100

/**
 * Remembers the error classes that a task's module exports, so that what its tasks throw is `instanceof` them in the program too. The
 * program has that module already: the task was made there.
 */
export function learnErrorClasses(url: string): Promise<void> {
  let learnt = learning.get(url)
  if (!learnt) {
    learnt = Promise.race([learn(url), delay(LEARNING_MS, undefined, { ref: false })])
    learning.set(url, learnt)
  }
  return learnt
}

async function learn(url: string): Promise<void> {
  const module = await importModule(url).catch(() => ({}))
  const found = new Map<string, ErrorClass>()
  for (const value of Object.values(module))
    if (typeof value === 'function' && value.prototype instanceof Error) found.set(value.name, value as ErrorClass)
  classes.set(url, found)
}

/** Whether the module's classes are known, as far as they ever will be. */
export const errorClassesKnown = (url: string): boolean => classes.has(url)

/** An error of a task as the awaiting code sees it, with the task's story as a hidden field. Its own class comes with `giveOwnClass`. */
export function reviveError(error: unknown, className: string | undefined, { site }: TaskDefinition, story: Story): unknown {
  if (!(error instanceof Error)) return error
  Object.defineProperty(error, 'insituTask', { value: { ...story, className, url: site?.url }, configurable: true })
  giveOwnClass(error)
  return error
}

/** Makes an error of a task an instance of the class that it was thrown as, if the task's module exports that, or else one that is loaded has its name. */
export function giveOwnClass(error: unknown): void {
  if (!(error instanceof Error)) return
  const { className = '', url = '' } = (error as { insituTask?: { className?: string; url?: string } }).insituTask ?? {}
  const own = className === '' ? undefined : (classes.get(url)?.get(className) ?? loadedClass(className))
  if (own && !(error instanceof own)) Object.setPrototypeOf(error, own.prototype as object)
}

/** The name of the class that an error of a task was thrown as. */
export const thrownAs = (error: unknown): string | undefined =>
  error instanceof Error ? (error as { insituTask?: { className?: string } }).insituTask?.className : undefined

/** The same of a child that ran elsewhere, for the body that called it. */
export async function giveClassOf(error: unknown, className: string | undefined, url: string | undefined): Promise<void> {
  if (!(error instanceof Error) || className === undefined) return
  if (url !== undefined) await learnErrorClasses(url)
  Object.defineProperty(error, 'insituTask', { value: { className, url }, configurable: true })
  giveOwnClass(error)
}

/** Of which class it is, where this thread may know that by its name alone. */
export function classNameOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || error instanceof InsituError) return undefined
  const { name = '' } = (error as { readonly constructor?: { readonly name?: unknown } }).constructor ?? {}
  return typeof name !== 'string' || name === '' || name in globalThis ? undefined : name
}

const loaded = new Map<string, ErrorClass | undefined>()

/** Errors often have a module of their own. To ask for all classes takes V8 a hundred milliseconds: once for each name. */
function loadedClass(name: string): ErrorClass | undefined {
  if (!loaded.has(name)) {
    const [found, ...others] = subclassesOf(Error).filter((one): one is ErrorClass => one.prototype instanceof Error && one.name === name)
    loaded.set(name, others.length === 0 ? found : undefined)
  }
  return loaded.get(name)
}
