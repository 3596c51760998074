/**
 * Where things lie in a Cluster, for who places tasks: each of its masters is a host. The n-th logical host of a run is the one near the n-th
 * master; where there are fewer, they share.
 */
import type { Piece, Places } from '../../src/backend.js'
import { ValidationError } from '../../src/errors.js'
import { type Host, type Id, newId } from '../../src/ids.js'
import { firstPartOf } from './part-bounds.js'
import { PARTITIONS, partitionOfId } from './redis-keys.js'
import { slotOf } from './slot.js'
import { partitionOfPart, partsFor, spreadId, spreadOf } from './spread.js'

/** Hexadecimal digits at the end of an id that say its partition. */
const TAIL = 3

export class ClusterPlaces implements Places {
  readonly haveAgents = false
  readonly hosts: readonly Host[]
  /** Who knows of further copies. */
  copies?: { holdersOf(id: Id): readonly Host[] }
  /** The owner of each partition when the store was opened: after a failover its replica is a new name for the same place. */
  readonly #first: readonly (Host | undefined)[]

  /** `owners` gives the servers of a slot as they are now, its master first. */
  constructor(
    readonly owners: (slot: number) => readonly string[] | undefined,
    /** How many parts a new table has; 0: as many as the masters call for. 1: it is not spread. */
    readonly parts = 0,
  ) {
    this.#first = Array.from({ length: PARTITIONS }, (_, partition) => this.#ownerNow(partition))
    this.hosts = [...new Set(this.#first)].filter((host) => host !== undefined).sort()
  }

  hostOf(id: Id): Host {
    return this.#hostOfPartition(partitionOfId(id))
  }

  /** The next partition of a host behind one. */
  partitionAt(host: Host, behind: number): number {
    for (let n = 1; n <= PARTITIONS; n++) {
      const partition = (behind + n) % PARTITIONS
      if (this.#hostOfPartition(partition) === host) return partition
    }
    return behind
  }

  #hostOfPartition(partition: number): Host {
    const now = this.#ownerNow(partition)
    return (now !== undefined && this.hosts.includes(now) ? now : this.#first[partition]) ?? this.hosts[0]!
  }

  /** @throws ValidationError (ERR_UNKNOWN_HOST) */
  idAt(host?: Host): Id {
    if (host === undefined) return newId()
    if (!this.hosts.includes(host))
      throw new ValidationError(`there is no host ${host} here, but ${this.hosts.join(', ')}`, { code: 'ERR_UNKNOWN_HOST', host })
    for (let id = newId(); ; id = newId()) if (this.hostOf(id) === host) return id
  }

  idBeside(id: Id): string {
    return newId().slice(0, -TAIL) + id.slice(-TAIL)
  }

  tableBeside(owner: Id, partitionColumns: number): string {
    const parts = this.parts || partsFor(this.hosts.length)
    if (parts === 1) return this.idBeside(owner)
    const masters = { count: this.hosts.length, of: (partition: number) => this.#ownerNow(partition) }
    return spreadId(owner.slice(-TAIL), partitionColumns, parts, masters)
  }

  hostOfPiece(piece: Piece): Host {
    const spread = spreadOf(piece.table)
    return spread ? this.#hostOfPartition(partitionOfPart(spread, firstPartOf(piece))) : this.hostOf(piece.table as string as Id)
  }

  sizeOf(_id: Id): undefined {}

  copiesOf(id: Id): readonly Host[] {
    return this.copies?.holdersOf(id) ?? []
  }

  #ownerNow(partition: number): Host | undefined {
    return this.owners(slotOf(partition))?.[0] as Host | undefined
  }
}
