/**
 * The contract between the core and a store. One writer of truth: whatever changes a store goes through `commit`.
 * It speaks typed cells and rows, not the verbs of one database. What a backend may lack is an optional member:
 * its presence is the capability. docs/decisions/001-contracts.md says what each member costs where. One file, since whoever writes a
 * backend reads all of it.
 */
import type { ClassId, CommitId, Domain, Host, Id, TableId } from './ids.js'

/** A field's value in the core's own encoding (see codec/). Opaque to backends: kept and given back byte for byte. */
export class Packed {
  constructor(readonly bytes: Uint8Array) {}
}

/**
 * A reference to a StorageObject. The class travels with the id: it names Cassandra's table and lets a handle have its class. `store`
 * is the url (without secrets) of the store that holds the object, where that is another than the one that holds the reference.
 */
export class Ref {
  constructor(
    readonly id: Id,
    readonly classId: ClassId,
    readonly store?: string,
  ) {}
}

/** What a backend stores of a field or column. Typed, so that a foreign client (CQL, redis-cli) can read it. */
export type Cell = null | boolean | number | bigint | string | Date | Uint8Array | Ref | Packed | readonly Cell[]
/** An object's stored fields by name. Names are any string, `__proto__` and the empty one included. */
export type Cells = ReadonlyMap<string, Cell>

/** State of an object: compare-and-set compares both parts, since a number alone can repeat after a delete or a restore. */
export interface Stamp {
  readonly revision: number
  readonly commit: CommitId
}

/** Left on an object or alias by a group of several domains between reserve and settle. Clocks matter for progress, never for safety. */
export interface Intent {
  readonly commit: CommitId
  /** Where the decision (the mark `commit`) stands. */
  readonly home: Ref
  /** What settling with `take` applies: ops in the core's encoding, each on this target only. */
  readonly redo: readonly Op[]
  /** Milliseconds since the epoch after which anybody may put `aborted`. */
  readonly leaseUntilMs: number
  /** Asks only that the object stays: is in the way of nothing but its removal, and may stand with others (`sharesIntents`). */
  readonly isShared?: boolean
  /** Of one that removes an object: is left though shared ones stand, and no more come. Its round ends those before it decides. */
  readonly passesShared?: boolean
  /** Others that stand on the same object: as it is read, and as a backend keeps them (`src/intents.ts`). */
  readonly beside?: readonly Intent[]
}

export interface Stored {
  readonly ref: Ref
  readonly stamp: Stamp
  /** Size of the stored form in bytes, as placement counts it. */
  readonly bytes: number
  readonly cells: Cells
  readonly intent?: Intent
}

/**
 * The record that a commit happened. Put if absent, never overwritten; its outcome may be dropped later. It stands by itself: removing
 * the object that is its home leaves it.
 */
export interface Mark {
  readonly key: string
  /** The attempt that put it. */
  readonly attempt: CommitId
  readonly state: 'committed' | 'aborted'
  /** The encoded outcome (at most OUTCOME_BYTES_MAX), or what leads to it; `null` once dropped. */
  readonly outcome: Uint8Array | null
}

/** `committed`: survives the end of the program; `durable`: survives power loss; `replicated:n`: n further copies have it. */
export type Ack = 'committed' | 'durable' | `replicated:${number}`

/** A row's key: the table's partition columns, then its order columns. */
export type Key = readonly Cell[]
/** A row's values in the order of the table's value columns; `undefined` = not set. */
export type Values = readonly (Cell | undefined)[]

export type Target = { readonly ref: Ref } | { readonly alias: string }
export interface RowTarget {
  readonly table: TableId
  readonly key: Key
}

