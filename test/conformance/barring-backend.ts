import type { Backend, Group, Receipt } from '../../src/backend.js'
import { ConflictError } from '../../src/errors.js'
import type { CommitId } from '../../src/ids.js'
import { ForwardingBackend } from './forwarding-backend.js'

/** Ends groups of unknown outcome, for stores of which nobody's are. One call after the other: a group that is under way is neither done nor not. */
export class BarringBackend extends ForwardingBackend {
  protected readonly done = new Map<CommitId, Receipt>()
  protected readonly barred = new Set<CommitId>()
  #last: Promise<unknown> = Promise.resolve()

  constructor(inner: Backend) {
    super(inner)
    Object.assign(this, { bar: (group: Group) => this.#inTurn(async () => this.end(group)) })
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work, work)
    this.#last = turn
    return turn
  }

  protected end({ commit }: Group): Receipt | undefined {
    if (!this.done.has(commit)) this.barred.add(commit)
    return this.done.get(commit)
  }

  override commit(group: Group): Promise<Receipt> {
    return this.#inTurn(async () => {
      if (this.barred.has(group.commit)) throw new ConflictError('barred', { barred: group.commit })
      const receipt = await this.inner.commit(group)
      this.done.set(group.commit, receipt)
      return receipt
    })
  }
}
