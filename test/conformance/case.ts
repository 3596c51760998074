import type { Store } from '../../runtime/index.js'
import type { Backend } from '../../src/backend.js'

/** What a case may use. Everything it opens is closed, and everything it names is its own. */
export interface CaseContext {
  /** The case runs as a program on this store: its objects, tasks and transactions use it. */
  readonly store: Store
  /** An alias that no other case and no other run uses. */
  alias(name: string): string
  /** A further program on the same data, with an identity map of its own. */
  program(): Promise<Store>
  /** Runs `body` as a further program on the same data, which ends with it. */
  other<T>(body: () => T | Promise<T>): Promise<T>
  /** A further program whose backend is wrapped; its tasks run in this process, since no worker could open the wrapper. */
  wrapped(wrap: (backend: Backend) => Backend): Promise<Store>
}

/** Why a case does not apply to a backend, told from its capabilities and optional members alone; `undefined` when it applies. */
export type Needs = (backend: Backend) => string | undefined

export interface Case {
  /** Number in the catalogue: C, D and H restate laws of other systems, I and B are our own (objects and tasks; the bare backend). */
  readonly id: string
  /** `id` and the law as a sentence; unique. */
  readonly title: string
  readonly needs?: Needs
  readonly run: (ctx: CaseContext) => Promise<void>
}

/** A case of the suite. */
export function law(id: string, sentence: string, run: Case['run'], needs?: Needs): Case {
  return { id, title: `${id} ${sentence}`, run, ...(needs && { needs }) }
}

/** For cases about programs that end: an instance-bound store ends with them. */
export const outlivesTheProgram: Needs = (backend) =>
  backend.capabilities.reach === 'instance' ? 'the data lives only as long as the instance' : undefined
