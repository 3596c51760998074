/** What the program and an agent say to each other, beside what goes to and from the workers of the agent. */
import type { FromWorker, ToWorker } from '../engines/messages.js'
import type { StoreMessage } from '../engines/worker.js'
import type { Isolation } from '../runtime-config.js'
import type { Kept } from './host-values.js'

export type ToAgent =
  /** `keeps`: whether large values of tasks stay with it. It becomes a host: from now on it listens for the others in a folder of sockets. */
  | { readonly do: 'become'; readonly host: number; readonly count: number; readonly sockets: string; readonly keeps: boolean }
  /** Loads, in the thread that waits, what tasks will need. */
  | { readonly do: 'warm'; readonly modules: readonly string[] }
  /** Opens its file of a store. */
  | { readonly do: 'open'; readonly store: number; readonly folder: string }
  | { readonly do: 'close'; readonly store: number }
  | { readonly do: 'start'; readonly slot: number; readonly isolation: Isolation }
  | { readonly do: 'kill'; readonly slot: number }
  /** Nobody will ask for this value any more. */
  | { readonly do: 'release'; readonly name: string }
  /** A task that is going to run there takes this value of another host. */
  | { readonly do: 'bring'; readonly value: Kept }
  | { readonly do: 'to'; readonly slot: number; readonly message: ToWorker | StoreMessage }

export type FromAgent =
  | { readonly do: 'opened'; readonly store: number }
  | { readonly do: 'refused'; readonly store: number; readonly error: Uint8Array }
  | { readonly do: 'from'; readonly slot: number; readonly message: FromWorker }
  | { readonly do: 'gone'; readonly slot: number; readonly why: string; readonly code: string | undefined }
  /** The answer to `bring`: whether the value is there now. */
  | { readonly do: 'brought'; readonly name: string; readonly isHere: boolean }
  /** Bytes that came from other hosts since it was last told. */
  | { readonly do: 'moved'; readonly bytes: number }

/** Ports between program and agent: 0 for these messages, then ways to workers; from here on the catalogues, by store. */
export const CATALOGUE_PORTS = 1 << 20

export const socketOf = (folder: string, host: number): string => `${folder}/${host}`
