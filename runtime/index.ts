/** insitu: persistent objects for TypeScript, and tasks that run where the data lives. */
export { getByID, getLocations, loadAll, type TransactOptions, transact, update } from '../src/api.js'
export type * from '../src/backend.js'
export { Packed, Ref } from '../src/backend.js'
export { decodeWire, encodeWire, type Wire } from '../src/codec/wire.js'
export type { Column, Columns, NewRow, Row } from '../src/dict/column.js'
export { t } from '../src/dict/columns.js'
export type { AggregateRange, RangeOptions, WhereOptions } from '../src/dict/query-types.js'
export { decodeKey, encodeKey, prefixBounds } from '../src/dict/row-key.js'
export type { DictClass, DictObject } from '../src/dict/standalone-dict.js'
export { type DictOptions, StorageDict } from '../src/dict/storage-dict.js'
export { StorageSets } from '../src/dict/storage-sets.js'
export { joinColumns } from '../src/dict/table-columns.js'
export type { Condition, Where } from '../src/dict/where.js'
export * from '../src/errors.js'
export type { ClassId, CommitId, Domain, Host, Id, TableId } from '../src/ids.js'
export { field, transient } from '../src/objects/decorators.js'
export { type GetOptions, type PersistOptions, type Restorable, StorageObject } from '../src/objects/storage-object.js'
export { Store, type StoreOptions } from '../src/store.js'
export { type ConsumeOptions, StorageStream } from '../src/streams/storage-stream.js'
export { watch } from '../src/watch.js'
export { type ConnectOptions, connect } from './connect.js'
export { main } from './main.js'
export type { TaskGraph } from './observe/run-record.js'
export { registerBackend } from './open-backend.js'
export {
  barrier,
  dump,
  executeTask,
  explain,
  finish,
  getResult,
  graphOf,
  group,
  hosts,
  type InitOptions,
  init,
  runId,
  type Stats,
  stats,
  submitReady,
  waitOn,
} from './runtime-api.js'
export { consolidateVersion, newReplica, newVersion } from './storage-interface.js'
export { type RunningTask, TaskContext, type TaskContextOptions } from './task-context.js'
export { asCompleted, type Completed } from './tasks/as-completed.js'
export { COMMUTATIVE, CONCURRENT, type Direction, IN, IN_DELETE, INOUT, OUT } from './tasks/directions.js'
export { AggregateTaskError } from './tasks/failures.js'
export type { Future } from './tasks/future.js'
export type { TaskNeeds } from './tasks/needs.js'
export { type Arg, type Args, type CallOptions, type Directions, type Refused, type TaskFn, type TaskOptions, task } from './tasks/task.js'
export type { TaskGroup } from './tasks/task-group.js'
