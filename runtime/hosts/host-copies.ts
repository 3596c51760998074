/** Further copies on the hosts of a store: where they are made, and that none outlasts its object. */
import type { Op, Ref, Replicas } from '../../src/backend.js'
import { isInsituError, NotFoundError } from '../../src/errors.js'
import type { Host } from '../../src/ids.js'
import { removes } from '../../src/intents.js'
import { CHUNK_CLASS } from '../../src/large-cells.js'
import { COPY_CLASS, copiedFrom, copyHolders, dropCopy, noteHolder } from './copies.js'
import { hostIndexOf, hostNames } from './host-ids.js'
import { indexOfHost, type SeenSizes } from './host-places.js'
import type { HostFile, HostsParts } from './hosts-backend.js'

export class HostCopies implements Replicas {
  readonly #hosts: readonly Host[]
  /** Objects under an intent of this process that removes them, with the commit. */
  readonly #leaving = new Set<string>()

  constructor(
    readonly parts: Pick<HostsParts, 'files' | 'catalogue' | 'own'>,
    readonly seen: SeenSizes,
    readonly copyInto: (file: HostFile, ref: Ref) => Promise<void>,
  ) {
    this.#hosts = hostNames(parts.files.length)
  }

  async copy(ref: Ref, to: Host): Promise<void> {
    const at = this.#index(to)
    if (at === hostIndexOf(ref.id, this.#hosts.length)) return
    // Noted first: a host that is listed and has no copy is a guess that costs a read; a copy nobody lists would never be dropped.
    await noteHolder(this.parts.catalogue, ref, to, true)
    this.seen.noteCopies(ref.id, [...this.#others(ref, to), to])
    try {
      const file = this.parts.files[at]!
      await (file.takeCopy && at !== this.parts.own ? file.takeCopy(ref) : this.copyInto(file, ref))
    } catch (error) {
      if (error instanceof NotFoundError) await this.drop(ref, to)
      throw error
    }
  }

  async drop(ref: Ref, at: Host): Promise<void> {
    const file = this.parts.files[this.#index(at)]!
    if (file.leaveCopy && this.#index(at) !== this.parts.own) await file.leaveCopy(ref)
    else await dropCopy(file, ref)
    await noteHolder(this.parts.catalogue, ref, at, false)
    this.seen.noteCopies(ref.id, this.#others(ref, at))
  }

  /** After a group was applied: the copies of what it has removed go. What is left where somebody cannot be reached goes by `gc`. */
  async follow(ops: readonly Op[]): Promise<void> {
    const gone = ops.flatMap((op) => this.#goneWith(op))
    if (gone.length === 0) return
    try {
      const holders = await copyHolders(this.parts.catalogue, gone)
      await Promise.all(gone.flatMap((ref, i) => holders[i]!.map((host) => this.drop(ref, host))))
    } catch (error) {
      if (!isInsituError(error)) throw error
    }
  }

  #goneWith(op: Op): readonly Ref[] {
    if (op.do === 'remove') return op.ref.classId === CHUNK_CLASS ? [] : [op.ref]
    if (op.do !== 'reserve' && op.do !== 'settle') return []
    const { target } = op
    if (!('ref' in target)) return []
    if (op.do === 'reserve') {
      if (removes(op.intent)) this.#leaving.add(`${op.intent.commit} ${target.ref.id}`)
      return []
    }
    return this.#leaving.delete(`${op.commit} ${target.ref.id}`) && op.take ? [target.ref] : []
  }

  /** As the hosts have them, and as the catalogue says who has some. */
  async *all(): AsyncGenerator<readonly { readonly ref: Ref; readonly at: Host }[], void, void> {
    for (const [i, file] of this.parts.files.entries())
      for await (const page of file.objects({ classId: COPY_CLASS }))
        yield page.map((ref) => ({ ref: copiedFrom(ref), at: this.#hosts[i]! }))
    for await (const page of this.#listed()) yield page.flatMap(([ref, hosts]) => hosts.map((at) => ({ ref, at })))
  }

  /** What earlier programs have copied: tasks go there from the beginning. */
  async learn(): Promise<void> {
    for await (const page of this.#listed()) for (const [ref, hosts] of page) this.seen.noteCopies(ref.id, hosts)
  }

  async *#listed(): AsyncGenerator<readonly (readonly [ref: Ref, hosts: readonly Host[]])[], void, void> {
    const { catalogue } = this.parts
    for await (const page of catalogue.objects({ classId: COPY_CLASS })) {
      const refs = page.map(copiedFrom)
      const holders = await copyHolders(catalogue, refs)
      yield refs.map((ref, i) => [ref, holders[i]!] as const)
    }
  }

  #index(host: Host): number {
    return indexOfHost(host, this.#hosts.length)
  }

  #others(ref: Ref, than: Host): readonly Host[] {
    return this.seen.copiesOf(ref.id).filter((host) => host !== than)
  }
}
