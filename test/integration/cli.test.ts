/** The commands, each as a process. One file, since most of them look at one store, which takes two programs to make. */
import { spawnSync } from 'node:child_process'
import { existsSync, statfsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect } from 'chai'
import { connect, StorageObject } from '../../runtime/index.js'
import { openBackend } from '../../runtime/open-backend.js'
import { notRun } from '../tools/not-run.js'
import { root } from '../tools/test-files.js'
import { assertOk, type Ended, insitu, node, type ProcessOptions, wordcount } from './processes.js'

/** What statfs says of tmpfs on Linux. */
const TMPFS = 0x01021994

class Note extends StorageObject {
  text = ''
}

const NO_STORE = 'a program makes it when it first stores something; --storage names another'

const jsonLines = ({ stdout }: Ended): Record<string, unknown>[] =>
  stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>)

/** What a command says, but for what is another each time. */
const shape = ({ stdout }: Ended): string =>
  stdout.replace(/"(?:seconds|ms)":[\d.]+|[\d.]+ [kMG]?B free|copy-\d|note-\d|[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}/g, '')

async function tablesIn(url: string): Promise<number> {
  const backend = await openBackend(url)
  let tables = 0
  for await (const page of backend.upkeep!.tables()) tables += page.length
  await backend.close()
  return tables
}

