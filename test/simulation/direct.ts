/** A store whose calls happen at once, for tests of the protocol that follow it call by call. */
import { type Group, type Op, type Receipt, Ref } from '../../src/backend.js'
import type { Unit } from '../../src/commit/index.js'
import { type ClassId, type Domain, newCommitId, newId } from '../../src/ids.js'
import { ModelBackend } from './model-backend.js'
import { ModelStore } from './model-store.js'
import { Caller, Network } from './network.js'
import { Random } from './random.js'

export const thing = (): Ref => new Ref(newId(), 'test#Thing' as ClassId)
export const put = (ref: Ref, n: number, expect: Extract<Op, { do: 'put' }>['expect'] = 'absent'): Op => ({
  do: 'put',
  ref,
  set: new Map([['n', n]]),
  expect,
})

/** A store whose calls happen at once and are noted; what begins with another letter lies in another domain. */
export class Direct extends ModelBackend {
  readonly sent: Group[] = []
  /** Takes the place of a commit once. */
  instead: ((group: Group) => Receipt) | undefined

  constructor(domainOf: (place: string) => Domain = (place) => place as Domain, reservesRows = false, sharesIntents = false) {
    super(
      'model:direct',
      new ModelStore(domainOf, true, false, reservesRows, sharesIntents),
      new Network(new Random(1), 0),
      new Caller('test'),
    )
    this.network.ask = async (_, execute) => execute()
  }

  override async commit(group: Group): Promise<Receipt> {
    this.sent.push(group)
    const { instead } = this
    this.instead = undefined
    return instead ? instead(group) : this.store.apply(group)
  }

  unit(ops: readonly Op[], more: Partial<Unit> = {}): Unit {
    return { commit: newCommitId(), atMicros: 1n, parts: [{ backend: this, ops }], ...more }
  }
}

export const oneDomain = (): Direct => new Direct(() => 'all' as Domain)

export function optionsFor(backend: Direct, nowMs = 0) {
  const work: Promise<void>[] = []
  const sleep = async (ms: number): Promise<void> => {
    clock.now += ms
  }
  const clock = { now: nowMs, nowMs: (): number => clock.now, random: () => 0.5, sleep }
  const options = { backendOf: () => backend, clock, leaseMs: 100, background: (settling: Promise<void>) => void work.push(settling) }
  return { options, clock, settled: () => Promise.all(work) }
}

export async function stored(backend: Direct, count = 2) {
  const refs = Array.from({ length: count }, thing)
  for (const ref of refs) await backend.commit({ commit: newCommitId(), atMicros: 0n, ops: [put(ref, 1)] })
  backend.sent.length = 0
  return { refs, stamps: (await backend.read(refs)).map((found) => found!.stamp) }
}

export const numbers = (backend: Direct, refs: readonly Ref[]) => refs.map(({ id }) => backend.store.things.get(id)?.cells.get('n'))

/** Runs `body` until the first group with such an op has been committed; then the client is dead. */
export async function diesAfter(backend: Direct, what: Op['do'], body: () => Promise<unknown>): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const { apply } = backend.store
    let dead = false
    backend.commit = (group) => {
      if (dead) return new Promise(() => {})
      if (group.ops.some((op) => op.do === what)) {
        dead = true
        setImmediate(resolve)
      }
      const receipt = apply.call(backend.store, group)
      return dead ? new Promise(() => {}) : Promise.resolve(receipt)
    }
    body().catch(reject)
  })
  backend.commit = Direct.prototype.commit
}
