#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { backupCommand } from './backup.js'
import { commonOptions } from './cli-config.js'
import { demoCommand } from './demo.js'
import { doctorCommand } from './doctor.js'
import { exitCodeOf } from './exit-codes.js'
import { fsckCommand } from './fsck.js'
import { gcCommand } from './gc.js'
import { getCommand } from './get.js'
import { graphCommand } from './graph.js'
import { lsCommand } from './ls.js'
import { complain, watchOutput } from './output.js'
import { rmCommand } from './rm.js'
import { runCommand } from './run.js'
import { showCommand } from './show.js'

const HELP = `
Environment: INSITU_STORAGE the store, INSITU_RUNTIME=off runs tasks in place and in order, INSITU_WORKERS how many threads run tasks
(with hosts: on each), INSITU_HOSTS, INSITU_PLACEMENT, INSITU_ISOLATION, INSITU_RUN as the options of run,
INSITU_STATE where runs are recorded (default .insitu), NO_COLOR.

Exit codes: 0 ok, 1 a task failed or nothing was found, 2 wrong usage, 3 the store cannot be used, 130 interrupted.

Examples:
  $ insitu demo                        see it work: three programs share a dataset
  $ insitu run app.ts                  run a program of yours
  $ insitu ls                          what is stored in .insitu
  $ insitu show experiment1            one object: fields, sizes, where it is
  $ insitu ls --json | jq .alias       data as lines of JSON
`

const version = (): string => {
  const manifest = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as { readonly version: string }
  return manifest.version
}

function program(): Command {
  const commands = [
    runCommand,
    demoCommand,
    lsCommand,
    showCommand,
    getCommand,
    rmCommand,
    graphCommand,
    gcCommand,
    backupCommand,
    fsckCommand,
    doctorCommand,
  ].map((make) => make())
  const insitu = commonOptions(new Command('insitu'))
    .description('Persistent objects for TypeScript, and tasks that run where the data lives.')
    .version(version())
    .enablePositionalOptions()
    .showHelpAfterError('(insitu --help shows what there is)')
    .addHelpText('after', HELP)
    .exitOverride()
  for (const command of commands)
    insitu.addCommand(command.exitOverride().showHelpAfterError(`(insitu ${command.name()} --help shows how)`))
  return insitu
}

watchOutput()

try {
  await program().parseAsync()
} catch (error) {
  process.exitCode = exitCodeOf(error)
  // commander has spoken already
  const spoken = error instanceof Error && 'exitCode' in error
  if (!spoken) complain(error instanceof Error ? error.message : String(error))
}
