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

/** Those that a server may keep as a Function: they only look, and are asked for often. */
const FUNCTIONS: ReadonlySet<ScriptName> = new Set(['aggregate'])

export interface Script {
  readonly name: ScriptName
  readonly text: string
  readonly sha: string
  readonly library?: Library
}

/** A library of one Function of the same name. */
export interface Library {
  readonly name: string
  readonly text: string
}

const read = (name: string): string => readFileSync(new URL(`${name}.lua`, FOLDER), 'utf8')

function script(name: ScriptName): Script {
  const text = ['guard', ...SCRIPTS[name], name].map(read).join('\n')
  const sha = createHash('sha1').update(text).digest('hex')
  return { name, text, sha, ...(FUNCTIONS.has(name) && { library: libraryOf(name, text, sha) }) }
}

/** Named by what it does, so that two versions of insitu on one server have one each, and neither replaces the other's. */
function libraryOf(script: ScriptName, text: string, sha: string): Library {
  const name = `insitu_${script}_${sha.slice(0, 16)}`
  const flags = "flags = { 'no-writes' }"
  const register = `redis.register_function{ function_name = '${name}', callback = run, ${flags} }`
  return { name, text: `#!lua name=${name}\nlocal function run(KEYS, ARGV)\n${text}\nend\n${register}` }
}

/** All scripts, each with what it needs in front. */
export const loadScripts = (): Readonly<Record<ScriptName, Script>> =>
  Object.fromEntries((Object.keys(SCRIPTS) as ScriptName[]).map((name) => [name, script(name)])) as Record<ScriptName, Script>