export type Op =
  /** Writes cells. The stamp becomes {found revision + 1 or 1, group.commit}. */
  | {
      readonly do: 'put'
      readonly ref: Ref
      readonly set: Cells
      /** Cells to drop. */
      readonly unset?: readonly string[]
      readonly expect: Stamp | 'absent'
      /** The id was made for this put and is in no other, so that a backend need not look whether it is absent. */
      readonly isNew?: boolean
    }
  /** Removes an object. Its aliases and tables are separate ops of the same group. */
  | { readonly do: 'remove'; readonly ref: Ref; readonly expect: Stamp | 'present' }
  /** Changes nothing; fails the group if untrue at its commit. */
  | { readonly do: 'check'; readonly ref: Ref; readonly expect: Stamp | 'present' | 'absent' }
  /** Moves an alias; `null` = no such alias. Fails with AliasTakenError when it is not at `expect`. */
  | { readonly do: 'name'; readonly alias: string; readonly expect: Ref | null; readonly to: Ref | null }
  /**
   * Writes a row whole; its counter columns keep their sums. Among writers of one row the latest `atMicros` of the group wins, ties by the
   * larger encoded row, so that applying it again later changes nothing.
   */
  | {
      readonly do: 'row'
      readonly table: TableId
      readonly key: Key
      /**
       * `null` removes the row. Fewer values than the table has columns are by a program that does not know the last ones: those stay as
       * they are. More are a ValidationError.
       */
      readonly set: Values | null
      /** Of a table with `writes: 'cas'`: the row's `atMicros` as it was read, `null` for no row. */
      readonly expect?: bigint | null
      /** The table has `writes: 'cas'`, whether what stands is expected or not. */
      readonly isCas?: boolean
      /** Here and below: by how many columns of their key rows of such a table lie, where those are several. */
      readonly partition?: number
      /** Written under the intent of this commit (`reserveRow`), whatever the clocks say, and ends it. Where there is none, as any other. */
      readonly ends?: CommitId
    }
  /**
   * Changes nothing; fails the group (ConflictError: `table`, `key`, `expected`, `found`) if, at its commit, a row of a table with
   * `writes: 'cas'` is not as it was read: its `atMicros`, `null` for no row. Another commit's intent on the row is in its way, as in that of a `row`.
   */
  | { readonly do: 'checkRow'; readonly table: TableId; readonly key: Key; readonly expect: bigint | null; readonly partition?: number }
  /** Adds to a counter column (index into the table's values); a missing row starts at 0. Applied once per commit id. */
  | {
      readonly do: 'add'
      readonly table: TableId
      readonly key: Key
      readonly column: number
      readonly by: bigint
      readonly partition?: number
    }
  /**
   * Puts a mark if absent. If one stands from another attempt the whole group is not applied (`Receipt.applied` false), whatever else
   * of the group would conflict. One of the same attempt is not in the way. A group may have several.
   */
  | { readonly do: 'mark'; readonly home: Ref; readonly mark: Mark }
  /** Drops outcomes (keys stay) or whole marks. */
  | { readonly do: 'forget'; readonly home: Ref; readonly keys: readonly string[]; readonly what: 'outcome' | 'mark' }
  /**
   * Leaves an intent on an object or alias, present or not, if it is as expected and free; idempotent by commit id. Other commits'
   * put, remove, check, name and reserve on it then fail. Where a store has `sharesIntents`, one that `isShared` is in the way of a
   * `remove` and of an intent that removes the object only, unless that `passesShared`; it is itself refused by an intent that removes.
   */
  | { readonly do: 'reserve'; readonly target: Target; readonly expect: Stamp | Ref | 'present' | 'absent' | null; readonly intent: Intent }
  /**
   * Ends an intent of `commit`; `take` applies its redo, the new stamp being {found revision + 1, `commit`}. Does nothing when there
   * is none: idempotent.
   */
  | { readonly do: 'settle'; readonly target: Target; readonly commit: CommitId; readonly take: boolean }
  /**
   * Leaves an intent on a row of a table with `writes: 'cas'`, there or not, if it is as expected (without `expect` as it may be) and
   * free; idempotent by commit id. It shows in no read. A `row`, `checkRow` or `reserveRow` of others then fails (ConflictError: `table`, `key`, `intent`). Only for stores that have
   * `reservesRows`.
   */
  | { readonly do: 'reserveRow'; readonly table: TableId; readonly key: Key; readonly expect?: bigint | null; readonly intent: Intent }
  /** Ends an intent of `commit` on a row, and leaves the row as it is. Does nothing when there is none: idempotent. */
  | { readonly do: 'settleRow'; readonly table: TableId; readonly key: Key; readonly commit: CommitId }
  /** Keeps a group's row and counter changes at its home until they are applied; `null` drops them. */
  | { readonly do: 'stage'; readonly home: Ref; readonly commit: CommitId; readonly redo: readonly Op[] | null }

/** What commits together. All ops lie in one domain. */
export interface Group {
  readonly commit: CommitId
  /** The writer's clock, microseconds since the epoch; orders writers of one row. */
  readonly atMicros: bigint
  readonly ops: readonly Op[]
}

