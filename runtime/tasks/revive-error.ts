import type { TaskDefinition } from './task.js'

export interface Story {
  readonly task: string
  readonly index: number
  readonly worker: number
}

const classes = new Map<string, Map<string, abstract new (...args: never[]) => Error>>()

/** Remembers the error classes that a task's module exports, so that what its tasks throw is `instanceof` them here too. */
export function learnErrorClasses(url: string, module: object): void {
  const found = new Map<string, abstract new (...args: never[]) => Error>()
  for (const value of Object.values(module))
    if (typeof value === 'function' && value.prototype instanceof Error) found.set(value.name, value)
  classes.set(url, found)
}

/** An error of a task as the awaiting code sees it: its own class where the program has it, and the task's story as a hidden field. */
export function reviveError(error: unknown, definition: TaskDefinition, story: Story): unknown {
  if (!(error instanceof Error)) return error
  const own = definition.site && classes.get(definition.site.url)?.get(error.name)
  if (own && !(error instanceof own)) Object.setPrototypeOf(error, own.prototype as object)
  Object.defineProperty(error, 'insituTask', { value: story, configurable: true })
  return error
}
