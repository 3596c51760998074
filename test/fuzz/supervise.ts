import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Failure, Totals } from './fuzz.js'
import { TARGETS } from './targets.js'

export interface FuzzOptions {
  readonly seed: number
  readonly seconds: number
  /** This round only, to see a failure again. */
  readonly round?: number
  readonly flaw?: string
  /** How long one reading may take before its process is ended. */
  readonly hangMs?: number
}

const CHILD = fileURLToPath(new URL('./fuzz-child.js', import.meta.url))
const HANG_MS = 10_000
const WATCH_MS = 250
/** A reader that dies of everything is known after that many. */
const DEATHS_MAX = 5

/** Has a child fuzz; names what it was at when it dies or hangs, and has another go on behind that. */
export async function fuzz(options: FuzzOptions): Promise<Totals> {
  const folder = await mkdtemp(join(tmpdir(), 'insitu-fuzz-'))
  const endMs = performance.now() + options.seconds * 1000
  const lives: Totals[] = []
  try {
    for (let from = 0, deaths = 0; deaths < DEATHS_MAX && (lives.length === 0 || performance.now() < endMs); ) {
      const life = await live(options, from, Math.max(0.1, (endMs - performance.now()) / 1000), join(folder, 'position'))
      lives.push(life.totals)
      if (life.diedAt === undefined || options.round !== undefined) break
      from = life.diedAt + 1
      deaths++
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  return lives.reduce(sum)
}

const sum = (a: Totals, b: Totals): Totals => ({
  rounds: a.rounds + b.rounds,
  cases: a.cases + b.cases,
  refused: a.refused + b.refused,
  accepted: a.accepted + b.accepted,
  failures: [...a.failures, ...b.failures],
})

async function live(
  { seed, round, flaw = '', hangMs = HANG_MS }: FuzzOptions,
  from: number,
  seconds: number,
  path: string,
): Promise<{ readonly totals: Totals; readonly diedAt?: number }> {
  const args = [seed, from, seconds, path, round ?? '', flaw].map(String)
  const child = fork(CHILD, args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], execArgv: ['--max-old-space-size=512'] })
  let totals: Totals | undefined
  child.on('message', (message) => (totals = message as Totals))
  const watch = watchFor(path, hangMs, () => child.kill('SIGKILL'))
  const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null]
  const hung = watch()
  if (totals) return { totals }
  const [diedAt, nth] = await positionIn(path)
  const names = Object.keys(flaw === '' ? TARGETS : { [flaw]: true })
  const what = hung ? `it did not end within ${hangMs} ms` : `its process was ended by ${signal ?? `exit code ${code}`}`
  const failure: Failure = { target: names[diedAt % names.length]!, round: diedAt, how: `case ${nth}`, what }
  return { totals: { rounds: diedAt - from + 1, cases: 0, refused: 0, accepted: 0, failures: [failure] }, diedAt }
}

/**
 * Calls `stop` when the position stays where it is, from the first one on; gives what tells whether it did. Looks are counted, not time: a
 * machine that stands still hangs nobody.
 */
function watchFor(path: string, hangMs: number, stop: () => void): () => boolean {
  let last = ''
  let times = 0
  let hung = false
  const look = async (): Promise<void> => {
    const now = (await readFile(path).catch(() => Buffer.alloc(0))).toString('hex')
    times = now === last && now !== '' ? times + 1 : 0
    last = now
    if (times * WATCH_MS < hangMs || hung) return
    hung = true
    stop()
  }
  const timer = setInterval(() => void look(), WATCH_MS)
  return () => {
    clearInterval(timer)
    return hung
  }
}

async function positionIn(path: string): Promise<readonly [round: number, nth: number]> {
  const bytes = await readFile(path).catch(() => Buffer.alloc(0))
  return bytes.length < 8 ? [0, 0] : [bytes.readUInt32LE(0), bytes.readUInt32LE(4)]
}
