/**
 * Where things lie. Keys are spread over PARTITIONS hash tags, and what must commit together shares one: so a tag is a domain in a Cluster,
 * and a slot always holds whole tags. A single server has the same keys, all in one domain, so that data can move between the two.
 */
import { type CommitId, type Id, isIdText, type TableId } from '../../src/ids.js'

/** Part of the format: changing it needs a new FORMAT. */
export const PARTITIONS = 4096
/** Width of a window of receipts. Small hashes take a quarter of the memory of large ones. */
const RECEIPTS_WINDOW_MS = 10_000
const ID_LENGTH = 36
/** Hexadecimal digits at the end of an id that say its partition. */
const TAIL = 3

export type Partition = number

export type TableKeys = readonly [definition: string, index: string, rows: string, counters: string]

/** Uuids end in random digits: no hash is needed. */
export const partitionOfId = (id: string): Partition => Number.parseInt(id.slice(-TAIL), 16)

/** Its hash tag. */
export const partitionOfKey = (key: string): Partition => Number(/\{(\d+)\}/.exec(key)?.[1])

/** FNV-1a over code units. */
export function partitionOfAlias(alias: string): Partition {
  let hash = 0x811c9dc5
  for (let i = 0; i < alias.length; i++) hash = Math.imul(hash ^ alias.charCodeAt(i), 0x01000193)
  return (hash >>> 0) % PARTITIONS
}

/** The keys of one namespace. */
export class RedisKeys {
  constructor(readonly namespace: string) {}

  /** Says that the namespace is in use, by which format, and since when. */
  get format(): string {
    return this.#at(0, 'format')
  }

  sequence(partition: Partition): string {
    return this.#at(partition, 'seq')
  }

  /** Where nothing ever stands: see `RedisLink`. */
  nothing(partition: Partition): string {
    return this.#at(partition, 'nothing')
  }

  object(id: Id): string {
    return this.#at(partitionOfId(id), `o:${id}`)
  }

  /** A large cell of an object. */
  cell(id: Id, name: string): string {
    return this.#at(partitionOfId(id), `c:${id}.${name}`)
  }

  /** Names that an object has or once had. */
  hints(id: Id): string {
    return this.#at(partitionOfId(id), `n:${id}`)
  }

  alias(alias: string): string {
    return this.#at(partitionOfAlias(alias), `a:${alias}`)
  }

  marks(home: Id): string {
    return this.#at(partitionOfId(home), `m:${home}`)
  }

  staged(home: Id): string {
    return this.#at(partitionOfId(home), `s:${home}`)
  }

  /** Hosts with a copy of an object. */
  holders(id: Id): string {
    return this.#at(partitionOfId(id), `r:${id}`)
  }

  /** The copy of an object, in a partition of the host that has it. */
  copy(partition: Partition, id: Id): string {
    return this.#at(partition, `k:${id}`)
  }

  /** The pieces of a large group, until it is applied. */
  group(partition: Partition, commit: CommitId): string {
    return this.#at(partition, `g:${commit}`)
  }

  /** Entries, and how far producers have got. */
  stream(id: Id): readonly [entries: string, state: string] {
    const partition = partitionOfId(id)
    return [this.#at(partition, `q:${id}`), this.#at(partition, `p:${id}`)]
  }

  /** Definition, index, rows, counters. */
  table(id: TableId): TableKeys {
    return this.#table(id, partitionOfId(id), 'def')
  }

  /** The same of a part of a table that is spread; what it has of the definition does not stand for the table. */
  tablePart(id: TableId, partition: Partition): TableKeys {
    return this.#table(id, partition, 'part')
  }

  #table(id: TableId, partition: Partition, definition: 'def' | 'part'): TableKeys {
    const of = (what: string): string => this.#at(partition, `t:${id}:${what}`)
    return [of(definition), of('keys'), of('rows'), of('sums')]
  }

  /** A commit id says when it was made, so that nobody has to look for its receipt. */
  receipts(partition: Partition, commit: CommitId): string {
    const madeMs = Number.parseInt(commit.slice(0, 8) + commit.slice(9, 13), 16)
    return this.#at(partition, `x:${Math.floor(madeMs / RECEIPTS_WINDOW_MS).toString(36)}`)
  }

  /** A pattern for SCAN that finds all objects. */
  get anyObject(): string {
    return `${escaped(this.namespace)}:{*}:o:*`
  }

  anyAlias(prefix: string): string {
    return `${escaped(this.namespace)}:{*}:a:${escaped(prefix)}*`
  }

  /** Definitions of tables. */
  get anyTable(): string {
    return `${escaped(this.namespace)}:{*}:t:*:def`
  }

  get anyTablePart(): string {
    return `${escaped(this.namespace)}:{*}:t:*:part`
  }

  /** Entries, and how far producers have got: either may stand without the other. */
  get anyStream(): string {
    return `${escaped(this.namespace)}:{*}:[pq]:*`
  }

  get anyMarks(): string {
    return `${escaped(this.namespace)}:{*}:m:*`
  }

  get anyCell(): string {
    return `${escaped(this.namespace)}:{*}:c:*`
  }

  get anything(): string {
    return `${escaped(this.namespace)}:{*}:*`
  }

  /** Whether a key that a pattern finds is one of the layout, and not another program's that only looks like it. */
  has(key: string): boolean {
    const [, tag, kind, rest] = /^\{(\d+)\}:(\w):(.*)$/s.exec(key.slice(this.namespace.length + 1)) ?? []
    if (rest === undefined) return false
    if (kind === 'a') return Number(tag) === partitionOfAlias(rest)
    const id = rest.slice(0, ID_LENGTH)
    return isIdText(id) && (Number(tag) === partitionOfId(id) || (kind === 't' && rest.endsWith(':part')))
  }

  /** The id in the key of an object. */
  idOf(key: string): Id {
    return key.slice(key.lastIndexOf(':') + 1) as Id
  }

  /** The id in a key of a table. */
  tableOf(key: string): TableId {
    const end = key.lastIndexOf(':')
    return key.slice(key.lastIndexOf(':', end - 1) + 1, end) as TableId
  }

  aliasOf(key: string): string {
    return key.slice(key.indexOf('}:a:', this.namespace.length) + 4)
  }

  #at(partition: Partition, rest: string): string {
    return `${this.namespace}:{${partition}}:${rest}`
  }
}

/** Text as itself inside a pattern of SCAN. */
const escaped = (text: string): string => text.replace(/[\\*?[\]]/g, '\\$&')
