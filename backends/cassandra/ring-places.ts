/**
 * Where objects lie on a ring, for who places tasks: each node of the near data centre is a host. The n-th logical host of a run is the one
 * near the n-th node; where there are fewer, they share.
 */
import type { Places } from '../../src/backend.js'
import { ValidationError } from '../../src/errors.js'
import { type Host, type Id, newId } from '../../src/ids.js'

export class RingPlaces implements Places {
  readonly haveAgents = false
  readonly hosts: readonly Host[]

  /** `nodes`: as they are when the store is opened; `holders` of an object as they are now, first the one that owns it. */
  constructor(
    nodes: readonly string[],
    readonly holders: (id: Id) => readonly string[],
  ) {
    this.hosts = ([...nodes] as Host[]).sort()
  }

  /** What a node that came later owns is near one of those that have a copy, or as good as anywhere. */
  hostOf(id: Id): Host {
    return this.#known(id)[0] ?? this.hosts[0]!
  }

  /** @throws ValidationError (ERR_UNKNOWN_HOST) */
  idAt(host?: Host): Id {
    if (host === undefined) return newId()
    if (!this.hosts.includes(host))
      throw new ValidationError(`there is no host ${host} here, but ${this.hosts.join(', ')}`, { code: 'ERR_UNKNOWN_HOST', host })
    return this.#idOf(host)
  }

  idBeside(id: Id): string {
    return this.#idOf(this.hostOf(id))
  }

  /** The token of an id is as good as random: so it takes as many tries as there are nodes. */
  #idOf(host: Host): Id {
    for (let left = TRIES_MAX; left > 0; left--) {
      const id = newId()
      if (this.hostOf(id) === host) return id
    }
    return newId() // a node that owns nothing, or has gone
  }

  sizeOf(_id: Id): undefined {}

  copiesOf(id: Id): readonly Host[] {
    return this.#known(id).slice(1)
  }

  #known(id: Id): readonly Host[] {
    return this.holders(id).filter((host) => this.hosts.includes(host as Host)) as Host[]
  }
}

const TRIES_MAX = 1000
