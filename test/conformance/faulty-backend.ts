import type { Aggregates, Backend, Group, Location, Piece, Range, Receipt, Ref, StoredRow } from '../../src/backend.js'
import { UnavailableError } from '../../src/errors.js'
import type { Host, Id } from '../../src/ids.js'
import { ForwardingBackend } from './forwarding-backend.js'

/** Sends every group twice, as after a cut connection. */
export class RepeatingBackend extends ForwardingBackend {
  override async commit(group: Group): Promise<Receipt> {
    await this.inner.commit(group)
    return this.inner.commit(group)
  }
}

/** Lets another program in before one of the calls that commit. */
export class InterruptedBackend extends ForwardingBackend {
  before = Number.POSITIVE_INFINITY
  interrupt: () => Promise<unknown> = async () => {}

  override async commit(group: Group): Promise<Receipt> {
    if (this.before-- === 0) await this.interrupt()
    return super.commit(group)
  }
}

/** Lets another program in behind the next reading of an object. */
export class OvertakenBackend extends ForwardingBackend {
  overtaken: Id | undefined
  overtake: () => Promise<unknown> = async () => {}

  override async read(refs: readonly Ref[]): ReturnType<Backend['read']> {
    const found = await super.read(refs)
    if (refs.some(({ id }) => id === this.overtaken)) {
      this.overtaken = undefined
      await this.overtake()
    }
    return found
  }
}

interface CommitFault {
  /** Commits that go well before. */
  skip?: number
  times: number
  /** Whether the group is applied all the same. */
  readonly after: boolean
  readonly error: () => Error
}

/** Fails when told to. */
export class FaultyBackend extends ForwardingBackend {
  #commits: CommitFault | undefined
  #scanRows = Number.POSITIVE_INFINITY

  constructor(inner: Backend) {
    super(inner)
    if (inner.aggregates) Object.assign(this, { aggregates: this.#failing(inner.aggregates) })
  }

  /** What a store computes over rows fails where a scan of them would. */
  #failing(inner: Aggregates): Aggregates {
    return {
      aggregate: async (...args) => {
        if (Number.isFinite(this.#scanRows)) throw new UnavailableError('the connection broke in the middle of a scan')
        return inner.aggregate(...args)
      },
    }
  }

  failCommits(fault: CommitFault): void {
    this.#commits = fault
  }

  /** Scans fail after this many rows. */
  failScansAfter(rows: number): void {
    this.#scanRows = rows
  }

  override async commit(group: Group): Promise<Receipt> {
    const fault = this.#commits
    if (!fault || (fault.skip !== undefined && fault.skip-- > 0) || fault.times-- <= 0) return this.inner.commit(group)
    if (fault.after) await this.inner.commit(group)
    throw fault.error()
  }

  override async *scan(range: Range, signal?: AbortSignal): AsyncGenerator<readonly StoredRow[]> {
    let left = this.#scanRows
    for await (const page of this.inner.scan(range, signal)) {
      if (page.length > left) {
        yield page.slice(0, left)
        throw new UnavailableError('the connection broke in the middle of a scan')
      }
      left -= page.length
      yield page
    }
    if (left <= 0) throw new UnavailableError('the connection broke in the middle of a scan')
  }
}

/** Says that everything lies on a host that nobody knows. */
export class ElsewhereBackend extends ForwardingBackend {
  override async locate(what: readonly (Ref | Piece)[]): Promise<readonly (readonly Location[])[]> {
    return (await this.inner.locate(what)).map((locations) => locations.map((l) => ({ ...l, host: 'no-such-host.invalid' as Host })))
  }
}

interface ErrorKind {
  [Symbol.hasInstance](value: unknown): boolean
}

/** A handler that goes on with `then` when the expected fault comes, and passes other errors on. */
export function expectFault<T>(kind: ErrorKind, then: () => Promise<T>): (error: unknown) => Promise<T> {
  return (error) => {
    if (error instanceof kind) return then()
    throw error
  }
}
