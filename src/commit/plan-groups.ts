import type { Backend, Op } from '../backend.js'
import type { Domain } from '../ids.js'
import type { UnitPart } from './unit.js'

export interface DomainOps {
  readonly backend: Backend
  readonly domain: Domain
  readonly ops: Op[]
}

/** Sorts ops by backend and domain, keeping their order. */
export function planGroups(parts: readonly UnitPart[]): DomainOps[] {
  const groups = new DomainGroups()
  for (const { backend, ops } of parts) for (const op of ops) groups.add(backend, op)
  return groups.list
}

/** The domain of all ops, if they have one in common. A loop of its own, since every commit on a file passes here. */
export function soleDomain(backend: Backend, ops: readonly Op[]): Domain | undefined {
  if (ops.length === 0) return undefined
  const domain = backend.domain(ops[0]!)
  for (let i = 1; i < ops.length; i++) if (backend.domain(ops[i]!) !== domain) return undefined
  return domain
}

/** Ops by backend and domain, in the order in which each was first met. */
export class DomainGroups {
  readonly list: DomainOps[] = []
  readonly #of = new Map<Backend, Map<Domain, DomainOps>>()

  add(backend: Backend, op: Op, domain: Domain = backend.domain(op)): void {
    const found = this.#of.get(backend)?.get(domain)
    if (found) found.ops.push(op)
    else this.#start({ backend, domain, ops: [op] })
  }

  /** Takes the ops of one domain out. */
  take(backend: Backend, domain: Domain): Op[] {
    const found = this.#of.get(backend)?.get(domain)
    if (!found) return []
    this.#of.get(backend)!.delete(domain)
    this.list.splice(this.list.indexOf(found), 1)
    return found.ops
  }

  #start(group: DomainOps): void {
    const domains = this.#of.get(group.backend) ?? new Map<Domain, DomainOps>()
    this.#of.set(group.backend, domains.set(group.domain, group))
    this.list.push(group)
  }
}
