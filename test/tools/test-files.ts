import { existsSync, readdirSync, statSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The project's root: this file runs from dist/test/tools. */
export const root = fileURLToPath(new URL('../../../', import.meta.url))

/** Quick and basic ones first, so that a broken foundation is seen before its consequences. Folders not named here come last. */
const ORDER = ['tools', 'unit', 'types', 'scenarios', 'simulation', 'fuzz', 'package', 'conformance', 'integration', 'crash']

/**
 * The compiled tests of the sources that exist, in running order. Taken from the sources: a compiled file whose source is gone
 * must not run. `areLong`: those that take minutes instead, whose names end in `.long.test.ts`.
 */
export function compiledTests(folder = 'test', areLong = false): readonly string[] {
  const sources = filesBelow(join(root, folder)).filter((file) => file.endsWith('.test.ts') && file.endsWith('.long.test.ts') === areLong)
  return sources
    .map((file) => relative(root, file))
    .sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1))
    .map((file) => join(root, 'dist', file.replace(/\.ts$/, '.js')))
    .filter((file) => existsSync(file))
}

const rank = (file: string): number => {
  const at = ORDER.indexOf(file.split(sep)[1] ?? '')
  return at < 0 ? ORDER.length : at
}

/** Every file below a folder. */
export function filesBelow(folder: string): readonly string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .sort()
    .flatMap((name) => {
      const path = join(folder, name)
      return statSync(path).isDirectory() ? filesBelow(path) : [path]
    })
}

/** What one test may take unless it says otherwise. Against hanging only: a machine that does much else is ten times as slow, or stands still. */
export const TEST_MS_MAX = 60_000
