import { Command } from 'commander'
import { isInsituError, NotFoundError } from '../../src/errors.js'
import { chunksIn } from '../../src/large-cells.js'
import type { Store } from '../../src/store.js'
import { dropBelongings, removeWithNames } from '../../src/unit/belongings.js'
import { type CommonOptions, commonOptions, optionsOf } from './cli-config.js'
import { EXIT } from './exit-codes.js'
import { complain, goOnUnheard, put } from './output.js'

export const rmCommand = (): Command =>
  commonOptions(new Command('rm'))
    .description('delete objects with their names and collections; what they refer to stays')
    .argument('<alias|id...>')
    .addHelpText('after', '\nExamples:\n  $ insitu rm result1\n  $ insitu ls --class Result --json | jq -r .id | xargs insitu rm')
    .action(async (what: readonly string[], _: unknown, command: Command) => rmAll(what, optionsOf(command)))

/** Goes on after what is not there, and says so by the exit code. */
async function rmAll(all: readonly string[], options: CommonOptions): Promise<void> {
  goOnUnheard()
  const { withStore } = await import('./open-store.js')
  await withStore(options, async (_, store) => {
    for (const what of all) {
      try {
        const id = await remove(store, what)
        put(options.json, { removed: what, id }, ['removed', what, id])
      } catch (error) {
        if (!(error instanceof NotFoundError)) throw error
        complain(isInsituError(error) ? error.message : String(error))
        process.exitCode = EXIT.failed
      }
    }
    await store.backend.flush('committed')
  })
}

/** Chunks of large fields and collections go when nobody can reach them any more. */
async function remove(store: Store, what: string): Promise<string> {
  const { backend } = store
  const { storedObject } = await import('./open-store.js')
  const stored = await storedObject(backend, what)
  const [listed] = await backend.read([stored.ref])
  const chunks = listed ? chunksIn(listed.cells) : []
  await removeWithNames(store, stored.ref)
  for (const ref of chunks) await store.commit([{ do: 'remove', ref, expect: 'present' }])
  await dropBelongings(backend, stored)
  return stored.ref.id
}
