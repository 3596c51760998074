import { existsSync, realpathSync } from 'node:fs'
import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Command } from 'commander'
import { type CommonOptions, commonOptions, useStorage } from './cli-config.js'
import { EXIT, UsageError } from './exit-codes.js'
import { complain } from './output.js'
import { STRIPS_TYPES } from './type-stripping.js'

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
  if (/\.[cm]?ts$/.test(path)) await loadTypeScript(path)
  // `main(import.meta, …)` runs its body only in the program that was started: now that is the app, by its real path.
  const entry = realpathSync(path)
  process.argv = [process.execPath, entry, ...args]
  onInterrupt()
  const { showProgress } = await import('./progress.js')
  const hide = showProgress()
  process.once('beforeExit', hide)
  process.once('exit', hide)
  await import(pathToFileURL(entry).href)
}

/** tsx runs any TypeScript, decorators included; Node's own type stripping (from 22.18) runs the rest when tsx is not there. */
async function loadTypeScript(app: string): Promise<void> {
  try {
    const { register } = (await import(tsxFor(app))) as typeof import('tsx/esm/api')
    register()
  } catch (cause) {
    if (STRIPS_TYPES) return
    throw new UsageError('this Node cannot run TypeScript by itself: `npm i -D tsx`, or compile the program and run the .js', { cause })
  }
}

/** The app's own tsx, else the one beside insitu. */
function tsxFor(app: string): string {
  try {
    return pathToFileURL(createRequire(app).resolve('tsx/esm/api')).href
  } catch {
    return 'tsx/esm/api'
  }
}

function onInterrupt(): void {
  process.once('SIGINT', () => {
    complain('interrupted')
    process.exit(EXIT.interrupted)
  })
}
