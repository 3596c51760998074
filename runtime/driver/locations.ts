/** Where persistent objects lie, as the scheduler is told before tasks that use them are placed. */
import type { Piece, Places } from '../../src/backend.js'
import type { Host, Id } from '../../src/ids.js'
import type { Program } from '../../src/unit/program.js'
import type { Submissions } from './submissions.js'

/**
 * What an object counts for whose size nobody here has seen: enough that a task goes to it rather than it to the task. So it is for
 * a collection, whose rows are not counted beforehand.
 */
const UNKNOWN_BYTES = 16 * 2 ** 20

export class Locations {
  /** Bytes last told, by datum. */
  readonly #told = new Map<number, number>()

  /** `hosts`: those that run tasks. */
  constructor(
    readonly submissions: Submissions,
    readonly hosts: number,
  ) {}

  /** Tells where an object lies, if that is a choice and news. */
  tell(datum: number, id: string, { store: { backend } }: Program, isCollection: boolean): void {
    const { places } = backend
    if (!places || this.hosts < 2) return
    const seen = places.sizeOf(id as Id) ?? UNKNOWN_BYTES
    const bytes = Math.max(1, isCollection ? Math.max(seen, UNKNOWN_BYTES) : seen)
    const hosts = [places.hostOf(id as Id), ...places.copiesOf(id as Id)]
    // One number stands for both: a further copy is news as well.
    const news = bytes * 64 + hosts.length
    if (this.#told.get(datum) === news) return
    this.#told.set(datum, news)
    for (const host of hosts) this.submissions.locate(datum, this.#nearest(places, host), bytes)
  }

  /** Whether pieces of a collection may lie elsewhere than it. */
  knowsPieces({ store: { backend } }: Program): boolean {
    return backend.places?.hostOfPiece !== undefined && this.hosts >= 2
  }

  /** Tells where a piece lies: it counts for more than other collections that the task has, since it is what the task is to read. */
  tellPiece(datum: number, piece: Piece, { store: { backend } }: Program): void {
    const { places } = backend
    if (!places?.hostOfPiece) return
    const host = this.#nearest(places, places.hostOfPiece(piece))
    if (this.#told.get(datum) === -1 - host) return
    this.#told.set(datum, -1 - host)
    this.submissions.locate(datum, host, 2 * UNKNOWN_BYTES)
  }

  /** The host of an object, as the scheduler numbers them. */
  hostOf(id: string, { store: { backend } }: Program): number | undefined {
    const { places } = backend
    return places && this.#nearest(places, places.hostOf(id as Id))
  }

  /** The host that runs tasks and is near a host of a store: the one of its number, in turns where the store has more. */
  #nearest({ hosts }: Places, host: Host): number {
    return hosts.indexOf(host) % this.hosts
  }
}
