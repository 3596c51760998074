import type { Backend, Capabilities, Found, Group, Key, Mark, Op, Receipt, Ref, Stored, StoredRow } from '../../src/backend.js'
import type { CommitId, Domain, Id, TableId } from '../../src/ids.js'
import type { ModelStore } from './model-store.js'
import type { Caller, Network } from './network.js'

const CAPABILITIES: Capabilities = {
  acks: ['committed'],
  groupBytesMax: 1e9,
  cellBytesMax: 1e9,
  orderedScan: false,
  receiptsKeptMs: 1e9,
  reach: 'network',
}

/** One caller's connection to a store. What the protocol does not use is not there. */
export class ModelBackend implements Backend {
  readonly capabilities: Capabilities

  readonly bar?: NonNullable<Backend['bar']>

  constructor(
    readonly url: string,
    readonly store: ModelStore,
    readonly network: Network,
    readonly caller: Caller,
  ) {
    this.capabilities = {
      ...CAPABILITIES,
      ...(store.reservesRows && { reservesRows: true }),
      ...(store.sharesIntents && { sharesIntents: true }),
    }
    if (store.bars) this.bar = (group) => this.network.send(this.caller, () => this.store.bar(group))
  }

  domain(op: Op): Domain {
    return this.store.domain(op)
  }

  commit(group: Group): Promise<Receipt> {
    return this.network.send(this.caller, () => this.store.apply(group))
  }

  /** Each object at a moment of its own. */
  read(refs: readonly Ref[]): Promise<readonly (Stored | undefined)[]> {
    return Promise.all(refs.map((ref) => this.network.ask(this.caller, () => this.store.stored(ref))))
  }

  find(what: readonly (Id | { readonly alias: string })[]): Promise<readonly (Found | undefined)[]> {
    return Promise.all(what.map((one) => this.network.ask(this.caller, () => this.store.found(one))))
  }

  marks(home: Ref, keys: readonly string[]): Promise<readonly (Mark | undefined)[]> {
    return this.network.ask(this.caller, () => keys.map((key) => this.store.mark(home, key)))
  }

  staged(home: Ref, commit: CommitId): Promise<readonly Op[] | undefined> {
    return this.network.ask(this.caller, () => this.store.redo(home, commit))
  }

  rows(table: TableId, keys: readonly Key[]): Promise<readonly (StoredRow | undefined)[]> {
    return Promise.all(keys.map((key) => this.network.ask(this.caller, () => this.store.row(table, key))))
  }

  open = async (): Promise<void> => {}
  close = async (): Promise<void> => {}
  flush = async (): Promise<void> => {}
  objects = absent
  aliases = absent
  define = absent
  table = absent
  drop = absent
  scan = absent
  pieces = absent
  locate = absent
}

function absent(): never {
  throw new Error('the commit protocol does not use this')
}
