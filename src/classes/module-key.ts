import { existsSync, readFileSync } from 'node:fs'
import { basename, dirname, join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * The name of a module that is the same for `words.ts`, `dist/words.js` and another host's checkout:
 * package name + path inside the package, without extension and output folder.
 */
export function moduleKey(url: string): string {
  const cached = keys.get(url)
  if (cached !== undefined) return cached
  const key = url.startsWith('file:') ? keyOfFile(fileURLToPath(url.replace(/[?#].*$/, ''))) : url
  keys.set(url, key)
  return key
}

const keys = new Map<string, string>()
const packages = new Map<string, { readonly root: string; readonly name: string } | undefined>()

function keyOfFile(file: string): string {
  const bare = file.replace(/\.[cm]?[jt]sx?$/, '')
  const pkg = packageOf(dirname(file))
  if (!pkg) return `${basename(dirname(bare))}/${basename(bare)}`
  const inside = relative(pkg.root, bare).split(sep)
  // Compilers write to one of these; with `rootDir: src` the sources' own folder is missing from the output path.
  if (inside.length > 1 && OUTPUT_FOLDERS.has(inside[0]!)) inside.shift()
  else if (inside.length > 1 && inside[0] === 'src' && !existsSync(join(pkg.root, 'dist', 'src'))) inside.shift()
  return `${pkg.name}/${inside.join('/')}`
}

const OUTPUT_FOLDERS = new Set(['dist', 'build', 'out', 'lib', 'esm'])

/** The nearest folder upward whose package.json has a name; output folders often hold one that only says `type`. */
function packageOf(folder: string): { readonly root: string; readonly name: string } | undefined {
  if (packages.has(folder)) return packages.get(folder)
  const found = readName(folder) ?? (dirname(folder) === folder ? undefined : packageOf(dirname(folder)))
  packages.set(folder, found)
  return found
}

function readName(folder: string): { readonly root: string; readonly name: string } | undefined {
  try {
    const { name } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { name?: unknown }
    return typeof name === 'string' ? { root: folder, name } : undefined
  } catch {
    return undefined
  }
}
