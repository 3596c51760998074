import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { connect, type Store } from '../../runtime/index.js'
import type { Backend } from '../../src/backend.js'
import type { Case, CaseContext } from './case.js'
import { SharedBackend } from './forwarding-backend.js'

/** Data of its own to test on. */
export interface Subject {
  /** What the report calls it. */
  readonly name: string
  /** A url, or a backend not yet opened, on this data; called once per program. With reach 'instance': always the same backend. */
  open(): Backend | string
  /** How many cases may share it, where a server keeps memory for whatever was made on it until it is dropped. */
  readonly casesMax?: number
  /** Called once at the end; removes the data. */
  drop?(): Promise<void>
}

/** Makes empty data to test on. */
export type ConformanceFactory = () => Subject | Promise<Subject>

export type Outcome =
  | { readonly case: Case; readonly result: 'passed'; readonly ms: number }
  | { readonly case: Case; readonly result: 'failed'; readonly ms: number; readonly error: unknown }
  | { readonly case: Case; readonly result: 'skipped'; readonly why: string }

/** A hanging case must not hang the suite: broken backends are among its subjects. Some cases move 200 MB, which a slow disk takes its time for. */
const CASE_MS = 90_000
const CLOSE_MS = 5_000

/** One subject, on which cases run one after the other. */
export class ConformanceSession {
  /** Set once per run, so that two runs on one server do not meet. */
  readonly #prefix = `conformance-${randomBytes(6).toString('hex')}`
  #probe: Store | undefined
  #subject: Subject
  #ran = 0

  private constructor(
    readonly factory: ConformanceFactory,
    first: Subject,
    readonly caseMs: number,
  ) {
    this.#subject = first
  }

  static async start(factory: ConformanceFactory, caseMs = CASE_MS): Promise<ConformanceSession> {
    return new ConformanceSession(factory, await factory(), caseMs)
  }

  get subject(): Subject {
    return this.#subject
  }

  async run(one: Case): Promise<Outcome> {
    if (this.#ran++ >= (this.#subject.casesMax ?? Number.POSITIVE_INFINITY)) await this.#begin()
    const why = await this.whySkipped(one)
    if (why !== undefined) return { case: one, result: 'skipped', why }
    const programs = new Programs(() => this.#connect(), `${this.#prefix}/${one.id}`)
    const start = performance.now()
    try {
      await limited(this.caseMs, programs.run(one))
      return { case: one, result: 'passed', ms: performance.now() - start }
    } catch (error) {
      return { case: one, result: 'failed', ms: performance.now() - start, error }
    } finally {
      await programs.close()
    }
  }

  /** On new data. */
  async #begin(): Promise<void> {
    await this.close()
    this.#probe = undefined
    this.#subject = await this.factory()
    this.#ran = 1
  }

  async close(): Promise<void> {
    await closeQuietly(this.#probe)
    await this.#subject.drop?.()
  }

  /** Why a case does not apply here; `undefined` when it does. */
  async whySkipped(one: Case): Promise<string | undefined> {
    if (!one.needs) return undefined
    this.#probe ??= await this.#connect()
    return one.needs(this.#probe.backend)
  }

  #connect(): Promise<Store> {
    const opened = this.#subject.open()
    if (typeof opened === 'string') return connect(opened)
    return connect(opened.capabilities.reach === 'instance' ? new SharedBackend(opened) : opened)
  }
}

/** The programs of one case. */
class Programs {
  readonly #open: Store[] = []

  constructor(
    readonly connect: () => Promise<Store>,
    readonly prefix: string,
  ) {}

  async run(one: Case): Promise<void> {
    const store = await this.#program()
    const ctx: CaseContext = {
      store,
      alias: (name) => `${this.prefix}/${name}`,
      program: () => this.#program(),
      other: async (body) => (await this.#program()).run(async () => body()),
      wrapped: async (wrap) => this.#keep(await connect(wrap(new SharedBackend((await this.#program()).backend)))),
    }
    await store.run(() => one.run(ctx))
  }

  /** Last opened, first closed: a wrapped program stands on an earlier one. */
  async close(): Promise<void> {
    for (const store of this.#open.reverse()) await closeQuietly(store)
  }

  async #program(): Promise<Store> {
    return this.#keep(await this.connect())
  }

  #keep(store: Store): Store {
    this.#open.push(store)
    return store
  }
}

/** What a case left behind is its own result's business, and a broken backend may not close at all. */
async function closeQuietly(store: Store | undefined): Promise<void> {
  if (store) await limited(CLOSE_MS, store.close()).catch(() => {})
}

async function limited<T>(ms: number, work: Promise<T>): Promise<T> {
  const done = new AbortController()
  const late = delay(ms, undefined, { signal: done.signal }).then(() => {
    throw new Error(`not done after ${ms} ms`)
  })
  late.catch(() => {})
  try {
    return await Promise.race([work, late])
  } finally {
    done.abort()
  }
}
