import type { Group, Receipt } from '../../src/backend.js'
import type { TableId } from '../../src/ids.js'
import { ArgumentPack, packed } from './argument-pack.js'
import { byDomain } from './by-domain.js'
import { type GroupForm, GroupWriter, KeyList } from './group-form.js'
import { receiptOf } from './group-reply.js'
import type { Partition, RedisKeys } from './redis-keys.js'
import type { Argument, RedisLink, Reply } from './redis-link.js'
import type { KnownTable } from './redis-rows.js'
import { TurnQueue, type Waiting } from './turn-queue.js'

/** A script holds up the whole server: a hundred groups, or five hundred small objects, take it a millisecond. */
const GROUPS_MAX = 128
const BYTES_MAX = 128 * 1024
/** What save.lua hands to one command. */
const SIMPLE_OBJECTS_MAX = 2000

interface Job extends Waiting<Receipt> {
  readonly group: Group
  readonly domain: Partition
  readonly tables: ReadonlyMap<TableId, KnownTable>
}

/** Groups of one turn and one domain travel in one script call, which applies them one after the other. */
export class GroupSender {
  readonly #queue = new TurnQueue<Job>((jobs) => this.#sendAll(jobs))
  readonly #under = new Set<Promise<unknown>>()

  constructor(
    readonly link: RedisLink,
    readonly keys: RedisKeys,
    readonly receiptsKeptMs: number,
    readonly isCluster: boolean,
  ) {}

  send(group: Group, domain: Partition, tables: ReadonlyMap<TableId, KnownTable>): Promise<Receipt> {
    const sent = new Promise<Receipt>((resolve, reject) => this.#queue.add({ group, domain, tables, resolve, reject }))
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
    return Promise.all([...byDomain(jobs, (job) => job.domain)].map(([domain, list]) => this.#sendDomain(domain, list)))
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
    return Promise.all(sent)
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

  constructor(
    readonly sender: GroupSender,
    readonly domain: Partition,
    /** Whether its groups have not been sent before. */
    readonly isFirst = true,
  ) {
    this.#writer = new GroupWriter(sender.keys, this.#list, this.#objects, this.#pack, domain, !sender.isCluster)
  }

  get isFull(): boolean {
    return this.#jobs.length >= GROUPS_MAX || this.#pack.bytes >= BYTES_MAX
  }

  /** Whether save.lua can do it all. */
  get #isSimple(): boolean {
    return this.isFirst && this.#objects.keys.length <= SIMPLE_OBJECTS_MAX && this.#jobs.every(({ form }) => form.isSimple)
  }

  add(job: Job): void {
    try {
      this.#jobs.push({ job, form: this.#writer.write(job.group, job.tables) })
    } catch (error) {
      job.reject(error) // it has a key or value that cannot be written, and the others are none the worse for it
    }
  }

  async send(): Promise<void> {
    if (this.#jobs.length === 0) return
    const { link, receiptsKeptMs } = this.sender
    const [items, ...large] = this.#pack.arguments() as [Argument, ...Argument[]]
    const objects = packed(this.#objects.keys)
    try {
      const replies = await link.call({
        script: this.#isSimple ? 'save' : 'commit',
        domain: this.domain,
        keys: this.#list.keys,
        args: (isAgain) => [receiptsKeptMs, isAgain ? 1 : 0, this.#jobs.length, items, objects, ...large],
        isWrite: true,
      })
      await this.#take(replies)
    } catch (error) {
      for (const { job } of this.#jobs) job.reject(error)
    }
  }

  /** Groups that save.lua has left alone are sent again, in their order. */
  async #take(replies: readonly Reply[]): Promise<void> {
    let again: Batch | undefined
    this.#jobs.forEach(({ job, form }, i) => {
      if (isLeft(replies[i]!)) (again ??= new Batch(this.sender, this.domain, false)).add(job)
      else answer(job, form, replies[i]!)
    })
    await again?.send()
  }
}

const isLeft = (reply: Reply): boolean => Array.isArray(reply) && reply.length === 1 && String(reply[0]) === 'again'

function answer(job: Job, form: GroupForm, reply: Reply): void {
  try {
    job.resolve(receiptOf(form, reply))
  } catch (error) {
    job.reject(error)
  }
}
