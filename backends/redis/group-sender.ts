import type { Group, Op, Receipt } from '../../src/backend.js'
import type { TableId } from '../../src/ids.js'
import { ArgumentPack } from './argument-pack.js'
import { byDomain } from './by-domain.js'
import { type GroupForm, GroupWriter, KeyList, receiptOf } from './group-form.js'
import type { Partition, RedisKeys } from './redis-keys.js'
import type { Argument, RedisLink, Reply } from './redis-link.js'
import type { KnownTable } from './redis-rows.js'
import { TurnQueue, type Waiting } from './turn-queue.js'

/** A script holds up the whole server: a hundred groups, or two hundred small objects, take it a millisecond. */
const GROUPS_MAX = 128
const BYTES_MAX = 64 * 1024

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
  readonly #list = new KeyList()
  readonly #jobs: { readonly job: Job; readonly form: GroupForm }[] = []
  #bytes = 0

  constructor(
    readonly sender: GroupSender,
    readonly domain: Partition,
  ) {}

  get isFull(): boolean {
    return this.#jobs.length >= GROUPS_MAX || this.#bytes >= BYTES_MAX
  }

  add(job: Job): void {
    const { keys, isCluster } = this.sender
    try {
      const form = new GroupWriter(keys, this.#list, job.tables, this.domain, !isCluster).write(job.group)
      this.#jobs.push({ job, form })
      this.#bytes += form.bytes
    } catch (error) {
      job.reject(error) // it has a key or value that cannot be written, and the others are none the worse for it
    }
  }

  async send(): Promise<void> {
    if (this.#jobs.length === 0) return
    try {
      const { link } = this.sender
      const replies = await link.call({
        script: 'commit',
        domain: this.domain,
        keys: this.#list.keys,
        args: (again) => this.#args(again),
        isWrite: true,
      })
      this.#jobs.forEach(({ job, form }, i) => {
        answer(job, form, replies[i]!)
      })
    } catch (error) {
      for (const { job } of this.#jobs) job.reject(error)
    }
  }

  #args(isAgain: boolean): readonly Argument[] {
    const pack = new ArgumentPack()
    for (const { form } of this.#jobs) pack.addAll(form.args)
    return [this.sender.receiptsKeptMs, isAgain ? 1 : 0, this.#jobs.length, ...pack.arguments()]
  }
}

function answer(job: Job, form: GroupForm, reply: Reply): void {
  try {
    job.resolve(receiptOf(form, reply))
  } catch (error) {
    job.reject(error)
  }
}

/** The tables that ops need to be written. */
export function tablesIn(ops: readonly Op[]): readonly TableId[] {
  let tables: Set<TableId> | undefined
  for (const op of ops) if (op.do === 'row' || op.do === 'add') (tables ??= new Set()).add(op.table)
  return tables ? [...tables] : []
}
