import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'

/** Beside the sources: the compiler copies no .lua files. */
const FOLDER = new URL('../../../backends/redis/lua/', import.meta.url)

const GROUP = ['text', 'object', 'group-items', 'group-objects', 'group-aliases', 'group-rows', 'group-plan'] as const

/** What stands in front of each, behind the guard. */
const SCRIPTS = {
  commit: ['gate-write', ...GROUP],
  save: ['gate-write'],
  bar: [],
  stage: [],
  flip: ['staged', ...GROUP],
  read: ['gate-read'],
  find: ['gate-read', 'object'],
  sizes: ['gate-read', 'object'],
  define: ['gate-write'],
  drop: ['gate-write'],
  part: ['gate-write'],
  rows: ['gate-read'],
  page: ['gate-read'],
  pieces: ['gate-read'],
  probe: [],
  aggregate: ['gate-read', 'text'],
  stream: ['gate-write', 'object'],
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
