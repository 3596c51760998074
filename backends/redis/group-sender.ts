import type { Group, Receipt } from '../../src/backend.js'
import type { TableId } from '../../src/ids.js'
import { opBytes } from '../../src/large-cells.js'
import { ArgumentPack, packed } from './argument-pack.js'
import { byDomain } from './by-domain.js'
import { BATCH_BYTES, type GroupForm, GroupWriter, KeyList } from './group-form.js'
import { isLeft, receiptIfAny, receiptOf } from './group-reply.js'
import { LargeGroups, microsOf, SCRIPT_MICROS_MAX } from './large-group.js'
import type { Partition, RedisKeys } from './redis-keys.js'
import { type Argument, type Copies, RECEIPTS_KEPT_MS, type RedisLink, type Reply } from './redis-link.js'
import type { KnownTable } from './redis-rows.js'
import { TurnQueue, together, type Waiting } from './turn-queue.js'

/** A script holds up the whole server: a hundred groups take it a millisecond. */
const GROUPS_MAX = 128
const BATCH_MICROS = 1_000
/** What save.lua hands to one command. */
const SIMPLE_OBJECTS_MAX = 2000

interface Job extends Waiting<Receipt> {
  readonly group: Group
  readonly domain: Partition
  readonly tables: ReadonlyMap<TableId, KnownTable>
  readonly micros: number
}

/** Groups of one turn and one domain travel in one script call, which applies them one after the other. */
export class GroupSender {
  readonly #queue = new TurnQueue<Job>((jobs) => this.#sendAll(jobs))
  readonly #under = new Set<Promise<unknown>>()
  readonly #large: LargeGroups

  constructor(
    readonly link: RedisLink,
    readonly keys: RedisKeys,
    readonly isCluster: boolean,
  ) {
    this.#large = new LargeGroups(link, keys, !isCluster)
  }

  send(group: Group, domain: Partition, tables: ReadonlyMap<TableId, KnownTable>): Promise<Receipt> {
    const micros = microsOf(group.ops)
    const sent =
      micros > SCRIPT_MICROS_MAX || this.#fillsArgument(group)
        ? this.#large.send(group, domain, tables)
        : new Promise<Receipt>((resolve, reject) => this.#queue.add({ group, domain, tables, micros, resolve, reject }))
    return this.#track(sent)
  }

  /** Pieces of a large group are half a mebibyte each: the least that any server must take is one. */
  #fillsArgument({ ops }: Group): boolean {
    const { bytesMax } = this.link.room
    if (bytesMax === Number.POSITIVE_INFINITY || ops.length < 2) return false
    return ops.reduce((sum, op) => sum + opBytes(op), 0) > bytesMax / 2
  }

  /** See `Backend.bar`. */
  bar(group: Group, domain: Partition): Promise<Receipt | undefined> {
    return this.#track(this.#bar(group, domain))
  }

  async #bar(group: Group, domain: Partition): Promise<Receipt | undefined> {
    const [said] = await this.link.call(this.link.bar(domain, group.commit))
    return receiptIfAny(group, said!)
  }

  #track<T>(sent: Promise<T>): Promise<T> {
    const settled = sent.then(
      () => void this.#under.delete(settled),
      () => void this.#under.delete(settled),
    )
    this.#under.add(settled)
    return sent
  }

  /** When everything sent so far is answered. */
  async idle(): Promise<void> {
    while (this.#under.size > 0) await Promise.all(this.#under)
  }

  #sendAll(jobs: readonly Job[]): Promise<unknown> {
    const domains = [...byDomain(jobs, (job) => job.domain)]
    return together(this.link.sendEach(domains, ([domain, list]) => this.#sendDomain(domain, list)))
  }

  #sendDomain(domain: Partition, jobs: readonly Job[]): Promise<unknown> {
    const sent: Promise<void>[] = []
    let batch = new Batch(this, domain)
    for (const job of jobs) {
      if (batch.isFull) {
        sent.push(batch.send())
        batch = new Batch(this, domain)
      }
      batch.add(job)
    }
    sent.push(batch.send())
    return together(sent)
  }
}

/** What one script call carries. */
class Batch {
  /** The first key of a call is the sequence. */
  readonly #list = new KeyList(1)
  readonly #objects = new KeyList(0)
  readonly #pack = new ArgumentPack()
  readonly #writer: GroupWriter
  readonly #jobs: { readonly job: Job; readonly form: GroupForm }[] = []
  #micros = 0

  constructor(
    readonly sender: GroupSender,
    readonly domain: Partition,
    /** Whether its groups have not been sent before. */
    readonly isFirst = true,
    readonly copies: Copies = { mayTravel: false },
  ) {
    this.#writer = new GroupWriter(sender.keys, this.#list, this.#objects, this.#pack, domain, !sender.isCluster, sender.link.room)
  }

  get isFull(): boolean {
    return this.#jobs.length >= GROUPS_MAX || this.#pack.bytes >= BATCH_BYTES || this.#micros >= BATCH_MICROS
  }

  /** Whether save.lua can do it all. */
  get #isSimple(): boolean {
    return this.isFirst && this.#objects.keys.length <= SIMPLE_OBJECTS_MAX && this.#jobs.every(({ form }) => form.isSimple)
  }

  add(job: Job): void {
    try {
      this.#jobs.push({ job, form: this.#writer.write(job.group, job.tables) })
      this.#micros += job.micros
    } catch (error) {
      job.reject(error) // it has a key or value that cannot be written, and the others are none the worse for it
    }
  }

  async send(): Promise<void> {
    if (this.#jobs.length === 0) return
    const { link } = this.sender
    const [items, ...large] = this.#pack.arguments() as [Argument, ...Argument[]]
    const objects = packed(this.#objects.keys)
    const { cells } = this.#writer
    try {
      // Those of a second try are waited for, to hear why one has not arrived.
      if (!this.isFirst) await Promise.all(cells.map((cell) => link.command(() => link.putCell(cell))))
      const replies = await link.call({
        script: this.#isSimple ? 'save' : 'commit',
        domain: this.domain,
        keys: this.#list.keys,
        args: (isAgain) => [RECEIPTS_KEPT_MS, isAgain ? 1 : 0, this.#jobs.length, items, objects, ...large],
        isWrite: true,
        copies: this.copies,
        ...(cells.length > 0 && { cells }),
      })
      const again = this.#take(replies)
      if (again) await again.send()
    } catch (error) {
      for (const { job } of this.#jobs) job.reject(error)
    }
  }

  /** Groups that save.lua has left alone are sent again, in their order, and those whose large cells are missing. */
  #take(replies: readonly Reply[]): Batch | undefined {
    let again: Batch | undefined
    this.#jobs.forEach(({ job, form }, i) => {
      if (isLeft(replies[i]!)) (again ??= new Batch(this.sender, this.domain, false, this.copies)).add(job)
      else this.#answer(job, form, replies[i]!)
    })
    return again
  }

  #answer(job: Job, form: GroupForm, reply: Reply): void {
    try {
      const receipt = receiptOf(form, reply)
      if (receipt.applied) this.sender.link.applied(this.domain, job.group.commit)
      job.resolve(receipt)
    } catch (error) {
      this.sender.link.dropCells(form.cells)
      job.reject(error)
    }
  }
}
