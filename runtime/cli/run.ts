import { existsSync, realpathSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Command } from 'commander'
import { type CommonOptions, commonOptions, useStorage } from './cli-config.js'
import { EXIT, UsageError } from './exit-codes.js'
import { complain } from './output.js'

const EXAMPLES = `
Everything after the program's name goes to the program.

Examples:
  $ insitu run app.ts
  $ insitu run --storage nvram:./data consumer.ts experiment1 result1`

export const runCommand = (): Command =>
  commonOptions(new Command('run'))
    .description('run a program (.ts or .js) with its tasks on worker threads')
    .argument('<app>', 'the program')
    .argument('[args...]', 'its arguments')
    .passThroughOptions()
    .addHelpText('after', EXAMPLES)
    .action(async (app: string, args: readonly string[], _: unknown, command: Command) => run(app, args, command.optsWithGlobals()))

async function run(app: string, args: readonly string[], { storage }: CommonOptions): Promise<void> {
  const path = resolve(app)
  if (!existsSync(path)) throw new UsageError(`there is no file ${app}`)
  useStorage(storage)
  // `main(import.meta, …)` runs its body only in the program that was started: now that is the app, by its real path.
  const entry = realpathSync(path)
  process.argv = [process.execPath, entry, ...args]
  onInterrupt()
  const [{ showProgress }, { importModule }] = await Promise.all([import('./progress.js'), import('../import-module.js')])
  const hide = showProgress()
  process.once('beforeExit', hide)
  process.once('exit', hide)
  await importModule(pathToFileURL(entry).href)
}

function onInterrupt(): void {
  process.once('SIGINT', () => {
    complain('interrupted')
    process.exit(EXIT.interrupted)
  })
}