export interface Receipt {
  /** False when a mark of another attempt stood in the way: nothing of the group was applied. */
  readonly applied: boolean
  /** New stamps of the objects that the group put. */
  readonly stamps: ReadonlyMap<Id, Stamp>
  /** The mark that stands, when the group had one. */
  readonly mark?: Mark
}

export interface Location {
  readonly host: Host
  readonly bytes: number
  readonly role: 'primary' | 'copy'
}

export type ColumnType =
  | 'text'
  | 'bool'
  | 'i32'
  | 'i64'
  | 'f32'
  | 'f64'
  | 'decimal'
  | 'blob'
  | 'uuid'
  | 'date'
  | 'time'
  | 'timestamp'
  | 'counter'
  | 'ref'
  | { readonly setOf: ColumnType }
  | { readonly listOf: ColumnType }
  | { readonly tupleOf: readonly ColumnType[] }
  | { readonly mapOf: readonly [ColumnType, ColumnType] }
  | { readonly vectorOf: number }

/** What a type leaves out of records, which are tuples in a store: the names of their fields, and which may be left out. */
export type RecordNames =
  | { readonly fields: readonly RecordField[] }
  /** Of the types inside a collection, by their places. */
  | { readonly within: readonly (RecordNames | null)[] }

export type RecordField = readonly [name: string, mayBeAbsent: boolean, within: RecordNames | null]

export interface ColumnSpec {
  readonly name: string
  readonly type: ColumnType
  readonly optional?: boolean
  /** Rows are asked for by its values: a store that has indexes makes one, others go without. Never a reason for a mismatch. */
  readonly indexed?: boolean
  /** For programs that know of a table only what is stored. Stores need not look at it, and it is never a reason for a mismatch. */
  readonly records?: RecordNames
}

export interface Table {
  readonly id: TableId
  readonly owner: Ref
  /** Partition columns first, then order columns. */
  readonly keys: readonly ColumnSpec[]
  /** How many leading keys form the partition (at least 1). */
  readonly partition: number
  readonly values: readonly ColumnSpec[]
  /**
   * `'counters'`: all values are counters, which are added to by one op at a time, outside of units of work, and of which no row is written
   * or removed. A store may take its own counters for them: an add of unknown outcome is then not to be sent again.
   */
  readonly writes: 'lww' | 'cas' | 'counters'
}

export interface StoredRow {
  readonly key: Key
  readonly values: Values
  readonly atMicros: bigint
}

/** One part of a table: encoded keys in [from, to), or what `Backend.placing` makes of them. Deterministic for a table and an epoch. */
export interface Piece {
  readonly table: TableId
  readonly from: Uint8Array
  readonly to: Uint8Array
  readonly epoch: string
}

/** Rows in key order. `prefix` fixes leading key columns; `from` (inclusive) and `to` (exclusive) bound the columns after it. */
export interface Range {
  readonly in: TableId | Piece
  readonly prefix?: Key
  readonly from?: Key
  readonly to?: Key
  readonly reverse?: boolean
  readonly limit?: number
  /**
   * Rows for which one of these does not hold may be left out. Whoever asks looks at each row all the same, so that a store need not know
   * any of them. Not together with `limit`.
   */
  readonly where?: readonly RowFilter[]
}

/** What holds of one column: it is set, and one of `equals`, or from `from` (inclusive) up to `to` (exclusive). */
export interface RowFilter {
  readonly column: string
  /** The column is declared with an index. One that is not stands here only where all rows may be looked at for it. */
  readonly indexed: boolean
  readonly equals?: readonly Cell[]
  readonly from?: Cell
  readonly to?: Cell
}

