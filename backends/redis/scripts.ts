import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'

/** Beside the sources: the compiler copies no .lua files. */
const FOLDER = new URL('../../../backends/redis/lua/', import.meta.url)

export type ScriptName = 'commit' | 'read' | 'sizes' | 'define' | 'drop' | 'rows' | 'page' | 'pieces' | 'probe' | 'aggregate' | 'stream'

export interface Script {
  readonly name: ScriptName
  readonly text: string
  readonly sha: string
}

const read = (name: string): string => readFileSync(new URL(`${name}.lua`, FOLDER), 'utf8')

const WITH_TEXT: readonly ScriptName[] = ['commit', 'aggregate']

function script(name: ScriptName): Script {
  const text = ['guard', ...(WITH_TEXT.includes(name) ? ['text'] : []), name].map(read).join('\n')
  return { name, text, sha: createHash('sha1').update(text).digest('hex') }
}

const NAMES: readonly ScriptName[] = ['commit', 'read', 'sizes', 'define', 'drop', 'rows', 'page', 'pieces', 'probe', 'aggregate', 'stream']

/** All scripts, each with what it needs in front. */
export function loadScripts(): Readonly<Record<ScriptName, Script>> {
  return Object.fromEntries(NAMES.map((name) => [name, script(name)])) as Record<ScriptName, Script>
}
