/**
 * `node other-user.js FOLDER`, as root: what a user who is neither root nor the store's owner is told by those who open it, as a line of
 * JSON. They are loaded before, since a checkout may lie where only root can read.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fsck } from '../../backends/nvram/fsck/fsck.js'
import { createBackend } from '../../backends/nvram/index.js'
import { withStore } from '../../runtime/cli/open-store.js'

const NOBODY = 65534

const waysTo = (url: string): Record<string, () => Promise<unknown>> => ({
  program: () => createBackend(url).open(),
  command: () => withStore({ storage: url }, async () => {}),
  fsck: () => fsck(url),
})

const own = mkdtempSync(join(tmpdir(), 'insitu-own-'))
for (const open of Object.values(waysTo(`nvram:${own}`))) await open()
rmSync(own, { recursive: true })
const ways = waysTo(`nvram:${process.argv[2]}`)
process.setuid!(NOBODY)

const told: Record<string, unknown> = {}
for (const [way, open] of Object.entries(ways)) {
  const error = await open().catch((reason: unknown) => reason)
  told[way] = error instanceof Error ? `${(error as { code?: string }).code} ${error.message}` : 'opened'
}
process.stdout.write(`${JSON.stringify(told)}\n`)
