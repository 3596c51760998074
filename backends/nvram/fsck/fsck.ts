import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants, existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CorruptError, UnavailableError } from '../../../src/errors.js'
import { orRefusal } from '../access.js'
import { configOf } from '../nvram-config.js'
import { type Finding, isDamage, type OnFinding } from './finding.js'
import { PageFile } from './page-file.js'
import { type Salvaged, salvage } from './salvage.js'
import { Survey } from './survey.js'

export interface FsckOptions {
  /** Where to put what can be saved: a new folder. */
  readonly salvageTo?: string
  readonly onFinding?: OnFinding
}

export interface FsckReport {
  readonly damaged: number
  /** Things that lead nowhere; no damage. */
  readonly dangling: number
  /** Sound records by database. */
  readonly records: Salvaged
  readonly pages: number
  /** What the new store holds. */
  readonly salvaged?: Salvaged
}

function requireReadable(folder: string, path: string): void {
  try {
    accessSync(path, constants.R_OK)
  } catch (error) {
    const refusal = orRefusal(folder, error)
    if (refusal !== error) throw refusal
  }
}

/**
 * Checks the store of a `nvram:` url and changes nothing in it: every page that is in use, every record, indexes, and what leads
 * nowhere. Nobody may write meanwhile. Errors: CorruptError when it is no LMDB file at all, UnavailableError.
 */
export async function fsck(url: string, { salvageTo, onFinding = () => {} }: FsckOptions = {}): Promise<FsckReport> {
  const config = configOf(url)
  const { folder } = config
  const path = join(folder, 'data.mdb')
  requireReadable(folder, path)
  if (!existsSync(path)) throw new UnavailableError(`There is no store in ${folder}.`, { code: 'ERR_NO_STORE', folder })
  if (!statSync(path).isFile()) throw new CorruptError(`${path} is no LMDB file.`, { where: path })
  let damaged = 0
  let dangling = 0
  const told: OnFinding = (finding) => {
    if (isDamage(finding)) damaged++
    else dangling++
    onFinding(finding)
  }
  const file = new PageFile(path, (page, of, how) => told({ kind: 'page', what: `Page ${page} (${of})`, how }))
  try {
    const before = file.commits
    const survey = new Survey(file, told)
    survey.readAll()
    survey.compare()
    if (file.commits !== before)
      throw new UnavailableError(
        `The store in ${folder} was written while it was checked: end the programs that use it, and check again.`,
        {
          folder,
        },
      )
    const broken = await readByLmdb(folder)
    if (broken) told(broken)
    const { counts: records } = survey
    const salvaged = salvageTo === undefined ? undefined : await salvage(survey, config, salvageTo)
    return { damaged, dangling, records, pages: file.pages, ...(salvaged && { salvaged }) }
  } finally {
    file.close()
  }
}

const PROBE = fileURLToPath(new URL('./probe.js', import.meta.url))
/** A damaged tree may lead in a circle. */
const PROBE_MS_MAX = 10 * 60_000

/** Whether a program that uses the store would live to tell of it. */
async function readByLmdb(folder: string): Promise<Finding | undefined> {
  const child = spawn(process.execPath, [PROBE, folder], { stdio: ['ignore', 'ignore', 'pipe'] })
  const limit = setTimeout(() => child.kill('SIGKILL'), PROBE_MS_MAX)
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-4000)))
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
  clearTimeout(limit)
  if (code === 0) return undefined
  const why = /(?:Error|error): .*/.exec(said)?.[0] ?? 'without a word'
  return {
    kind: 'reader',
    what: `The store in ${folder}`,
    how: signal ? `who reads it is ended by ${signal}` : `who reads it fails: ${why}`,
  }
}
