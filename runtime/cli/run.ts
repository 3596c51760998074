import { existsSync, realpathSync, statSync, writeSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { Command, Option } from 'commander'
import { STUCK, setExitCodes } from '../main.js'
import { readableError } from '../readable-error.js'
import { programStats } from '../runtime-api.js'
import { type CommonOptions, commonOptions, optionsOf, type RunSettings, useRunSettings, useStorage } from './cli-config.js'
import { exitCodeOf, exitCodeOfProgram, UsageError } from './exit-codes.js'
import { exitWhenInterrupted } from './interrupt.js'
import { complain, goOnUnheard } from './output.js'

const EXAMPLES = `
Everything after the program's name goes to the program. With --json, the last line of stdout tells what the program did:
{"tasks","nearShare","bytesMoved","seconds"}.

Examples:
  $ insitu run app.ts
  $ insitu run --run new app.ts        one that can be gone on with, should it be killed: --run ID with the id it tells
  $ insitu run --hosts 3 app.ts        three hosts as processes, each with a file of its own
  $ insitu run --hosts 3 --placement off app.ts   the same, data going to the tasks
  $ insitu run --storage nvram:./data consumer.ts experiment1 result1`

export const runCommand = (): Command =>
  commonOptions(new Command('run'))
    .description('run a program (.ts or .js) with its tasks')
    .option('--hosts <n>', 'logical hosts: a process each, with a file of its own (needs a store of files)')
    .option('--run <id>', 'begin a run that can be gone on with, or go on with it until it has ended well: a uuid, or new')
    .addOption(new Option('--placement <mode>', 'off: data go to the tasks, not tasks to their data').choices(['on', 'off']))
    .addOption(new Option('--isolation <kind>', 'what a worker runs in').choices(['thread', 'process']))
    .argument('<app>', 'the program')
    .argument('[args...]', 'its arguments')
    .passThroughOptions()
    .addHelpText('after', EXAMPLES)
    .action(async (app: string, args: readonly string[], _: unknown, command: Command) => run(app, args, optionsOf(command)))

interface RunOptions extends CommonOptions, RunSettings {}

async function run(app: string, args: readonly string[], { storage, json, ...settings }: RunOptions): Promise<void> {
  const path = resolve(app)
  if (!existsSync(path)) throw new UsageError(`there is no file ${app}`)
  if (statSync(path).isDirectory()) throw new UsageError(`${app} is a folder: name the program in it`)
  useStorage(storage)
  useRunSettings(settings)
  // `main(import.meta, …)` runs its body only in the program that was started: now that is the app, by its real path.
  const entry = realpathSync(path)
  process.argv = [process.execPath, entry, ...args]
  exitWhenInterrupted()
  goOnUnheard()
  setExitCodes(exitCodeOfProgram)
  const [{ showProgress }, { importModule }] = await Promise.all([import('./progress.js'), import('../import-module.js')])
  const hide = showProgress()
  process.once('beforeExit', hide)
  process.once('exit', hide)
  if (json) tellAtTheEnd()
  process.once('exit', sayIfStuck)
  try {
    await importModule(pathToFileURL(entry).href)
  } catch (error) {
    if (!isOf(entry, error) && error instanceof SyntaxError) return tellPlace(error)
    if (!isOf(entry, error)) throw error
    console.error(readableError(error))
    process.exitCode = exitCodeOf(error)
  }
}

function sayIfStuck(): void {
  if (process.exitCode === STUCK) complain('the program ended while it awaited something that nothing is left to settle')
}

/** Where a text is no program only Node knows, and tells of what nobody catches; the places in itself say nothing. */
function tellPlace(error: SyntaxError): void {
  error.stack = `${error.name}: ${error.message}`
  setImmediate(() => {
    throw error
  })
}

/** Whether an error was thrown by code of the program, whose author wants to know where: not by us or another package, which may lie below it. */
function isOf(entry: string, error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const frames = (error.stack ?? '').split('\n').filter((line) => line.trimStart().startsWith('at '))
  return frames.some((line) => {
    const [, below] = line.split(dirname(entry))
    return below !== undefined && !/[\\/]node_modules[\\/]/.test(below) && !OURS.some((folder) => line.includes(folder))
  })
}

/** Where our own code lies; examples that come with it are programs. */
const OURS = ['lib', 'runtime', 'src', 'backends'].map((folder) => fileURLToPath(new URL(`../../${folder}/`, import.meta.url)))

/** At the very end, after whatever the program prints. */
function tellAtTheEnd(): void {
  const startMs = performance.now()
  process.once('exit', () => {
    const { tasks, nearShare, bytesMoved } = programStats()
    const seconds = Number(((performance.now() - startMs) / 1000).toFixed(3))
    try {
      writeSync(process.stdout.fd, `${JSON.stringify({ tasks, nearShare: Number(nearShare.toFixed(4)), bytesMoved, seconds })}\n`)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error // nobody reads it
    }
  })
}
