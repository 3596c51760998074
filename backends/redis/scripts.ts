import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'

/** Beside the sources: the compiler copies no .lua files. */
const FOLDER = new URL('../../../backends/redis/lua/', import.meta.url)

/** What stands in front of each, behind the guard. */
const SCRIPTS = {
  commit: ['text', 'object', 'group-items', 'group-objects', 'group-aliases', 'group-rows'],
  save: [],
  read: [],
  find: ['object'],
  sizes: ['object'],
  define: [],
  drop: [],
  rows: [],
  page: [],
  pieces: [],
  probe: [],
  aggregate: ['text'],
  stream: ['object'],
} as const

export type ScriptName = keyof typeof SCRIPTS

export interface Script {
  readonly name: ScriptName
  readonly text: string
  readonly sha: string
}

const read = (name: string): string => readFileSync(new URL(`${name}.lua`, FOLDER), 'utf8')

function script(name: ScriptName): Script {
  const text = ['guard', ...SCRIPTS[name], name].map(read).join('\n')
  return { name, text, sha: createHash('sha1').update(text).digest('hex') }
}

/** All scripts, each with what it needs in front. */
export const loadScripts = (): Readonly<Record<ScriptName, Script>> =>
  Object.fromEntries((Object.keys(SCRIPTS) as ScriptName[]).map((name) => [name, script(name)])) as Record<ScriptName, Script>