export interface Capabilities {
  /** Levels that `flush` can honestly wait for. */
  readonly acks: readonly Ack[]
  /** Largest group in bytes of its cells and rows; beyond it the core refuses with GroupTooLargeError. */
  readonly groupBytesMax: number
  /** How many ops a group has best: what need not commit together is sent in groups of no more. Without it, as large as they come. */
  readonly groupOpsBest?: number
  /** Largest single row in bytes, and largest group of rows with `writes: 'cas'`, where that is less than `groupBytesMax`. */
  readonly rowBytesMax?: number
  /** Most rows with `writes: 'cas'` that a group writes in one domain; more are a GroupTooLargeError. */
  readonly casRowsMax?: number
  /**
   * Largest group of rows that a domain takes in one go, where that is less than `groupBytesMax`: a larger one is decided at the owners of
   * its tables as one over several domains is, so that it is whole though its rows come one part after the other.
   */
  readonly rowsAtOnce?: { readonly ops: number; readonly bytes: number }
  /** Rows of tables with `writes: 'lww'` may lie in one group whatever their domains; each domain's are then whole. For loading in bulk. */
  readonly loadsAcross?: boolean
  /** Largest single cell in bytes. */
  readonly cellBytesMax: number
  /** Whether a scan over a whole table comes in key order (always true inside a partition). */
  readonly orderedScan: boolean
  /** Whether `read` needs only the id of a reference: objects asked for by id are then read in one round trip, not found first. */
  readonly readsByIdAlone?: boolean
  /** How long the receipt of a commit id is kept, so that re-sending it is harmless. */
  readonly receiptsKeptMs: number
  /** Who else may open the same url and see the same data: this instance only, other processes of this machine, other machines. */
  readonly reach: 'instance' | 'machine' | 'network'
  /**
   * Rows may lie in other domains than the object that owns their table, and take intents there. Without it a table with `writes: 'cas'`
   * lies in its owner's domain, whose intent then keeps other writers away.
   */
  readonly reservesRows?: boolean
  /** Several intents with `isShared` may stand on one object at once. Without it none is sent, and units that rely on one object take turns. */
  readonly sharesIntents?: boolean
  /**
   * Whether `flush` covers what other instances of this machine have committed before it was called. Then workers commit small tasks by
   * themselves, and only the program waits for the level that it asks for.
   */
  readonly flushesOthers?: boolean
}

export interface Backend {
  /** The url it was opened with, without secrets; workers of `reach` beyond 'instance' open it again. */
  readonly url: string
  readonly capabilities: Capabilities
  /** Opens or makes the store. Errors: NotOwnerError, UnsupportedError (other format), UnavailableError, CorruptError. Idempotent. */
  open(signal?: AbortSignal): Promise<void>
  /** Waits for commits under way, then releases everything. Idempotent. Later calls raise UnavailableError. */
  close(): Promise<void>
  /** Which domain an op belongs to. Pure: no I/O, same answer in every process. */
  domain(op: Op): Domain
  /**
   * Applies a group of one domain: atomic, whole, isolated from other groups. Resolves when it is `committed`: every reader sees it
   * and it survives SIGKILL. The same commit id again gives the same receipt and changes nothing, whatever the ops: one id has one
   * content in a domain, in several domains it may have several. Buffers are borrowed until it resolves.
   * Errors, all leaving the store unchanged: ConflictError (stamp or row not as expected: `ref`, `expected`, `found`; or an intent met:
   * `ref` or `alias`, `intent`), AliasTakenError, UnavailableError (also: full), UnknownOutcomeError (only where a connection can be
   * cut; re-send the same group). Any error but the last says that no copy sent by this call is still under way.
   */
  commit(group: Group): Promise<Receipt>
  /**
   * Ends a group of unknown outcome: gives its receipt if it was applied. Otherwise it never will be, neither by a copy that still
   * travels nor sent again, which is then a ConflictError (`barred`), as long as receipts are kept. Not for groups of rows. Errors:
   * UnavailableError, UnknownOutcomeError (ask again). Absent: what a copy might yet do is told as UnknownOutcomeError.
   */
  bar?(group: Group): Promise<Receipt | undefined>
  /** Resolves when all that this instance has committed so far has reached `ack`. Errors: UnsupportedError for a level not in `acks`. */
  flush(ack: Ack): Promise<void>
  /** Each object whole, as of one moment (not all of them of the same moment), in the order asked; linearizable. The cells are the caller's. */
  read(refs: readonly Ref[]): Promise<readonly (Stored | undefined)[]>
  /** Linearizable. */
  marks(home: Ref, keys: readonly string[]): Promise<readonly (Mark | undefined)[]>
  /** What `stage` keeps for a commit. */
  staged(home: Ref, commit: CommitId): Promise<readonly Op[] | undefined>
  /** Resolves ids and aliases, in the order asked; linearizable. `intent` as on `Stored`. */
  find(what: readonly (Id | { readonly alias: string })[]): Promise<readonly (Found | undefined)[]>
  /** Pages of objects, of one class or all; those that stand during the whole listing are all in it. */
  objects(of: { readonly classId?: ClassId }): AsyncIterable<readonly Ref[]>
  /** Pages of aliases, by prefix or of one object. */
  aliases(of: { readonly prefix?: string } | { readonly ref: Ref }): AsyncIterable<readonly (readonly [alias: string, ref: Ref])[]>
  /**
   * Makes a table; idempotent. One that stands gains the columns that `table` has behind its own, where rows can go without them
   * (optional ones, counters), and keeps those that it has behind those of `table`: `joinColumns` says what stands then. Errors:
   * SchemaMismatchError when the columns do not go together. `alias`: what its owner is going to be called, for stores whose tables have
   * names; others know nothing of it.
   */
  define(table: Table, alias?: string): Promise<void>
  /** A table's definition. */
  table(id: TableId): Promise<Table | undefined>
  /** Removes a table and its rows; a missing one is no error. */
  drop(table: TableId): Promise<void>
  /** Rows by key, in the order asked. */
  rows(table: TableId, keys: readonly Key[]): Promise<readonly (StoredRow | undefined)[]>
  /** Pages of rows. Throws when it cannot go on; never ends early as if complete. Leaving the loop early releases everything. */
  scan(range: Range, signal?: AbortSignal): AsyncIterable<readonly StoredRow[]>
  /** Parts that together cover each key exactly once. */
  pieces(of: TableId | Piece, atLeast: number): Promise<readonly Piece[]>
  /**
   * Where keys stand among the bounds of pieces, for stores whose pieces are no ranges of keys (a piece of a ring has tokens): a key is in a
   * piece when these bytes are in [from, to). Absent, or `undefined` for a table: the encoded key.
   */
  placing?(table: TableId): Promise<((key: Key) => Uint8Array) | undefined>
  /** Hosts with a copy, largest share first. An unknown object has none. */
  locate(what: readonly (Ref | Piece)[]): Promise<readonly (readonly Location[])[]>

