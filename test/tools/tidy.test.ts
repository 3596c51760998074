import { readFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { expect } from 'chai'
import { filesBelow, root } from './test-files.js'
import {
  bans,
  coreNamesNoClient,
  deadFiles,
  errorsListed,
  importDirection,
  type Law,
  LONG_LINES,
  longFiles,
  noImportCircles,
  noPathsOfOneMachine,
  type Sources,
  schedulerIsPure,
  silencedTypes,
} from './tidy-laws.js'

/** Places that silence the type checker. Lower it when one goes; never raise it. */
const SILENCED_MAX = 28

const FOLDERS = ['src', 'backends', 'runtime', 'test', 'examples', 'bench', 'docs', '.ci']
const FILES = ['README.md', 'package.json', 'tsconfig.json', 'biome.json']

const entryOf = (compiled: string): string => compiled.replace(/^(?:\.\/)?dist\//, '').replace(/(?:\.d\.ts|\.js)$/, '.ts')

interface LockFile {
  readonly packages: Readonly<Record<string, { readonly optionalDependencies?: Readonly<Record<string, string>> }>>
}

interface PackageJson {
  readonly exports: Readonly<Record<string, string | { readonly default: string }>>
  readonly bin: Readonly<Record<string, string>>
  readonly scripts: Readonly<Record<string, string>>
}

/**
 * What is started from outside: the package's exports, its bin and scripts, tests, the programs of examples and benchmarks, a suite's
 * own command (test/…/run.ts), and assertions that only the compiler runs.
 */
function entries(): readonly (string | RegExp)[] {
  const { exports, bin, scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as PackageJson
  const exported = Object.values(exports).map((to) => entryOf(typeof to === 'string' ? to : to.default))
  const started = Object.values(scripts).flatMap((script) => [...script.matchAll(/dist\/\S+\.js/g)].map(([path]) => entryOf(path)))
  return [
    ...exported,
    ...Object.values(bin).map(entryOf),
    ...started,
    /\.test\.ts$/,
    /^test\/types\//,
    /-types\.ts$/,
    /^test\/[^/]+\/run\.ts$/,
    /^bench\/[^/]+\.ts$/,
    /^test\/.*\/programs\//,
    /^examples\//,
  ]
}

function projectSources(): Sources {
  const paths = [...FOLDERS.flatMap((folder) => filesBelow(join(root, folder))), ...FILES.map((file) => join(root, file))]
  return new Map(paths.map((path) => [relative(root, path).split(sep).join('/'), readFileSync(path, 'utf8')]))
}

interface Case {
  readonly says: string
  readonly law: Law
  /** Each must be caught: a law that cannot fail is none. */
  readonly bad: Readonly<Record<string, string>>
}

const from = (specifier: string): string => `import { x } from '${specifier}'\n`

const laws: readonly Case[] = [
  {
    says: 'imports point inward: examples → runtime → src ← backends',
    law: importDirection,
    bad: {
      'src/a.ts': from('../runtime/b.js'),
      'src/deep/c.ts': "const x = await import('../../backends/memory/index.js')\n",
      'backends/memory/d.ts': from('../../runtime/index.js'),
      'runtime/e.ts': from('../backends/nvram/index.js'),
      'examples/f.ts': from('../runtime/index.js'),
      'src/g.ts': "new Worker(new URL('../runtime/engines/worker-main.js', import.meta.url))\n",
      'runtime/h.ts': "import '../backends/nvram/index.js'\n",
      'backends/i.ts': "export { x } from '../examples/bank/bank.js'\n",
    },
  },
  {
    says: 'src names no client library and no backend',
    law: coreNamesNoClient,
    bad: {
      'src/a.ts': from('lmdb'),
      'src/b.ts': from('ioredis'),
      'src/c.ts': from('insitu/backends/nvram'),
      'src/d.ts': from('@hpcc-js/wasm-graphviz'),
      'src/e.ts': from('msgpackr-extract'),
    },
  },
  {
    says: 'the scheduler is pure: no clock, chance, timer, async or Node module',
    law: schedulerIsPure,
    bad: {
      'runtime/scheduler/a.ts': 'const now = Date.now()\n',
      'runtime/scheduler/b.ts': 'const r = Math.random()\n',
      'runtime/scheduler/c.ts': 'setTimeout(f, 1)\n',
      'runtime/scheduler/d.ts': 'export async function f() {}\n',
      'runtime/scheduler/e.ts': from('node:fs'),
      'runtime/scheduler/f.ts': 'import { x } from "node:crypto"\n',
      'runtime/scheduler/g.ts': 'const now = performance.now()\n',
      'runtime/scheduler/h.ts': 'const id = process.pid\n',
      'runtime/scheduler/i.ts': 'setInterval(f, 1)\n',
      'runtime/scheduler/j.ts': 'setImmediate(f)\n',
      'runtime/scheduler/k.ts': 'queueMicrotask(f)\n',
      'runtime/scheduler/l.ts': 'const later = Promise.resolve()\n',
      'runtime/scheduler/m.ts': 'for await (const x of all) f(x)\n',
    },
  },
  {
    says: 'banned calls are not used',
    law: bans,
    bad: {
      'backends/nvram/a.ts': 'db.getAsync(key)\n',
      'backends/nvram/b.ts': 'open({ noSync: true })\n',
      'backends/nvram/c.ts': 'db.transaction(async () => {})\n',
      'runtime/d.ts': "const on = process.env['X']\n",
      'src/e.ts': 'export default 1\n',
      'test/f.ts': "it.only('x', f)\n",
      'test/g.ts': "describe.skip('x', f)\n",
      'test/h.ts': 'this.skip()\n',
      'src/i.ts': '// @ts-ignore\n',
      'backends/nvram/j.ts': 'open({ noMetaSync: true })\n',
      'backends/nvram/k.ts': 'db.childTransaction(async () => {})\n',
      'backends/nvram/l.ts': 'db\n  .getAsync (key)\n',
      'runtime/config/m.ts': 'const on = process.env.X\n',
      'src/n.ts': 'export { x as default }\n',
      'test/o.ts': "context.only('x', f)\n",
      'test/p.ts': "xit('x', f)\n",
      'test/q.ts': "xdescribe('x', f)\n",
      'src/r.ts': '// @ts-nocheck\n',
    },
  },
  {
    says: `files of more than ${LONG_LINES} lines say at their top why`,
    law: longFiles,
    bad: { 'src/a.ts': `// an ordinary comment\n${'x\n'.repeat(LONG_LINES)}` },
  },
  {
    says: 'no path of one machine stands in the project',
    law: noPathsOfOneMachine(root),
    bad: { 'docs/a.md': `see ${join(root, 'src')}\n`, 'README.md': 'cd /home/jane/insitu\n' },
  },
  {
    says: 'every error code stands in docs/errors.md',
    law: errorsListed,
    bad: {
      'src/a.ts': "code: 'ERR_NEVER_HEARD_OF'\n",
      'runtime/b.ts': 'code: "ERR_NEVER_HEARD_OF"\n',
      'backends/memory/c.ts': "code: 'ERR_NEVER_HEARD_OF'\n",
    },
  },
]

describe('tidy', () => {
  const sources = projectSources()

  for (const { says, law, bad } of laws) {
    it(says, () => expect(law(sources)).to.deep.equal([]))
    for (const [path, text] of Object.entries(bad)) {
      it(`${says} (catches ${path})`, () => expect(law(new Map([[path, text]]))).to.have.lengthOf(1))
    }
  }

  it('no file needs one that needs it', () => expect(noImportCircles(sources)).to.deep.equal([]))

  it('no file needs one that needs it (catches one; types alone are no need)', () => {
    const tree = (third: string): Sources =>
      new Map([
        ['src/a.ts', "import { b } from './b.js'\n"],
        ['src/b.ts', "import {\n  type A,\n  c,\n} from './c.js'\n"],
        ['src/c.ts', third],
      ])
    expect(noImportCircles(tree("export * from './a.js'\n"))).to.have.lengthOf(1)
    expect(noImportCircles(tree("import './a.js'\n"))).to.have.lengthOf(1)
    expect(noImportCircles(tree("import { type A, type B } from './a.js'\nimport type { C } from './b.js'\n"))).to.deep.equal([])
    expect(noImportCircles(tree("const a = () => import('./a.js')\n"))).to.deep.equal([])
  })

  it('no file is dead', () => expect(deadFiles(entries())(sources)).to.deep.equal([]))

  it('no file is dead (catches one)', () => {
    const tree = new Map([
      ['src/index.ts', "import './used.js'\n"],
      ['src/used.ts', "new Worker(new URL('./boot.js', import.meta.url))\n"],
      ['src/boot.ts', ''],
      ['src/dead.ts', "// import './dead-too.js'\n"],
    ])
    expect(deadFiles(['src/index.ts'])(tree)).to.have.lengthOf(1)
  })

  it(`at most ${SILENCED_MAX} places silence the type checker`, () => {
    expect(silencedTypes(new Map([['src/a.ts', 'x as any\ny as unknown as Z\n']]))).to.have.lengthOf(2)
    const found = silencedTypes(sources)
    expect(found.length, found.join('\n')).to.be.at.most(SILENCED_MAX)
  })

  // `npm ci` refuses a lock file that lacks one, and an install from a registry without other platforms' binaries drops them.
  it('the lock file has every optional dependency, of all platforms', () => {
    const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as LockFile
    const lacking = Object.entries(packages).flatMap(([where, { optionalDependencies = {} }]) =>
      Object.keys(optionalDependencies).filter((name) => !packages[`node_modules/${name}`] && !packages[`${where}/node_modules/${name}`]),
    )
    expect(lacking).to.deep.equal([])
    expect(JSON.stringify(packages), 'addresses of a registry').not.to.match(/"resolved":"http/)
  })
})
