/** Where things lie in a store of several hosts, as every process of it knows without asking. */
import type { Op, Places } from '../../src/backend.js'
import { ValidationError } from '../../src/errors.js'
import type { Domain, Host, Id } from '../../src/ids.js'
import { hostIndexOf, hostNames, newIdAt } from './host-ids.js'

export const CATALOGUE = 'catalogue' as Domain

/**
 * How long a unit over several files is waited for by those who meet it. All who take part share a machine and its clock, and an agent that
 * died is replaced in less: the lease is shorter than between machines.
 */
export const HOSTS_LEASE_MS = 1000

/** Of a store whose hosts have agents, or not. */
export interface PlacesOptions {
  readonly haveAgents: boolean
  readonly seen?: SeenSizes
}

/** `own`: the host that this process is; beside the hosts, what is made goes to each in turn. */
export function placesOf(count: number, own: number | undefined, { haveAgents, seen }: PlacesOptions): Places {
  const hosts = hostNames(count)
  let turn = Math.floor(Math.random() * count)
  return {
    haveAgents,
    hosts,
    ...(own !== undefined && { own: hosts[own]! }),
    hostOf: (id) => hosts[hostIndexOf(id, count)]!,
    idAt: (host) => newIdAt(host === undefined ? (own ?? turn++ % count) : indexOfHost(host, count), count),
    idBeside: (id) => newIdAt(hostIndexOf(id, count), count),
    sizeOf: (id) => seen?.get(id),
    copiesOf: (id) => seen?.copiesOf(id) ?? [],
  }
}

/** @throws ValidationError */
export function indexOfHost(host: Host, count: number): number {
  const hosts = hostNames(count)
  const at = hosts.indexOf(host)
  if (at >= 0) return at
  throw new ValidationError(`there is no host ${host} here, but ${hosts.join(', ')}`, { code: 'ERR_UNKNOWN_HOST', host })
}

export function domainOf(op: Op, count: number): Domain {
  const anchor = anchorOf(op)
  return anchor === undefined ? CATALOGUE : (`host-${hostIndexOf(anchor, count) + 1}` as Domain)
}

/** By what an op's file is chosen; `undefined` for what lies in the catalogue. */
function anchorOf(op: Op): string | undefined {
  switch (op.do) {
    case 'put':
    case 'remove':
    case 'check':
      return op.ref.id
    case 'name':
      return undefined
    case 'row':
    case 'checkRow':
    case 'add':
    case 'reserveRow':
    case 'settleRow':
      return op.table
    case 'mark':
    case 'forget':
    case 'stage':
      return op.home.id
    case 'reserve':
    case 'settle':
      return 'ref' in op.target ? op.target.ref.id : undefined
  }
}

/** Sizes of objects that passed through, for placement: the newest ones, since nobody waits for an old guess. */
export class SeenSizes {
  readonly #copies = new Map<Id, readonly Host[]>()
  readonly #bytes = new Map<Id, number>()

  get(id: Id): number | undefined {
    return this.#bytes.get(id)
  }

  copiesOf(id: Id): readonly Host[] {
    return this.#copies.get(id) ?? []
  }

  noteCopies(id: Id, hosts: readonly Host[]): void {
    if (hosts.length === 0) this.#copies.delete(id)
    else this.#copies.set(id, hosts)
  }

  note(id: Id, bytes: number): void {
    if (this.#bytes.size >= SEEN_MAX && !this.#bytes.has(id))
      for (const old of this.#bytes.keys()) {
        this.#bytes.delete(old)
        if (this.#bytes.size <= SEEN_MAX / 2) break
      }
    this.#bytes.set(id, bytes)
  }
}

const SEEN_MAX = 200_000