  readonly streams?: Streams
  readonly replicas?: Replicas
  readonly watcher?: Watcher
  readonly aggregates?: Aggregates
  readonly upkeep?: Upkeep
  readonly places?: Places
  readonly declared?: Declared
}

/** What a class says of the type of one of its fields. */
export interface FieldSpec {
  readonly name: string
  /** `dict`: a collection that the object owns. */
  readonly type: ColumnType | 'dict'
  /** Of a reference: the class that it leads to. */
  readonly of?: ClassId
  /** Of a collection: its columns. */
  readonly columns?: Pick<Table, 'keys' | 'partition' | 'values' | 'writes'>
}

/**
 * A store that keeps classes which say what type each field has (`static columns`) in a form of its own, where an object's name says its
 * id. Such an object and its name lie in one domain.
 */
export interface Declared {
  /** Told before objects of the class are asked for or stored; at once, without I/O. Errors: UnsupportedError, SchemaMismatchError. */
  declare(classId: ClassId, fields: readonly FieldSpec[]): void
  /** The id of an object that is made under an alias. */
  idOf(alias: string): Id
}

export interface Found {
  /** `null`: there is no such alias yet, but an intent stands on it. Core code asks through `findResolved`, which knows what that means. */
  readonly ref: Ref | null
  readonly intent?: Intent
}

/** What a consumer of a stream asks for. */
export interface StreamRead {
  /** Each group gets every item of the stream, in one of its consumers. */
  readonly group: string
  readonly consumer: string
  /** Items given at once. */
  readonly max: number
  /** How long items are kept from the other consumers of the group when they are neither acknowledged nor released. */
  readonly leaseMs: number
}

export type StreamItem = readonly [id: string, item: Uint8Array]

/**
 * Append-only streams below an object, which must stand. Nothing here is part of a group: what is appended is visible at once. Errors:
 * NotFoundError when the object is gone; UnavailableError, UnknownOutcomeError (appending the same again is harmless).
 */
