/**
 * Further copies of objects on masters of a Cluster. An object is always asked for where it lies, which says what it is made of by now; its
 * large cells, which never change under their names, are then taken from the copy that is near. So a copy may be old, but nobody reads
 * anything old from it, and who finds that it is old renews it.
 */
import type { Ref, Replicas } from '../../src/backend.js'
import { NotFoundError, ValidationError } from '../../src/errors.js'
import type { Host, Id } from '../../src/ids.js'
import type { ClusterPlaces } from './cluster-places.js'
import { openObject } from './object-form.js'
import { partitionOfId, type RedisKeys } from './redis-keys.js'
import type { RedisLink } from './redis-link.js'

/** The object itself, among the cells of its copy. */
const OBJECT = 'object'

export class NearCopies implements Replicas {
  #near: readonly Host[] = []
  readonly #holders = new Map<Id, readonly Host[]>()

  constructor(
    readonly link: RedisLink,
    readonly keys: RedisKeys,
    readonly places: ClusterPlaces,
    /** Objects that hold parts of its fields, which are copied with it. */
    readonly partsOf: (ref: Ref) => Promise<readonly Ref[]>,
  ) {}

  near(hosts: readonly Host[]): void {
    this.#near = hosts
  }

  /** Hosts with a copy, as far as this process knows. */
  holdersOf(id: Id): readonly Host[] {
    return this.#holders.get(id) ?? []
  }

  note(id: Id, hosts: readonly Host[]): void {
    if (hosts.length > 0) this.#holders.set(id, hosts)
    else this.#holders.delete(id)
  }

  async copy(ref: Ref, to: Host): Promise<void> {
    this.#require(to)
    if (this.places.hostOf(ref.id) === to) return
    // Noted first: a host that is listed and has no copy costs nothing; a copy that nobody lists would never be dropped.
    await this.link.command((client) => client.sadd(this.keys.holders(ref.id), to))
    this.note(ref.id, [...new Set([...this.holdersOf(ref.id), to])])
    while (!(await this.#copied(ref.id, to))) await this.#requireObject(ref.id)
    for (const part of await this.partsOf(ref)) await this.copy(part, to)
  }

  /** False when the object was written meanwhile. */
  async #copied(id: Id, to: Host): Promise<boolean> {
    const partition = partitionOfId(id)
    const [value] = await this.link.read(partition, [this.keys.object(id)])
    const opened = openObject(id, value ?? null)
    if (!value || !opened) throw noObject(id)
    const names = opened.outside.map(({ name }) => name)
    const keys = names.map((name) => this.keys.cell(id, name))
    const cells = keys.length === 0 ? [] : await this.link.read(partition, keys)
    if (cells.some((cell) => cell === null)) return false
    await this.#put(id, to, [[OBJECT, value], ...names.map((name, i) => [name, cells[i]!] as const)])
    return true
  }

  async #requireObject(id: Id): Promise<void> {
    const [value] = await this.link.read(partitionOfId(id), [this.keys.object(id)])
    if (!value) throw noObject(id)
  }

  async #put(id: Id, at: Host, fields: readonly (readonly [string, Buffer])[]): Promise<void> {
    const key = this.#keyAt(id, at)
    await this.link.command(async (client) => {
      await client.unlink(key)
      await client.hset(key, ...fields.flat())
    })
  }

  async drop(ref: Ref, at: Host): Promise<void> {
    this.#require(at)
    await this.link.command((client) => client.unlink(this.#keyAt(ref.id, at)))
    await this.link.command((client) => client.srem(this.keys.holders(ref.id), at))
    this.note(
      ref.id,
      this.holdersOf(ref.id).filter((host) => host !== at),
    )
  }

  /** All copies of an object that is gone. */
  async dropAll(id: Id): Promise<void> {
    const hosts = (await this.link.command((client) => client.smembers(this.keys.holders(id)))) as Host[]
    if (hosts.length === 0) return
    for (const host of hosts)
      if (this.places.hosts.includes(host)) await this.link.command((client) => client.unlink(this.#keyAt(id, host)))
    await this.link.command((client) => client.unlink(this.keys.holders(id)))
    this.#holders.delete(id)
  }

  /** Large cells from the copy that is near: `undefined` where there is none, or none is needed. */
  async read(id: Id, names: readonly string[]): Promise<readonly (Buffer | null)[] | undefined> {
    const host = this.#hostFor(id)
    if (host === undefined) return undefined
    try {
      const [object, ...cells] = await this.link.client.hmgetBuffer(this.#keyAt(id, host), OBJECT, ...names)
      return object ? cells : undefined
    } catch {
      return undefined // it is away: the object's own place has them as well
    }
  }

  /** The copy that is near was made of an older state. */
  renew(id: Id): void {
    const host = this.#hostFor(id)
    if (host !== undefined) void this.#copied(id, host).catch(() => {})
  }

  #hostFor(id: Id): Host | undefined {
    return this.#near.length === 0 || this.#near.includes(this.places.hostOf(id)) ? undefined : this.#near[0]
  }

  #keyAt(id: Id, host: Host): string {
    return this.keys.copy(this.places.partitionAt(host, partitionOfId(id)), id)
  }

  #require(host: Host): void {
    const { hosts } = this.places
    if (hosts.includes(host)) return
    throw new ValidationError(`there is no host ${host} here, but ${hosts.join(', ')}`, { code: 'ERR_UNKNOWN_HOST', host })
  }
}

const noObject = (id: Id): NotFoundError => new NotFoundError(`There is no object ${id}: it was deleted.`, { id })
