/** The text of modules, as a run that is gone on with compares it: what another text has made is not what this one would make. */
import { createHash, type Hash } from 'node:crypto'
import { readFileSync } from 'node:fs'

export class ModuleTexts {
  readonly #prints = new Map<string, string>()

  /** Of a module and of those that it imports by a relative path. A module whose text cannot be read counts for none. */
  printOf(url: string): string {
    let print = this.#prints.get(url)
    if (print === undefined) {
      const hash = createHash('sha1')
      addText(new URL(url), hash, new Set())
      this.#prints.set(url, (print = hash.digest('base64')))
    }
    return print
  }
}

function addText(url: URL, hash: Hash, met: Set<string>): void {
  if (met.has(url.href)) return
  met.add(url.href)
  const text = textOf(url)
  if (text === undefined) return
  hash.update(text)
  for (const [, path] of text.matchAll(IMPORTED)) addText(new URL(path!, url), hash, met)
}

/** Found in the text, since nobody can ask which modules a module has imported. What only looks like it counts too, and does no harm. */
const IMPORTED = /\b(?:from|import|require)\s*\(?\s*['"](\.\.?\/[^'"]+)['"]/g

/** TypeScript's authors write the name that the compiled file has, and others none of its end. */
const WRITTEN_AS: readonly (readonly [RegExp, string])[] = [
  [/$/, ''],
  [/\.([cm]?)js$/, '.$1ts'],
  [/$/, '.js'],
  [/$/, '.ts'],
]

function textOf(url: URL): string | undefined {
  for (const [end, instead] of WRITTEN_AS) {
    const file = new URL(url)
    file.search = ''
    file.pathname = file.pathname.replace(end, instead)
    try {
      return readFileSync(file, 'utf8')
    } catch {
      // not this one
    }
  }
  return undefined
}
