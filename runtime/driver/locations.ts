/** Where persistent objects lie, as the scheduler is told before tasks that use them are placed. */
import type { Backend, Piece } from '../../src/backend.js'
import type { Host, Id } from '../../src/ids.js'
import type { Submissions } from './submissions.js'

/**
 * What an object counts for whose size nobody here has seen: enough that a task goes to it rather than it to the task. So it is for
 * a collection, whose rows are not counted beforehand.
 */
const UNKNOWN_BYTES = 16 * 2 ** 20

/** Whose store is asked. */
interface OfStore {
  readonly store: { readonly backend: Pick<Backend, 'url' | 'places'> }
}

export class Locations {
  /** Bytes last told, by datum. */
  readonly #told = new Map<number, number>()
  readonly #unknown = new Set<Host>()

  /** `hosts`: those that run tasks. */
  constructor(
    readonly submissions: Submissions,
    readonly hosts: number,
  ) {}

  /** Tells where an object lies, if that is a choice and news. */
  tell(datum: number, id: string, { store: { backend } }: OfStore, isCollection: boolean): void {
    const { places } = backend
    if (!places || this.hosts < 2) return
    const seen = places.sizeOf(id as Id) ?? UNKNOWN_BYTES
    const bytes = Math.max(1, isCollection ? Math.max(seen, UNKNOWN_BYTES) : seen)
    const hosts = [places.hostOf(id as Id), ...places.copiesOf(id as Id)]
    // One number stands for both: a further copy is news as well.
    const news = bytes * 64 + hosts.length
    if (this.#told.get(datum) === news) return
    this.#told.set(datum, news)
    for (const host of hosts) this.#locate(datum, this.#nearest(backend, host), bytes)
  }

  /** Whether pieces of a collection may lie elsewhere than it. */
  knowsPieces({ store: { backend } }: OfStore): boolean {
    return backend.places?.hostOfPiece !== undefined && this.hosts >= 2
  }

  /** Tells where a piece lies: it counts for more than other collections that the task has, since it is what the task is to read. */
  tellPiece(datum: number, piece: Piece, { store: { backend } }: OfStore): void {
    const { places } = backend
    if (!places?.hostOfPiece) return
    const host = this.#nearest(backend, places.hostOfPiece(piece))
    if (host === undefined || this.#told.get(datum) === -1 - host) return
    this.#told.set(datum, -1 - host)
    this.submissions.locate(datum, host, 2 * UNKNOWN_BYTES)
  }

  /** The host of an object, as the scheduler numbers them. */
  hostOf(id: string, { store: { backend } }: OfStore): number | undefined {
    const { places } = backend
    return places && this.#nearest(backend, places.hostOf(id as Id))
  }

  #locate(datum: number, host: number | undefined, bytes: number): void {
    if (host !== undefined) this.submissions.locate(datum, host, bytes)
  }

  /**
   * The host that runs tasks and is near a host of a store: the one of its number, in turns where the store has more. What is said of a host
   * that the store does not have is not looked at; the first time a warning says so.
   */
  #nearest({ places, url }: Pick<Backend, 'url' | 'places'>, host: Host): number | undefined {
    const at = places!.hosts.indexOf(host)
    if (at >= 0) return at % this.hosts
    if (!this.#unknown.has(host))
      process.emitWarning(
        `${url} names a host ${host}, which is none of ${places!.hosts.join(', ')}: nothing is placed by that`,
        'InsituWarning',
      )
    this.#unknown.add(host)
    return undefined
  }
}