export interface Streams {
  /**
   * Appends items that their producer has numbered `from`, `from` + 1, …, together and in order. Those below the highest number that it
   * has appended are there already and are left out, so a producer sends in order; it may skip numbers. Errors: ValidationError
   * (`ERR_STREAM_ENDED`).
   */
  append(stream: Ref, producer: string, from: number, items: readonly Uint8Array[]): Promise<void>
  /**
   * The group's next items, oldest first, those whose lease is over before others. Waits for one; empty once the stream has ended and
   * the group has acknowledged everything. Aborting rejects with the signal's reason, and hands out nothing.
   */
  read(stream: Ref, read: StreamRead, signal?: AbortSignal): Promise<readonly StreamItem[]>
  /** They are done with. Unknown ids are ignored. */
  ack(stream: Ref, group: string, ids: readonly string[]): Promise<void>
  /** Gives back what a consumer has not worked on: another read of the group gets it at once. */
  release(stream: Ref, group: string, ids: readonly string[]): Promise<void>
  /** Nothing can be appended any more. Idempotent. */
  end(stream: Ref): Promise<void>
  /** Pages of all items there are, of whatever group: for who looks for references in them. */
  items(stream: Ref): AsyncIterable<readonly Uint8Array[]>
  /** Removes items and groups; the object may be gone. Idempotent. */
  drop(stream: Ref): Promise<void>
}

/** Further copies on named hosts. */
export interface Replicas {
  copy(ref: Ref, to: Host): Promise<void>
  drop(ref: Ref, at: Host): Promise<void>
  /** This process is near these hosts: copies there are what it reads, where the store would not know that by itself. */
  near?(hosts: readonly Host[]): void
}

/** Stamps of objects now, and as they change; `null` for one that is gone. May coalesce, never misses the last one. */
export interface Watcher {
  watch(refs: readonly Ref[], signal: AbortSignal): AsyncIterable<readonly [Ref, Stamp | null]>
}

/** Aggregation where the rows lie. `by` and columns are names of the table. */
export interface Aggregates {
  aggregate(
    range: Range,
    by: readonly string[],
    ops: readonly (readonly ['count' | 'sum' | 'min' | 'max', string])[],
  ): Promise<readonly (readonly Cell[])[]>
}

/**
 * What looking after a store has to see, and no program ever asks for: what nothing leads to can only be listed. Pages; what stands
 * during the whole listing is in it. `insitu gc` leaves alone what it cannot list.
 */
export interface Upkeep {
  tables(): AsyncIterable<readonly Table[]>
  /** Marks of attempts whose id was made before a time (milliseconds since the epoch), and where they stand. */
  marksBefore(beforeMs: number): AsyncIterable<readonly { readonly home: Ref; readonly mark: Mark }[]>
  /** All intents on objects and aliases, those that do not exist yet among them. One on a row is ended by who writes the row next. */
  intents(): AsyncIterable<readonly { readonly target: Target; readonly intent: Intent }[]>
  /** Further copies on named hosts, those of objects that are gone among them. Absent where they go with their objects by themselves. */
  copies?(): AsyncIterable<readonly { readonly ref: Ref; readonly at: Host }[]>
  /** Objects that items or groups of a stream lie beside, those that are gone among them. Absent where there are no streams. */
  streams?(): AsyncIterable<readonly Id[]>
  /**
   * Copies the store, as of one moment, into a new folder while others go on writing: a file's copy is opened from there, as a store of its
   * own; a server's are files that its own kind of server loads. Absent where there is nothing to copy, or only the store's own tools can.
   */
  backup?(folder: string): Promise<void>
}

/** A store over several hosts, each a domain. Where an object lies can be read off its id, so that nobody has to ask. */
export interface Places {
  /** Whether each host has a process that the others ask for what lies there, so that workers do not open the files of all. */
  readonly haveAgents: boolean
  /** In a fixed order. */
  readonly hosts: readonly Host[]
  /** The host that this process belongs to; absent beside the hosts. */
  readonly own?: Host
  hostOf(id: Id | TableId): Host
  /** A fresh id at a host; without one, where what this process makes belongs. @throws ValidationError (ERR_UNKNOWN_HOST) */
  idAt(host?: Host): Id
  /** A fresh id, of an object or a table, at the host of another. */
  idBeside(id: Id): string
  /** A fresh id for a table with so many partition columns, where the rows of one may lie on several hosts. Absent: `idBeside` its owner. */
  tableBeside?(owner: Id, partitionColumns: number): string
  /** Where most of a piece lies, without asking anybody. Absent: where its table lies. */
  hostOfPiece?(piece: Piece): Host
  /** Bytes of an object as far as this process has seen it, without asking anybody. */
  sizeOf(id: Id): number | undefined
  /** Hosts with a further copy of an object, as far as this process knows. */
  copiesOf(id: Id): readonly Host[]
}

/** Makes a backend for a url; does no I/O before `open`. */
export type BackendFactory = (url: string) => Backend
