/** A program that is going to be killed. It reads its lane's data, says what it found, and works until the end. */
import { writeSync } from 'node:fs'
import type { Kind, Order, Report } from './protocol.js'

/** One kind of program. */
export interface Program {
  /** Reads what former lives left. */
  check(): Promise<Extract<Report, { say: 'found' }>>
  /** Works for ever. */
  work(): Promise<never>
  close(): Promise<void>
}

/** A child that is forgotten ends by itself, when whoever waits for it has long given up. */
const LIFE_MS = 150_000
setTimeout(() => process.exit(3), LIFE_MS).unref()

/** At once and whole: what was reported has left the process before the next statement. */
export function report(line: Report): void {
  const bytes = Buffer.from(`${JSON.stringify(line)}\n`)
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(1, bytes, at)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
    }
  }
}

async function programOf(kind: Kind, order: Order): Promise<Program> {
  switch (kind) {
    case 'groups':
      return (await import('./groups-program.js')).groupsProgram(order)
    case 'objects':
      return (await import('./objects-program.js')).objectsProgram(order)
    case 'bank':
      return (await import('./bank-program.js')).bankProgram(order)
    case 'hosts':
      return (await import('./hosts-program.js')).hostsProgram(order)
    case 'tasks':
      return (await import('./tasks-program.js')).tasksProgram(order)
  }
}

export async function runChild(order: Order): Promise<void> {
  const program = await programOf(order.lane.kind, order)
  report(await program.check())
  if (order.mode === 'work') await program.work()
  await program.close()
}