describe('command line', function () {
  this.timeout(60_000)
  let folder: string
  let on: ProcessOptions

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'insitu-cli-'))
    on = { storage: `nvram:${join(folder, 'store')}`, stateFolder: folder }
    await mkdir(join(folder, 'texts'))
    await writeFile(join(folder, 'texts/a.txt'), 'to be or not to be')
    await writeFile(join(folder, 'texts/b.txt'), 'be quick')
    assertOk(await wordcount('producer', [join(folder, 'texts'), 'data'], on))
    assertOk(await wordcount('consumer', ['data', 'result'], on))
  })
  after(() => rm(folder, { recursive: true, force: true }))

  it('--help names every command, on stdout, with exit code 0', async () => {
    const { code, stdout } = await insitu(['--help'])
    expect(code).to.equal(0)
    for (const name of ['run', 'demo', 'ls', 'show', 'get', 'rm', 'graph', 'gc', 'backup', 'fsck', 'doctor'])
      expect(stdout).to.match(new RegExp(`^  ${name}\\b`, 'm'))
    for (const name of ['run', 'ls', 'graph']) expect((await insitu([name, '--help'])).stdout).to.include('Examples:')
  })

  it('wrong usage ends with code 2', async () => {
    for (const args of [
      [],
      ['nonsense'],
      ['ls', '--nonsense'],
      ['show'],
      ['get', 'data', '--rows', 'x'],
      ['run', 'no-such-file.ts'],
      ['run', '.'],
      ['graph', '--format', 'png'],
      ['graph', '--run', 'no-id'],
    ])
      expect([args, (await insitu(args, on)).code]).to.deep.equal([args, 2])
  })

  it('hosts that the store cannot have end a run with code 2, and say what to do', async () => {
    const app = join(folder, 'hosts.mjs')
    const entry = pathToFileURL(join(root, 'dist/runtime/index.js')).href
    await writeFile(
      app,
      `import { hosts, main } from '${entry}'
       main(import.meta, async () => console.log((await hosts()).length))`,
    )
    const run = (...args: string[]): Promise<Ended> => insitu(['run', ...args, app], { stateFolder: folder })
    const data = `nvram:${join(folder, 'three-hosts')}`
    expect(assertOk(await run('--hosts', '3', '--storage', data)).stdout).to.equal('3\n')
    for (const [args, code, fix] of [
      [['--hosts', '3', '--storage', 'memory:'], 'ERR_HOSTS_STORE', 'without --hosts'],
      [['--hosts', '2', '--storage', data], 'ERR_HOSTS_DIFFER', 'run with --hosts 3'],
      [['--hosts', '2', '--storage', on.storage!], 'ERR_HOSTS_DIFFER', 'run without --hosts'],
    ] as const) {
      const { code: exit, stdout, stderr } = await run(...args)
      expect([code, exit, stdout]).to.deep.equal([code, 2, ''])
      expect(stderr).to.include(fix)
    }
  })

  it('ls lists aliases with class and id, and filters', async () => {
    const all = jsonLines(assertOk(await insitu(['ls', '--json'], on)))
    expect(all.map(({ alias }) => alias).sort()).to.deep.equal(['data', 'result'])
    expect(jsonLines(await insitu(['ls', '--class', 'Result', '--json'], on)).map(({ alias }) => alias)).to.deep.equal(['result'])
    expect(jsonLines(await insitu(['ls', '--prefix', 'da', '--json'], on)).map(({ alias }) => alias)).to.deep.equal(['data'])
    expect(jsonLines(await insitu(['ls', '--all', '--class', 'Block', '--json'], on))).to.have.lengthOf(2)
    const plain = assertOk(await insitu(['ls'], on))
    expect(plain.stdout.split('\n')[0]?.split('\t')).to.have.lengthOf(3)
  })

  it('ls --all leaves out what insitu makes for itself, unless its class is asked for', async () => {
    const own = { ...on, storage: `nvram:${join(folder, 'versions')}` }
    const store = await connect(own.storage)
    await store.run(async () => {
      const note = await new Note().makePersistent('note')
      await note.newVersion()
    })
    await store.close()
    const classes = async (...args: string[]): Promise<unknown[]> =>
      jsonLines(assertOk(await insitu(['ls', '--json', ...args], own))).map((line) => String(line['class']).split('#')[1])
    expect(await classes('--all')).to.deep.equal(['Note', 'Note'])
    expect(await classes('--all', '--class', 'insitu#origin')).to.deep.equal(['origin'])
  })

  it('--storage stands before or after the command, and wins over the environment', async () => {
    const elsewhere = { ...on, storage: `nvram:${join(folder, 'elsewhere')}` }
    for (const args of [
      ['ls', '--json', '--storage', on.storage ?? ''],
      ['--storage', on.storage ?? '', 'ls', '--json'],
    ])
      expect(jsonLines(assertOk(await insitu(args, elsewhere)))).to.have.lengthOf(2)
    expect(jsonLines(assertOk(await insitu(['ls', '--json'], elsewhere)))).to.have.lengthOf(0)
  })

  it('--storage and --json stand before or after every command', async () => {
    const nowhere = { ...on, storage: `nvram:${join(folder, 'nowhere')}` }
    const app = join(folder, 'tells.mjs')
    await writeFile(app, 'console.log(process.env.INSITU_STORAGE)\n')
    const store = await connect(on.storage!)
    await store.run(() => Promise.all(['note-1', 'note-2'].map((alias) => new Note().makePersistent(alias))))
    await store.close()
    const options = ['--storage', on.storage!, '--json']
    const ends: Ended[] = []
    for (const [[name, ...args], other] of [
      [['ls', '--prefix', 'data']],
      [['show', 'data']],
      [['get', 'result', '--rows', '1']],
      [['graph']],
      [['doctor']],
      [['gc', '--dry-run']],
      [['fsck']],
      [['run', app]],
      [['rm', 'note-1'], ['note-2']],
      [['backup', join(folder, 'copy-1')], [join(folder, 'copy-2')]],
    ] as const) {
      const before = assertOk(await insitu([...options, name, ...args], nowhere))
      const after = assertOk(await insitu([name, ...options, ...(other ?? args)], nowhere))
      expect([name, shape(before)]).to.deep.equal([name, shape(after)])
      ends.push(before)
    }
    expect(ends.map(({ stdout }) => stdout.trimEnd().split('\n').at(-1)!.slice(0, 2))).to.deep.equal(ends.map(() => '{"'))
    const demo = await insitu(['--storage', 'memory:', 'demo', '--folder', folder], { cwd: folder })
    expect(demo.code).to.equal(2)
    expect(demo.stderr).to.match(/^insitu: memory: is one program's own/)
  })

  it('a store that is not there is not made by looking for it', async () => {
    const missing = join(folder, 'no', 'such')
    const nowhere = { ...on, storage: `nvram:${missing}` }
    const listed = assertOk(await insitu(['ls', '--json'], nowhere))
    expect(listed.stdout).to.equal('')
    expect(listed.stderr).to.include(missing)
    for (const args of [['show', 'data'], ['get', 'data'], ['rm', 'data'], ['gc'], ['backup', join(folder, 'copy')], ['fsck']]) {
      const { code, stderr } = await insitu(args, nowhere)
      expect({ args, code }).to.deep.equal({ args, code: 3 })
      expect(stderr)
        .to.include(missing)
        .and.to.match(/there is no store/i)
    }
    expect((await insitu(['gc', '--referred-by', nowhere.storage], on)).code).to.equal(3)
    expect(existsSync(join(folder, 'no'))).to.equal(false)
  })

  it('show gives fields with sizes, names, stamp and places, by alias and by id', async () => {
    const [shown = {}] = jsonLines(assertOk(await insitu(['show', 'data', '--json'], on)))
    expect(shown).to.deep.include({ aliases: ['data'], revision: 1 })
    expect(shown['locations']).to.have.lengthOf(1)
    expect((shown['fields'] as { name: string }[]).map(({ name }) => name)).to.have.members(['title', 'blocks'])
    const [byId] = jsonLines(assertOk(await insitu(['show', String(shown['id']), '--json'], on)))
    expect(byId).to.deep.equal(shown)
    expect(assertOk(await insitu(['show', 'data'], on)).stdout).to.include('blocks')
  })

  it("get prints an object's fields without its class, and a dict's rows", async () => {
    const [data] = jsonLines(assertOk(await insitu(['get', 'data', '--json'], on)))
    expect(data?.['blocks']).to.have.lengthOf(2)
    const [{ counts } = {}] = jsonLines(assertOk(await insitu(['get', 'result', '--rows', '100', '--json'], on)))
    const rows = (counts as { rows: { word: string; n: number }[] }).rows
    expect(rows.find(({ word }) => word === 'be')).to.deep.equal({ word: 'be', n: 3 })
    expect(rows).to.have.lengthOf(5)
    const [{ counts: few } = {}] = jsonLines(assertOk(await insitu(['get', 'result', '--rows', '2', '--json'], on)))
    expect((few as { rows: unknown[] }).rows).to.have.lengthOf(2)
  })

  it('rm removes objects with their names and collections, goes on after a missing one, and says so', async () => {
    const before = await tablesIn(on.storage!)
    assertOk(await wordcount('consumer', ['data', 'gone'], on))
    expect(await tablesIn(on.storage!)).to.equal(before + 1)
    const ended = await insitu(['rm', 'nowhere', 'gone', '--json'], on)
    expect(ended.code).to.equal(1)
    expect(ended.stderr).to.include('nowhere')
    expect(jsonLines(ended).map(({ removed }) => removed)).to.deep.equal(['gone'])
    expect(await tablesIn(on.storage!)).to.equal(before)
    expect(jsonLines(assertOk(await insitu(['ls', '--json'], on))).map(({ alias }) => alias)).to.not.include('gone')
    expect((await insitu(['show', 'gone'], on)).code).to.equal(1)
    expect((await insitu(['show', 'result'], on)).code).to.equal(0)
  })

  it('run passes arguments on, starts main, and gives the exit code of the program', async () => {
    const program = join(folder, 'app.mjs')
    await writeFile(program, 'console.log(process.argv.slice(2).join(" ")); process.exitCode = 7\n')
    const { code, stdout, stderr } = await insitu(['run', program, '--json', 'x'], on)
    expect({ code, stdout, stderr }).to.deep.equal({ code: 7, stdout: '--json x\n', stderr: '' })
  })

  it('run of a program that throws ends with code 1', async () => {
    const program = join(folder, 'bad.mjs')
    await writeFile(program, 'throw new Error("from the program")\n')
    const { code, stderr } = await insitu(['run', program], on)
    expect(code).to.equal(1)
    expect(stderr).to.include('from the program')
  })

  it('run shows where a program threw outside of main, and says why one ended that still waits', async () => {
    const [throws, waits] = [join(folder, 'throws.mjs'), join(folder, 'waits.mjs')]
    await writeFile(throws, "\n\nthrow new Error('at the top')\n")
    await writeFile(waits, 'await new Promise(() => {})\n')
    const thrown = await insitu(['run', throws], on)
    expect([thrown.code, thrown.stdout]).to.deep.equal([1, ''])
    expect(thrown.stderr).to.contain('at the top').and.contain('throws.mjs:3')
    const stuck = await insitu(['run', waits], on)
    expect(stuck.code).to.equal(13)
    expect(stuck.stderr).to.contain('awaited')
  })

  it('run says where the text of a program is none, and fails one whose main waits for what never comes', async () => {
    const [text, imports, waits] = ['text.mjs', 'imports.mjs', 'main-waits.mjs'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ]
    await writeFile(text, '\nconst x = = 5\n')
    await writeFile(imports, "\n\nimport './text.mjs'\n")
    await writeFile(
      waits,
      `import { main } from '${pathToFileURL(join(root, 'dist/runtime/index.js')).href}'\nmain(import.meta, () => new Promise(() => {}))\n`,
    )
    for (const path of [text, imports]) {
      const { code, stdout, stderr } = await insitu(['run', path], on)
      expect([code, stdout]).to.deep.equal([1, ''])
      expect(stderr).to.contain('text.mjs:2').and.contain('x = = 5').and.contain('SyntaxError')
    }
    const stuck = await insitu(['run', waits], on)
    expect([stuck.code, stuck.stdout]).to.deep.equal([13, ''])
    expect(stuck.stderr.trim().split('\n')).to.have.lengthOf(1)
    expect(stuck.stderr).to.contain('awaited')
  })

  it('graph draws the last run, as SVG, as DOT, or gives the record', async () => {
    assertOk(await wordcount('consumer', ['data', 'result'], on))
    expect(assertOk(await insitu(['graph'], on)).stdout).to.match(/<svg[\s\S]*wordCount[\s\S]*<\/svg>/)
    const dot = assertOk(await insitu(['graph', '--format', 'dot'], on)).stdout
    expect(dot.match(/ -> /g)).to.have.length.greaterThan(2)
    const [record] = jsonLines(assertOk(await insitu(['graph', '--json'], on)))
    expect(record?.['stats']).to.deep.include({ tasks: 4, done: 4, failed: 0 })
    const out = join(folder, 'graph.svg')
    assertOk(await insitu(['graph', '--run', String(record?.['run']), '--out', out], on))
    expect(await readFile(out, 'utf8')).to.include('<svg')
    const none = await insitu(['graph', '--run', '01995f0e-7c1b-7d3a-9a54-0f2f6d1f4b11'], on)
    expect(none.code).to.equal(1)
    expect((await insitu(['graph', '--run', '../../../etc/passwd'], on)).code).to.equal(2)
    expect((await insitu(['graph', '--out', join(folder, 'no-such-folder/x.svg')], on)).code).to.equal(2)
  })

  it('a store that cannot be used ends with code 3', async () => {
    await writeFile(join(folder, 'a-file'), 'not a store')
    for (const storage of [`nvram:${join(folder, 'a-file')}`, 'redis://localhost:1']) {
      const { code, stderr } = await insitu(['ls', '--storage', storage], on)
      expect([storage, code]).to.deep.equal([storage, 3])
      expect(stderr)
        .to.match(/^insitu: /)
        .and.not.match(/^\s+at /m)
    }
  })

  it('doctor finds a healthy machine well, and makes nothing', async () => {
    const url = `nvram:${join(folder, 'not-there')}`
    const findings = jsonLines(assertOk(await insitu(['doctor', '--json', '--storage', url], on)))
    expect(findings.find(({ what }) => what === 'node')).to.include({ health: 'ok' })
    expect(findings.find(({ what }) => what === 'store')).to.include({ health: 'ok' })
    expect(await readFile(join(folder, 'not-there')).catch((error: NodeJS.ErrnoException) => error.code)).to.equal('ENOENT')
    expect((await insitu(['doctor', '--storage', `nvram:${join(folder, 'a-file')}`], on)).code).to.equal(3)
  })

  it('doctor says of a store in memory that it does not outlive the machine', async function () {
    if (!existsSync('/dev/shm') || statfsSync('/dev/shm').type !== TMPFS) notRun(this, 'no file system in memory at /dev/shm')
    const findings = jsonLines(assertOk(await insitu(['doctor', '--json', '--storage', 'nvram:/dev/shm/insitu-none'], on)))
    expect(findings.find(({ what }) => what === 'disk space')).to.include({ health: 'optional' })
    expect(String(findings.find(({ what }) => what === 'disk space')?.['found'])).to.include('/dev/shm lies in memory')
  })

  it('demo runs the three programs and reports', async () => {
    const out = join(folder, 'demo.svg')
    const ended = assertOk(await insitu(['demo', '--folder', join(folder, 'texts'), '--out', out, '--json'], { cwd: folder }))
    const [report] = jsonLines(ended)
    expect(report).to.deep.include({ words: { be: 3, to: 2, or: 1, not: 1, quick: 1 }, done: 4, failed: 0, bytesMoved: 0, graph: out })
    expect(await readFile(out, 'utf8')).to.include('<svg')
  })

  it('demo prints the ten most frequent words, the most frequent first, and tells tasks, bytes, seconds and where the drawing is', async () => {
    const [many, out] = [join(folder, 'many'), join(folder, 'many.svg')]
    const words = Array.from({ length: 12 }, (_, i) => `w${i + 1}`)
    await mkdir(many)
    await writeFile(join(many, 'a.txt'), words.map((word, i) => `${word} `.repeat(i + 1)).join(''))
    const { stdout, stderr } = assertOk(await insitu(['demo', '--folder', many, '--out', out], { cwd: folder }))
    const printed = stdout.split('\n').map((line) => line.trim().split(/\s+/))
    const most = words.map((word, i) => [String(i + 1), word]).reverse()
    expect(printed).to.deep.equal([...most.slice(0, 10), ['']])
    for (const said of [/^2 tasks done/m, /^0 B of data travelled/m, /^\d+\.\d s; the task graph is in \S+many\.svg$/m])
      expect(stderr).to.match(said)
  })

  it('demo where there are no texts says so with code 2, and leaves nothing in the way of the next', async () => {
    const store = `nvram:${join(folder, 'demo-store')}`
    const [empty, missing] = [join(folder, 'empty'), join(folder, 'missing')]
    await mkdir(empty)
    for (const [at, args] of [
      [empty, ['--folder', empty]],
      [missing, ['--folder', missing]],
      ['--folder', []],
    ] as const) {
      const { code, stdout, stderr } = await insitu(['demo', ...args, '--storage', store], { cwd: folder })
      expect([args, code, stdout]).to.deep.equal([args, 2, ''])
      expect(stderr.trimEnd().split('\n').at(-1))
        .to.match(/^insitu: there (?:is|are) no /)
        .and.contain(at)
    }
    expect(jsonLines(assertOk(await insitu(['ls', '--json', '--storage', store], on))).map(({ alias }) => alias)).to.not.include(
      'demo-texts',
    )
  })

  it('a store in memory, which no other program sees, is not taken for an empty one', async () => {
    for (const args of [['show', 'x'], ['get', 'x'], ['rm', 'x'], ['gc']]) {
      const { code, stderr } = await insitu([...args, '--storage', 'memory:'], on)
      expect([args, code]).to.deep.equal([args, 3])
      expect(stderr).to.match(/^insitu: what memory: holds lies in the program that opened it.*--storage/)
    }
    expect(await insitu(['ls', '--storage', 'memory:'], on)).to.deep.include({ code: 0, stdout: '' })
    const demo = await insitu(['demo', '--folder', join(folder, 'texts'), '--storage', 'memory:'], { cwd: folder })
    expect([demo.code, demo.stdout]).to.deep.equal([2, ''])
    expect(demo.stderr).to.match(/^insitu: memory: is one program's own.*--storage nvram:FOLDER/)
    const [store] = jsonLines(await insitu(['doctor', '--json', '--storage', 'memory:'], on)).filter(({ what }) => what === 'store')
    expect(store).to.include({ health: 'ok' })
  })

  it('graph tells records that it cannot read from none', async () => {
    const ended = await insitu(['graph'], { ...on, stateFolder: join(folder, 'texts/a.txt') })
    expect([ended.code, ended.stdout]).to.deep.equal([3, ''])
    expect(ended.stderr).to.match(/^insitu: \S+a\.txt\S+ cannot be read \(ENOTDIR\)/)
  })

  it('output that cannot be written is told in a line, with code 1', function () {
    if (!existsSync('/dev/full')) notRun(this, 'no device that is always full')
    const command = `"${process.execPath}" "${join(root, 'dist/runtime/cli/insitu.js')}" ls > /dev/full`
    const { status, stderr } = spawnSync('sh', ['-c', command], { encoding: 'utf8', env: { ...process.env, INSITU_STORAGE: on.storage } })
    expect([status, stderr]).to.deep.equal([1, 'insitu: the output cannot be written: ENOSPC: no space left on device, write\n'])
  })

  it('what is not written to a terminal has no colours, also where CI is set, unless they are asked for', async () => {
    const failing = (env: Record<string, string>) => insitu(['show', 'nobody'], { ...on, env: { NO_COLOR: '', ...env } })
    const doctor = (env: Record<string, string>) => insitu(['doctor'], { ...on, env: { NO_COLOR: '', ...env } })
    const plain = { CI: 'true', FORCE_COLOR: '0' }
    expect((await failing(plain)).stderr).to.match(/^insitu: /)
    expect((await doctor(plain)).stdout)
      .to.match(/^ok /)
      .and.not.include('\x1b')
    const asked = { FORCE_COLOR: '1' }
    expect((await failing(asked)).stderr).to.include('\x1b[31minsitu:')
    expect((await doctor(asked)).stdout).to.include('\x1b[32mok ')
    expect((await doctor({ ...asked, NO_COLOR: '1' })).stdout).to.match(/^ok /)
  })

  it('a task that is not exported is told by the line that its author wrote', async () => {
    const app = join(folder, 'hidden-task.mts')
    const lines = [
      `import { main, task } from '${pathToFileURL(join(root, 'dist/runtime/index.js')).href}'`,
      'type Far = { near: number }',
      '',
      'const hidden = task((x: number) => x)',
      'main(import.meta, async () => void (await hidden(1)))',
    ]
    await writeFile(app, lines.join('\n'))
    const { code, stderr } = await insitu(['run', app], on)
    expect(code).to.equal(1)
    expect(stderr).to.include(`task (${pathToFileURL(app).href}:4:16) is not exported`)
  })

  it('a TypeScript program in a package of CommonJS is told to be a module', async () => {
    const app = join(folder, 'commonjs', 'app.ts')
    await mkdir(join(folder, 'commonjs/node_modules'), { recursive: true })
    await symlink(root, join(folder, 'commonjs/node_modules/insitu'))
    await writeFile(join(folder, 'commonjs/package.json'), '{ "name": "old" }')
    const text = `import { main, StorageObject } from 'insitu'
class Note extends StorageObject { values = new Float64Array(100_000) }
main(import.meta, async () => void (await new Note().makePersistent('note', { ifExists: 'replace' })))`
    await writeFile(app, text)
    const run = await insitu(['run', app], on)
    // Later ones give CommonJS the module that the program imports; behind a loader of its own it gets another copy there as well.
    const isNode20 = process.versions.node.startsWith('20.')
    expect(run.code, run.stderr).to.equal(isNode20 ? 2 : 0)
    const loaded = await node(['--import', pathToFileURL(join(root, 'node_modules/tsx/dist/loader.mjs')).href, app], on)
    expect(loaded.code).to.equal(1)
    if (isNode20) expect(run.stderr).to.match(/is loaded as CommonJS.*"type": "module".*\.mts/)
    expect(loaded.stderr).to.match(/another copy of insitu.*"type": "module".*\.mts/)
  })

  it('the store of a project stands in its config file, and lies beside that wherever a program is started', async () => {
    const project = join(folder, 'project')
    await mkdir(join(project, 'below'), { recursive: true })
    const at = { cwd: join(project, 'below'), env: { INSITU_STORAGE: '' } }
    const settings = 'default { storage: "nvram:./data" }'
    for (const [name, text] of [
      ['package.json', '{ "name": "project", "type": "module", "insitu": { "storage": "nvram:./data" } }'],
      ['insitu.config.json', '{ "storage": "nvram:data" }'],
      ['insitu.config.mjs', `export ${settings}`],
      ['insitu.config.mts', `export ${settings} as const`],
    ] as const) {
      await writeFile(join(project, name), text)
      const { stderr } = await insitu(['ls'], at)
      expect([name, stderr]).to.deep.equal([name, `nothing to list: there is no store in ${join(project, 'data')}: ${NO_STORE}\n`])
      await rm(join(project, name))
    }
    for (const [text, told] of [
      ['{ "storge": "nvram:./data" }', 'there is no setting "storge", only "storage"'],
      ['{ "storage": 5 }', "storage is a store's url"],
      ['"nvram:./data"', 'holds no settings'],
      ['{ bad', 'cannot be read'],
    ] as const) {
      await writeFile(join(project, 'insitu.config.json'), text)
      const { code, stderr } = await insitu(['ls'], at)
      expect([text, code]).to.deep.equal([text, 2])
      expect(stderr)
        .to.match(/^insitu: .*insitu\.config\.json/s)
        .and.contain(told)
    }
  })
})
