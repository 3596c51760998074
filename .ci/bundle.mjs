/**
 * Puts the modules that every program loads into one file each (dist/lib), and leaves in each module's place one that hands on what
 * that file exports. Loading a module costs Node about a third of a millisecond, in the program and again in each worker, and there
 * are some two hundred. Since the modules stay where they were, whoever imports one gets the same objects as the rest.
 *
 * `INSITU_MODULES=1 npm run build` leaves the modules as they are.
 */
import { chmodSync, copyFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build, transform } from 'esbuild'

const dist = fileURLToPath(new URL('../dist', import.meta.url))
const at = (name) => resolve(dist, name)
const posix = (path) => path.split(sep).join('/')
const nameOf = (path) => posix(relative(dist, path))

/** What each file is made of: all that these modules import statically, without what an earlier file holds. */
const FILES = [
  {
    name: 'core',
    entries: ['runtime/index.js', 'runtime/runtime-api.js', 'backends/memory/index.js'],
    importsOf: ['runtime/engines/worker-main.js', 'runtime/engines/process-main.js', 'runtime/hosts/agent-main.js'],
  },
  { name: 'nvram', entries: ['backends/nvram/index.js'], importsOf: [] },
  { name: 'redis', entries: ['backends/redis/index.js'], importsOf: [] },
]
/** Programs of their own: they do something when they are loaded, so nothing may stand in for them. */
const PROGRAMS = ['runtime/engines/worker-main.js', 'runtime/engines/process-main.js', 'runtime/hosts/agent-main.js']

const BASE = { bundle: true, format: 'esm', platform: 'node', target: 'node20', logLevel: 'warning' }

/** Small packages of many modules, of which we need a few functions: they are put in as well. Their licences go along. */
const TAKEN_IN = ['msgpackr/pack', 'uuid']

/** Of each module that is in one of our files: which, and under which name. */
const places = new Map()
/** The names that each such module exports. */
const names = new Map()

const handOn = (path, lib) => {
  const { file, key } = places.get(path)
  const lines = names.get(path).map((name) => `export const ${name} = ${key}.${name}`)
  return [`import { ${key} } from '${lib(file)}'`, ...lines, ''].join('\n')
}

/** Comments are a fifth of the text, and a single character beyond ASCII doubles what the engine has to read: 32 ms a thread instead of 22. */
const uncommented = async (path) => {
  const options = { minifyWhitespace: true, sourcemap: 'inline', sourcefile: path, sourcesContent: false }
  return (await transform(readFileSync(path, 'utf8'), options)).code
}

/** Modules of earlier files are not put into this one as well, and each module goes on to say where it stands. */
const plugin = (into) => ({
  name: 'places',
  setup(plugins) {
    plugins.onResolve({ filter: /^[^./]/ }, ({ path, kind }) => {
      if (kind !== 'entry-point' && !path.startsWith('lib:') && !TAKEN_IN.includes(path)) return { path, external: true }
    })
    plugins.onResolve({ filter: /^\.\.?\// }, ({ path, resolveDir, kind }) => {
      const target = resolve(resolveDir, path)
      if (kind !== 'entry-point' && places.get(target)?.isWritten) return { path: nameOf(target), namespace: 'elsewhere' }
    })
    plugins.onLoad({ filter: /.*/, namespace: 'elsewhere' }, ({ path }) => ({
      contents: handOn(at(path), (file) => `lib:${file}`),
    }))
    plugins.onResolve({ filter: /^lib:/ }, ({ path }) => {
      const to = posix(relative(dirname(into), at(`lib/${path.slice('lib:'.length)}.js`)))
      return { path: to.startsWith('.') ? to : `./${to}`, external: true }
    })
    plugins.onLoad({ filter: /\.js$/, namespace: 'file' }, async ({ path }) => {
      const from = posix(relative(dirname(into), path))
      const contents = (await uncommented(path)).replaceAll(/import\.meta\.url/g, `new URL(${JSON.stringify(from)}, import.meta.url).href`)
      return { contents }
    })
  },
})

const isImport = ({ kind, external }) => kind === 'import-statement' && !external

/** The modules that are loaded with these, each before those that import it last, as Node would come upon them. */
async function closure({ entries, importsOf }) {
  const { metafile } = await build({
    ...BASE,
    entryPoints: [...entries, ...importsOf].map(at),
    outdir: at('lib'),
    outbase: dist,
    packages: 'external',
    splitting: true,
    write: false,
    metafile: true,
    absWorkingDir: dist,
  })
  const found = new Set()
  const visit = (name) => {
    if (found.has(name)) return
    found.add(name)
    for (const one of metafile.inputs[name].imports.filter(isImport)) visit(one.path)
  }
  for (const entry of entries) visit(entry)
  for (const entry of importsOf) for (const one of metafile.inputs[entry].imports.filter(isImport)) visit(one.path)
  return [...found].map(at).filter((path) => !places.has(path))
}

async function makeFile(file) {
  const modules = await closure(file)
  const outfile = at(`lib/${file.name}.js`)
  for (const [i, path] of modules.entries()) places.set(path, { file: file.name, key: `m${i}`, isWritten: false })
  const contents = modules.map((path, i) => `export * as m${i} from './${nameOf(path)}'`).join('\n')
  await build({
    ...BASE,
    stdin: { contents, resolveDir: dist },
    outfile,
    sourcemap: true,
    sourcesContent: false,
    plugins: [plugin(outfile)],
  })
  const made = await import(pathToFileURL(outfile).href)
  for (const path of modules) {
    names.set(path, Object.keys(made[places.get(path).key]))
    places.get(path).isWritten = true
  }
  return modules
}

async function makeProgram(name) {
  const outfile = at(name)
  await build({ ...BASE, entryPoints: [outfile], outfile, allowOverwrite: true, plugins: [plugin(outfile)] })
}

if (!process.env.INSITU_MODULES) {
  const modules = []
  for (const file of FILES) modules.push(...(await makeFile(file)))
  for (const name of PROGRAMS) await makeProgram(name)
  for (const name of TAKEN_IN) keepLicence(name.split('/')[0])
  for (const path of modules)
    writeFileSync(
      path,
      handOn(path, (file) => posix(relative(dirname(path), at(`lib/${file}.js`))).replace(/^(?!\.)/, './')),
    )
}

/** What is put in keeps its licence. */
function keepLicence(name) {
  const from = fileURLToPath(new URL(`../node_modules/${name}/`, import.meta.url))
  const licence = readdirSync(from).find((file) => /^licen[cs]e/i.test(file))
  copyFileSync(join(from, licence), at(`lib/${name}.LICENSE`))
}

// npm does this when it first links the command, not after a build that made the file anew.
chmodSync(at('runtime/cli/insitu.js'), 0o755)
