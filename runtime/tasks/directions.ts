/** What a task does with a parameter; positional, since names do not survive a minifier. After PyCOMPSs' parameter directions. */
export type Direction = 'IN' | 'OUT' | 'INOUT' | 'CONCURRENT' | 'COMMUTATIVE' | 'IN_DELETE'

/** Only read (default). Changing it fails the task with WrongDirectionError. */
export const IN = 'IN'
/** Written without being read. */
export const OUT = 'OUT'
/** Read and written: waits for earlier readers and writers. */
export const INOUT = 'INOUT'
/** Written by several tasks at once; the store orders their effects. */
export const CONCURRENT = 'CONCURRENT'
/** Written in any order, one at a time. */
export const COMMUTATIVE = 'COMMUTATIVE'
/** Read for the last time: what the run keeps of it may go. An object that is persistent stays stored until somebody deletes it. */
export const IN_DELETE = 'IN_DELETE'

export const DIRECTIONS: readonly Direction[] = [IN, OUT, INOUT, CONCURRENT, COMMUTATIVE, IN_DELETE]
export const isWriting = (direction: Direction): boolean => direction !== IN && direction !== IN_DELETE
