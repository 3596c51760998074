/**
 * Who goes on with a run: one program at a time, or everything would be done twice. Each that wants to leaves a file of its own and looks for
 * those of others only then: of two, at least one sees the other, however close they are.
 */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { UnavailableError } from '../../src/errors.js'

/** Where two see one another both stand back: they try again, at times of their own. */
const ROUNDS = 4
const PAUSE_MS_MAX = 25

export class RunLock {
  readonly #path: string

  /** @throws UnavailableError ERR_RUN_GOES_ON */
  constructor(
    readonly folder: string,
    readonly runId: string,
  ) {
    this.#path = join(folder, `${runId}.${process.pid}.${startOf(process.pid)}.lock`)
    for (let round = 1; ; round++) {
      writeFileSync(this.#path, '', { mode: 0o600 })
      const other = this.#otherAlive()
      if (other === undefined) return
      this.release()
      if (round === ROUNDS)
        throw new UnavailableError(`run ${runId} goes on in process ${other}: wait for it, or end it`, {
          code: 'ERR_RUN_GOES_ON',
          pid: other,
        })
      pause(Math.random() * PAUSE_MS_MAX)
    }
  }

  release(): void {
    rmSync(this.#path, { force: true })
  }

  /** A process that goes on with the run; files of those that have ended go. */
  #otherAlive(): number | undefined {
    for (const name of readdirSync(this.folder)) {
      const [run, pid = '', start] = name.endsWith('.lock') ? name.split('.') : []
      const path = join(this.folder, name)
      if (run !== this.runId || path === this.#path) continue
      if (isAlive(Number(pid)) && startOf(Number(pid)) === start) return Number(pid)
      rmSync(path, { force: true })
    }
    return undefined
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** When a process began, in a word: another that has its number later is not it. Where the system does not say, its number must do. */
function startOf(pid: number): string {
  try {
    const afterName = readFileSync(`/proc/${pid}/stat`, 'utf8').split(')').at(-1)!
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').slice(0, 8)
    return `${boot}-${afterName.trim().split(' ')[STARTED]}`
  } catch {
    return 'unknown'
  }
}

/** Among what proc(5) has after the name. */
const STARTED = 19

const pause = (ms: number): unknown => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
