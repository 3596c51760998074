import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { statSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import { TaskFailedError } from '../../src/errors.js'
import { captionOf } from '../observe/graph-dot.js'
import { graphSvg } from '../observe/graph-svg.js'
import { latestRunRecord, type RunRecord } from '../observe/run-record.js'
import { type CommonOptions, childEnvironment, commonOptions, optionsOf, useRunSettings } from './cli-config.js'
import { colorsOn } from './colors-config.js'
import { UsageError } from './exit-codes.js'
import { whenInterrupted } from './interrupt.js'
import { bytes, put, say } from './output.js'

const colors = colorsOn(process.stderr)

interface DemoOptions extends CommonOptions {
  readonly folder?: string
  readonly out: string
  readonly hosts?: string
}

export const demoCommand = (): Command =>
  commonOptions(new Command('demo'))
    .description('see it work: one program stores texts, a second counts their words in tasks, a third cleans up')
    .option('--folder <folder>', 'texts to count (default: the licences and readmes in node_modules)')
    .option('--hosts <n>', 'on so many logical hosts, a process with a file each')
    .option('--out <file>', 'where the drawing of the task graph goes', 'insitu-graph.svg')
    .addHelpText(
      'after',
      '\nUses a store of its own that is removed at the end; with --storage, that store, and the counts stay in it as demo-counts.',
    )
    .action(async (_: unknown, command: Command) => demo(optionsOf(command)))

const DATA = 'demo-texts'
const COUNTS = 'demo-counts'

async function demo(options: DemoOptions): Promise<void> {
  requireFolder(options.folder)
  requireShared(options.storage)
  useRunSettings(options.hosts === undefined ? {} : { hosts: options.hosts })
  const stop = whenInterrupted()
  const temporary = await mkdtemp(join(tmpdir(), 'insitu-demo-'))
  try {
    const storage = options.storage ?? `nvram:${join(temporary, 'store')}`
    await show(options, { env: childEnvironment(storage, temporary), stop }, temporary)
  } finally {
    await rm(temporary, { recursive: true, force: true })
  }
}

function requireFolder(folder: string | undefined): void {
  if (statSync(folder ?? 'node_modules', { throwIfNoEntry: false })?.isDirectory()) return
  if (folder === undefined) throw new UsageError('there is no node_modules here to take texts from: name a folder with --folder')
  throw new UsageError(`there is no folder ${folder}: name one with texts`)
}

function requireShared(storage: string | undefined): void {
  if (storage?.startsWith('memory:'))
    throw new UsageError(`${storage} is one program's own, and the demo has three that share a store: --storage nvram:FOLDER, or none`)
}

/** What each of the programs is started with, and what ends it before its time. */
interface Surroundings {
  readonly env: NodeJS.ProcessEnv
  readonly stop: AbortSignal
}

async function show({ storage, folder, out, json }: DemoOptions, around: Surroundings, stateFolder: string): Promise<void> {
  const startMs = performance.now()
  await program('producer', folder === undefined ? [DATA] : [folder, DATA], around)
  let counts: readonly string[]
  try {
    counts = await program('consumer', [DATA, COUNTS], around)
  } finally {
    // whatever became of the counting: in a store that stays, the next demo would find its name in use
    if (storage !== undefined || !around.stop.aborted) await program('cleaner', [DATA], { env: around.env, stop: NEVER })
  }
  around.stop.throwIfAborted()
  if (counts.length === 0) throw new UsageError(`there are no texts in ${folder ?? 'node_modules'}: name another folder with --folder`)
  const record = await latestRunRecord(stateFolder)
  const seconds = (performance.now() - startMs) / 1000
  await writeFile(out, await graphSvg(record.graph, captionOf(record)))
  report({ words: topTen(counts), record, seconds, out, json: json ?? false })
}

const NEVER = new AbortController().signal

/** Runs one of the example's programs as a process of its own; gives the lines of its stdout. @throws the signal's reason, once it has ended */
async function program(name: string, args: readonly string[], { env, stop }: Surroundings): Promise<readonly string[]> {
  stop.throwIfAborted()
  const startMs = performance.now()
  const file = fileURLToPath(new URL(`../../examples/wordcount/${name}.js`, import.meta.url))
  const child = spawn(process.execPath, [file, ...args], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'close') as Promise<[code: number | null, signal: string | null]>
  const end = (): boolean => child.kill()
  stop.addEventListener('abort', end)
  const lines: string[] = []
  for await (const line of createInterface({ input: child.stdout })) lines.push(line)
  const [code, signal] = await ended
  stop.removeEventListener('abort', end)
  stop.throwIfAborted()
  if (code !== 0)
    throw new TaskFailedError(`${name} ended with ${signal ?? `exit code ${code}`}: its message stands above`, { program: name })
  say(colors.dim(`${name.padEnd(8)}  ${((performance.now() - startMs) / 1000).toFixed(1)} s`))
  return lines
}

type Count = readonly [word: string, n: number]

function topTen(lines: readonly string[]): readonly Count[] {
  const counts = lines.map((line): Count => {
    const space = line.lastIndexOf(' ')
    return [line.slice(0, space), Number(line.slice(space + 1))]
  })
  return counts.sort((a, b) => b[1] - a[1]).slice(0, 10)
}

interface Report {
  readonly words: readonly Count[]
  readonly record: RunRecord
  readonly seconds: number
  readonly out: string
  readonly json: boolean
}

function report({ words, record, seconds, out, json }: Report): void {
  const { done = 0, failed = 0, nearShare = 1, bytesMoved = 0, hosts = 1 } = record.stats
  if (json)
    return put(
      true,
      { words: Object.fromEntries(words), done, failed, nearShare, bytesMoved, seconds: Number(seconds.toFixed(2)), graph: out },
      [],
    )
  for (const [word, n] of words) process.stdout.write(`${String(n).padStart(8)}  ${word}\n`)
  say('')
  say(
    `${colors.bold(String(done))} tasks done${failed > 0 ? `, ${failed} failed` : ''}, in three programs that shared a dataset by its name`,
  )
  if (hosts > 1) say(`${colors.bold(`${(nearShare * 100).toFixed(0)} %`)} of those with data ran on the one of ${hosts} hosts that had it`)
  say(`${colors.bold(bytes(bytesMoved))} of data travelled with tasks: their ids did`)
  say(`${colors.bold(seconds.toFixed(1))} s; the task graph is in ${colors.bold(out)}`)
}
