/** One end of a way to another thread or process, as a MessagePort is one: plain data in order, nothing twice. */
export interface Port {
  postMessage(message: unknown, moved?: readonly ArrayBuffer[]): void
  on(event: 'message', hear: (message: any) => void): unknown
  removeAllListeners(event: 'message'): unknown
  close(): void
  /** Whether the way keeps the process alive. */
  ref(): void
  unref(): void
  /** Where the other end may be replaced by another that knows nothing: told when that has happened. */
  onRenewed?(hear: () => void): void
  /** Told when there will be no other end any more. */
  onLost?(hear: (why: Error) => void): void
}
