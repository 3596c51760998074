import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect } from 'chai'
import { root } from '../tools/test-files.js'
import { assertOk, type Ended, insitu, node } from './processes.js'

const ENTRY = pathToFileURL(join(root, 'dist/runtime/index.js')).href

/** What those write who have not read everything, and what they are told. */
describe('programs of newcomers', function () {
  this.timeout(60_000)
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'insitu-newcomers-'))
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))

  const write = async (sources: Readonly<Record<string, string>>): Promise<void> => {
    for (const [name, text] of Object.entries(sources)) await writeFile(join(folder, name), text.replaceAll('INSITU', ENTRY))
  }
  const run = (name: string): Promise<Ended> =>
    node([join(folder, name)], {
      cwd: folder,
      stateFolder: folder,
      storage: `nvram:${join(folder, 'store')}`,
      env: { INSITU_WORKERS: '2' },
    })

  const NOTES = `
    import { StorageDict, StorageObject, t } from 'INSITU'
    export class Note extends StorageObject {
      text = ''
      lines = new StorageDict({ n: t.i32 }, { line: t.text })
    }`

  it('main() that is not given import.meta and a function says how it is called', async () => {
    await write({
      'app.mjs': `
        import { main } from 'INSITU'
        for (const wrong of [() => main(async () => {}), () => main(import.meta), () => main()])
          try { wrong() } catch (error) { console.log(String(error)) }`,
    })
    const says = 'TypeError: main() takes import.meta and the program, as a function: main(import.meta, async () => { … })\n'
    expect(await run('app.mjs')).to.deep.equal({ code: 0, stdout: says.repeat(3), stderr: '' })
  })

  it('a second main() is refused: the end of the first would close its stores', async () => {
    await write({
      'app.mjs': `
        import { main } from 'INSITU'
        main(import.meta, async () => console.log('one'))
        try { main(import.meta, async () => console.log('two')) } catch (error) { console.log(error.code, error.message) }`,
    })
    const { stdout } = assertOk(await run('app.mjs'))
    expect(stdout).to.equal(
      'one\nERR_MAIN_TWICE main() was called twice in app.mjs: a program has one, and modules bundled into one file have it in common\n',
    )
  })

  it('a call that was not awaited is no second failure once the program has failed', async () => {
    await write({
      'note.mjs': NOTES,
      'app.mjs': `
        import { main } from 'INSITU'
        import { Note } from './note.mjs'
        main(import.meta, async () => {
          const note = new Note()
          note.makePersistent('note')
          await note.save()
        })`,
    })
    const { code, stderr } = await run('app.mjs')
    expect(code).to.equal(1)
    expect(stderr).to.match(
      /^ValidationError: Note is volatile: await makePersistent\(\) before save\(\)\n {4}at async .*app\.mjs:7:11 \{\n/,
    )
    expect(stderr).to.not.include('closed')
  })

  it('but what else it has not awaited is told as well', async () => {
    await write({
      'app.mjs': `
        import { connect, main } from 'INSITU'
        main(import.meta, async () => {
          await connect()
          setImmediate(() => Promise.reject(new RangeError('the other')))
          throw new Error('the first')
        })`,
    })
    const { code, stderr } = await run('app.mjs')
    expect(code).to.equal(1)
    expect(stderr.split('\n').filter((line) => /^\w*Error/.test(line))).to.deep.equal(['Error: the first', 'RangeError: the other'])
  })

  it('rows that a program without main() and finish() has not saved are not lost without a word', async () => {
    await write({
      'note.mjs': NOTES,
      'app.mjs': `
        import { Note } from './note.mjs'
        const note = await new Note().makePersistent('note')
        note.lines.set({ n: 1 }, { line: 'a' })
        note.lines.set({ n: 2 }, { line: 'b' })
        console.log(note.getID())`,
      'saved.mjs': `
        import { Note } from './note.mjs'
        const note = await new Note().makePersistent('saved')
        note.lines.set({ n: 1 }, { line: 'a' })
        await note.save()`,
      'fails.mjs': `
        import { Note } from './note.mjs'
        const note = await new Note().makePersistent('fails')
        note.lines.set({ n: 1 }, { line: 'a' })
        throw new Error('on its own')`,
    })
    const { stdout, stderr } = assertOk(await run('app.mjs'))
    expect(stderr).to.match(
      /^insitu: 2 unsaved rows of \S*#Note \S+ are not in nvram:\S+: await save\(\), or finish\(\) at the end of the program\n$/,
    )
    expect(stderr).to.include(stdout.trim())
    expect(assertOk(await run('saved.mjs')).stderr).to.equal('')
    expect((await run('fails.mjs')).stderr)
      .to.include('on its own')
      .and.to.not.include('unsaved')
  })

  it('a task by other options, and one that has never run, are called by their names in what is told of them', async () => {
    await write({
      'tasks.mjs': `
        import { task } from 'INSITU'
        export const slowly = task(() => new Promise((resolve) => setTimeout(resolve, 30_000)))
        export const behind = task((x) => x)`,
      'app.mjs': `
        import { main, task } from 'INSITU'
        import { behind, slowly } from './tasks.mjs'
        const told = async (future) => future.then(() => 'done', (error) => console.log(error.code, error.message))
        main(import.meta, async () => {
          await told(task.configure(slowly, { timeoutMs: 50 })())
          const first = slowly()
          first.cancel('not needed')
          await told(first)
          const second = slowly()
          const third = behind(second)
          second.cancel()
          await told(second)
          await told(third)
        })`,
    })
    expect(
      assertOk(await run('app.mjs'))
        .stdout.trim()
        .split('\n'),
    ).to.deep.equal([
      'ERR_TASK_TIMEOUT task slowly was stopped: it took longer than its timeoutMs of 50 ms',
      'ERR_TASK_CANCELLED task slowly was cancelled: not needed',
      'ERR_TASK_CANCELLED task slowly was cancelled',
      'ERR_TASK_FAILED task behind was not run: slowly was cancelled',
    ])
  })

  // Test runners (vitest among them) run text of their own under the names of the files; workers have the files.
  const MOVED = `
    import { readFileSync } from 'node:fs'
    import { fileURLToPath } from 'node:url'
    import { runInThisContext } from 'node:vm'
    import * as insitu from 'INSITU'
    /** The exports of a module, evaluated from a text that has moved. */
    export function moved(name) {
      const filename = fileURLToPath(new URL(name, import.meta.url))
      const text = readFileSync(filename, 'utf8').replace(/import .*\\n/, '').replaceAll('export const ', '\\n\\n   exports.')
      const exports = {}
      runInThisContext('(exports, task) => {' + text + '}', { filename })(exports, insitu.task)
      return exports
    }`

  it('tasks are found where the text of their module was moved, as test runners move it', async () => {
    await write({
      'moved.mjs': MOVED,
      'tasks.mjs': `
        import { task } from 'INSITU'
        export const twice = task((x) => 2 * x)
        export const less = task((x, y) => x - y)
        export const thrice = task((x) => 3 * x)`,
      'app.mjs': `
        import { finish } from 'INSITU'
        import { moved } from './moved.mjs'
        const { twice, less, thrice } = moved('./tasks.mjs')
        console.log(await twice(5), await less(5, 1), await thrice(5))
        await finish()`,
    })
    expect(await run('app.mjs')).to.deep.equal({ code: 0, stdout: '10 4 15\n', stderr: '' })
  })

  it('but not where the module has made other ones in workers: no task is taken for another', async () => {
    await write({
      'moved.mjs': MOVED,
      'tasks.mjs': `
        import { task } from 'INSITU'
        export const more = globalThis.isMoved ? undefined : task((x) => x)
        export const twice = task((x) => 2 * x)`,
      'app.mjs': `
        import { finish } from 'INSITU'
        import { moved } from './moved.mjs'
        globalThis.isMoved = true
        const { twice } = moved('./tasks.mjs')
        console.log(await twice(5).catch((error) => error.code))
        await finish()`,
    })
    expect(assertOk(await run('app.mjs')).stdout).to.equal('ERR_TASK_NOT_EXPORTED\n')
  })

  it('a thread that a program starts may call tasks, wait for them, and finish', async () => {
    await write({
      'tasks.mjs': `
        import { task } from 'INSITU'
        export const twice = task((x) => 2 * x)`,
      'thread.mjs': `
        import { parentPort } from 'node:worker_threads'
        import { barrier, finish } from 'INSITU'
        import { twice } from './tasks.mjs'
        import { Note } from './note.mjs'
        const note = await new Note().makePersistent('note')
        const four = twice(2)
        await barrier()
        parentPort.postMessage([await four, note.getID() !== null])
        await finish()`,
      'note.mjs': NOTES,
      'app.mjs': `
        import { once } from 'node:events'
        import { Worker } from 'node:worker_threads'
        const thread = new Worker(new URL('./thread.mjs', import.meta.url))
        const [[message], [code]] = await Promise.all([once(thread, 'message'), once(thread, 'exit')])
        console.log(message, code)`,
    })
    expect(await run('app.mjs')).to.deep.equal({ code: 0, stdout: '[ 4, true ] 0\n', stderr: '' })
  })

  it('insitu run tells a program of another folder what the class of its objects is called', async () => {
    await write({
      'note.mjs': NOTES,
      'app.mjs': `import { main } from 'INSITU'\nimport { Note } from './note.mjs'\nmain(import.meta, async () => void (await new Note().makePersistent('note')))`,
    })
    const at = { cwd: folder, stateFolder: folder, storage: `nvram:${join(folder, 'store')}` }
    assertOk(await insitu(['run', join(folder, 'app.mjs')], at))
    await write({
      'moved-note.mjs': NOTES,
      'reads.mjs': `import { main } from 'INSITU'\nimport { Note } from './moved-note.mjs'\nmain(import.meta, async () => void (await Note.getByAlias('note')))`,
    })
    const { code, stderr } = await insitu(['run', join(folder, 'reads.mjs')], at)
    expect(code).to.equal(1)
    expect(stderr).to.match(
      /UnknownClassError: class (\S+note#Note) is not known to this program: .*; it has \S+moved-note#Note: if that is the same class, say `static typeName = '\1'` in it/,
    )
  })
})
