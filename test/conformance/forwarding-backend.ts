import type {
  Ack,
  Aggregates,
  Backend,
  Capabilities,
  Found,
  Group,
  Location,
  Mark,
  Op,
  Piece,
  Range,
  Receipt,
  Replicas,
  Stored,
  StoredRow,
  Streams,
  Table,
  Upkeep,
  Watcher,
} from '../../src/backend.js'
import type { ClassId, Domain, Id, TableId } from '../../src/ids.js'

/** A backend that hands every call on. Subclasses change what they are about and nothing else. */
export class ForwardingBackend implements Backend {
  readonly url: string
  readonly capabilities: Capabilities
  declare readonly streams?: Streams
  declare readonly replicas?: Replicas
  declare readonly watcher?: Watcher
  declare readonly aggregates?: Aggregates
  declare readonly upkeep?: Upkeep
  declare readonly placing?: NonNullable<Backend['placing']>
  declare readonly bar?: NonNullable<Backend['bar']>

  constructor(protected readonly inner: Backend) {
    this.url = inner.url
    // Nobody else can open a wrapper by its url: workers must not try.
    this.capabilities = { ...inner.capabilities, reach: 'instance' }
    const { streams, replicas, watcher, aggregates, upkeep } = inner
    Object.assign(
      this,
      streams && { streams },
      replicas && { replicas },
      watcher && { watcher },
      aggregates && { aggregates },
      upkeep && { upkeep },
      inner.bar && { bar: (group: Group) => inner.bar!(group) },
      inner.placing && { placing: (table: TableId) => inner.placing!(table) },
    )
  }

  open(signal?: AbortSignal): Promise<void> {
    return this.inner.open(signal)
  }
  close(): Promise<void> {
    return this.inner.close()
  }
  domain(op: Op): Domain {
    return this.inner.domain(op)
  }
  commit(group: Group): Promise<Receipt> {
    return this.inner.commit(group)
  }
  flush(ack: Ack): Promise<void> {
    return this.inner.flush(ack)
  }
  read(...args: Parameters<Backend['read']>): Promise<readonly (Stored | undefined)[]> {
    return this.inner.read(...args)
  }
  marks(...args: Parameters<Backend['marks']>): Promise<readonly (Mark | undefined)[]> {
    return this.inner.marks(...args)
  }
  staged(...args: Parameters<Backend['staged']>): Promise<readonly Op[] | undefined> {
    return this.inner.staged(...args)
  }
  find(what: readonly (Id | { readonly alias: string })[]): Promise<readonly (Found | undefined)[]> {
    return this.inner.find(what)
  }
  objects(of: { readonly classId?: ClassId }): ReturnType<Backend['objects']> {
    return this.inner.objects(of)
  }
  aliases(of: Parameters<Backend['aliases']>[0]): ReturnType<Backend['aliases']> {
    return this.inner.aliases(of)
  }
  define(table: Table): Promise<void> {
    return this.inner.define(table)
  }
  table(id: TableId): Promise<Table | undefined> {
    return this.inner.table(id)
  }
  drop(table: TableId): Promise<void> {
    return this.inner.drop(table)
  }
  rows(...args: Parameters<Backend['rows']>): Promise<readonly (StoredRow | undefined)[]> {
    return this.inner.rows(...args)
  }
  scan(range: Range, signal?: AbortSignal): AsyncIterable<readonly StoredRow[]> {
    return this.inner.scan(range, signal)
  }
  pieces(...args: Parameters<Backend['pieces']>): Promise<readonly Piece[]> {
    return this.inner.pieces(...args)
  }
  locate(...args: Parameters<Backend['locate']>): Promise<readonly (readonly Location[])[]> {
    return this.inner.locate(...args)
  }
}

/** A backend that several programs of one process share: the one who opened it closes it. */
export class SharedBackend extends ForwardingBackend {
  override async close(): Promise<void> {}
}
