/**
 * The laws of the tree as functions from sources to violations, so that each can be shown to fail on a bad tree (tidy.test.ts).
 * They look at text, not at types: quick, and good enough for laws about words and imports.
 */

/** Project-relative path (forward slashes) → text. */
export type Sources = ReadonlyMap<string, string>
/** `path:line what is wrong, and what to do instead`. */
export type Violations = readonly string[]
export type Law = (sources: Sources) => Violations

const code = (sources: Sources): readonly (readonly [string, string])[] => [...sources].filter(([path]) => /\.m?ts$/.test(path))
const top = (path: string): string => path.split('/', 1)[0] ?? ''

/** Text without comments, line breaks kept. Strings stay: a URL's `//` is preceded by a colon. */
export const withoutComments = (text: string): string =>
  text.replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ' ')).replace(/(^|[^:'"`\\])\/\/.*$/gm, '$1')

const lineOf = (text: string, index: number): number => text.slice(0, index).split('\n').length

interface Import {
  readonly from: string
  /** As written. */
  readonly specifier: string
  /** Project-relative path of the source, for a relative specifier. */
  readonly target: string | undefined
  readonly line: number
}

const IMPORT = /(?:\bfrom\s*|\bimport\s*\(?\s*|new URL\(\s*)(['"])([^'"\n]+)\1/g

/** Static and dynamic imports, and files named by `new URL(…, import.meta.url)`. */
export function importsOf(path: string, text: string): readonly Import[] {
  const bare = withoutComments(text)
  return [...bare.matchAll(IMPORT)].map((match) => {
    const specifier = match[2] ?? ''
    return { from: path, specifier, target: resolve(path, specifier), line: lineOf(bare, match.index) }
  })
}

function resolve(from: string, specifier: string): string | undefined {
  if (!specifier.startsWith('.')) return undefined
  const parts = from.split('/').slice(0, -1)
  for (const part of specifier.split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '.') parts.push(part)
  }
  return parts.join('/').replace(/\.js$/, '.ts')
}

const allImports = (sources: Sources): readonly Import[] => code(sources).flatMap(([path, text]) => importsOf(path, text))

/** Which top folders a folder may reach by path. `examples` use the package by its name, as its users do. */
const MAY_REACH: Readonly<Record<string, readonly string[]>> = {
  src: ['src'],
  backends: ['backends', 'src'],
  runtime: ['runtime', 'src'],
  examples: ['examples'],
}

export const importDirection: Law = (sources) =>
  allImports(sources)
    .filter(({ from, target }) => target?.includes('/') && MAY_REACH[top(from)]?.includes(top(target)) === false)
    .map(({ from, target, line }) => `${from}:${line} imports ${target}: imports point inward, examples → runtime → src ← backends`)

const FROM = /^(?:import|export)\s+(?!type\b)([^'"]*?)\s*\bfrom\s*['"](\.[^'"\n]+)['"]|^import\s*['"](\.[^'"\n]+)['"]/gm
const TYPES_ALONE = /^\{(?:\s*type\s[^,}]+,?)+\s*\}$/

/** Files that must have run before this one does. Types alone are gone by then, and what is imported at run time comes later. */
const neededBy = (path: string, text: string): readonly string[] =>
  [...withoutComments(text).matchAll(FROM)].flatMap(([, names = '', specifier, bare]) =>
    TYPES_ALONE.test(names) ? [] : (resolve(path, specifier ?? bare ?? '') ?? []),
  )

/** In a circle it depends on who is imported first whether a file finds what it needs. */
export const noImportCircles: Law = (sources) => {
  const found: string[] = []
  const met = new Map<string, 'open' | 'done'>()
  const follow = (path: string): void => {
    met.set(path, 'open')
    for (const target of neededBy(path, sources.get(path) ?? '')) {
      if (met.get(target) === 'open')
        found.push(`${path} imports ${target}, which leads back to it: part what both need, or import the type alone`)
      else if (sources.has(target) && !met.has(target)) follow(target)
    }
    met.set(path, 'done')
  }
  for (const [path] of code(sources)) if (MAY_REACH[top(path)] && !met.has(path)) follow(path)
  return found
}

/** What the core may use from outside: values in, bytes out, ids and the configuration file; nothing that talks to a store. */
const CORE_PACKAGES = ['msgpackr', 'uuid', 'class-transformer', 'lilconfig']

export const coreNamesNoClient: Law = (sources) =>
  allImports(sources)
    .filter(({ from, specifier, target }) => top(from) === 'src' && target === undefined && !specifier.startsWith('node:'))
    .filter(({ specifier }) => !CORE_PACKAGES.includes(packageOf(specifier)))
    .map(({ from, specifier, line }) => `${from}:${line} imports ${specifier}: src/ names no backend and no client library; hand it in`)

const packageOf = (specifier: string): string => specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')

const IMPURE =
  /\b(?:Date|performance|process|setTimeout|setInterval|setImmediate|queueMicrotask|Promise|async|await)\b|\bMath\.random\b|['"]node:/g

export const schedulerIsPure: Law = (sources) =>
  code(sources)
    .filter(([path]) => path.startsWith('runtime/scheduler/'))
    .flatMap(([path, text]) =>
      hits(path, text, IMPURE, 'the scheduler is pure: time comes as `now`, chance from its state, effects leave as commands'),
    )

function hits(path: string, text: string, pattern: RegExp, instead: string): Violations {
  const bare = withoutComments(text)
  return [...bare.matchAll(pattern)].map((match) => `${path}:${lineOf(bare, match.index)} ${match[0].trim()}: ${instead}`)
}

interface Ban {
  readonly pattern: RegExp
  readonly instead: string
  /** Where it is allowed, and why it must be. */
  readonly except?: RegExp
}

const BANS: readonly Ban[] = [
  { pattern: /\.getAsync\s*\(/g, instead: "lmdb's getAsync costs more than the read and sees another snapshot; use get" },
  { pattern: /\bnoSync\b|\bnoMetaSync\b/g, instead: 'no unsafe mode of a store; wait less (committed) or more (durable) instead' },
  {
    pattern: /\.(?:child)?[tT]ransaction\s*\(\s*async\b/g,
    instead: 'an async transaction holds the write lock over awaits; collect, then transactionSync or one batch',
  },
  {
    pattern: /\bprocess\.env\b/g,
    instead: 'read the environment in a configuration file (*config.ts) and pass the value',
    // besides configuration: where a crash is to be injected, and which store is the default
    except: /(?:^|[/-])config\.ts$|^(?:test|bench)\/|^src\/fail-point\.ts$|^runtime\/connect\.ts$/,
  },
  // mocha takes a reporter module's default export
  { pattern: /\bexport default\b|\bas default\b/g, instead: 'named exports only', except: /^test\/tools\/reporter\.ts$/ },
  { pattern: /\b(?:describe|it|context|suite|test)\.only\s*\(/g, instead: 'run one test with `npm test -- --grep …`' },
  {
    pattern: /\b(?:describe|it|context|suite|test|this)\.skip\s*\(|\bx(?:describe|it)\s*\(/g,
    instead: 'notRun(this, why) says why',
    except: /^test\/tools\/not-run\.ts$/,
  },
  { pattern: /@ts-(?:ignore|nocheck)/g, instead: 'mend the type; a refusal under test is @ts-expect-error in test/types' },
]

/** Comments count for the last ban only, so that one is looked for in the whole text. */
export const bans: Law = (sources) =>
  code(sources)
    .filter(([path]) => !path.startsWith('test/tools/tidy'))
    .flatMap(([path, text]) =>
      BANS.filter(({ except }) => !except?.test(path)).flatMap(({ pattern, instead }) =>
        pattern.source.startsWith('@')
          ? [...text.matchAll(pattern)].map((match) => `${path}:${lineOf(text, match.index)} ${match[0]}: ${instead}`)
          : hits(path, text, pattern, instead),
      ),
    )

const SILENCED = /\bas any\b|\bas unknown as\b/g

/** Places that silence the type checker. test/types is about types and may. */
export const silencedTypes: Law = (sources) =>
  code(sources)
    .filter(([path]) => !path.startsWith('test/types/') && !path.startsWith('test/tools/tidy'))
    .flatMap(([path, text]) => hits(path, text, SILENCED, 'mend the type, or prove it with a guard'))

export const LONG_LINES = 400

/** A large file says at its top why it is one. */
export const longFiles: Law = (sources) =>
  code(sources)
    .filter(([, text]) => text.split('\n').length > LONG_LINES && !/\b(?:long|large|one file)\b/i.test(openingComment(text)))
    .map(([path, text]) => `${path} has ${text.split('\n').length} lines: cut it, or say at its top why it is a long file`)

const openingComment = (text: string): string =>
  /^(?:#!.*\n)?(?:import .*\n|\s*\n)*\s*(\/\*[\s\S]*?\*\/|(?:\/\/.*\n)+)/.exec(text)?.[1] ?? ''

/** Paths that only one machine has: those of people, and `root`, where the project lies on the one that looks. */
export const noPathsOfOneMachine = (root: string): Law => {
  const people = /(?<![\w.])\/(?:root|Users)\/\w|\/home\/(?!user\b)\w+|file:\/\/\/(?!…)\w+\/\w+/.source
  const here = root.replaceAll('\\', '/').replace(/\/$/, '')
  // A folder right below the root of all may be called anything that a text speaks of.
  const ours = here.split('/').length > 2 ? `|${here.replaceAll(/[^\w/]/g, '\\$&')}(?![\\w-])` : ''
  const paths = new RegExp(people + ours, 'g')
  return (sources) =>
    [...sources]
      .filter(([path]) => !path.startsWith('test/tools/tidy'))
      .flatMap(([path, text]) =>
        [...text.matchAll(paths)].map((match) => `${path}:${lineOf(text, match.index)} ${match[0]}: no path of one machine`),
      )
}

/** Files that nothing imports and nobody starts. `entries`: paths or patterns of what is started from outside. */
export const deadFiles =
  (entries: readonly (string | RegExp)[]): Law =>
  (sources) => {
    const isEntry = (path: string): boolean => entries.some((entry) => (typeof entry === 'string' ? entry === path : entry.test(path)))
    const paths = code(sources).map(([path]) => path)
    const live = new Set(paths.filter(isEntry))
    for (const path of live) for (const next of reached(path, sources)) live.add(next)
    return paths.filter((path) => !live.has(path)).map((path) => `${path} is imported by nothing: remove it, or use it`)
  }

/** Besides imports, any relative `….js` in a string counts: workers and child processes are started by such names. */
function reached(path: string, sources: Sources): readonly string[] {
  const text = withoutComments(sources.get(path) ?? '')
  const named = [...text.matchAll(/['"`](\.\.?\/[^'"`\n]+\.[jt]s)['"`]/g)].map((match) => resolve(path, match[1] ?? ''))
  return named.filter((target) => target !== undefined && sources.has(target)) as string[]
}

/** Codes of Node and its libraries that the sources may mention; ours begin with ERR_ as well. */
const FOREIGN_CODES =
  /^ERR_(?:MODULE_NOT_FOUND|REQUIRE_|UNSUPPORTED_|UNKNOWN_FILE_EXTENSION|WORKER_|INVALID_|PACKAGE_|IPC_|STREAM_|MOCHA|ASSERTION)/

/** Every code in the sources stands in docs/errors.md. */
export const errorsListed: Law = (sources) => {
  const page = sources.get('docs/errors.md') ?? ''
  return code(sources)
    .filter(([path]) => ['src', 'backends', 'runtime'].includes(top(path)))
    .flatMap(([path, text]) =>
      [...withoutComments(text).matchAll(/['"](ERR_[A-Z0-9_]+)['"]/g)].map((match) => [path, match[1] ?? ''] as const),
    )
    .filter(([, name]) => !FOREIGN_CODES.test(name) && !page.includes(`\`${name}\``))
    .map(([path, name]) => `${path} uses ${name}: codes are API, list it in docs/errors.md`)
}
