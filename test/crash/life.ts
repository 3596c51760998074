/** One life of one child: started, listened to, killed, waited for. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Order, Report } from './protocol.js'

const CHILD = fileURLToPath(new URL('./child-main.js', import.meta.url))
/** A child that has not even read its data by then hangs, or has not done the few steps that it is to do. No time that work is measured by. */
const READY_MS = 60_000
const AGENTS_END_MS = 30_000

export interface Life {
  /** Everything the child reported, also what was still in the pipe when it died. */
  readonly reports: readonly Report[]
  readonly signal: NodeJS.Signals | null
  readonly code: number | null
  readonly stderr: string
  /** True if it killed itself at its fail point. */
  readonly atFailPoint: boolean
}

/** When a child is killed. `undefined`: never, it ends by itself. */
export interface Kill {
  /** Counted from its start, from when it has read its data, or from its first acknowledged step. */
  readonly from: 'start' | Report['say']
  readonly afterMs: number
  /** Not before it has acknowledged so many steps: on a machine that stands still the time alone leaves it none. */
  readonly afterSteps?: number
  readonly failPoint?: string
}

export async function live(order: Order, kill: Kill | undefined): Promise<Life> {
  const child = spawn(process.execPath, ['--enable-source-maps', CHILD], { stdio: 'pipe', env: environment(order, kill?.failPoint) })
  // A child that was killed before it read its order breaks the pipe: what it did says its `close`.
  child.stdin.on('error', () => {})
  child.stdin.write(`${JSON.stringify(order)}\n`)
  const listener = listen(child)
  const closed = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>
  const mine = kill ? execute(child, kill, listener.says) : hangs(child)
  const [code, signal] = await closed
  const { killed } = await mine.end()
  await agentsEnded(listener.reports)
  return { reports: listener.reports, signal, code, stderr: listener.stderr(), atFailPoint: signal === 'SIGKILL' && !killed }
}

/** Agents of hosts have it from their program: they die at the same fail point, each by its own count. */
function environment({ hosts }: Order, failPoint: string | undefined): NodeJS.ProcessEnv {
  const { INSITU_FAILPOINT: _, ...env } = process.env
  return { ...env, ...(failPoint && { INSITU_FAILPOINT: failPoint }), ...(hosts !== undefined && { INSITU_HOSTS: String(hosts) }) }
}

/** Agents end by themselves when their program has; what they had begun may still become visible until then. */
async function agentsEnded(reports: readonly Report[]): Promise<void> {
  const waited = performance.now() + AGENTS_END_MS
  for (const report of reports)
    while (report.say === 'agent' && isAlive(report.pid)) {
      if (performance.now() > waited) throw new Error(`the agent ${report.pid} outlives its program`)
      await delay(10)
    }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

interface Listener {
  readonly reports: Report[]
  /** Resolves at the first report of a kind, or at the one of that number. */
  readonly says: (say: Report['say'], times?: number) => Promise<void>
  readonly stderr: () => string
}

function listen(child: ChildProcess): Listener {
  const reports: Report[] = []
  let stderr = ''
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-4000)
  })
  let waiting: (() => boolean)[] = []
  createInterface({ input: child.stdout! }).on('line', (line) => {
    const report = parse(line)
    if (!report) return
    reports.push(report)
    waiting = waiting.filter((isMet) => !isMet())
  })
  const says = (say: Report['say'], times = 1): Promise<void> =>
    new Promise((resolve) => {
      const isMet = (): boolean => {
        if (reports.filter((report) => report.say === say).length < times) return false
        resolve()
        return true
      }
      if (!isMet()) waiting.push(isMet)
    })
  return { reports, says, stderr: () => stderr }
}

/** The last line of a killed child may be cut off. */
function parse(line: string): Report | undefined {
  try {
    return JSON.parse(line) as Report
  } catch {
    return undefined
  }
}

interface Executioner {
  /** Waits until nothing is left to do, and says whether it was this one that killed. */
  end(): Promise<{ killed: boolean }>
}

function execute(child: ChildProcess, { from, afterMs, afterSteps = 0 }: Kill, says: Listener['says']): Executioner {
  const over = new AbortController()
  const patience = (): Promise<void> => delay(READY_MS, undefined, { signal: over.signal })
  let killed = false
  const work = (async () => {
    if (from !== 'start') await Promise.race([says(from), patience()])
    await delay(afterMs, undefined, { signal: over.signal })
    if (afterSteps > 0) await Promise.race([says('done', afterSteps), patience()])
    killed = child.kill('SIGKILL')
  })().catch(() => {})
  return {
    async end() {
      over.abort()
      await work
      return { killed }
    },
  }
}

function hangs(child: ChildProcess): Executioner {
  return execute(child, { from: 'start', afterMs: READY_MS }, () => Promise.resolve())
}
