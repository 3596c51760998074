/** One end of a way to another thread or process, as a MessagePort is one: plain data in order, nothing twice. */
export interface Port {
  postMessage(message: unknown, moved?: readonly ArrayBuffer[]): void
  on(event: 'message', hear: (message: any) => void): unknown
  removeAllListeners(event: 'message'): unknown
  close(): void
  /** Whether the way keeps the process alive. */
  ref(): void
  unref(): void
}
