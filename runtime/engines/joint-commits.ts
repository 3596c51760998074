import type { Backend } from '../../src/backend.js'
import { type Member, soleDomain } from '../../src/commit/index.js'
import type { Domain, Id } from '../../src/ids.js'
import { opBytes } from '../../src/large-cells.js'
import type { Store } from '../../src/store.js'
import type { Changes, Outcome } from '../attempt.js'

/** Tasks whose changes leave as one group at most: what a group costs by itself is a hundredth of it by then. */
const MEMBERS_MAX = 512
const BYTES_MAX = 1024 * 1024

/** A task that has ended, and who wants to know what became of its changes. */
export interface Leaving {
  readonly changes: Changes
  readonly committed: (outcome: Outcome) => void
  readonly failed: (error: unknown) => Promise<void>
}

/**
 * Changes of tasks that end one after the other leave together: one group of the store, one flush, one receipt for all of them, where each
 * by itself would cost more than a small task does. Each has its own mark in the group, so that what holds for one that goes by itself
 * holds here: its changes and its mark are all there or not at all. A group that is refused because of one of them is sent task by task.
 */
export class JointCommits {
  #joints = new Map<Store, Map<Domain, Joint>>()
  #size = 0

  constructor(
    /** Told of each group under way. */
    readonly under: (way: Promise<void>) => void,
  ) {}

  /** Tasks that have not left yet. */
  get size(): number {
    return this.#size
  }

  get isFull(): boolean {
    return this.#size >= MEMBERS_MAX
  }

  add(leaving: Leaving): void {
    const { changes } = leaving
    const { store } = changes.unit
    const member = changes.asMember()
    const domain = member && domainOf(store.backend, member)
    if (!domain) return this.under(alone(leaving))
    const joint = this.#jointOf(store, domain)
    if (joint.takes(member)) joint.add(leaving, member)
    else {
      this.under(joint.send())
      this.#start(store, domain).add(leaving, member)
    }
    this.#size++
  }

  /** Sends what has come together so far. */
  leave(): void {
    if (this.#size === 0) return
    const joints = this.#joints
    this.#joints = new Map()
    this.#size = 0
    for (const ofStore of joints.values()) for (const joint of ofStore.values()) this.under(joint.send())
  }

  #jointOf(store: Store, domain: Domain): Joint {
    return this.#joints.get(store)?.get(domain) ?? this.#start(store, domain)
  }

  #start(store: Store, domain: Domain): Joint {
    const ofStore = this.#joints.get(store) ?? new Map<Domain, Joint>()
    const joint = new Joint(store)
    this.#joints.set(store, ofStore.set(domain, joint))
    return joint
  }
}

/** Where changes and mark lie, if they lie in one domain. */
function domainOf(backend: Backend, { ops, home, key, outcome }: Member): Domain | undefined {
  const domain = soleDomain(backend, ops)
  const attempt = ops.length > 0 ? ({ key, attempt: '' as never, state: 'committed', outcome } as const) : undefined
  return attempt && domain === backend.domain({ do: 'mark', home, mark: attempt }) ? domain : undefined
}

class Joint {
  readonly #store: Store
  readonly #leaving: Leaving[] = []
  readonly #members: Member[] = []
  readonly #objects = new Set<Id>()
  readonly #bytesMax: number
  readonly #opsMax: number
  #bytes = 0
  #ops = 0

  constructor(store: Store) {
    this.#store = store
    const { groupBytesMax, groupOpsBest = Number.POSITIVE_INFINITY } = store.backend.capabilities
    this.#bytesMax = Math.min(BYTES_MAX, groupBytesMax)
    this.#opsMax = groupOpsBest
  }

  /** A group has no object twice: each of its changes is checked against what stood before the group. */
  takes({ ops }: Member): boolean {
    let bytes = this.#bytes
    for (const op of ops) {
      if (op.do === 'put' && this.#objects.has(op.ref.id)) return false
      bytes += opBytes(op)
    }
    return this.#members.length === 0 || (bytes <= this.#bytesMax && this.#ops + ops.length < this.#opsMax)
  }

  add(leaving: Leaving, member: Member): void {
    this.#leaving.push(leaving)
    this.#members.push(member)
    this.#bytes += member.outcome?.length ?? 0
    this.#ops += member.ops.length + 1
    for (const op of member.ops) {
      this.#bytes += opBytes(op)
      if (op.do === 'put') this.#objects.add(op.ref.id)
    }
  }

  async send(): Promise<void> {
    if (this.#leaving.length === 1) return alone(this.#leaving[0]!)
    let receipt: Awaited<ReturnType<Store['sendTogether']>>
    try {
      receipt = await this.#store.sendTogether(this.#members)
    } catch (error) {
      await Promise.all(this.#leaving.map(async (one) => one.failed(error)))
      return
    }
    if (!receipt) await Promise.all(this.#leaving.map(alone))
    else for (const one of this.#leaving) one.committed(one.changes.landed(receipt))
  }
}

/** Without others. */
export const alone = ({ changes, committed, failed }: Leaving): Promise<void> => changes.commit().then(committed, failed)
