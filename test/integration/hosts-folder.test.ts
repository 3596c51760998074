/** The folder of a store over several hosts, of which something is gone, damaged or in the way. */
import { closeSync, existsSync, openSync, renameSync, rmSync, truncateSync, writeFileSync, writeSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { claimHosts } from '../../runtime/hosts/hosts-folder.js'
import { CorruptError, connect, finish, hosts, NotOwnerError, StateLostError, UnavailableError } from '../../runtime/index.js'
import { Cell } from './host-tasks.js'
import { assertOk, insitu } from './processes.js'
import { thrown } from './thrown.js'

describe('the folder of a store over several hosts', function () {
  this.timeout(30_000)
  let root: string
  let folder: string
  const url = (): string => `nvram:${folder}`

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'insitu-hosts-folder-'))
    folder = join(root, 'store')
  })
  afterEach(async () => {
    await finish()
    delete process.env['INSITU_HOSTS']
    await rm(root, { recursive: true, force: true })
  })

  /** A store of two hosts with an object on each, and nobody who has it open. */
  const made = async (): Promise<void> => {
    claimHosts(folder, 2)
    const store = await connect(url())
    for (const host of await hosts()) await new Cell().makePersistent(`on-${host}`, { host })
    await store.close()
  }
  const refusal = async (): Promise<Error> => thrown(() => connect(url()))

  for (const name of ['host-2', 'catalogue'])
    it(`tells of a file that is gone and makes no new one in its place: ${name}`, async () => {
      await made()
      rmSync(join(folder, name), { recursive: true })
      for (const count of [undefined, '2']) {
        if (count !== undefined) process.env['INSITU_HOSTS'] = count
        const error = await refusal()
        expect(error).to.be.instanceOf(StateLostError)
        expect(error.message).to.include(join(folder, name)).and.to.include('backup')
        expect(existsSync(join(folder, name))).to.equal(false)
      }
    })

  it('tells of a file that was emptied, and a command ends with 3', async () => {
    await made()
    truncateSync(join(folder, 'host-1', 'data.mdb'), 0)
    expect(await refusal()).to.have.property('code', 'ERR_STATE_LOST')
    expect(await insitu(['ls', '--storage', url()])).to.include({ code: 3, stdout: '' })
  })

  it('is checked file by file', async () => {
    await made()
    const sound = await insitu(['fsck', '--json', '--storage', url()])
    expect(sound.code, sound.stderr).to.equal(0)
    expect(JSON.parse(sound.stdout).summary).to.include({ damaged: 0 })
    const file = openSync(join(folder, 'host-2', 'data.mdb'), 'r+')
    for (let page = 2; page < 8; page++) writeSync(file, Buffer.alloc(2048, 255), 0, 2048, page * 4096 + 2048)
    closeSync(file)
    const damaged = await insitu(['fsck', '--json', '--storage', url()])
    expect(damaged.code).to.equal(1)
    const found = damaged.stdout.trim().split('\n').slice(0, -1)
    expect(new Set(found.map((line) => JSON.parse(line).file))).to.deep.equal(new Set(['host-2']))
    expect((await insitu(['fsck', '--salvage', join(root, 'rescued'), '--storage', url()])).code).to.equal(3)
  })

  for (const [one, other] of [
    ['host-1', 'host-2'],
    ['host-2', 'catalogue'],
  ] as const)
    it(`tells of folders that somebody has swapped, and opens them once they are back: ${one} and ${other}`, async () => {
      await made()
      swap(one, other)
      for (const count of [undefined, '2']) {
        if (count !== undefined) process.env['INSITU_HOSTS'] = count
        const error = await refusal()
        expect(error).to.be.instanceOf(NotOwnerError)
        expect(error.message).to.include(`${join(folder, one)} holds the file of ${other}`)
      }
      expect(await insitu(['ls', '--storage', url()])).to.include({ code: 3, stdout: '' })
      delete process.env['INSITU_HOSTS']
      swap(one, other)
      await connect(url())
      expect(await Cell.getByAlias('on-host-1')).to.be.instanceOf(Cell)
    })

  function swap(one: string, other: string): void {
    renameSync(join(folder, one), join(folder, 'aside'))
    renameSync(join(folder, other), join(folder, one))
    renameSync(join(folder, 'aside'), join(folder, other))
  }

  it('takes a file that was restored from a backup of its own', async () => {
    await made()
    assertOk(await insitu(['backup', join(root, 'copy'), '--storage', url()]))
    rmSync(join(folder, 'host-2'), { recursive: true })
    renameSync(join(root, 'copy', 'host-2'), join(folder, 'host-2'))
    await connect(url())
    expect(await Cell.getByAlias('on-host-2')).to.be.instanceOf(Cell)
  })

  it('lets a file be made that has never been there', async () => {
    claimHosts(folder, 2)
    await (await connect(url())).close()
    const { files, ...note } = JSON.parse(await readFile(join(folder, 'hosts.json'), 'utf8'))
    expect(note).to.deep.equal({ format: 1, hosts: 2, made: true })
    expect(Object.keys(files)).to.deep.equal(['host-1', 'host-2', 'catalogue'])
  })

  for (const text of [
    '',
    'null',
    '[]',
    '{}',
    '{"format":1}',
    '{"format":1,"hosts":"2"}',
    '{"format":1,"hosts":0}',
    '{"format":1,"hosts":65}',
  ])
    it(`names the note that says nothing of hosts, with what to write: ${text || 'an empty one'}`, async () => {
      await made()
      writeFileSync(join(folder, 'hosts.json'), text)
      const error = await refusal()
      expect(error).to.be.instanceOf(CorruptError)
      expect(error.message).to.include(join(folder, 'hosts.json')).and.to.include('"hosts":N')
    })

  it('is not taken for a new one where the note is gone', async () => {
    await made()
    rmSync(join(folder, 'hosts.json'))
    expect(await refusal()).to.be.instanceOf(CorruptError)
    expect(await thrown(async () => claimHosts(folder, 3))).to.be.instanceOf(CorruptError)
    expect(existsSync(join(folder, 'hosts.json'))).to.equal(false)
    expect(existsSync(join(folder, 'data.mdb'))).to.equal(false)
  })

  it('may be moved', async () => {
    await made()
    renameSync(folder, join(root, 'moved'))
    folder = join(root, 'moved')
    const store = await connect(url())
    expect((await (await Cell.getByAlias('on-host-2')).getLocations())[0]!.host).to.equal('host-2')
    await store.close()
  })

  it('is refused by name where none can be made', async () => {
    writeFileSync(join(root, 'file'), '')
    for (const place of [join(root, 'file'), join(root, 'file', 'below')]) {
      const error = await thrown(async () => claimHosts(place, 2))
      expect(error).to.be.instanceOf(UnavailableError)
      expect(error.message).to.include(place)
    }
  })
})
